//! What a token says, and whether it covers what is there (rows 4 to 6 and 8 to 10 of the rule).

use super::jwt::{Fault, Parts, invalid, parse};
use crate::{
    artifact::{Covered, Entries, Facts, Refusal, Row},
    name::Digest,
    signature::{Dates, Signed, nkey::Of},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use vouch_protocol::{Claims, Signer};
use wascap::jwt::{CapabilityProvider, Component};

/// Checks form, signature and keys of a token, then whether it covers what is there.
pub(super) fn check(facts: &Facts, token: &[u8]) -> Result<Signed, Refusal> {
    let parts = Parts::of(token)?;
    let (claims, covers) = match &facts.covered {
        Covered::Rest(rest) => {
            let (claims, hash) = said_of_wasm(&parts.payload)?;
            parts.verify(&claims.issuer, &claims.subject, Of::Module)?;
            (claims, same_rest(*rest, &hash))
        }
        Covered::Entries(entries) => {
            let (mut claims, hashes) = said_of_archive(&parts.payload)?;
            parts.verify(&claims.issuer, &claims.subject, Of::Service)?;
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
        bundle: None,
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
            "SHA-256 of all but its token is {found}, but the token says {}",
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

/// What wascap's types do not say: that its claims are an object, which a list in their order
/// would pass for, and the capabilities that tokens of 2020 to 2022 carry.
#[derive(Deserialize)]
struct Shape {
    wascap: Map<String, Value>,
}

/// See [`Shape`].
fn capabilities(payload: &[u8]) -> Result<Vec<String>, Fault> {
    let shape: Shape = parse(payload, "claims")?;
    match shape.wascap.get("caps") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(caps) => Vec::deserialize(caps)
            .map_err(|_| invalid(Row::Claims, "its capabilities are not a list of names")),
    }
}

/// What a module's or component's token says, and the hash that it claims.
pub(super) fn said_of_wasm(payload: &[u8]) -> Result<(Claims, String), Fault> {
    let (claims, metadata) = claims::<Component>(payload)?;
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
pub(super) fn said_of_archive(payload: &[u8]) -> Result<(Claims, HashMap<String, String>), Fault> {
    let (claims, metadata) = claims::<CapabilityProvider>(payload)?;
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
fn claims<T: DeserializeOwned>(payload: &[u8]) -> Result<(Claims, T), Fault> {
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
