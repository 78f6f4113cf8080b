//! Who a certificate is for. It is asked once the certificate's authority has been trusted: what
//! stands in it is what Fulcio saw in a token of an identity provider.
//!
//! Extensions: <https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>.

use crate::error::clean;
use std::{collections::BTreeMap, fmt::Write as _};
use vouch_protocol::needs_escape;
use x509_cert::{
    Certificate,
    der::{Decode, asn1::Utf8StringRef, oid::ObjectIdentifier},
    ext::{
        Extension,
        pkix::{SubjectAltName, name::GeneralName},
    },
};

/// Who vouches for the identities of GitHub's workflows.
pub(crate) const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// The root of the public good instance, which logs everything.
pub(crate) const PUBLIC_ROOT: &str = "public-good";
/// GitHub's own root, for what private repositories sign.
pub(crate) const GITHUB_ROOT: &str = "github";

/// Whether a root of that name counts without being named.
pub(crate) fn is_built_in(root: &str) -> bool {
    root == PUBLIC_ROOT || root == GITHUB_ROOT
}

/// The extension that names the certificate's owner.
const SAN: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// Under which Fulcio's extensions are.
const FULCIO: &str = "1.3.6.1.4.1.57264.1.";

/// Who signed, as a certificate has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The one name in it.
    pub(crate) name: Name,
    /// Who vouches for that.
    pub(crate) issuer: String,
    /// What else it says, by the last number of the extension; nothing where that cannot be read.
    claims: BTreeMap<u32, Option<String>>,
}

/// A name of the kinds that are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Email(String),
    Uri(String),
}

/// What a certificate may say of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Repository = 12,
    Commit = 13,
    Ref = 14,
    RepositoryId = 15,
    Owner = 16,
    OwnerId = 17,
    Trigger = 20,
}

impl Claim {
    /// With its name on the wire.
    const ALL: [(Self, &'static str); 7] = [
        (Self::Repository, "repository"),
        (Self::Commit, "commit"),
        (Self::Ref, "ref"),
        (Self::RepositoryId, "repositoryId"),
        (Self::Owner, "owner"),
        (Self::OwnerId, "ownerId"),
        (Self::Trigger, "trigger"),
    ];

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Repository => "source repository",
            Self::Commit => "commit",
            Self::Ref => "ref",
            Self::RepositoryId => "id of the source repository",
            Self::Owner => "owner of the source repository",
            Self::OwnerId => "id of the owner",
            Self::Trigger => "trigger",
        }
    }
}

/// A workflow of GitHub's, and at which ref it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Workflow<'a> {
    /// `github.com/acme/echo/.github/workflows/release.yml`.
    pub(crate) path: &'a str,
    /// `github.com/acme/echo`.
    pub(crate) repository: &'a str,
}

impl Identity {
    /// Of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(certificate)
            .map_err(|error| format!("its certificate cannot be read: {error}"))?;
        let extensions = certificate.tbs_certificate.extensions.unwrap_or_default();
        let mut claims = BTreeMap::new();
        for extension in &extensions {
            let id = extension.extn_id.to_string();
            let Some(number) = id.strip_prefix(FULCIO).and_then(|last| last.parse().ok()) else {
                continue;
            };
            let value = text(extension, number);
            // Of two, nobody knows which one others read.
            claims
                .entry(number)
                .and_modify(|claim| *claim = None)
                .or_insert(value);
        }
        Ok(Self {
            name: name(&extensions)?,
            issuer: issuer(&claims)?,
            claims,
        })
    }

    /// What it says, or why it does not.
    pub(crate) fn claim(&self, claim: Claim) -> Result<&str, String> {
        match self.claims.get(&(claim as u32)) {
            Some(Some(text)) => Ok(text),
            Some(None) => Err(format!("its {} cannot be read", claim.name())),
            None => Err(format!("it does not say its {}", claim.name())),
        }
    }

    /// The repository that it was built of, as the config writes it: `github.com/acme/echo`.
    pub(crate) fn repository(&self) -> Result<&str, String> {
        let claimed = self.claim(Claim::Repository)?;
        Ok(claimed.strip_prefix("https://").unwrap_or(claimed))
    }

    /// The workflow of GitHub's that it is for.
    pub(crate) fn workflow(&self) -> Option<Workflow<'_>> {
        let Name::Uri(uri) = &self.name else {
            return None;
        };
        if self.issuer != GITHUB {
            return None;
        }
        let (path, at) = uri.strip_prefix("https://")?.split_once('@')?;
        let is_commit = |text: &str| {
            matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        // A file's name may hold `@`, and no `/`: what stands behind is a whole ref or nothing.
        if !at.starts_with("refs/") && !is_commit(at) {
            return None;
        }
        workflow(path)
    }

    /// What tells it from all others of the method, apart from what changes from one release to
    /// the next.
    pub(crate) fn id(&self) -> String {
        match (&self.name, self.workflow()) {
            (_, Some(workflow)) => {
                let mut id = format!("workflow={}", escaped(workflow.path));
                match self.repository() {
                    Ok(repository) if repository == workflow.repository => {}
                    Ok(repository) => id.extend([",repository=", &*escaped(repository)]),
                    Err(_) => id.push_str(",repository="),
                }
                id
            }
            (Name::Email(email), _) => {
                format!("email={},issuer={}", escaped(email), escaped(&self.issuer))
            }
            (Name::Uri(uri), _) => {
                format!("uri={},issuer={}", escaped(uri), escaped(&self.issuer))
            }
        }
    }

    /// All that it says, by its names on the wire.
    pub(crate) fn names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::from([("issuer".to_owned(), self.issuer.clone())]);
        match &self.name {
            Name::Email(email) => names.insert("email".into(), email.clone()),
            Name::Uri(uri) => names.insert("uri".into(), uri.clone()),
        };
        if let Some(workflow) = self.workflow() {
            names.insert("workflow".into(), workflow.path.to_owned());
        }
        for (claim, name) in Claim::ALL {
            if let Ok(text) = self.claim(claim) {
                let text = text.strip_prefix("https://").unwrap_or(text);
                names.insert(name.into(), text.to_owned());
            }
        }
        names
    }
}

/// The name, and what it says of a workflow's path.
pub(crate) fn workflow(path: &str) -> Option<Workflow<'_>> {
    let parts: Vec<_> = path.split('/').collect();
    let [
        "github.com",
        owner,
        repository,
        ".github",
        "workflows",
        file,
    ] = parts[..]
    else {
        return None;
    };
    let length = "github.com//".len() + owner.len() + repository.len();
    let whole = [owner, repository, file]
        .iter()
        .all(|part| !part.is_empty());
    let repository = path.get(..length)?;
    whole.then_some(Workflow { path, repository })
}

/// What an id may not hold as it is: what separates its parts, and white space.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_graphic() && !matches!(character, ',' | '%') {
            escaped.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing into a string does not fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

/// A claim's text: the first seven are bare, all others are in DER. Nothing where people would not see
/// all of it: it stands in messages, and in commands to be pasted.
fn text(extension: &Extension, number: u32) -> Option<String> {
    let bytes = extension.extn_value.as_bytes();
    let text = if number < 8 {
        std::str::from_utf8(bytes).ok()?
    } else {
        Utf8StringRef::from_der(bytes).ok()?.as_str()
    };
    let is_plain = !text.is_empty() && !text.contains(needs_escape);
    is_plain.then(|| text.to_owned())
}

/// The one name of a certificate's owner.
fn name(extensions: &[Extension]) -> Result<Name, String> {
    let mut found = extensions.iter().filter(|one| one.extn_id == SAN);
    let (Some(extension), None) = (found.next(), found.next()) else {
        return Err("its certificate does not name its owner once".into());
    };
    let names = SubjectAltName::from_der(extension.extn_value.as_bytes())
        .map_err(|_| "its certificate's owner cannot be read")?;
    let [one] = &names.0[..] else {
        let number = names.0.len();
        return Err(format!(
            "its certificate is for {number} owners, not for one"
        ));
    };
    let (text, name): (&str, fn(String) -> Name) = match one {
        GeneralName::Rfc822Name(email) => (email.as_str(), Name::Email),
        GeneralName::UniformResourceIdentifier(uri) => (uri.as_str(), Name::Uri),
        _ => return Err("its certificate's owner has neither an e-mail address nor a URI".into()),
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("its certificate is for {:?}", clean(text)));
    }
    Ok(name(text.to_owned()))
}

/// Who vouches for it: the extension 8, or the older 1; they say the same.
fn issuer(claims: &BTreeMap<u32, Option<String>>) -> Result<String, String> {
    let issuer = match (claims.get(&8), claims.get(&1)) {
        (Some(Some(new)), Some(Some(old))) if new == old => new,
        (Some(Some(only)), None) | (None, Some(Some(only))) => only,
        (None, None) => return Err("its certificate does not say who vouches for it".into()),
        _ => return Err("who vouches for its certificate cannot be read".into()),
    };
    if issuer.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(issuer.clone())
    } else {
        Err("who vouches for its certificate cannot be read".into())
    }
}
