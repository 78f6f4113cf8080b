//! What a client wants to be signed.

use crate::{
    error::{Error, Result, error},
    signature::nkey::{self, Of},
};
use ed25519_dalek::VerifyingKey;
use vouch_protocol::{SignPrepareParams, needs_escape};

/// The longest name, version, tag or the like, in bytes, and the most of a list.
const LONGEST: usize = 256;
const MOST: usize = 64;
/// The last second of the year 9999. What is later was not meant in seconds.
const LAST: u64 = 253_402_300_799;

/// What a client wants to be signed, as far as that can be told without the artifact.
#[derive(Debug)]
pub struct Asked {
    /// Who signs.
    pub(super) account: [u8; 32],
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) revision: Option<i32>,
    pub(super) vendor: Option<String>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) subject: Option<String>,
    pub(super) not_before: Option<u64>,
    pub(super) expires: Option<u64>,
    pub(super) now: u64,
}

impl Asked {
    /// Checks what a client sent at that second since 1970.
    pub fn of(params: SignPrepareParams, now: u64) -> Result<Self> {
        let account = nkey::read(Of::Account, &params.account).ok_or_else(|| {
            wrong("`account` is not a public account nkey")
                .help("It begins with `A` and has 56 characters: `vouch keys list` shows yours.")
        })?;
        let strict = VerifyingKey::from_bytes(&account).is_ok_and(|key| !key.is_weak());
        if !strict {
            return Err(wrong("`account` is not an Ed25519 key that can sign"));
        }
        let texts = [
            ("name", &params.name),
            ("version", &params.version),
            ("vendor", &params.vendor),
        ];
        for (param, text) in texts {
            check(param, text.as_slice())?;
        }
        let lists = [
            ("tags", &params.tags),
            ("capabilities", &params.capabilities),
        ];
        for (param, list) in lists {
            check(param, list.as_deref().unwrap_or_default())?;
        }
        let (not_before, expires) = (params.not_before, params.expires);
        for (param, date) in [("notBefore", not_before), ("expires", expires)] {
            if date.is_some_and(|date| date > LAST) {
                let message = format!("`{param}` is after the year 9999");
                return Err(wrong(&message).help("Times are seconds since 1970, not milliseconds."));
            }
        }
        if expires.is_some_and(|expires| expires <= now) {
            return Err(wrong("`expires` is in the past"));
        }
        if let (Some(from), Some(until)) = (not_before, expires)
            && from >= until
        {
            return Err(wrong("`notBefore` is not before `expires`"));
        }
        Ok(Self {
            account,
            name: params.name,
            version: params.version,
            revision: params.revision,
            vendor: params.vendor,
            tags: params.tags,
            capabilities: params.capabilities,
            subject: params.subject,
            not_before,
            expires,
            now,
        })
    }
}

fn check(param: &str, texts: &[String]) -> Result<()> {
    if texts.len() > MOST {
        return Err(wrong(&format!("`{param}` has more than {MOST} members")));
    }
    if texts.iter().all(|text| fits(text)) {
        return Ok(());
    }
    let message = format!(
        "`{param}` is empty, longer than {LONGEST} bytes, or has a control character or an \
         invisible one in it"
    );
    Err(wrong(&message))
}

/// Whether a text can be signed as a name or the like, so that people see all of it.
pub(super) fn fits(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.contains(needs_escape)
}

/// The same of a list.
pub(super) fn all_fit(texts: &[String]) -> bool {
    texts.len() <= MOST && texts.iter().all(|text| fits(text))
}

/// Params that do not fit.
pub(super) fn wrong(message: &str) -> Error {
    error!(InvalidParams: "{message}")
}
