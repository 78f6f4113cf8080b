//! A token, or the two parts of it that are signed, read to the letter. The reasons in errors are the
//! rest of a sentence about it, and quote nothing that nobody vouched for.

use super::nkey::{self, Account};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use vouch_protocol::{Claims, PlainJson, needs_escape};

/// The longest token, in bytes: what a service accepts unless its owner says otherwise.
const LONGEST: usize = 256 << 10;

/// The most entries of an archive that are believed.
pub(super) const MOST_ENTRIES: usize = 256;
/// The longest name or the like that is signed, in bytes.
const LONGEST_TEXT: usize = 256;

/// The header of all that is signed here.
const HEADER: &[u8] = br#"{"typ":"jwt","alg":"Ed25519"}"#;

/// The revision of wascap from which on its readers look at the hash of a module.
const REVISION: u32 = 3;

/// The names that claims may have where they are going to be signed.
const NAMES: [&str; 8] = [
    "exp",
    "jti",
    "iat",
    "iss",
    "sub",
    "nbf",
    "wascap",
    "wascap_revision",
];
const OF_WASM: [&str; 8] = [
    "name",
    "hash",
    "tags",
    "rev",
    "ver",
    "call_alias",
    "prov",
    "caps",
];
const OF_ARCHIVES: [&str; 7] = [
    "name",
    "vendor",
    "rev",
    "ver",
    "target_hashes",
    "config_schema",
    "caps",
];

/// What a token says, and whose it is.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) account: Account,
    pub(super) kind: Kind,
    pub(super) claims: Claims,
    pub(super) covers: Hashes,
    /// What claims of the protocol do not hold.
    id: String,
    pub(super) is_provider: bool,
    pub(super) config_schema: Option<Value>,
}

impl Said {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let Claims {
            name,
            version,
            vendor,
            call_alias,
            tags,
            capabilities,
            targets,
            ..
        } = &self.claims;
        let single = [Some(&self.id), name.as_ref(), version.as_ref()]
            .into_iter()
            .chain([vendor.as_ref(), call_alias.as_ref()])
            .flatten();
        single.chain([tags, capabilities, targets].into_iter().flatten())
    }
}

/// Whether people who look at a text see all of it.
fn can_be_seen(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !text.contains(needs_escape)
}

/// What a token covers: SHA-256 as wascap writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hashes {
    /// Of a module or component without its token.
    Rest(String),
    /// Of an archive's entries without its token: of each by its name.
    Entries(BTreeMap<String, String>),
}

/// What a token is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Wasm,
    Archive,
}

impl Kind {
    /// The prefix of its subjects.
    pub(super) fn prefix(self) -> u8 {
        match self {
            Self::Wasm => nkey::MODULE,
            Self::Archive => nkey::SERVICE,
        }
    }

    /// The letter with which its subjects begin.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Wasm => 'M',
            Self::Archive => 'V',
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Wasm => &OF_WASM,
            Self::Archive => &OF_ARCHIVES,
        }
    }
}

/// Reads what is going to be signed: nothing may stand in it whose meaning is not known here.
pub(super) fn to_be_signed(text: &str) -> Result<Said, String> {
    if text.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    let Some((header, payload)) = text.split_once('.') else {
        return Err("does not have two parts".into());
    };
    if decode(header)? != HEADER {
        return Err("does not have a token's header".into());
    }
    let payload = decode(payload)?;
    let object = object(&payload)?;
    let wascap = object.get("wascap").and_then(Value::as_object);
    let wascap = wascap.ok_or("has no object `wascap`")?;
    let kind = kind(wascap);
    let unknown = |names: &[&str], object: &Map<String, Value>| {
        let unknown = object.keys().find(|name| !names.contains(&name.as_str()));
        unknown.map(|name| format!("says something unknown, {name:?}"))
    };
    if let Some(why) = unknown(&NAMES, &object).or_else(|| unknown(kind.names(), wascap)) {
        return Err(why);
    }
    if object.get("wascap_revision") != Some(&REVISION.into()) {
        return Err(format!("is not of wascap's revision {REVISION}"));
    }
    let said = said(kind, object)?;
    if !said.texts().all(|text| can_be_seen(text)) {
        return Err("says something that is too long, or contains invisible characters".into());
    }
    Ok(said)
}

/// Reads a token whose signature holds, whatever its dates.
pub(super) fn signed(token: &str) -> Result<Said, String> {
    if token.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    let parts: Vec<_> = token.splitn(4, '.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err("does not have three parts".into());
    };
    let signed = &token[..header.len() + 1 + payload.len()];
    let header = object(&decode(header)?)?;
    let says = |name: &str, value: &str| header.get(name).and_then(Value::as_str) == Some(value);
    if header.len() != 2 || !says("typ", "jwt") || !says("alg", "Ed25519") {
        return Err("does not have a token's header".into());
    }
    let object = object(&decode(payload)?)?;
    let wascap = object.get("wascap").and_then(Value::as_object);
    let kind = kind(wascap.ok_or("has no object `wascap`")?);
    let said = said(kind, object)?;
    let signature: [u8; 64] = decode(signature)?
        .try_into()
        .map_err(|_| "has no signature of 64 bytes")?;
    if !verifies(&said.account, signed.as_bytes(), &signature) {
        return Err("has a signature that does not verify".into());
    }
    Ok(said)
}

/// Strict verification: a reduced scalar, no key and no R of small order.
pub(super) fn verifies(account: &Account, bytes: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(account.key())
        .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
}

/// Base64url has one spelling without padding: others are refused.
fn decode(part: &str) -> Result<Vec<u8>, String> {
    BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| "is not base64url without padding".into())
}

/// An object that all readers take for the same.
fn object(json: &[u8]) -> Result<Map<String, Value>, String> {
    // Before anything else is read from it.
    serde_json::from_slice::<PlainJson>(json).map_err(|error| match PlainJson::fault(&error) {
        Some(fault) => format!("has {fault}"),
        None => "is not JSON".to_owned(),
    })?;
    serde_json::from_slice(json).map_err(|_| "is not a JSON object".into())
}

fn kind(wascap: &Map<String, Value>) -> Kind {
    if wascap.contains_key("target_hashes") {
        Kind::Archive
    } else {
        Kind::Wasm
    }
}

/// Claims as wascap and provider-archive write them. Times are seconds since 1970.
#[derive(Deserialize)]
struct Payload {
    exp: Option<u64>,
    jti: String,
    iat: u64,
    iss: String,
    sub: String,
    nbf: Option<u64>,
    wascap: Wascap,
}

#[derive(Deserialize)]
struct Wascap {
    name: Option<String>,
    ver: Option<String>,
    rev: Option<i32>,
    hash: Option<String>,
    tags: Option<Vec<String>>,
    call_alias: Option<String>,
    #[serde(default)]
    prov: bool,
    caps: Option<Vec<String>>,
    vendor: Option<String>,
    target_hashes: Option<BTreeMap<String, String>>,
    config_schema: Option<Value>,
}

fn said(kind: Kind, object: Map<String, Value>) -> Result<Said, String> {
    let payload: Payload = serde_json::from_value(Value::Object(object))
        .map_err(|_| "does not have the claims of a token")?;
    let wascap = payload.wascap;
    let covers = match (kind, wascap.hash, wascap.target_hashes, &wascap.vendor) {
        (Kind::Wasm, Some(hash), None, None) if is_hash(&hash) => Hashes::Rest(hash),
        (Kind::Archive, None, Some(hashes), Some(_))
            if !hashes.is_empty()
                && hashes.len() <= MOST_ENTRIES
                && hashes
                    .iter()
                    .all(|(name, hash)| !name.is_empty() && is_hash(hash)) =>
        {
            Hashes::Entries(hashes)
        }
        _ => return Err("does not say what it covers as a token does".into()),
    };
    let targets = match &covers {
        Hashes::Rest(_) => Vec::new(),
        // The description of its interface is an entry, and not a target.
        Hashes::Entries(hashes) => {
            let names = hashes.keys().filter(|name| *name != "world.wasm");
            names.cloned().collect()
        }
    };
    let Some(account) = Account::parse(&payload.iss) else {
        return Err("names an issuer that is not an account".into());
    };
    if nkey::public_key(&payload.sub).is_none_or(|(prefix, _)| prefix != kind.prefix()) {
        return Err(format!(
            "names a subject that is not an nkey that starts with `{}`",
            kind.letter()
        ));
    }
    Ok(Said {
        account,
        kind,
        id: payload.jti,
        covers,
        is_provider: wascap.prov,
        config_schema: wascap.config_schema,
        claims: Claims {
            issuer: payload.iss,
            subject: payload.sub,
            name: wascap.name,
            version: wascap.ver,
            revision: wascap.rev,
            vendor: wascap.vendor,
            call_alias: wascap.call_alias,
            tags: wascap.tags.unwrap_or_default(),
            capabilities: wascap.caps.unwrap_or_default(),
            targets,
            issued_at: payload.iat,
            not_before: payload.nbf,
            expires: payload.exp,
        },
    })
}

/// SHA-256 as wascap writes it.
fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}
