//! The form of a token: a JWT, read to the letter, and its signature (rows 4 to 6 of the rule).

use crate::{
    artifact::{Refusal, Row},
    signature::nkey::{self, Of},
};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, de::DeserializeOwned};
use vouch_protocol::{ErrorKind, PlainJson};

/// What is wrong with a token. Nothing of it is quoted, as nobody vouched for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// By that row it is none: what is said of the token.
    Form(Row, String),
    /// Its signature does not verify with its issuer's key.
    Signature,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Form(row, why) => Refusal::new(
                row,
                ErrorKind::InvalidToken,
                format!("carries an invalid token: {why}"),
                Some("Sign the artifact again: `vouch sign {file}`."),
            ),
            Fault::Signature => Refusal::new(
                Row::Signature,
                ErrorKind::SignatureInvalid,
                "carries a token whose signature does not verify with its issuer's key".into(),
                Some("The token was altered, or forged. Get the artifact from its signer again."),
            ),
        }
    }
}

/// A header as wascap writes it, in base64url.
pub(super) fn header() -> String {
    BASE64URL_NOPAD.encode(br#"{"typ":"jwt","alg":"Ed25519"}"#)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
}

/// A token's parts, of which nothing is verified yet.
pub(super) struct Parts<'a> {
    signed: &'a str,
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a [u8]) -> Result<Self, Fault> {
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
        // Before anything else is read from it.
        parse::<PlainJson>(&payload, "claims")?;
        Ok(Self {
            signed,
            payload,
            signature: decode(signature, "signature")?,
        })
    }

    /// Verifies the signature, then the kinds of the two keys.
    pub(super) fn verify(&self, issuer: &str, subject: &str, of: Of) -> Result<(), Fault> {
        verify(self.signed.as_bytes(), &self.signature, issuer)?;
        check_key(issuer, Of::Account, "issuer")?;
        check_key(subject, of, "subject")
    }
}

/// Strict verification: a reduced scalar, no key and no R of small order. What `nkeys` and `ring`
/// offer accepts one constant signature for every token where the issuer is the identity point.
fn verify(signed: &[u8], signature: &[u8], issuer: &str) -> Result<(), Fault> {
    let (_, bytes) = nkeys::from_public_key(issuer)
        .map_err(|_| invalid(Row::Claims, "its issuer is not an nkey"))?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| Fault::Signature)?;
    let signature = Signature::from_slice(signature).map_err(|_| Fault::Signature)?;
    key.verify_strict(signed, &signature)
        .map_err(|_| Fault::Signature)
}

/// Whether a text is an nkey of this kind, of a key that there is.
pub(super) fn is_key(text: &str, of: Of) -> bool {
    nkey::read(of, text).is_some_and(|key| VerifyingKey::from_bytes(&key).is_ok())
}

fn check_key(text: &str, of: Of, whose: &str) -> Result<(), Fault> {
    if is_key(text, of) {
        return Ok(());
    }
    let letter = of.letter();
    Err(invalid(
        Row::Keys,
        &format!("its {whose} is not a public nkey that starts with `{letter}`"),
    ))
}

pub(super) fn invalid(row: Row, why: &str) -> Fault {
    Fault::Form(row, why.to_owned())
}

fn decode(part: &str, name: &str) -> Result<Vec<u8>, Fault> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| {
        invalid(
            Row::Claims,
            &format!("its {name} is not base64url without padding"),
        )
    })
}

/// Reads an object. `serde_json` stops at a depth of 128.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8], name: &str) -> Result<T, Fault> {
    // Types would be read from a list in their order as well.
    if json.first() != Some(&b'{') {
        return Err(invalid(
            Row::Claims,
            &format!("its {name} cannot be read: not an object"),
        ));
    }
    serde_json::from_slice(json).map_err(|error| {
        // Its message may quote what was found, which nobody vouched for: only the place is told.
        let what = match error.classify() {
            serde_json::error::Category::Data => match PlainJson::fault(&error) {
                Some(fault) => format!("there is {fault}"),
                None => format!(
                    "not of the form that fits the artifact (column {})",
                    error.column()
                ),
            },
            _ => format!("not JSON (column {})", error.column()),
        };
        invalid(Row::Claims, &format!("its {name} cannot be read: {what}"))
    })
}
