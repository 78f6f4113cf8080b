//! A root: whose certificates and logs count. It comes from the disk, never from the network.

use super::verifier::Verifier;
use crate::{
    error::clean,
    name::Digest,
    signature::{date, identity::GITHUB_ROOT},
};
use chrono::DateTime;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::fmt;
use vouch_protocol::PlainJson;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

/// The most bytes of a root. Real ones have some thirty thousand.
pub(crate) const LARGEST: usize = 1 << 20;

/// What it lists, by the names of its members, and what people call one of each.
const LISTS: [(&str, &str); 4] = [
    ("certificateAuthorities", "certificate authority"),
    ("ctlogs", "log of certificates"),
    ("tlogs", "log of signatures"),
    ("timestampAuthorities", "timestamp authority"),
];

/// The most members of a root. Real ones have some ten.
const MOST_MEMBERS: usize = 256;

/// An authority or a log in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    kind: &'static str,
    name: String,
    /// SHA-256 of its key or, of an authority, of its own certificate.
    key: Option<Digest>,
    since: Option<u64>,
    until: Option<u64>,
}

impl Member {
    fn of(kind: &'static str, member: &Value) -> Self {
        let name = member.get("baseUrl").or_else(|| member.get("uri"));
        let name = name.and_then(Value::as_str).filter(|name| !name.is_empty());
        let certificate = member.pointer("/certChain/certificates/0/rawBytes");
        let key = member.pointer("/publicKey/rawBytes").or(certificate);
        let key = key.and_then(Value::as_str);
        let key = key.and_then(|key| BASE64.decode(key.as_bytes()).ok());
        Self {
            kind,
            name: clean(name.unwrap_or("without a name")),
            key: key.map(|key| Digest::of(&key)),
            since: dated(member, "start"),
            until: dated(member, "end"),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        if let Some(key) = self.key {
            write!(f, ", {key}")?;
        }
        if let Some(since) = self.since {
            write!(f, ", from {}", date(since))?;
        }
        match self.until {
            Some(until) => write!(f, ", until {}", date(until)),
            None => f.write_str(", without an end"),
        }
    }
}

/// A trusted root.
#[derive(Debug)]
pub struct Root {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) verifier: Verifier,
    /// The names of those who issue certificates under it, in DER.
    issuers: Vec<Vec<u8>>,
    members: Vec<Member>,
    left_out: Vec<String>,
}

impl Root {
    /// Reads a root. What it holds of an unknown kind is left out: newer keys are no reason to
    /// forget all others.
    pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!("it is larger than {LARGEST} bytes"));
        }
        // A value of anything else may read texts in it as JSON, without end.
        let mut read: Value = serde_json::from_slice::<PlainJson>(bytes)
            .and_then(|_| serde_json::from_slice(bytes))
            .map_err(|error| format!("it is not a trusted root: {error}"))?;
        let kind = read.get("mediaType").and_then(Value::as_str);
        if !kind.is_some_and(|kind| kind.starts_with("application/vnd.dev.sigstore.trustedroot")) {
            return Err(
                "it is not a trusted root of Sigstore: its `mediaType` says another".into(),
            );
        }
        let all: usize = LISTS
            .iter()
            .map(|(list, _)| members(&read, list).count())
            .sum();
        if all > MOST_MEMBERS {
            return Err(format!(
                "it has {all} authorities and logs, and no more than {MOST_MEMBERS} are taken"
            ));
        }
        let mut left_out = Vec::new();
        let verifier = if let Ok(verifier) = Verifier::new(&read.to_string()) {
            verifier
        } else {
            left_out = leave_out(&mut read);
            Verifier::new(&read.to_string())?
        };
        let issuers = issuers(&read);
        if issuers.is_empty() {
            return Err("it has no certificate authority that can be used".into());
        }
        let all = LISTS.iter().flat_map(|(list, kind)| {
            let members = members(&read, list);
            members.map(|member| Member::of(kind, member))
        });
        Ok(Self {
            name: name.to_owned(),
            digest: Digest::of(bytes),
            verifier,
            issuers,
            members: all.collect(),
            left_out,
        })
    }

    /// What signers call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its authorities and logs.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Since when the newest of its keys and certificates has been valid, in seconds since 1970:
    /// about its age.
    pub fn since(&self) -> Option<u64> {
        self.members.iter().filter_map(|member| member.since).max()
    }

    /// From when on it has no valid log, or no valid authority of a kind that it has, in seconds
    /// since 1970; and what people call those.
    pub fn until(&self) -> Option<(u64, &'static str)> {
        let ends = LISTS.iter().filter_map(|(_, kind)| {
            let those = self.members.iter().filter(|member| member.kind == *kind);
            let ends = those.map(|member| member.until);
            let last = ends.collect::<Option<Vec<_>>>()?.into_iter().max()?;
            Some((last, *kind))
        });
        ends.min()
    }

    /// What of it is of an unknown kind, and not used.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Whether it is GitHub's own, which has no public logs.
    pub(super) fn is_github(&self) -> bool {
        self.name == GITHUB_ROOT
    }

    /// Whether one of its authorities has a name of these.
    pub(super) fn issues(&self, names: &[Vec<u8>]) -> bool {
        self.issuers.iter().any(|issuer| names.contains(issuer))
    }
}

/// Takes out what no verifier could be made of, and says what that is.
fn leave_out(root: &mut Value) -> Vec<String> {
    let kind = root["mediaType"].clone();
    let mut left_out = Vec::new();
    for (list, called) in LISTS {
        let Some(members) = root.get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        members.retain(|member| {
            let alone = json!({"mediaType": kind, list: [member]});
            let Err(why) = Verifier::new(&alone.to_string()) else {
                return true;
            };
            let member = Member::of(called, member);
            left_out.push(clean(&format!("{member}: {why}")));
            false
        });
    }
    left_out
}

fn members<'a>(root: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    let members = root.get(list).and_then(Value::as_array);
    members.into_iter().flatten()
}

/// When a member's validity starts or ends, in seconds since 1970.
fn dated(member: &Value, end: &str) -> Option<u64> {
    let valid = member
        .pointer("/publicKey/validFor")
        .or(member.get("validFor"))?;
    let date = DateTime::parse_from_rfc3339(valid.get(end)?.as_str()?).ok()?;
    u64::try_from(date.timestamp()).ok()
}

/// The names of a root's authorities.
fn issuers(root: &Value) -> Vec<Vec<u8>> {
    let authorities = members(root, "certificateAuthorities");
    let certificates = authorities.flat_map(|authority| {
        let chain = authority.pointer("/certChain/certificates");
        chain.and_then(Value::as_array).into_iter().flatten()
    });
    let names = certificates.filter_map(|certificate| {
        let der = certificate.get("rawBytes")?.as_str()?;
        let der = BASE64.decode(der.as_bytes()).ok()?;
        let certificate = Certificate::from_der(&der).ok()?;
        certificate.tbs_certificate.subject.to_der().ok()
    });
    names.collect()
}
