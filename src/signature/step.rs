//! What is asked of a bundle, and what was found: the rows of the rule that a bundle has.

use crate::error::clean;
use vouch_protocol::CheckOutcome;

/// What is asked, in the order of the rule's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// It is a bundle, and within bounds.
    Bundle,
    /// It says what a publisher says of a release.
    Predicate,
    /// Its certificate, or its key.
    Certificate,
    /// The certificate was issued in public.
    Sct,
    /// The signature stands in a public log.
    Log,
    /// The signature itself.
    Signature,
    /// Who the certificate is for.
    Identity,
    /// When it was signed.
    Time,
    /// What it signs.
    Subject,
}

impl Step {
    pub(crate) const ALL: [Self; 9] = [
        Self::Bundle,
        Self::Predicate,
        Self::Certificate,
        Self::Sct,
        Self::Log,
        Self::Signature,
        Self::Identity,
        Self::Time,
        Self::Subject,
    ];

    /// The rule's row that asks.
    pub(crate) fn row(self) -> u8 {
        match self {
            Self::Bundle => 3,
            Self::Predicate => 4,
            Self::Certificate | Self::Sct | Self::Log | Self::Signature => 5,
            Self::Identity => 6,
            Self::Time => 7,
            Self::Subject => 8,
        }
    }

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Predicate => "predicate",
            Self::Certificate => "certificate",
            Self::Sct => "sct",
            Self::Log => "log",
            Self::Signature => "signature",
            Self::Identity => "identity",
            Self::Time => "time",
            Self::Subject => "subject",
        }
    }

    /// What has to be found.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::Bundle => "a Sigstore bundle, within bounds",
            Self::Predicate => "a signature of the artifact itself, or its provenance",
            Self::Certificate => "a certificate of a trusted root, or a key of the config",
            Self::Sct => "proof that the certificate was issued in public",
            Self::Log => "proof that the signature stands in a public log",
            Self::Signature => "a signature that verifies with the certificate's key",
            Self::Identity => "one identity, and who says so",
            Self::Time => "a signed time, within the certificate's validity",
            Self::Subject => "this artifact, or the manifest that names it alone",
        }
    }
}

/// What was found about one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Where it came from.
    pub(crate) from: String,
    steps: Vec<(Step, CheckOutcome, String)>,
}

impl Report {
    pub(crate) fn new(from: &str) -> Self {
        Self {
            from: from.to_owned(),
            steps: Vec::new(),
        }
    }

    /// Of what was not read, and why.
    pub(crate) fn unread(from: &str, why: &str) -> Self {
        let mut report = Self::new(from);
        report.failed(Step::Bundle, why);
        report
    }

    pub(crate) fn held(&mut self, step: Step, found: impl Into<String>) {
        self.steps.push((step, CheckOutcome::Held, found.into()));
    }

    pub(crate) fn failed(&mut self, step: Step, found: impl Into<String>) {
        let found = clean(&found.into());
        // What held for itself may fail in the end.
        self.steps.retain(|(of, ..)| *of != step);
        self.steps.push((step, CheckOutcome::Failed, found));
    }

    /// What was found about a step, if it was reached.
    pub(crate) fn step(&self, step: Step) -> Option<(CheckOutcome, &str)> {
        let mut steps = self.steps.iter();
        let found = steps.find(|(of, ..)| *of == step)?;
        Some((found.1, &found.2))
    }

    /// The step that failed, and why.
    pub(crate) fn fault(&self) -> Option<(Step, &str)> {
        let mut steps = self.steps.iter();
        let failed = steps.find(|(_, outcome, _)| *outcome == CheckOutcome::Failed)?;
        Some((failed.0, &failed.2))
    }

    /// How far it came.
    pub(crate) fn progress(&self) -> usize {
        self.steps.len()
    }
}
