//! The roots that bundles are verified by, as their owner sees them: those that the service brings
//! along and the owner's own, how old they are, who names them, and what another file would change.

use super::{
    material,
    policy::{Policy, check_plain},
    section::{Root as Written, Section},
};
use crate::{
    error::{Error, Result},
    signature::{Anchors, Member, Root, date},
};
use std::{path::PathBuf, sync::Arc, time::SystemTime};
use vouch_protocol::{ErrorKind, RootStatus};

/// Of so many members that are not used is told.
const TOLD: usize = 4;

/// A root.
#[derive(Debug)]
pub struct Listed {
    /// What signers call it.
    pub name: String,
    /// The owner's file; nothing of one that the service brings along.
    pub path: Option<PathBuf>,
    /// The root, or why it cannot be used.
    pub root: Result<Arc<Root>>,
    /// The names of those who sign under it alone.
    pub signers: Vec<String>,
}

impl Policy {
    /// The roots that count.
    pub fn roots(&self) -> Vec<Listed> {
        listed(self.section(), |name, _| {
            let missing = || Error::new(ErrorKind::Internal, format!("the root {name} is missing"));
            self.anchors().root(name).cloned().ok_or_else(missing)
        })
    }
}

/// The roots of a section, as their files say now. Blocks.
pub fn roots(section: &Section) -> Vec<Listed> {
    listed(section, |name, written| {
        material::own_root(name, &written.path).map(Arc::new)
    })
}

fn listed(section: &Section, own: impl Fn(&str, &Written) -> Result<Arc<Root>>) -> Vec<Listed> {
    let mut names: Vec<&str> = Vec::new();
    for name in Anchors::built_in() {
        if !section.root.contains_key(name) {
            names.push(name);
        }
    }
    names.extend(section.root.keys().map(String::as_str));
    let all = names.into_iter().map(|name| {
        let written = section.root.get(name);
        let unusable = |why: &str| Error::new(ErrorKind::PolicyUnusable, why);
        let brought = || Anchors::brought_along(name).unwrap_or(Err("there is no such root"));
        let signers = section.signer.iter();
        let signers = signers.filter(|(_, signer)| signer.root() == Some(name));
        Listed {
            name: name.to_owned(),
            path: written.map(|written| written.path.clone()),
            root: match written {
                Some(written) => own(name, written),
                None => brought().cloned().map_err(unusable),
            },
            signers: signers.map(|(name, _)| name.clone()).collect(),
        }
    });
    all.collect()
}

impl Listed {
    /// What clients see of it.
    pub fn on_the_wire(&self, now: SystemTime) -> RootStatus {
        let root = self.root.as_deref().ok();
        RootStatus {
            name: self.name.clone(),
            path: self.path.as_ref().map(|path| path.display().to_string()),
            digest: root.map(|root| root.digest().to_string()),
            since: root.and_then(Root::since),
            until: root.and_then(Root::until).map(|(until, _)| until),
            signers: self.signers.clone(),
            warnings: self.warnings(now),
        }
    }

    fn warnings(&self, now: SystemTime) -> Vec<String> {
        match &self.root {
            Ok(root) => warnings(root, now),
            Err(error) => vec![error.message().to_owned()],
        }
    }
}

/// Whether a root may be called so; what is wrong with that name.
pub fn check_name(name: &str) -> Result<(), String> {
    check_plain(name).map_err(|what| format!("{name:?} is not a root's name, which {what}"))
}

/// What its owner should know of a root at that time.
pub fn warnings(root: &Root, now: SystemTime) -> Vec<String> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    let ended = root.until().filter(|(until, _)| *until <= now);
    let ended = ended.map(|(until, kind)| {
        format!(
            "its last {kind} ended at {}, and what is signed since then does not count: \
             `vouch trust root update {} FILE` takes a newer file",
            date(until),
            root.name()
        )
    });
    let left_out = root.left_out();
    let unused = left_out.iter().take(TOLD);
    let unused = unused.map(|member| format!("not used, as it is of an unknown kind: {member}"));
    let more = left_out.len().saturating_sub(TOLD);
    let more = (more > 0).then(|| format!("not used either: {more} more"));
    ended.into_iter().chain(unused).chain(more).collect()
}

/// What changes where one root takes another's place: its digest, then its authorities and logs,
/// each after `-` or `+`. Nothing where it is the same file.
pub fn change(old: Option<&Root>, new: Option<&Root>) -> Vec<String> {
    let digest = |root: &Root| root.digest();
    if old.map(digest) == new.map(digest) {
        return Vec::new();
    }
    let members = |root: Option<&Root>| -> Vec<String> {
        let members = root.map(Root::members).unwrap_or_default();
        members.iter().map(Member::to_string).collect()
    };
    let (gone, come) = (members(old), members(new));
    let only = |these: &[String], those: &[String], sign: &str| -> Vec<String> {
        let only = these.iter().filter(|one| !those.contains(one));
        only.map(|one| format!("{sign}{one}")).collect()
    };
    let of = |root: Option<&Root>, sign: &str| root.map(|root| format!("{sign}{}", root.digest()));
    let mut lines: Vec<_> = of(old, "-").into_iter().chain(of(new, "+")).collect();
    lines.extend(only(&gone, &come, "-"));
    lines.extend(only(&come, &gone, "+"));
    lines
}

#[cfg(test)]
mod tests;
