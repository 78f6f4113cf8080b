//! The token: a JWT as wascap writes it, checked to the letter (rows 4 and 5 of the rule).
//!
//! wascap's types say what claims are; its checks are not used, since it decodes without looking
//! at the signature. Nothing of a token may be shown to anybody before [`check`] returned it.

use super::Refusal;
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use nkeys::KeyPairType;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};
use vouch_protocol::{Claims, ErrorKind};
use wascap::jwt::{CapabilityProvider, Component};

/// A token whose signature holds.
#[derive(Debug)]
pub(super) struct Token {
    /// What it says, without the hashes.
    pub(super) claims: Claims,
    /// What it says about contents.
    pub(super) hashes: Hashes,
    /// Bytes of its claims.
    pub(super) size: usize,
}

/// SHA-256 in upper-case hex, as wascap writes and compares it.
#[derive(Debug)]
pub(super) enum Hashes {
    /// Of the wasm file without the token's section.
    Module(String),
    /// Of each entry of an archive, by target.
    Targets(BTreeMap<String, String>),
}

/// What a token has to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A module or component.
    Wasm,
    /// A provider archive.
    Archive,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
}

/// What wascap's types do not say: that its claims are an object, which a list in their order
/// would pass for, and the capabilities that tokens of 2020 to 2022 carry.
#[derive(Deserialize)]
struct Shape {
    wascap: Map<String, Value>,
}

/// See [`Shape`].
fn capabilities(payload: &[u8]) -> Result<Vec<String>, Refusal> {
    let shape: Shape = parse(payload, "claims")?;
    match shape.wascap.get("caps") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(caps) => {
            Vec::deserialize(caps).map_err(|_| invalid("its capabilities are no list of names"))
        }
    }
}

/// Checks form, signature and keys of a token.
pub(super) fn check(token: &[u8], subject: Subject) -> Result<Token, Refusal> {
    let text = std::str::from_utf8(token).map_err(|_| invalid("it is not text"))?;
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid("it does not have three parts"));
    };
    let signed = &text[..header.len() + 1 + payload.len()];
    let header: Header = parse(&decode(header, "header")?, "header")?;
    if header.typ != "jwt" || header.alg != "Ed25519" {
        return Err(invalid("its header does not say `jwt` and `Ed25519`"));
    }
    let payload = decode(payload, "claims")?;
    let signature = decode(signature, "signature")?;
    // Before anything is read from it: two readers may each keep another one of two equal names.
    parse::<NothingTwice>(&payload, "claims")?;
    let token = match subject {
        Subject::Wasm => wasm(&payload)?,
        Subject::Archive => archive(&payload)?,
    };
    verify(signed.as_bytes(), &signature, &token.claims.issuer)?;
    key(&token.claims.issuer, &KeyPairType::Account, "issuer")?;
    let kind = match subject {
        Subject::Wasm => KeyPairType::Module,
        Subject::Archive => KeyPairType::Service,
    };
    key(&token.claims.subject, &kind, "subject")?;
    Ok(token)
}

fn wasm(payload: &[u8]) -> Result<Token, Refusal> {
    let claims: wascap::jwt::Claims<Component> = parse(payload, "claims")?;
    let metadata = claims
        .metadata
        .ok_or_else(|| invalid("it has no `wascap` claims"))?;
    Ok(Token {
        claims: Claims {
            issuer: claims.issuer,
            subject: claims.subject,
            name: metadata.name,
            version: metadata.ver,
            revision: metadata.rev,
            vendor: None,
            call_alias: metadata.call_alias,
            tags: metadata.tags.unwrap_or_default(),
            capabilities: capabilities(payload)?,
            targets: Vec::new(),
            issued_at: claims.issued_at,
            not_before: claims.not_before,
            expires: claims.expires,
        },
        hashes: Hashes::Module(metadata.module_hash),
        size: payload.len(),
    })
}

fn archive(payload: &[u8]) -> Result<Token, Refusal> {
    let claims: wascap::jwt::Claims<CapabilityProvider> = parse(payload, "claims")?;
    let metadata = claims
        .metadata
        .ok_or_else(|| invalid("it has no `wascap` claims"))?;
    Ok(Token {
        claims: Claims {
            issuer: claims.issuer,
            subject: claims.subject,
            name: metadata.name,
            version: metadata.ver,
            revision: metadata.rev,
            vendor: Some(metadata.vendor),
            call_alias: None,
            tags: Vec::new(),
            capabilities: capabilities(payload)?,
            targets: Vec::new(),
            issued_at: claims.issued_at,
            not_before: claims.not_before,
            expires: claims.expires,
        },
        hashes: Hashes::Targets(metadata.target_hashes.into_iter().collect()),
        size: payload.len(),
    })
}

/// Strict verification: a reduced scalar, no key and no R of small order. What `nkeys` and `ring`
/// offer accepts one constant signature for every token where the issuer is the identity point.
fn verify(signed: &[u8], signature: &[u8], issuer: &str) -> Result<(), Refusal> {
    let (_, bytes) =
        nkeys::from_public_key(issuer).map_err(|_| invalid("its issuer is no nkey"))?;
    let refused = || {
        Refusal::new(
            ErrorKind::SignatureInvalid,
            "carries a token whose signature does not verify with its issuer's key".into(),
            Some("The token was altered, or forged. Get the artifact from its signer again."),
        )
    };
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| refused())?;
    let signature = Signature::from_slice(signature).map_err(|_| refused())?;
    key.verify_strict(signed, &signature).map_err(|_| refused())
}

fn key(text: &str, kind: &KeyPairType, whose: &str) -> Result<(), Refusal> {
    let is_kind = nkeys::KeyPair::from_public_key(text).is_ok_and(|pair| {
        std::mem::discriminant(&pair.key_pair_type()) == std::mem::discriminant(kind)
    });
    if is_kind {
        return Ok(());
    }
    Err(invalid(&format!(
        "its {whose} is no nkey of the kind {kind:?}"
    )))
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(
        ErrorKind::InvalidToken,
        format!("carries an invalid token: {why}"),
        Some("Sign the artifact anew."),
    )
}

fn decode(part: &str, name: &str) -> Result<Vec<u8>, Refusal> {
    BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| invalid(&format!("its {name} is not base64url without padding")))
}

/// Reads an object. `serde_json` stops at a depth of 128.
fn parse<T: DeserializeOwned>(json: &[u8], name: &str) -> Result<T, Refusal> {
    // Types would be read from a list in their order as well.
    if json.first() != Some(&b'{') {
        return Err(invalid(&format!("its {name} are no object")));
    }
    serde_json::from_slice(json).map_err(|error| {
        // Its message may quote what was found, which nobody vouched for: only the place is told.
        let what = match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with(TWICE) => {
                "hold a name twice".to_owned()
            }
            serde_json::error::Category::Data => {
                format!(
                    "are not of the form that fits the artifact (column {})",
                    error.column()
                )
            }
            _ => format!("are no JSON (column {})", error.column()),
        };
        invalid(&format!("its {name} {what}"))
    })
}

const TWICE: &str = "a name twice";

/// JSON of any shape in which no object holds a name twice, at any depth.
struct NothingTwice;

impl<'de> Deserialize<'de> for NothingTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NothingTwice)
    }
}

impl<'de> Visitor<'de> for NothingTwice {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(de::Error::custom(TWICE));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
