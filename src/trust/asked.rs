//! What is asked about an artifact, round by round: whether it is accepted by what is known, and
//! whether more could change that.

use super::{
    judged::{Accepted, Fetched, Judged, Rows},
    memo::Memo,
    policy::Policy,
    refused::Refused,
    usage::{Now, Use},
};
use crate::{
    artifact::{Facts, Refusal, Row},
    error::Result,
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
            let refused = match self.decide_with(&evidence, now)? {
                Err(refused) if self.may_change(&refused.refusal) => refused,
                decided => return Ok(decided),
            };
            match rounds.next() {
                Some(Ok(more)) => evidence.extend(more),
                Some(Err(error))
                    if refused.refusal.kind == ErrorKind::Unsigned
                        || error.kind() == ErrorKind::Cancelled =>
                {
                    return Err(error);
                }
                _ => return Ok(Err(refused)),
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
                refusal: refusal.clone(),
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
                refusal,
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
