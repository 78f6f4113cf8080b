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

/// A token whose signature holds, and what it says about contents: `H` is the SHA-256 of a wasm
/// file without the token's section, or of each entry of an archive by target; in upper-case hex,
/// as wascap writes and compares it.
#[derive(Debug)]
pub(super) struct Token<H> {
    /// What it says, without the hashes.
    pub(super) claims: Claims,
    pub(super) hashes: H,
    /// Bytes of its claims.
    pub(super) size: usize,
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

/// A token's parts, of which nothing is verified yet.
struct Parts<'a> {
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn of(token: &'a [u8]) -> Result<Self, Refusal> {
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
        // Before anything is read from it: of two equal names, readers keep one or the other.
        parse::<NothingTwice>(&payload, "claims")?;
        Ok(Self {
            signed,
            payload,
            signature: decode(signature, "signature")?,
        })
    }

    /// Verifies the signature, then the kinds of the two keys.
    fn verify<H>(
        &self,
        claims: Claims,
        hashes: H,
        subject: &KeyPairType,
    ) -> Result<Token<H>, Refusal> {
        verify(self.signed.as_bytes(), &self.signature, &claims.issuer)?;
        key(&claims.issuer, &KeyPairType::Account, "issuer")?;
        key(&claims.subject, subject, "subject")?;
        Ok(Token {
            claims,
            hashes,
            size: self.payload.len(),
        })
    }
}

/// Checks form, signature and keys of a module's or component's token.
pub(super) fn of_wasm(token: &[u8]) -> Result<Token<String>, Refusal> {
    let parts = Parts::of(token)?;
    let (claims, metadata) = claims::<Component>(&parts.payload)?;
    let claims = Claims {
        name: metadata.name,
        version: metadata.ver,
        revision: metadata.rev,
        call_alias: metadata.call_alias,
        tags: metadata.tags.unwrap_or_default(),
        ..claims
    };
    parts.verify(claims, metadata.module_hash, &KeyPairType::Module)
}

/// Checks form, signature and keys of a provider archive's token.
pub(super) fn of_archive(token: &[u8]) -> Result<Token<BTreeMap<String, String>>, Refusal> {
    let parts = Parts::of(token)?;
    let (claims, metadata) = claims::<CapabilityProvider>(&parts.payload)?;
    let claims = Claims {
        name: metadata.name,
        version: metadata.ver,
        revision: metadata.rev,
        vendor: Some(metadata.vendor),
        ..claims
    };
    let hashes = metadata.target_hashes.into_iter().collect();
    parts.verify(claims, hashes, &KeyPairType::Service)
}

/// Reads the claims of that type: those that every type has, and its own.
fn claims<T: DeserializeOwned>(payload: &[u8]) -> Result<(Claims, T), Refusal> {
    let capabilities = capabilities(payload)?;
    let claims: wascap::jwt::Claims<T> = parse(payload, "claims")?;
    let metadata = claims
        .metadata
        .ok_or_else(|| invalid("it has no `wascap` claims"))?;
    let shared = Claims {
        issuer: claims.issuer,
        subject: claims.subject,
        capabilities,
        issued_at: claims.issued_at,
        not_before: claims.not_before,
        expires: claims.expires,
        ..Claims::default()
    };
    Ok((shared, metadata))
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
    let letter = match kind {
        KeyPairType::Account => 'A',
        KeyPairType::Module => 'M',
        _ => 'V',
    };
    Err(invalid(&format!(
        "its {whose} is no public nkey that starts with `{letter}`"
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
