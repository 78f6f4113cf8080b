//! The token: a JWT as wascap writes it, checked to the letter (rows 4 to 6 of the rule), and the
//! hashes in it, compared (rows 8 to 10).
//!
//! wascap's types say what claims are; its checks are not used, since it decodes without looking
//! at the signature. Nothing of a token may be shown to anybody before its signature was verified.

use super::{Dates, Evidence, Method, Signatures, Signed};
use crate::{
    artifact::{ArtifactKind, Covered, Entries, Facts, Refusal, Row},
    name::Digest,
};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use nkeys::KeyPairType;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::Arc,
};
use vouch_protocol::{Claims, ErrorKind, Signer};
use wascap::jwt::{CapabilityProvider, Component};

pub(super) const METHOD: Method = Method { absent, signatures };

fn absent(kind: ArtifactKind) -> (&'static str, &'static str) {
    match kind {
        ArtifactKind::Provider => (
            "it carries no token: no entry named `claims.jwt`",
            "Pack and sign it, then try again: `wash par create` of wash 0.43.0 or older does.",
        ),
        _ => (
            "it carries no token: no custom section named `wasmcloud_jwt` or `jwt`",
            "Sign it with an account key, then try again: `wash claims sign` of wash 0.43.0 or older \
             does.",
        ),
    }
}

fn signatures(facts: &Facts, _: &[Evidence]) -> Signatures {
    let Some(token) = &facts.token else {
        return Ok(Vec::new());
    };
    let signed = token.remembered(|| check(facts, token.bytes()).map(Arc::new));
    Ok(vec![Arc::clone(
        signed.as_ref().as_ref().map_err(Refusal::clone)?,
    )])
}

/// Checks form, signature and keys of a token, then whether it covers what is there.
fn check(facts: &Facts, token: &[u8]) -> Result<Signed, Refusal> {
    let parts = Parts::of(token)?;
    let (claims, covers) = match &facts.covered {
        Covered::Rest(rest) => {
            let (claims, hash) = of_wasm(&parts)?;
            (claims, same_rest(*rest, &hash))
        }
        Covered::Entries(entries) => {
            let (mut claims, hashes) = of_archive(&parts)?;
            claims.targets = entries.targets().map(ToOwned::to_owned).collect();
            (claims, compare(entries, &hashes))
        }
    };
    let account = claims.issuer.clone();
    Ok(Signed {
        method: "token",
        signer: Signer {
            id: format!("token:{account}"),
            names: BTreeMap::from([("account".into(), account)]),
        },
        subject: claims.subject.clone(),
        dates: Dates {
            signed_at: Some(claims.issued_at),
            not_before: claims.not_before,
            expires: claims.expires,
        },
        claims: Some(claims),
        covers,
    })
}

/// Whether wascap would write that digest so: in upper-case hex.
fn is_claim_of(claim: &str, digest: Digest) -> bool {
    digest.upper_hex() == claim
}

/// Compares a module or component without its token with what the token says.
fn same_rest(rest: Option<Digest>, claim: &str) -> Result<(), Refusal> {
    let found = match rest {
        Some(rest) if is_claim_of(claim, rest) => return Ok(()),
        Some(rest) => rest.upper_hex(),
        None => "unknown".into(),
    };
    Err(Refusal::hash_mismatch(
        Row::Hash,
        &format!(
            "SHA-256 of all but its token is {found}, and the token says {}",
            short(claim)
        ),
    ))
}

/// Compares what is in an archive with what its token says, either way.
fn compare(entries: &Entries, signed: &HashMap<String, String>) -> Result<(), Refusal> {
    if let Some(fault) = entries.fault() {
        return Err(fault.clone());
    }
    let mismatch = |why: String| Err(Refusal::hash_mismatch(Row::Entries, &why));
    for (name, digest) in entries.hashes() {
        match signed.get(name) {
            Some(hash) if is_claim_of(hash, *digest) => {}
            Some(_) => return mismatch(format!("its entry {name:?} differs")),
            None => return mismatch(format!("its entry {name:?} was not signed")),
        }
    }
    let missing = signed
        .keys()
        .filter(|name| !entries.hashes().contains_key(*name));
    match missing.min() {
        Some(name) => mismatch(format!(
            "its entry {:?}, which was signed, is missing",
            short(name)
        )),
        None => Ok(()),
    }
}

/// A signer's text, as long as a hash at most.
fn short(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
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
        Some(caps) => Vec::deserialize(caps)
            .map_err(|_| invalid(Row::Claims, "its capabilities are not a list of names")),
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
        let text =
            std::str::from_utf8(token).map_err(|_| invalid(Row::Claims, "it is not text"))?;
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid(Row::Claims, "it does not have three parts"));
        };
        let signed = &text[..header.len() + 1 + payload.len()];
        let header: Header = parse(&decode(header, "header")?, "header")?;
        if header.typ != "jwt" || header.alg != "Ed25519" {
            return Err(invalid(
                Row::Claims,
                "its header does not say `jwt` and `Ed25519`",
            ));
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
    fn verify(&self, claims: &Claims, subject: &KeyPairType) -> Result<(), Refusal> {
        verify(self.signed.as_bytes(), &self.signature, &claims.issuer)?;
        key(&claims.issuer, &KeyPairType::Account, "issuer")?;
        key(&claims.subject, subject, "subject")
    }
}

/// What a module's or component's token says, and the hash that it claims.
fn of_wasm(parts: &Parts) -> Result<(Claims, String), Refusal> {
    let (claims, metadata) = claims::<Component>(&parts.payload)?;
    parts.verify(&claims, &KeyPairType::Module)?;
    let claims = Claims {
        name: metadata.name,
        version: metadata.ver,
        revision: metadata.rev,
        call_alias: metadata.call_alias,
        tags: metadata.tags.unwrap_or_default(),
        ..claims
    };
    Ok((claims, metadata.module_hash))
}

/// What a provider archive's token says, and the hash of each entry that it claims.
fn of_archive(parts: &Parts) -> Result<(Claims, HashMap<String, String>), Refusal> {
    let (claims, metadata) = claims::<CapabilityProvider>(&parts.payload)?;
    parts.verify(&claims, &KeyPairType::Service)?;
    let claims = Claims {
        name: metadata.name,
        version: metadata.ver,
        revision: metadata.rev,
        vendor: Some(metadata.vendor),
        ..claims
    };
    Ok((claims, metadata.target_hashes))
}

/// Reads the claims of that type: those that every type has, and its own.
fn claims<T: DeserializeOwned>(payload: &[u8]) -> Result<(Claims, T), Refusal> {
    let capabilities = capabilities(payload)?;
    let claims: wascap::jwt::Claims<T> = parse(payload, "claims")?;
    let metadata = claims
        .metadata
        .ok_or_else(|| invalid(Row::Claims, "it has no `wascap` claims"))?;
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
    let (_, bytes) = nkeys::from_public_key(issuer)
        .map_err(|_| invalid(Row::Claims, "its issuer is not an nkey"))?;
    let refused = || {
        Refusal::new(
            Row::Signature,
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
    Err(invalid(
        Row::Keys,
        &format!("its {whose} is not a public nkey that starts with `{letter}`"),
    ))
}

fn invalid(row: Row, why: &str) -> Refusal {
    Refusal::new(
        row,
        ErrorKind::InvalidToken,
        format!("carries an invalid token: {why}"),
        Some("Sign the artifact again."),
    )
}

fn decode(part: &str, name: &str) -> Result<Vec<u8>, Refusal> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| {
        invalid(
            Row::Claims,
            &format!("its {name} is not base64url without padding"),
        )
    })
}

/// Reads an object. `serde_json` stops at a depth of 128.
fn parse<T: DeserializeOwned>(json: &[u8], name: &str) -> Result<T, Refusal> {
    // Types would be read from a list in their order as well.
    if json.first() != Some(&b'{') {
        return Err(invalid(
            Row::Claims,
            &format!("its {name} are not an object"),
        ));
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
            _ => format!("are not JSON (column {})", error.column()),
        };
        invalid(Row::Claims, &format!("its {name} {what}"))
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
