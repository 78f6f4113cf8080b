//! What the test suite of Sigstore's clients asks: whether a bundle signs something by a signer. It
//! makes no permission: see `tests/conformance`.

use super::policy::{Policy, Problem};
use super::section::Section;
use crate::{
    name::{Digest, PlainHosts},
    signature::{Evidence, Signed, bundled},
};

/// Who signed what has that digest, if that is this signer of a config's `[trust]`; else why not.
/// Blocks.
pub fn signed_by(
    signer: &str,
    section: Section,
    digest: Digest,
    bundle: Vec<u8>,
) -> Result<String, String> {
    let said = |problems: Vec<Problem>| {
        let said = problems.into_iter().map(|problem| problem.what);
        said.collect::<Vec<_>>().join("; ")
    };
    let policy = Policy::new(section, &PlainHosts::default()).map_err(said)?;
    let evidence = Evidence::bundle("the bundle", bundle);
    let signed = bundled(digest, evidence, policy.anchors()).map_err(|refusal| refusal.of("it"))?;
    let whose = |signed: &Signed| format!("{} signed it", signed.key());
    let theirs = |signed: &Signed| policy.is_by(signed, signer);
    let said = signed.iter().map(|signed| (theirs(signed), whose(signed)));
    match said.max() {
        Some((true, whose)) => Ok(whose),
        Some((false, whose)) => Err(format!("{whose}, who is another")),
        None => Err("it signs nothing".into()),
    }
}
