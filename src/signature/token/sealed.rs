//! A token that a client signed: what `sign/prepare` answered, and a signature that verifies.

use super::{
    jwt::{self, Fault, Parts, invalid},
    payload::{Payload, REVISION},
};
use crate::{
    artifact::Row,
    error::{Result, error},
    signature::nkey::Of,
};

/// A token of the form that is written here, whose signature is its issuer's. What it covers is
/// seen once it is put in.
#[derive(Debug)]
pub struct Sealed(String);

impl Sealed {
    /// Puts the two together; a token may have that many bytes.
    pub fn of(signing_input: &str, signature: &str, longest: usize) -> Result<Self> {
        let length = signing_input.len().saturating_add(1 + signature.len());
        if length > longest {
            return Err(
                error!(TooLarge: "`signingInput` makes a token larger than {longest} bytes")
                    .help("The server's owner can raise the limits in the config."),
            );
        }
        let token = format!("{signing_input}.{signature}");
        match check(&token) {
            Ok(()) => Ok(Self(token)),
            Err(Fault::Form(_, why)) => {
                Err(error!(InvalidToken: "`signingInput` is not one of `sign/prepare`: {why}")
                    .help("Send what `sign/prepare` answered, unchanged."))
            }
            Err(Fault::Signature) => {
                Err(error!(
                    SignatureInvalid:
                    "`signature` does not verify over `signingInput` with the key of its account"
                ).help(
                    "Sign the bytes of `signingInput` as they are with the account's Ed25519 key, and send the 64 bytes in base64url without padding.",
                ))
            }
        }
    }

    /// The token.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn check(token: &str) -> Result<(), Fault> {
    let parts = Parts::of(token.as_bytes())?;
    if token.split('.').next() != Some(&*jwt::header()) {
        return Err(invalid(
            Row::Claims,
            "its header is not written as wascap does",
        ));
    }
    let payload: Payload = jwt::parse(&parts.payload, "claims")?;
    if payload.revision != REVISION {
        return Err(invalid(
            Row::Claims,
            &format!("its `wascap_revision` is not {REVISION}"),
        ));
    }
    let said = &payload.wascap;
    let of = match (&said.hash, &said.target_hashes, &said.vendor) {
        (Some(_), None, None) => Of::Module,
        (None, Some(_), Some(_)) => Of::Service,
        _ => {
            let why = "its claims are neither a module's nor a provider archive's";
            return Err(invalid(Row::Claims, why));
        }
    };
    parts.verify(&payload.issuer, &payload.subject, of)
}
