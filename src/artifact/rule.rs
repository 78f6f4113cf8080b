//! The rows of the signature rule, by their numbers in the specification, and what was found out
//! about one.

use vouch_protocol::{ArtifactKind, CheckOutcome};

/// A row of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    /// It is of a kind that can be judged.
    Artifact = 1,
    /// It is well formed, and within the limits.
    Form,
    /// There is one token.
    Token,
    /// The token has its form.
    Claims,
    /// The token's signature verifies.
    Signature,
    /// The token's keys are of the right kinds.
    Keys,
    /// The token is valid now.
    Dates,
    /// WebAssembly: the content is what was signed.
    Hash,
    /// Archive: the entries are the ones that were signed.
    Entries,
    /// Archive: there is nothing else in it.
    Packing,
    /// The owner's policy accepts the signer.
    Policy,
}

impl Row {
    const ALL: [Self; 11] = [
        Self::Artifact,
        Self::Form,
        Self::Token,
        Self::Claims,
        Self::Signature,
        Self::Keys,
        Self::Dates,
        Self::Hash,
        Self::Entries,
        Self::Packing,
        Self::Policy,
    ];

    /// The rows that concern artifacts of a kind; all, where it is not known.
    pub(crate) fn of(kind: Option<ArtifactKind>) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |row| match row {
            Self::Hash => kind != Some(ArtifactKind::Provider),
            Self::Entries | Self::Packing => kind.is_none_or(|kind| kind == ArtifactKind::Provider),
            _ => true,
        })
    }

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Form => "form",
            Self::Token => "token",
            Self::Claims => "claims",
            Self::Signature => "signature",
            Self::Keys => "keys",
            Self::Dates => "dates",
            Self::Hash => "hash",
            Self::Entries => "entries",
            Self::Packing => "packing",
            Self::Policy => "policy",
        }
    }

    /// What has to be found.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::Artifact => "a WebAssembly module or component, or a provider archive",
            Self::Form => "well formed, and within the limits of the server's owner",
            Self::Token => "exactly one token, at the outermost level",
            Self::Claims => "a JWT with the claims of this kind of artifact",
            Self::Signature => "a signature that verifies with the key of the token's issuer",
            Self::Keys => "an account as issuer (`A…`), and a subject that fits (`M…` or `V…`)",
            Self::Dates => "valid now",
            Self::Hash => "the content that was signed",
            Self::Entries => "the entries that were signed, each once",
            Self::Packing => "nothing beside the entries",
            Self::Policy => "a signer that the policy of the server's owner accepts",
        }
    }
}

/// What was found out about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) row: Row,
    pub(crate) outcome: CheckOutcome,
    /// For people.
    pub(crate) found: String,
}

impl Finding {
    pub(crate) fn held(row: Row, found: impl Into<String>) -> Self {
        Self {
            row,
            outcome: CheckOutcome::Held,
            found: found.into(),
        }
    }
}
