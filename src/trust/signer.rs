//! A signer, as the owner names them, and whether a signature is theirs.
//!
//! Nothing here is a regular expression, and nothing fits that is only alike: of what a certificate
//! says, what is named has to be there, and has to be that.

use super::{
    key,
    written::{Issuer, Refs, SourceRepository, WorkflowPath, WrittenSigner, is_plain},
};
use crate::{
    name::Digest,
    signature::{
        Bundled, Of, Signed,
        identity::{self, Claim, Identity, Name, escaped, workflow},
    },
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A signer: `[trust.signer.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "WrittenSigner", into = "WrittenSigner")]
pub struct Signer {
    who: Who,
    /// Whether nothing that it signed is accepted any more, under any name and any rule.
    pub revoked: bool,
}

/// Who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// Who issues tokens: the account, and the line of SSH that it was written as.
    Account(String, Option<String>),
    /// Who signs bundles, under a root.
    Bundler(Bundler, Option<String>),
}

/// Who signs bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bundler {
    /// A workflow of GitHub's, at some refs. Without any, it is only ever revoked.
    Workflow {
        path: String,
        refs: Vec<Refs>,
        /// Where that is another than the workflow's own.
        repository: Option<String>,
    },
    Email(String, Issuer),
    Uri(String, Issuer),
    /// Whoever has a key, whose public half lies there.
    Key(PathBuf),
}

impl TryFrom<WrittenSigner> for Signer {
    type Error = String;

    fn try_from(written: WrittenSigner) -> Result<Self, String> {
        let revoked = written.revoked;
        let ways = [
            written.account.is_some(),
            written.ssh_key.is_some(),
            written.workflow.is_some(),
            written.email.is_some(),
            written.uri.is_some(),
            written.key.is_some(),
        ];
        if written.account.is_some() && written.ssh_key.is_some() {
            return Err("`account` and `ssh-key` are two names of one key: write one".into());
        }
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(
                "a signer is one: write one of `account`, `ssh-key`, `workflow`, `email`, \
                        `uri` and `key`"
                    .into(),
            );
        }
        let stray = |key: &str, of: &str| Err(format!("`{key}` belongs to {of}"));
        if written.refs.is_some() && written.workflow.is_none() {
            return stray("refs", "a `workflow`");
        }
        if written.repository.is_some() && written.workflow.is_none() {
            return stray("repository", "a `workflow`");
        }
        if written.issuer.is_some() && written.email.is_none() && written.uri.is_none() {
            return stray("issuer", "an `email` or a `uri`");
        }
        let issuer = |of: &str| {
            let missing = format!("`{of}` needs `issuer`: who vouches for it");
            written.issuer.clone().ok_or(missing)
        };
        let bundler = if let Some(path) = written.workflow {
            let refs = written.refs.unwrap_or_default();
            if refs.is_empty() && !revoked {
                return Err("`workflow` needs `refs`: those that it may run for, \
                            such as `refs = [\"refs/tags/*\"]`"
                    .into());
            }
            Bundler::Workflow {
                path: path.0,
                refs,
                repository: written.repository.map(String::from),
            }
        } else if let Some(email) = written.email {
            if !email.contains('@') || !is_plain(&email) {
                return Err(format!("{email:?} is not an e-mail address"));
            }
            Bundler::Email(email, issuer("email")?)
        } else if let Some(uri) = written.uri {
            if !uri.contains(':') || !is_plain(&uri) {
                return Err(format!("{uri:?} is not a URI"));
            }
            Bundler::Uri(uri, issuer("uri")?)
        } else if let Some(path) = written.key {
            Bundler::Key(path)
        } else {
            if written.root.is_some() {
                return stray("root", "a signer of bundles");
            }
            let account = match (written.account, &written.ssh_key) {
                (Some(account), _) => key::account(&account)?,
                (None, Some(line)) => key::of_ssh(line)?,
                (None, None) => {
                    return Err(
                        "a signer needs `account` or `ssh-key`, or for bundles one of \
                                `workflow`, `email`, `uri` and `key`"
                            .into(),
                    );
                }
            };
            return Ok(Self {
                who: Who::Account(account, written.ssh_key),
                revoked,
            });
        };
        Ok(Self {
            who: Who::Bundler(bundler, written.root),
            revoked,
        })
    }
}

impl From<Signer> for WrittenSigner {
    fn from(signer: Signer) -> Self {
        let written = Self {
            revoked: signer.revoked,
            ..Self::default()
        };
        let (bundler, root) = match signer.who {
            Who::Account(_, Some(line)) => {
                return Self {
                    ssh_key: Some(line),
                    ..written
                };
            }
            Who::Account(account, None) => {
                return Self {
                    account: Some(account),
                    ..written
                };
            }
            Who::Bundler(bundler, root) => (bundler, root),
        };
        let written = Self { root, ..written };
        match bundler {
            Bundler::Workflow {
                path,
                refs,
                repository,
            } => Self {
                workflow: Some(WorkflowPath(path)),
                refs: (!refs.is_empty()).then_some(refs),
                repository: repository.map(SourceRepository),
                ..written
            },
            Bundler::Email(email, issuer) => Self {
                email: Some(email),
                issuer: Some(issuer),
                ..written
            },
            Bundler::Uri(uri, issuer) => Self {
                uri: Some(uri),
                issuer: Some(issuer),
                ..written
            },
            Bundler::Key(path) => Self {
                key: Some(path),
                ..written
            },
        }
    }
}

impl Signer {
    /// The account that issues its tokens, where that is what it does.
    pub fn account(&self) -> Option<&str> {
        match &self.who {
            Who::Account(account, _) => Some(account),
            Who::Bundler(..) => None,
        }
    }

    /// The file of its public key, where it is known by one.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        match &self.who {
            Who::Bundler(Bundler::Key(path), _) => Some(path),
            _ => None,
        }
    }

    /// The same, where it lies.
    pub(crate) fn key_file_mut(&mut self) -> Option<&mut PathBuf> {
        match &mut self.who {
            Who::Bundler(Bundler::Key(path), _) => Some(path),
            _ => None,
        }
    }

    /// The root that it names.
    pub(super) fn root(&self) -> Option<&str> {
        match &self.who {
            Who::Bundler(_, root) => root.as_deref(),
            Who::Account(..) => None,
        }
    }

    /// Whether it is the same signer, whatever else is said of them.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.who, &other.who) {
            (Who::Account(one, _), Who::Account(other, _)) => one == other,
            (one, other) => one == other,
        }
    }

    /// What its signatures say who made them: see [`vouch_protocol::Signer`]. Of a key, its
    /// fingerprint tells.
    pub(super) fn id(&self, fingerprint: Option<Digest>) -> Option<String> {
        let (bundler, root) = match &self.who {
            Who::Account(account, _) => return Some(format!("token:{account}")),
            Who::Bundler(bundler, root) => (bundler, root),
        };
        let mut id = match bundler {
            Bundler::Workflow {
                path, repository, ..
            } => {
                let mut id = format!("sigstore:workflow={}", escaped(path));
                let own = workflow(path).map(|workflow| workflow.repository);
                if let Some(repository) = repository.as_deref().filter(|it| own != Some(*it)) {
                    id.extend([",repository=", &*escaped(repository)]);
                }
                id
            }
            Bundler::Email(email, issuer) => {
                let issuer = escaped(&issuer.0);
                format!("sigstore:email={},issuer={issuer}", escaped(email))
            }
            Bundler::Uri(uri, issuer) => {
                let issuer = escaped(&issuer.0);
                format!("sigstore:uri={},issuer={issuer}", escaped(uri))
            }
            Bundler::Key(_) => format!("sigstore:key={}", fingerprint?),
        };
        if let Some(root) = root.as_deref().filter(|root| !identity::is_built_in(root)) {
            id.extend([",root=", &*escaped(root)]);
        }
        Some(id)
    }

    /// Who that is, for people.
    pub fn described(&self) -> String {
        let (bundler, root) = match &self.who {
            Who::Account(account, _) => return account.clone(),
            Who::Bundler(bundler, root) => (bundler, root),
        };
        let mut said = match bundler {
            Bundler::Workflow {
                path,
                refs,
                repository,
            } => {
                let mut said = path.clone();
                if let Some(repository) = repository {
                    said.extend([" for ", repository]);
                }
                if !refs.is_empty() {
                    let refs: Vec<_> = refs.iter().map(|refs| &*refs.0).collect();
                    said.extend([" at ", &*refs.join(" or ")]);
                }
                said
            }
            Bundler::Email(name, issuer) | Bundler::Uri(name, issuer) => {
                format!("{name}, says {issuer}")
            }
            Bundler::Key(path) => format!("the key {}", path.display()),
        };
        if let Some(root) = root {
            said.extend([" under the root ", root]);
        }
        said
    }

    /// Why a signature is not theirs: nothing where it is. An empty reason is of another kind
    /// altogether.
    pub(super) fn miss(&self, signed: &Signed, fingerprint: Option<Digest>) -> Option<Miss> {
        let (bundler, root) = match &self.who {
            Who::Account(account, _) => {
                let is = signed.bundled().is_none() && signed.key() == account;
                return (!is).then(Miss::default);
            }
            Who::Bundler(bundler, root) => (bundler, root),
        };
        let Some(bundled) = signed.bundled() else {
            return Some(Miss::default());
        };
        let mut miss = match bundler.miss(bundled, fingerprint, self.revoked) {
            Ok(wrong) => Miss { wrong },
            Err(()) => return Some(Miss::default()),
        };
        // Whoever is revoked is so under any root.
        let fits = match root {
            Some(root) => *root == bundled.root,
            None => !bundled.is_under_own_root(),
        };
        if !fits && !self.revoked {
            miss.wrong.push(format!(
                "it is signed under the root {}, not {}",
                bundled.root,
                root.as_deref()
                    .unwrap_or("one that the service brings along")
            ));
        }
        (!miss.wrong.is_empty()).then_some(miss)
    }
}

/// Why a signature is not a signer's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Miss {
    /// What differs, where all else is theirs.
    pub(super) wrong: Vec<String>,
}

impl Bundler {
    /// What differs; an error where that is another altogether.
    fn miss(
        &self,
        bundled: &Bundled,
        fingerprint: Option<Digest>,
        revoked: bool,
    ) -> Result<Vec<String>, ()> {
        let identity = match (&bundled.of, self) {
            (Of::Key(key), Self::Key(_)) if Some(*key) == fingerprint => return Ok(Vec::new()),
            (Of::Identity(identity), _) => identity,
            (Of::Key(_), _) => return Err(()),
        };
        let vouched = |issuer: &Issuer| {
            let same = issuer.0 == identity.issuer;
            let wrong = format!("{} vouches for it, not {issuer}", identity.issuer);
            (!same).then_some(wrong).into_iter().collect()
        };
        match (self, &identity.name) {
            (Self::Email(email, issuer), Name::Email(name)) if email == name => Ok(vouched(issuer)),
            (Self::Uri(uri, issuer), Name::Uri(name)) if uri == name => Ok(vouched(issuer)),
            (
                Self::Workflow {
                    path,
                    refs,
                    repository,
                },
                _,
            ) => {
                let found = identity.workflow().ok_or(())?;
                if found.path != path {
                    if found.path.eq_ignore_ascii_case(path) {
                        return Ok(vec![format!("it is {}, in other case", found.path)]);
                    }
                    return Err(());
                }
                if revoked {
                    return Ok(revoked_for(identity, refs, repository.as_deref()));
                }
                let own = repository.as_deref().unwrap_or(found.repository);
                Ok(differences(identity, refs, own))
            }
            _ => Err(()),
        }
    }
}

/// What keeps a run of the workflow from being accepted.
fn differences(identity: &Identity, refs: &[Refs], repository: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    match identity.repository() {
        Ok(found) if found == repository => {}
        Ok(found) => wrong.push(format!("it was built from {found}, not from {repository}")),
        Err(why) => wrong.push(why),
    }
    match identity.claim(Claim::Ref) {
        Ok(at) if refs.iter().any(|refs| refs.fits(at)) => {}
        Ok(at) => {
            let refs: Vec<_> = refs.iter().map(|refs| &*refs.0).collect();
            wrong.push(format!("its ref is {at}, not {}", refs.join(" or ")));
        }
        Err(why) => wrong.push(why),
    }
    wrong.extend(triggered(identity).err());
    wrong
}

/// Fails where anybody may have had it run: a workflow runs for a pull request, whoever opens it.
pub(super) fn triggered(identity: &Identity) -> Result<(), String> {
    let trigger = identity.claim(Claim::Trigger)?;
    if trigger.starts_with("pull_request") {
        return Err(format!("it ran for a pull request ({trigger})"));
    }
    Ok(())
}

/// What keeps a run of a revoked workflow from being refused: that it is said to be another one.
fn revoked_for(identity: &Identity, refs: &[Refs], repository: Option<&str>) -> Vec<String> {
    let mut other = Vec::new();
    if let (Some(repository), Ok(found)) = (repository, identity.repository())
        && found != repository
    {
        other.push(format!("it was built from {found}"));
    }
    if let (false, Ok(at)) = (refs.is_empty(), identity.claim(Claim::Ref))
        && !refs.iter().any(|refs| refs.0 == at || refs.fits(at))
    {
        other.push(format!("its ref is {at}"));
    }
    other
}
