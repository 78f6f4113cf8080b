//! One candidate: what it signs, by what it may be verified, and whether it holds.

use super::{
    anchors::{Anchors, Key},
    bundle::{Bundle, Content, Material},
    legacy::{self, Image},
    provenance,
    root::Root,
    statement::Statement,
    verifier::{After, Fault, Terms, Verified},
};
use crate::{
    artifact::Covered,
    error::clean,
    name::Digest,
    signature::{
        Bundled, Dates, Evidence, Held, Layer, Of, Signed, date,
        evidence::What,
        identity::{self, Identity},
        step::{Report, Step},
    },
};
use std::sync::Arc;
use vouch_protocol::{Provenance, Signer};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

/// What a bundle has to sign: the file, or the manifest that names it as its one layer.
#[derive(Debug, Clone, Copy)]
pub(in crate::signature) struct Subjects {
    pub(in crate::signature) file: Digest,
    pub(in crate::signature) manifest: Option<Digest>,
}

impl Subjects {
    fn holds(self, digest: Digest) -> bool {
        digest == self.file || self.manifest == Some(digest)
    }
}

/// What became of one candidate.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) report: Report,
    pub(super) outcome: Outcome,
}

/// Whether a candidate counts.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It holds, under these roots.
    Holds(Vec<Arc<Signed>>),
    /// It holds, and signs something else.
    Unrelated,
    /// It does not hold.
    Invalid(Mend),
    /// It was not read.
    Unread,
}

/// What would mend one that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mend {
    /// Another copy of it.
    Again,
    /// A signature that stands in a log.
    Logged,
    /// The signer's key, where there is none at all that it could be verified with.
    FirstKey,
    /// The signer's key, where it is none of those that the config has.
    OtherKey,
}

/// Looks at one candidate.
pub(super) fn look(
    covered: &Covered,
    subjects: Subjects,
    evidence: &Evidence,
    anchors: &Anchors,
) -> Looked {
    let mut report = Report::new(evidence.from());
    let read = match &evidence.what {
        What::Bundle(bytes) => Draft::of_bundle(bytes),
        What::Layer(layer) => Draft::of_layer(layer),
        What::Unread(why) | What::Left(_, why) => {
            return Looked {
                report: Report::unread(evidence.from(), why),
                outcome: Outcome::Unread,
            };
        }
    };
    match read {
        Ok(draft) => {
            report.held(Step::Bundle, "a bundle, within bounds");
            draft.judge(covered, subjects, anchors, &report)
        }
        Err(Fault { step, what, .. }) => {
            report.failed(step, what);
            Looked {
                report,
                outcome: Outcome::Invalid(Mend::Again),
            }
        }
    }
}

/// A bundle, and what it says to sign.
struct Draft {
    read: Read,
    bundle: Bundle,
    signs: Signs,
}

/// What it was read from.
enum Read {
    Bundle(Arc<[u8]>),
    Layer(Arc<Layer>),
}

enum Signs {
    /// The bytes themselves.
    Message(Option<Digest>),
    Statement(Statement),
    /// A payload that names a manifest.
    Image(Image),
}

/// Whose certificate or key a bundle is verified by.
struct By<'a> {
    root: &'a Root,
    key: Option<&'a Key>,
}

impl Draft {
    fn of_bundle(bytes: &Arc<[u8]>) -> Result<Self, Fault> {
        let fault = |step| move |what: String| Fault::early(step, what);
        let bundle = Bundle::parse(bytes).map_err(fault(Step::Bundle))?;
        let signs = match &bundle.content {
            Content::Message(digest) => Signs::Message(*digest),
            Content::Statement(payload) => {
                Signs::Statement(Statement::parse(payload).map_err(fault(Step::Predicate))?)
            }
        };
        Ok(Self {
            read: Read::Bundle(Arc::clone(bytes)),
            bundle,
            signs,
        })
    }

    fn of_layer(layer: &Arc<Layer>) -> Result<Self, Fault> {
        let read = legacy::read(layer);
        let (bundle, image) = read.map_err(|what| Fault::early(Step::Bundle, what))?;
        Ok(Self {
            read: Read::Layer(Arc::clone(layer)),
            bundle,
            signs: Signs::Image(image),
        })
    }

    /// What it is verified over, the likeliest first: the subject that is wanted, if it names it;
    /// else any of its own, so that it is known who signed that.
    fn over(&self, subjects: Subjects) -> Vec<Digest> {
        match &self.signs {
            Signs::Message(Some(digest)) => vec![*digest],
            Signs::Message(None) => [Some(subjects.file), subjects.manifest]
                .into_iter()
                .flatten()
                .collect(),
            Signs::Statement(statement) => {
                let mut named = statement.subjects.iter();
                let ours = named.find(|digest| subjects.holds(**digest));
                let one = ours.or(statement.subjects.first());
                one.copied().into_iter().collect()
            }
            Signs::Image(image) => vec![image.payload],
        }
    }

    /// What it signs, once it was verified over that digest.
    fn subject(&self, over: Digest) -> Digest {
        match &self.signs {
            Signs::Image(image) => image.manifest,
            Signs::Message(_) | Signs::Statement(_) => over,
        }
    }

    /// What may be kept of it, once it holds.
    fn held(&self, subject: Digest) -> Held {
        match &self.read {
            Read::Layer(layer) => Held::Layer(Arc::clone(layer)),
            Read::Bundle(bytes) => Held::Bundle(crate::signature::Bundle {
                bytes: Arc::clone(bytes),
                media_type: self.bundle.media_type,
                predicate: match &self.signs {
                    Signs::Statement(statement) => Some(statement.predicate.clone()),
                    Signs::Message(_) | Signs::Image(_) => None,
                },
                subject,
            }),
        }
    }

    /// Whether it holds by one of the roots that may have issued its certificate, or by one of the
    /// owner's keys.
    fn judge(
        self,
        covered: &Covered,
        subjects: Subjects,
        anchors: &Anchors,
        read: &Report,
    ) -> Looked {
        let mut best: Option<Looked> = None;
        let mut signed = Vec::new();
        let refused = |step, why: String, mend| {
            let mut report = read.clone();
            report.failed(step, why);
            Looked {
                report,
                outcome: Outcome::Invalid(mend),
            }
        };
        if self.is_by_key() && self.bundle.logged.is_empty() {
            // Whosever the key is: that is said before it is asked for.
            let why = "it does not stand in a transparency log, which is required with a key, too";
            return refused(Step::Log, why.into(), Mend::Logged);
        }
        let by = match self.by(anchors) {
            Ok(by) => by,
            Err(why) if self.is_by_key() => {
                return refused(Step::Certificate, why, Mend::FirstKey);
            }
            Err(why) => return refused(Step::Certificate, why, Mend::Again),
        };
        for by in by {
            let looked = self.judge_by(covered, subjects, &by, read.clone());
            if let Outcome::Holds(held) = &looked.outcome {
                signed.extend(held.iter().cloned());
            }
            if best.as_ref().is_none_or(|best| best.rank() < looked.rank()) {
                best = Some(looked);
            }
        }
        let mut best = best.unwrap_or_else(|| Looked {
            report: read.clone(),
            outcome: Outcome::Invalid(Mend::Again),
        });
        if !signed.is_empty() {
            best.outcome = Outcome::Holds(signed);
        }
        best
    }

    /// Whether a key signed it, for which there is no certificate.
    fn is_by_key(&self) -> bool {
        matches!(self.bundle.material, Material::Key)
    }

    /// By what it may be verified; why by nothing.
    fn by<'a>(&self, anchors: &'a Anchors) -> Result<Vec<By<'a>>, String> {
        let Material::Certificates(certificates) = &self.bundle.material else {
            let of_root = |key: &'a Key| {
                let root = anchors.root(&key.root)?;
                Some(By {
                    root,
                    key: Some(key),
                })
            };
            let by: Vec<_> = anchors.keys().iter().filter_map(of_root).collect();
            if by.is_empty() {
                return Err("it is signed with a key, and no signer of the config has one".into());
            }
            return Ok(by);
        };
        let mut issuers = Vec::new();
        let mut shown = None;
        for der in certificates {
            let certificate = Certificate::from_der(der)
                .map_err(|error| format!("a certificate of it cannot be read: {error}"))?;
            let (issuer, subject) = (
                certificate.tbs_certificate.issuer,
                certificate.tbs_certificate.subject,
            );
            // What is not part of the path from the signer upwards says nothing, and moves nowhere.
            if issuers
                .last()
                .is_some_and(|below| subject.to_der().ok().as_ref() != Some(below))
            {
                let subject = clean(&subject.to_string());
                return Err(format!(
                    "a certificate of it, of {subject}, did not issue the one before it"
                ));
            }
            shown.get_or_insert_with(|| clean(&issuer.to_string()));
            issuers.extend(issuer.to_der());
        }
        let mut by = Vec::new();
        for root in anchors.roots() {
            let root = root.map_err(|why| format!("a root cannot be used: {why}"))?;
            if root.issues(&issuers) {
                by.push(By { root, key: None });
            }
        }
        if by.is_empty() {
            let issuer = shown.unwrap_or_default();
            return Err(format!(
                "its certificate was issued by {issuer}, whom no root vouches for"
            ));
        }
        Ok(by)
    }

    fn judge_by(
        &self,
        covered: &Covered,
        subjects: Subjects,
        by: &By<'_>,
        report: Report,
    ) -> Looked {
        let mut report = report;
        match self.check(covered, subjects, by, &mut report) {
            Ok(signed) => Looked {
                report: report.clone(),
                outcome: Outcome::Holds(vec![Arc::new(Signed {
                    bundle: signed.bundle.map(|bundled| Bundled { report, ..bundled }),
                    ..signed
                })]),
            },
            Err(Fault { step, what, after }) => {
                report.failed(step, what);
                let says = matches!(step, Step::Predicate | Step::Subject);
                let unrelated = says && after == After::Signature;
                Looked {
                    report,
                    outcome: if unrelated {
                        Outcome::Unrelated
                    } else if self.is_by_key() && after != After::Nothing {
                        Outcome::Invalid(Mend::OtherKey)
                    } else {
                        Outcome::Invalid(Mend::Again)
                    },
                }
            }
        }
    }

    fn check(
        &self,
        covered: &Covered,
        subjects: Subjects,
        by: &By<'_>,
        report: &mut Report,
    ) -> Result<Signed, Fault> {
        let terms = match by.key {
            Some(key) => Terms::Key(&key.key),
            None if by.root.is_github() => Terms::Unlogged,
            None => Terms::Logged,
        };
        let (over, verified) = self.verify(subjects, by, terms, report)?;
        if matches!(terms, Terms::Unlogged) && !self.bundle.logged.is_empty() {
            let root = by.root.name();
            let what = format!("it has log entries, and the root {root} has no log to prove them");
            return Err(Fault::late(Step::Log, what));
        }
        let subject = self.subject(over);
        let bundled = self.signer(by, subject)?;
        report.held(Step::Identity, bundled.described());
        if let Signs::Statement(statement) = &self.signs {
            let found = statement.check();
            let found = found.map_err(|what| Fault::late(Step::Predicate, what))?;
            report.held(Step::Predicate, found);
        } else {
            report.held(Step::Predicate, "a signature of the bytes themselves");
        }
        if !subjects.holds(subject) {
            let what = format!("it signs {subject}, which is not this artifact");
            return Err(Fault::late(Step::Subject, what));
        }
        let what = if subject == subjects.file {
            "the file itself"
        } else {
            "the manifest that names it"
        };
        report.held(Step::Subject, format!("{what}, {subject}"));
        let covers = match covered {
            Covered::Rest(_) => Ok(()),
            // What nobody could tell the contents of is no archive, whoever signed it.
            Covered::Entries(entries) => entries.fault().cloned().map_or(Ok(()), Err),
        };
        Ok(Signed {
            method: "sigstore",
            signer: Signer {
                id: format!("sigstore:{}", bundled.id()),
                names: bundled.names(),
            },
            subject: subject.to_string(),
            dates: Dates {
                signed_at: verified.signed_at,
                not_before: None,
                expires: None,
            },
            claims: None,
            covers,
            bundle: Some(bundled),
        })
    }

    /// Verifies it, and notes what held.
    fn verify(
        &self,
        subjects: Subjects,
        by: &By<'_>,
        terms: Terms<'_>,
        report: &mut Report,
    ) -> Result<(Digest, Verified), Fault> {
        let mut fault = Fault::early(Step::Subject, "it names nothing by SHA-256");
        for over in self.over(subjects) {
            match by.root.verifier.verify(&self.bundle, over, terms) {
                Ok(verified) => {
                    self.note(by, terms, &verified, None, report);
                    return Ok((over, verified));
                }
                Err(found) => fault = found,
            }
        }
        if fault.after != After::Nothing {
            let verified = Verified { signed_at: None };
            self.note(by, terms, &verified, Some(fault.step), report);
        }
        Err(fault)
    }

    /// Notes the steps of a verification up to the one that failed, in the order in which they are
    /// taken.
    fn note(
        &self,
        by: &By<'_>,
        terms: Terms<'_>,
        verified: &Verified,
        failed: Option<Step>,
        report: &mut Report,
    ) {
        let root = by.root.name();
        let entries = match self.bundle.logged.as_slice() {
            [] => "none".to_owned(),
            indexes => format!("entry {}", indexes.join(", ")),
        };
        let not_asked = |what: &str| format!("not asked for: the root {root} has no {what}");
        let steps = match terms {
            Terms::Key(_) => [Step::Log, Step::Time, Step::Certificate, Step::Signature].as_slice(),
            Terms::Logged | Terms::Unlogged => &[
                Step::Time,
                Step::Certificate,
                Step::Sct,
                Step::Log,
                Step::Signature,
            ],
        };
        for step in steps.iter().take_while(|step| Some(**step) != failed) {
            let found = match (step, terms) {
                (Step::Time, _) => match verified.signed_at {
                    Some(at) => format!("signed at {}", date(at)),
                    None if failed.is_some() => "it was signed at a known time".to_owned(),
                    None => "no time is known, and a key needs none".to_owned(),
                },
                (Step::Certificate, Terms::Key(_)) => "a key of the config".to_owned(),
                (Step::Certificate, _) => format!("issued under the root {root}"),
                (Step::Sct, Terms::Logged) => "its certificate was issued in public".to_owned(),
                (Step::Sct, _) => not_asked("log of certificates"),
                (Step::Log, Terms::Unlogged) => not_asked("log of signatures"),
                (Step::Log, _) => format!("{entries}, in the log of the root {root}"),
                (_, Terms::Key(_)) => "it verifies with the key".to_owned(),
                _ => "it verifies with the certificate's key".to_owned(),
            };
            report.held(*step, found);
        }
    }

    /// What its signer says of how it was built.
    fn provenance(&self) -> Option<Provenance> {
        match (&self.signs, &self.bundle.content) {
            (Signs::Statement(statement), Content::Statement(text))
                if statement.predicate == provenance::PREDICATE =>
            {
                provenance::read(text)
            }
            _ => None,
        }
    }

    /// Who signed it.
    fn signer(&self, by: &By<'_>, subject: Digest) -> Result<Bundled, Fault> {
        let root = by.root;
        let of = match (&self.bundle.material, by.key) {
            (_, Some(key)) => Of::Key(key.key.fingerprint()),
            (Material::Certificates(certificates), None) => {
                let fault = |what: String| Fault::late(Step::Identity, what);
                let own = certificates.first().map_or(&[][..], Vec::as_slice);
                let identity = Identity::of(own).map_err(fault)?;
                if root.is_github() && identity.issuer != identity::GITHUB {
                    return Err(fault(format!(
                        "the root {} counts for GitHub's workflows alone, and {} vouches for this",
                        root.name(),
                        clean(&identity.issuer)
                    )));
                }
                Of::Identity(identity)
            }
            (Material::Key, None) => {
                return Err(Fault::late(Step::Identity, "nobody has its key"));
            }
        };
        Ok(Bundled {
            of,
            root: root.name().to_owned(),
            held: self.held(subject),
            report: Report::new(""),
            provenance: self.provenance(),
        })
    }
}

impl Looked {
    /// How near it came.
    pub(super) fn rank(&self) -> (u8, usize) {
        let outcome = match self.outcome {
            Outcome::Holds(_) => 3,
            Outcome::Unrelated => 2,
            Outcome::Invalid(_) => 1,
            Outcome::Unread => 0,
        };
        (outcome, self.report.progress())
    }
}
