//! What is asked about an artifact, round by round: whether it is accepted by what is known, and
//! whether more could change that. Where a bundle's signer would be a repository's first, all that
//! lies beside the artifact is asked for: of several signers, none is taken unasked.

use super::{
    judged::{Accepted, Fetched, Judged, Rows},
    memo::Memo,
    policy::Policy,
    refused::Refused,
    usage::{Now, Use},
};
use crate::{
    artifact::{Facts, Refusal, Row},
    error::{Error, Result},
    signature::Evidence,
};
use std::sync::Arc;
use vouch_protocol::ErrorKind;

/// What is asked about an artifact.
pub(super) struct Asked<'a> {
    pub(super) facts: Arc<Facts>,
    /// What was verified of it before.
    pub(super) memo: Option<&'a Memo>,
    pub(super) usage: &'a Use,
    pub(super) signer: Option<&'a str>,
    pub(super) rows: Rows,
    pub(super) policy: Arc<Policy>,
}

impl Asked<'_> {
    pub(super) fn decide(
        &self,
        rounds: &mut dyn Iterator<Item = Result<Vec<Evidence>>>,
        now: &Now,
    ) -> Result<Result<(Judged, Accepted), Refused>> {
        let mut evidence: Vec<_> = self.usage.bundle().cloned().into_iter().collect();
        loop {
            let decided = self.decide_with(&evidence, now)?;
            let may_change = match &decided {
                // Whether it is clear whose that is, all that lies there tells.
                Ok((_, accepted)) => accepted.is_first_use_of_a_bundle(),
                Err(refused) => self.may_change(&refused.refusal),
            };
            if !may_change {
                return Ok(decided);
            }
            match rounds.next() {
                Some(Ok(more)) => evidence.extend(more),
                Some(Err(error)) if ends(&decided, &error) => return Err(error),
                _ => return Ok(decided),
            }
        }
    }

    fn decide_with(
        &self,
        evidence: &[Evidence],
        now: &Now,
    ) -> Result<Result<(Judged, Accepted), Refused>> {
        let beside = Fetched {
            manifest: self.usage.manifest(),
            evidence: evidence.to_vec(),
            policy: Arc::clone(&self.policy),
        };
        let looked = match self.memo {
            Some(memo) => memo.look(&beside, &self.facts, &beside.policy),
            None => beside.look(&self.facts, &beside.policy),
        };
        let found = Ok(Arc::clone(&self.facts));
        if let Err(refusal) = &looked.signatures {
            return Ok(Err(Refused {
                refusal: self.placed(refusal.clone())?,
                found,
                judged: None,
                reports: looked.reports,
            }));
        }
        let judged = Judged {
            facts: Arc::clone(&self.facts),
            looked,
            beside,
            place: self.usage.place()?,
            wanted: self.signer.map(ToOwned::to_owned),
            together: self.usage.bundle().is_some(),
            rows: self.rows,
        };
        Ok(match judged.now(now)? {
            Ok(accepted) => Ok((judged, accepted)),
            // Of what had to be published with it, nothing holds.
            Err((refusal, _)) if judged.looked.unheld.as_ref() == Some(&refusal) => Err(Refused {
                refusal: self.placed(refusal)?,
                found,
                judged: None,
                reports: judged.looked.reports,
            }),
            Err((refusal, basis)) => Err(Refused {
                refusal,
                found,
                judged: Some((judged, basis)),
                reports: Vec::new(),
            }),
        })
    }

    /// A refusal, with where another signer would be accepted.
    fn placed(&self, refusal: Refusal) -> Result<Refusal> {
        Ok(refusal.accepted_in(self.policy.scope_to_join(&self.usage.place()?)))
    }

    /// Whether something else beside the artifact may have it accepted. Nothing heals a token that
    /// does not hold.
    fn may_change(&self, refusal: &Refusal) -> bool {
        use ErrorKind::{SignatureInvalid, SignatureUnrelated, Unsigned};
        let of_policy = refusal.row == Row::Policy;
        match (&self.facts.token, refusal.kind) {
            _ if self.rows == Rows::OfTheSigner => false,
            (Some(_), _) => of_policy && self.policy.asks_for_bundles(),
            (None, Unsigned | SignatureInvalid | SignatureUnrelated) => true,
            (None, _) => of_policy,
        }
    }
}

/// Whether nothing is decided where it cannot be found out what else lies beside the artifact.
fn ends<T>(decided: &Result<T, Refused>, error: &Error) -> bool {
    let unknown = match decided {
        Ok(_) => true,
        Err(refused) => refused.refusal.kind == ErrorKind::Unsigned,
    };
    unknown || error.kind() == ErrorKind::Cancelled
}
