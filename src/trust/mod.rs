//! Whose signatures the owner accepts, where and when: rows 7 and 11 of the signature rule, and
//! the last word on all others.
//!
//! Here alone what was found out about a file becomes a permission to move it: [`judge`] alone
//! makes a [`Vouched`], which owns the very file that was examined, and what it may be used for.
//! Nothing else can be published or get a name, and nothing can be done twice with one:
//!
//! ```compile_fail
//! vouchd::trust::Permit(());
//! ```
//! ```compile_fail
//! fn name(judged: vouchd::trust::Vouched<()>, now: vouchd::trust::Now) {
//!     let _ = judged.place("a".as_ref(), false, || now);
//! }
//! ```
//! ```compile_fail
//! fn name_both(file: vouchd::trust::Vouched<vouchd::trust::Unnamed>, now: &vouchd::trust::Now) {
//!     let _ = file.place("a".as_ref(), false, || now.clone());
//!     let _ = file.place("b".as_ref(), false, || now.clone());
//! }
//! ```
//! ```compile_fail
//! fn lend(a: vouchd::trust::Vouched<()>, b: vouchd::file::Source) -> vouchd::trust::Vouched<vouchd::file::Source> {
//!     vouchd::trust::Vouched { file: b, ..a }
//! }
//! ```
//!
//! It is judged again right before what cannot be undone, by the settings and the time of then. A
//! request can never loosen what the owner set.
//!
//! Files depend on those above them:
//!
//! | file | what it has |
//! |---|---|
//! | `key` | a signer's public key, as nkeys and ssh write it |
//! | `imports` | the patterns of a rule's `imports` |
//! | `written` | a signer as the config writes it |
//! | `signer` | [`Signer`]: who that is, and whether a signature is theirs |
//! | `section` | [`Section`]: what is written in the config |
//! | `place` | [`Place`]: where an artifact comes from or goes to, and the scopes that hold there |
//! | `material` | the files that a section names: keys and roots |
//! | `policy` | [`Policy`]: a section that makes sense as a whole |
//! | `roots` | the roots of a policy, as their owner sees them |
//! | `pins`, `store` | whose signatures a repository has had; [`Pins`]: where that is kept |
//! | `dates` | when a signature is valid |
//! | `case` | what is decided about |
//! | `suggestion` | who signed a bundle, in the words of the command that would accept them |
//! | `questions`, `limits` | what a policy asks: who signed, and what a rule wants besides |
//! | `decision` | what a policy says about one signature |
//! | `choice` | which of several signatures is accepted |
//! | `usage` | [`Use`] and [`Now`]: what is judged for, and by |
//! | `judged` | whether an artifact is accepted at a moment; remembering who signed it |
//! | `memo` | [`Memo`]: what was verified already |
//! | `explanation` | every check, for people |
//! | `conformance` | whether one bundle is by one signer: what the test suite of Sigstore's clients asks |
//! | `refused` | [`Refused`]: an artifact that is refused, and why |
//! | `asked` | what is asked about an artifact, round by round |
//! | `edit` | changes to the section and to the pins, by their owner |
//! | `vouched` | [`Vouched`]: a permission for one use |
//! | `mod` | [`judge`]: what makes one |

mod asked;
mod case;
mod choice;
#[doc(hidden)]
pub mod conformance;
mod dates;
mod decision;
pub mod edit;
mod explanation;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod imports;
mod judged;
mod key;
mod limits;
mod material;
mod memo;
mod pins;
mod place;
mod policy;
mod questions;
mod refused;
pub mod roots;
mod section;
mod signer;
mod store;
mod suggestion;
mod usage;
mod vouched;
mod written;

pub use material::root as read_root;
pub use memo::Memo;
pub use pins::Pin;
pub use place::Place;
pub use policy::{Policy, Problem};
pub use refused::Refused;
pub use section::{Accept, Mode, Root, Rule, Section};
pub use signer::Signer;
pub use store::Store as Pins;
pub use usage::{Layer, Now, Publication, Published, Use};
pub use vouched::{Permit, Unnamed, Vouched};
pub use written::WrittenSigner;

use crate::{
    artifact::{Examined, Refusal, Skimmed},
    error::{Error, Result},
    signature::{Evidence, Signed},
};
use asked::Asked;
use judged::Rows;
use std::sync::Arc;
use vouch_protocol::{ErrorKind, Trust};

/// Accepted or refused.
pub type Verdict<F> = Result<Vouched<F>, Refused>;

/// Judges an artifact that was examined for a use, now. What lies beside it is asked for, round by
/// round, only as long as it may change the verdict; an error there is one of this only where
/// nothing else is known of a signature. `signer` is the only one that the caller wants, by name, id
/// or key. Fails with `digestMismatch` where the bytes are not the published ones: then they say
/// nothing about what was published. Blocks, but for files that go nowhere.
pub fn judge<F>(
    examined: Examined<F>,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    usage: Use,
    signer: Option<&str>,
    now: &Now,
) -> Result<Verdict<F>> {
    judge_with(examined, None, beside, usage, signer, now)
}

/// The same of what was examined before, by whatever signer: what was verified then is not verified
/// again, and everything else is judged anew. The memo is of this very artifact.
pub fn judge_known(
    examined: Examined<()>,
    memo: &Memo,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    usage: Use,
    now: &Now,
) -> Result<Verdict<()>> {
    judge_with(examined, Some(memo), beside, usage, None, now)
}

fn judge_with<F>(
    examined: Examined<F>,
    memo: Option<&Memo>,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    usage: Use,
    signer: Option<&str>,
    now: &Now,
) -> Result<Verdict<F>> {
    if let Use::Pull(published) | Use::Verify(Some(published)) = &usage {
        confirm(&examined, published.layer)?;
    }
    // Who signs puts a token in: what lies beside it, and who is trusted, says nothing of that.
    let (rows, policy) = match &usage {
        Use::Sign { .. } => (Rows::OfTheSigner, Arc::default()),
        _ => (Rows::All, now.policy.clone()?),
    };
    let (file, found, blocks) = examined.into_parts();
    let facts = match found {
        Ok(facts) => facts,
        Err(unfit) => {
            return Ok(Err(Refused {
                refusal: unfit.refusal.clone(),
                found: Err(unfit),
                judged: None,
                reports: Vec::new(),
            }));
        }
    };
    let mut rounds = beside.into_iter();
    let question = Asked {
        facts,
        memo,
        usage: &usage,
        signer,
        rows,
        policy,
    };
    let decided = question.decide(&mut rounds, now)?;
    Ok(decided.map(|accepted| Vouched::new(file, blocks, usage, accepted)))
}

/// Whether [`judge`] may ask for what lies beside an artifact: not where there is a token, and nobody
/// accepts bundles.
pub fn asks_for_evidence<F>(examined: &Examined<F>, now: &Now) -> bool {
    let has_token = examined.facts().is_some_and(|facts| facts.token.is_some());
    let asked = now
        .policy
        .as_ref()
        .is_ok_and(|policy| policy.asks_for_bundles());
    examined.facts().is_some() && (!has_token || asked)
}

/// What the signature of an artifact would be worth whose contents were not read: whose that is, and
/// why they would be trusted, or why it would be refused already. It vouches for nothing. Blocks.
pub fn consider(
    skimmed: &Skimmed,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    from: Published,
    now: &Now,
) -> Result<Result<(Arc<Signed>, Trust), Refusal>> {
    let facts = match skimmed.found() {
        Ok(facts) => facts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let considered = Asked {
        facts,
        memo: None,
        usage: &Use::Verify(Some(from)),
        signer: None,
        rows: Rows::AllButContents,
        policy: now.policy.clone()?,
    };
    let considered = considered.decide(&mut beside.into_iter(), now)?;
    Ok(considered
        .map(|(_, accepted)| (accepted.signed, accepted.trust))
        .map_err(|refused| refused.refusal))
}

/// Fails unless what was examined is what the manifest names.
fn confirm<F>(examined: &Examined<F>, layer: Layer) -> Result<()> {
    // What is over a limit was not read: it is refused for that, whatever it is.
    if examined.size() == layer.size
        && examined
            .digest()
            .is_none_or(|digest| digest == layer.digest)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::DigestMismatch,
        format!(
            "the manifest names {} of {} bytes, but other bytes came",
            layer.digest, layer.size
        ),
    )
    .help("Try again. If it stays so, the registry's copy is broken: push the artifact again."))
}

#[cfg(test)]
mod tests;
