//! What is signed, once it is certain that it was asked for.

use super::{
    covered::Covered,
    error::{Result, SigningError, SigningErrorKind},
    nkey::Account,
    signature::TokenSignature,
    subject,
    token::{self, Hashes, Said},
};
use std::{
    fmt::Debug,
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_protocol::{Claims, SignCompleteParams, SignPrepareParams, SignPrepareResult};

/// How far the date of a token may be from now, in seconds: the service may still have read the file
/// then, and its clock may go differently.
const OLDEST: u64 = 10 * 60;
const AHEAD: u64 = 5 * 60;

/// The longest text that is repeated, in characters.
const LONGEST_SHOWN: usize = 200;

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
    /// Checks what a service answered to `sign/prepare` against what it was asked, and against the
    /// file. Its words are not believed: what is to be signed is decoded here. What was not asked for must stand in the
    /// token that is replaced, whose signature is verified here, or be derived from what was. A name
    /// and a version that were not asked for may be the artifact's own: show them.
    pub fn check(
        prepared: &SignPrepareResult,
        asked: &SignPrepareParams,
        covered: &Covered,
    ) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::check_at(prepared, asked, covered, now.map_or(0, |now| now.as_secs()))
    }

    fn check_at(
        prepared: &SignPrepareResult,
        asked: &SignPrepareParams,
        covered: &Covered,
        now: u64,
    ) -> Result<Self> {
        let text = prepared.signing_input.as_str();
        let said = token::to_be_signed(text)
            .map_err(|why| refused(&format!("what it wants signed {why}")))?;
        let token = prepared.replaces.as_ref();
        let token = token.and_then(|old| old.token.as_deref());
        let old = token.map(token::signed).transpose();
        let old = old.map_err(|why| refused(&format!("the token that it would replace {why}")))?;
        compare(&said, asked, old.as_ref(), now)?;
        covers(&said.covers, covered.hashes())?;
        Ok(Self {
            text: text.to_owned(),
            account: said.account,
            claims: said.claims,
            replaces: old.map(|old| old.claims),
        })
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

/// Fails where something was not asked for.
fn compare(said: &Said, asked: &SignPrepareParams, old: Option<&Said>, now: u64) -> Result<()> {
    let claims = &said.claims;
    if claims.issuer != asked.account {
        return Err(differs("account", &claims.issuer, &asked.account));
    }
    // Dates are never carried over.
    if claims.not_before != asked.not_before {
        return Err(differs("start", &claims.not_before, &asked.not_before));
    }
    if claims.expires != asked.expires {
        return Err(differs("expiry", &claims.expires, &asked.expires));
    }
    let issued = claims.issued_at;
    if issued > now.saturating_add(AHEAD) || issued < now.saturating_sub(OLDEST) {
        let message = format!("it is dated {issued}, but it is now {now}, in seconds since 1970");
        return Err(refused(&message).help("Compare this machine's clock with the service's."));
    }

    let was = old.map(|old| &old.claims);
    // A name and a version may be the artifact's own.
    if let Some(name) = &asked.name
        && claims.name.as_ref() != Some(name)
    {
        return Err(differs("name", &claims.name, &asked.name));
    }
    if let Some(version) = &asked.version
        && claims.version.as_ref() != Some(version)
    {
        return Err(differs("version", &claims.version, &asked.version));
    }
    one(
        "revision",
        claims.revision.as_ref(),
        asked.revision.as_ref(),
        was.and_then(|was| was.revision.as_ref()),
    )?;
    one(
        "vendor",
        claims.vendor.as_deref(),
        asked.vendor.as_deref(),
        was.and_then(|was| was.vendor.as_deref()),
    )?;
    let alias = was.and_then(|was| was.call_alias.as_deref());
    one("call alias", claims.call_alias.as_deref(), None, alias)?;
    let is_provider = |said: &Said| said.is_provider.then_some(&true);
    let was_provider = old.and_then(is_provider);
    one("mark as a provider", is_provider(said), None, was_provider)?;
    let schema = old.and_then(|old| old.config_schema.as_ref());
    one("schema", said.config_schema.as_ref(), None, schema)?;
    list(
        "tags",
        &claims.tags,
        asked.tags.as_deref(),
        was.map(|was| &*was.tags),
    )?;
    // Nobody inherits what another account granted.
    let own = was.filter(|was| was.issuer == claims.issuer);
    list(
        "capabilities",
        &claims.capabilities,
        asked.capabilities.as_deref(),
        own.map(|own| &*own.capabilities),
    )?;

    let subject = claims.subject.as_str();
    let is_kept = || was.is_some_and(|was| was.subject == subject);
    let is_derived = || {
        let name = claims.name.as_deref().unwrap_or_default();
        subject::derived(said.kind, &said.account, name).as_deref() == Some(subject)
    };
    match &asked.subject {
        Some(wanted) if wanted != subject => Err(differs("subject", subject, wanted)),
        None if !is_kept() && !is_derived() => Err(added("subject", subject)),
        _ => Ok(()),
    }
}

/// Fails unless the token would cover the file, all of it and nothing else.
fn covers(said: &Hashes, file: &Hashes) -> Result<()> {
    let what = match (said, file) {
        (said, file) if said == file => return Ok(()),
        (Hashes::Entries(said), Hashes::Entries(file)) => {
            let names = said.keys().chain(file.keys());
            let odd = names
                .map(String::as_str)
                .find(|name| said.get(*name) != file.get(*name));
            let name = odd.unwrap_or_default();
            match (said.contains_key(name), file.contains_key(name)) {
                (true, false) => format!(
                    "it would cover {}, which the file does not have",
                    shown(name)
                ),
                (false, _) => format!("it would not cover {}, which the file has", shown(name)),
                _ => format!("its hash of {} is not that of the file", shown(name)),
            }
        }
        _ => "its hash is not that of the file".to_owned(),
    };
    Err(refused(&what).help(
        "If the file was being written, try again. If not, the service may see other files than you \
         do, or somebody else may answer in its place: do not sign there.",
    ))
}

/// Fails unless it is as asked; or where nothing was asked, as it was, or absent.
fn one<T: PartialEq + Debug + ?Sized>(
    what: &str,
    found: Option<&T>,
    asked: Option<&T>,
    was: Option<&T>,
) -> Result<()> {
    match (found, asked) {
        (_, Some(_)) if found != asked => Err(differs(what, &found, &asked)),
        (Some(value), None) if found != was => Err(added(what, value)),
        _ => Ok(()),
    }
}

/// Fails unless they are as asked; or where nothing was asked, among those that were.
fn list(
    what: &str,
    found: &[String],
    asked: Option<&[String]>,
    was: Option<&[String]>,
) -> Result<()> {
    match asked {
        Some(asked) if asked != found => Err(differs(what, found, asked)),
        Some(_) => Ok(()),
        None => {
            let was = was.unwrap_or_default();
            match found.iter().find(|one| !was.contains(one)) {
                Some(one) => Err(added(what, one)),
                None => Ok(()),
            }
        }
    }
}

fn differs<T: Debug + ?Sized>(what: &str, found: &T, asked: &T) -> SigningError {
    let (found, asked) = (shown(found), shown(asked));
    refused(&format!(
        "its {what} would be {found}, but {asked} was asked for"
    ))
}

fn added<T: Debug + ?Sized>(what: &str, found: &T) -> SigningError {
    let found = shown(found);
    refused(&format!(
        "nobody asked for its {what} {found}, and the token that it would replace does not say that"
    ))
}

/// Values as they are quoted; absent ones are `nothing`.
fn shown<T: Debug + ?Sized>(value: &T) -> String {
    let text = format!("{value:?}");
    let text = match text
        .strip_prefix("Some(")
        .and_then(|text| text.strip_suffix(')'))
    {
        Some(inner) => inner,
        None if text == "None" => "nothing",
        None => &text,
    };
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn refused(what: &str) -> SigningError {
    let message =
        format!("nothing was signed: the service's answer does not match the request: {what}");
    SigningError::new(SigningErrorKind::NotAskedFor, message).help(
        "The client and vouchd may be different versions: run `vouch restart`. If that does not help, \
         somebody else may be answering in the service's place: do not sign there.",
    )
}

#[cfg(test)]
mod tests;
