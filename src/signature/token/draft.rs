//! What an account has to sign for an artifact: what was asked for, what follows from the artifact,
//! and what is carried over from a token that holds.

use super::{
    asked::{Asked, all_fit, fits, wrong},
    check,
    jwt::{self, Parts},
    payload::{Metadata, Payload, REVISION},
    signed, subject,
};
use crate::{
    artifact::{ArtifactKind, Covered, Description, Facts, Refusal},
    error::{Error, Result, error},
    signature::{
        Signed,
        nkey::{self, Of},
    },
};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use serde_json::Value;
use std::{path::Path, sync::Arc};
use vouch_protocol::{Claims, ReplacedToken};

/// Base64url of a signature, and the dot before it.
const SIGNATURE: usize = 1 + 86;

/// What an account has to sign.
#[derive(Debug)]
pub struct Draft {
    /// The first two parts of a token.
    pub signing_input: String,
    /// What they say.
    pub claims: Claims,
    /// The token that is going to be replaced.
    pub replaces: Option<ReplacedToken>,
    /// What else should be known.
    pub warnings: Vec<String>,
}

impl Draft {
    /// Makes one for the artifact at that path; a token may have that many bytes.
    pub fn of(
        facts: &Facts,
        description: Option<&Description>,
        path: &Path,
        asked: &Asked,
        longest: usize,
    ) -> Result<Self> {
        if let Some(fault) = fault(facts) {
            return Err(fault.clone().error(path.display()));
        }
        let mut warnings = Vec::new();
        let account = nkey::write(Of::Account, &asked.account);
        let old = Old::of(facts, &mut warnings)?;
        let is_own = old.claims.issuer == account;
        let capabilities = match &asked.capabilities {
            Some(capabilities) => capabilities.clone(),
            None if is_own => old.claims.capabilities.clone(),
            None => Vec::new(),
        };
        let is_dropped = asked.capabilities.is_none() && !is_own;
        let dropped = is_dropped.then(|| old.claims.capabilities.clone());
        let replaces = old.replaced(path, dropped.unwrap_or_default());
        let Old { claims, schema, .. } = old;

        let metadata = description.map(Description::metadata);
        // Linkers name a module after the file that they write.
        let own_name = metadata.and_then(|it| it.name.as_deref());
        let own_name = own_name.map(|name| name.strip_suffix(".wasm").unwrap_or(name));
        let own_version = metadata.and_then(|it| it.version.as_deref());
        let first = |asked: &Option<String>, old: Option<String>, own: Option<&str>| {
            let own = own.filter(|text| fits(text)).map(ToOwned::to_owned);
            asked.clone().or(old).or(own)
        };
        let name = first(&asked.name, claims.name, own_name.or_else(|| stem(path)))
            .or_else(|| stem(path).filter(|stem| fits(stem)).map(ToOwned::to_owned))
            .ok_or_else(|| {
                wrong("neither the artifact nor its file has a name that can be signed")
                    .help("Send a `name`: `vouch sign --name`.")
            })?;
        let mut wascap = Metadata {
            name,
            version: first(&asked.version, claims.version, own_version),
            revision: asked.revision.or(claims.revision),
            vendor: None,
            hash: None,
            tags: asked.tags.clone().unwrap_or(claims.tags),
            call_alias: claims.call_alias,
            capabilities,
            target_hashes: None,
            config_schema: None,
        };
        let of = match &facts.covered {
            Covered::Rest(rest) => {
                if asked.vendor.is_some() {
                    return Err(wrong("only a provider archive has a `vendor`"));
                }
                wascap.hash = Some(rest.unwrap_or(facts.digest).upper_hex());
                Of::Module
            }
            Covered::Entries(entries) => {
                if !(wascap.tags.is_empty() && wascap.capabilities.is_empty()) {
                    return Err(wrong(
                        "a provider archive has no `tags` and no `capabilities`",
                    ));
                }
                let vendor = asked.vendor.clone().or(claims.vendor).ok_or_else(|| {
                    wrong("a provider archive needs a `vendor`")
                        .help("Say who makes it: `vouch sign --vendor`.")
                })?;
                let hashes = entries.hashes().iter();
                let hashes = hashes.map(|(name, digest)| (name.clone(), digest.upper_hex()));
                wascap.vendor = Some(vendor);
                wascap.target_hashes = Some(hashes.collect());
                wascap.config_schema = schema;
                Of::Service
            }
        };
        let given = asked.subject.clone();
        if given
            .as_deref()
            .is_some_and(|given| nkey::read(of, given).is_none())
        {
            let message = format!(
                "`subject` is not a public nkey that begins with `{}`, as that of {} does",
                of.letter(),
                facts.described()
            );
            return Err(wrong(&message));
        }
        let kept = Some(claims.subject).filter(|subject| !subject.is_empty());
        let derived = || subject::derive(of, &asked.account, &wascap.name);
        let payload = Payload {
            expires: asked.expires,
            id: unique()?,
            issued_at: asked.now,
            issuer: account,
            subject: given.or(kept).unwrap_or_else(derived),
            not_before: asked.not_before,
            wascap,
            revision: REVISION,
        };
        if description.is_some_and(Description::has_long_lengths) {
            warnings.push(
                "lengths in it are written longer than they have to be: wascap and wash write them \
                 anew before they hash, and will not accept the signature; vouchd keeps the bytes \
                 as they are, and does"
                    .into(),
            );
        }
        let payload = serde_json::to_vec(&payload).map_err(|error| internal(&error.to_string()))?;
        let signing_input = format!("{}.{}", jwt::header(), BASE64URL_NOPAD.encode(&payload));
        if signing_input.len() + SIGNATURE > longest {
            return Err(
                error!(TooLarge: "its token would be larger than {longest} bytes").help(
                    "Sign fewer or shorter names, or have the server's owner raise the limit.",
                ),
            );
        }
        Ok(Self {
            signing_input,
            claims: said(facts, &payload)?,
            replaces,
            warnings,
        })
    }
}

/// What would be wrong with the artifact whatever its token says.
fn fault(facts: &Facts) -> Option<&Refusal> {
    match &facts.covered {
        Covered::Entries(entries) => entries.fault(),
        Covered::Rest(_) => None,
    }
}

/// What claims say, as readers will see it.
fn said(facts: &Facts, payload: &[u8]) -> Result<Claims> {
    let said = match facts.kind {
        ArtifactKind::Provider => check::said_of_archive(payload).map(|(claims, _)| Claims {
            targets: facts.targets().map(ToOwned::to_owned).collect(),
            ..claims
        }),
        _ => check::said_of_wasm(payload).map(|(claims, _)| claims),
    };
    said.map_err(|_| internal("the claims are not such as are accepted"))
}

fn unique() -> Result<String> {
    let mut random = [0; 16];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| internal("there is no randomness"))?;
    Ok(BASE32_NOPAD.encode(&random))
}

fn internal(message: &str) -> Error {
    error!(Internal: "{message}")
}

/// The file's name without what says of which kind it is.
fn stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let known = [".par", ".wasm"].into_iter();
    let mut stems = known.filter_map(|extension| name.strip_suffix(extension));
    Some(stems.next().unwrap_or(name)).filter(|stem| !stem.is_empty())
}

/// The token that is there already, and what is carried over from it.
#[derive(Default)]
struct Old {
    /// As it stands there, and whose it is, or why it does not hold.
    token: Option<(String, Result<Arc<Signed>, Refusal>)>,
    claims: Claims,
    schema: Option<Value>,
}

impl Old {
    fn of(facts: &Facts, warnings: &mut Vec<String>) -> Result<Self> {
        let (Some(token), Some(signed)) = (&facts.token, signed(facts)) else {
            return Ok(Self::default());
        };
        let signed = signed.and_then(|signed| signed.covers().map(|()| signed));
        let text = String::from_utf8_lossy(token.bytes()).into_owned();
        let mut old = Self::default();
        if let Ok(signed) = &signed {
            old.claims = signed.claims().cloned().unwrap_or_default();
            old.schema = schema(token.bytes());
            // What another tool signed may be such as would not be signed here.
            let mut left = |what: &str| {
                warnings.push(format!(
                    "the {what} of its old token cannot be signed here, and is not carried over"
                ));
            };
            let claims = &mut old.claims;
            let texts = [
                ("name", &mut claims.name),
                ("version", &mut claims.version),
                ("vendor", &mut claims.vendor),
                ("call alias", &mut claims.call_alias),
            ];
            for (what, text) in texts {
                if text.as_deref().is_some_and(|text| !fits(text)) {
                    *text = None;
                    left(what);
                }
            }
            let lists = [
                ("tags", &mut claims.tags),
                ("capabilities", &mut claims.capabilities),
            ];
            for (what, list) in lists {
                if !all_fit(list) {
                    list.clear();
                    left(what);
                }
            }
        }
        old.token = Some((text, signed));
        Ok(old)
    }

    fn replaced(&self, path: &Path, dropped: Vec<String>) -> Option<ReplacedToken> {
        let (token, signed) = self.token.as_ref()?;
        let signature = signed.as_ref().ok().map(|signed| signed.on_the_wire());
        let refusal = signed.as_ref().err().cloned();
        Some(ReplacedToken {
            token: signed.is_ok().then(|| token.clone()),
            signature,
            refusal: refusal.map(|refusal| refusal.on_the_wire(&path.display().to_string())),
            dropped,
        })
    }
}

/// What a provider's links are configured with, which its token alone says.
fn schema(token: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Claimed {
        wascap: Schema,
    }
    #[derive(Deserialize)]
    struct Schema {
        config_schema: Option<Value>,
    }
    let parts = Parts::of(token).ok()?;
    let claimed: Claimed = jwt::parse(&parts.payload, "claims").ok()?;
    claimed.wascap.config_schema
}
