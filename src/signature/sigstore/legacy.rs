//! What cosign 2 stored beside an image, as a bundle: the tag `sha256-<hex>.sig`, a layer for each
//! signature, and the rest in the layer's annotations.

use super::bundle::{
    Bundle, Chain, Entry, Hint, Kind, LARGEST, Log, Logged, Message, Number, Promise, Proof, Raw,
    Written,
};
use super::few::{Few, Text};
use crate::{name::Digest, signature::evidence::Layer};
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;

/// The most bytes of a payload: it holds a reference and a digest.
const LARGEST_PAYLOAD: usize = 64 << 10;
/// The most certificates above the signer's own.
const MOST_ABOVE: usize = 7;

/// Which manifest a payload is about.
#[derive(Debug)]
pub(super) struct Image {
    /// Of the payload itself: that is what was signed.
    pub(super) payload: Digest,
    pub(super) manifest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: String,
    payload: StoredEntry,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredEntry {
    body: String,
    integrated_time: Number,
    log_index: Number,
    #[serde(rename = "logID")]
    log: String,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: PayloadImage,
}

#[derive(Deserialize)]
struct PayloadImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// The bundle of a layer, and what its payload is about.
pub(super) fn read(layer: &Layer) -> Result<(Bundle, Image), String> {
    let texts = [&layer.certificate, &layer.chain, &layer.bundle];
    let texts = texts.into_iter().flatten().map(String::len);
    let size = texts.sum::<usize>() + layer.signature.len();
    if size > LARGEST || layer.payload.len() > LARGEST_PAYLOAD {
        return Err(format!(
            "it is larger than {LARGEST_PAYLOAD} bytes, with {LARGEST} beside it"
        ));
    }
    let entry = layer.bundle.as_deref().map(entry).transpose()?;
    let mut proof = Proof {
        tlog_entries: Few(entry.into_iter().collect()),
        ..Proof::default()
    };
    match &layer.certificate {
        None => proof.public_key = Some(Hint::default()),
        Some(own) => {
            let above = layer.chain.as_deref().unwrap_or_default();
            let certificates = certificates(own)?.into_iter().take(1);
            let certificates = certificates.chain(certificates_above(above)?);
            proof.x509_certificate_chain = Some(Chain {
                certificates: Few(certificates.collect()),
            });
        }
    }
    let written = Written {
        media_type: None,
        verification_material: proof,
        message_signature: Some(Message {
            message_digest: None,
            signature: Text(layer.signature.clone()),
        }),
        dsse_envelope: None,
    };
    Ok((
        Bundle::of(written, Logged::Promise)?,
        image(&layer.payload)?,
    ))
}

fn image(payload: &[u8]) -> Result<Image, String> {
    let read: Payload = serde_json::from_slice(payload)
        .map_err(|error| format!("its payload cannot be read: {error}"))?;
    let Critical { kind, image } = read.critical;
    if kind != "cosign container image signature" {
        return Err(format!("its payload is {kind:?}, not an image's signature"));
    }
    let manifest = image.digest.parse();
    let manifest =
        manifest.map_err(|_| format!("its payload is about {:?}, not a digest", image.digest))?;
    Ok(Image {
        payload: Digest::of(payload),
        manifest,
    })
}

fn entry(stored: &str) -> Result<Entry, String> {
    let stored: Stored = serde_json::from_str(stored)
        .map_err(|error| format!("its log entry cannot be read: {error}"))?;
    let log = HEXLOWER.decode(stored.payload.log.as_bytes());
    let log = log.map_err(|_| "its log's id cannot be read")?;
    Ok(Entry {
        log_index: stored.payload.log_index,
        log_id: Log {
            key_id: Text(BASE64.encode(&log)),
        },
        kind_version: Kind {
            kind: Text("hashedrekord".into()),
            version: Text("0.0.1".into()),
        },
        integrated_time: stored.payload.integrated_time,
        inclusion_promise: Some(Promise {
            signed_entry_timestamp: Text(stored.promise),
        }),
        inclusion_proof: None,
        canonicalized_body: Text(stored.payload.body),
    })
}

fn certificates_above(pem: &str) -> Result<Vec<Raw>, String> {
    if pem.trim().is_empty() {
        return Ok(Vec::new());
    }
    let above = certificates(pem)?;
    if above.len() > MOST_ABOVE {
        return Err(format!("its chain has more than {MOST_ABOVE} certificates"));
    }
    Ok(above)
}

/// The certificates in PEM.
fn certificates(pem: &str) -> Result<Vec<Raw>, String> {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let wrong = || "its certificate is not in PEM".to_owned();
    let mut found = Vec::new();
    let mut rest = pem.trim();
    while !rest.is_empty() {
        let (body, after) = rest
            .strip_prefix(begin)
            .and_then(|rest| rest.split_once(end))
            .ok_or_else(wrong)?;
        found.push(Raw {
            raw_bytes: Text(body.split_ascii_whitespace().collect()),
        });
        rest = after.trim_start();
    }
    if found.is_empty() {
        return Err(wrong());
    }
    Ok(found)
}
