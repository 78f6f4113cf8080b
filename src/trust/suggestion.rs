//! Who signed a bundle, in the words of the command that would accept them, and what their name says
//! of who publishes it.

use super::place::Place;
use crate::{
    error::quoted,
    signature::{
        Bundled, Of,
        identity::{Claim, Name},
    },
};

/// Who that is, in the words of the command that would accept them.
pub(super) fn arguments(bundled: &Bundled) -> String {
    let mut told = String::new();
    let mut tell = |option: &str, value: &str| {
        told.extend([" --", option, " ", &*quoted(value)]);
    };
    match &bundled.of {
        Of::Key(_) => tell("key", "FILE"),
        Of::Identity(identity) => match (&identity.name, identity.workflow()) {
            (_, Some(workflow)) => {
                tell("workflow", workflow.path);
                match identity.claim(Claim::Ref) {
                    Ok(at) if at.starts_with("refs/tags/") => tell("refs", "refs/tags/*"),
                    Ok(at) => tell("refs", at),
                    Err(_) => tell("refs", "REF"),
                }
                match identity.repository() {
                    Ok(of) if of != workflow.repository => tell("repository", of),
                    _ => {}
                }
            }
            (Name::Email(email), None) => {
                tell("email", email);
                tell("issuer", &identity.issuer);
            }
            (Name::Uri(uri), None) => {
                tell("uri", uri);
                tell("issuer", &identity.issuer);
            }
        },
    }
    if bundled.is_under_own_root() {
        tell("root", &bundled.root);
    }
    told
}

/// Whether who built it is who publishes it, as far as their names tell.
pub(super) fn origin(place: &Place, bundled: &Bundled) -> String {
    let Of::Identity(identity) = &bundled.of else {
        return "Find out whose it is.".into();
    };
    let (Ok(built), Place::Repository(_, repository)) = (identity.repository(), place) else {
        return "Find out who that is.".into();
    };
    let owner = built.split('/').nth(1).unwrap_or(built);
    let publisher = repository.as_str().split('/').next().unwrap_or_default();
    if owner.eq_ignore_ascii_case(publisher) {
        format!(
            "It was built from {built}, whose owner has the same name as the registry namespace."
        )
    } else {
        format!("It was built from {built}, whose owner is {owner}, but {publisher} publishes it.")
    }
}
