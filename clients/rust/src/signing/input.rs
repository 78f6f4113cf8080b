//! What is signed, once it is certain that it was asked for.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    nkey::Account,
    signature::TokenSignature,
};
use vouch_protocol::{Claims, SignCompleteParams, SignPrepareParams, SignPrepareResult};

/// What an account signs: the first two parts of a token, which say what was asked for and nothing
/// more. Only [`SigningInput::check`] makes one.
#[derive(Debug, Clone)]
pub struct SigningInput {
    text: String,
    account: Account,
    claims: Claims,
    replaces: Option<Claims>,
}

impl SigningInput {
    /// Checks what a service answered to `sign/prepare` against what it was asked. Its words are not
    /// believed: what is to be signed is decoded here. What was not asked for must stand in the
    /// token that is replaced, whose signature is verified here, or be derived from what was.
    pub fn check(prepared: &SignPrepareResult, asked: &SignPrepareParams) -> Result<Self> {
        let _ = (prepared, asked);
        Err(SigningError::new(
            SigningErrorKind::NotAskedFor,
            "this build cannot check yet what it signs",
        ))
    }

    /// What it says, decoded: show this, not what the service says of it.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Who has to sign it.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What the token says that is replaced, if there is one whose signature holds. Its dates mean
    /// nothing. Of one that does not hold, the service's answer says why.
    pub fn replaces(&self) -> Option<&Claims> {
        self.replaces.as_ref()
    }

    /// Whether another account's signature is replaced.
    pub fn replaces_another(&self) -> bool {
        let other = |old: &Claims| old.issuer != self.account.as_str();
        self.replaces.as_ref().is_some_and(other)
    }

    /// The bytes that are signed, as a text: two parts of base64url with a dot between.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The params of `sign/complete` that follow, for the path that `sign/prepare` was asked about.
    /// The file is replaced, unless a destination is set.
    pub fn complete(
        &self,
        path: impl Into<String>,
        signature: &TokenSignature,
    ) -> SignCompleteParams {
        SignCompleteParams {
            path: path.into(),
            signing_input: self.text.clone(),
            signature: signature.to_string(),
            ..SignCompleteParams::default()
        }
    }
}
