//! What an account has to sign for an artifact: what was asked for, what follows from the artifact,
//! and what is carried over from a token that holds.

use super::{
    asked::{Asked, fits, wrong},
    check, jwt,
    old::Old,
    payload::{Metadata, Payload, REVISION},
    subject,
};
use crate::{
    artifact::{ArtifactKind, Covered, Description, Facts, Refusal},
    error::{Error, Result, error},
    signature::nkey::{self, Of},
};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ring::rand::{SecureRandom, SystemRandom};
use std::path::Path;
use vouch_protocol::{Claims, ReplacedToken};

/// What wascap makes of lengths that are written longer than they have to be.
const LONG_LENGTHS: &str = "some lengths in it are not written in their shortest form: wascap and wash \
    rewrite them before they hash, and will not accept the signature; vouchd keeps the bytes as they \
    are, and accepts it";

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
        if description.is_some_and(Description::has_long_lengths) {
            warnings.push(LONG_LENGTHS.into());
        }
        let old = Old::of(facts, &mut warnings);
        let account = nkey::write(Of::Account, &asked.account);
        // Nobody inherits what another account granted.
        let is_own = old.claims.issuer == account;
        let dropped = if is_own || asked.capabilities.is_some() {
            Vec::new()
        } else {
            old.claims.capabilities.clone()
        };
        let own = description.map(Description::metadata);
        let (of, wascap) = of_kind(facts, asked, &old, shared(own, path, asked, &old, is_own)?)?;
        let payload = Payload {
            expires: asked.expires,
            id: unique()?,
            issued_at: asked.now,
            issuer: account,
            subject: subject(of, facts, asked, &old, &wascap.name)?,
            not_before: asked.not_before,
            wascap,
            revision: REVISION,
        };
        let payload = serde_json::to_vec(&payload).map_err(|error| internal(&error.to_string()))?;
        let signing_input = format!("{}.{}", jwt::header(), BASE64URL_NOPAD.encode(&payload));
        if signing_input.len() + SIGNATURE > longest {
            return Err(
                error!(TooLarge: "its token would be larger than {longest} bytes").help(
                    "Name fewer or shorter tags and capabilities, or have the server's owner raise the \
                     limit.",
                ),
            );
        }
        Ok(Self {
            signing_input,
            claims: said(facts, &payload)?,
            replaces: old.replaced(path, dropped),
            warnings,
        })
    }
}

/// What is said of artifacts of every kind: as asked for, else as the old token says, else as the
/// artifact or its file is called.
fn shared(
    own: Option<&vouch_protocol::Metadata>,
    path: &Path,
    asked: &Asked,
    old: &Old,
    is_own: bool,
) -> Result<Metadata> {
    let claims = &old.claims;
    let own_text = |text: Option<&String>| text.cloned().filter(|text| fits(text));
    // Linkers name a module after the file that they write.
    let own_name = own_text(own.and_then(|own| own.name.as_ref()));
    let own_name = own_name.map(|name| name.strip_suffix(".wasm").unwrap_or(&name).to_owned());
    let asked_or_old = |asked: &Option<String>, old: &Option<String>| {
        let first = asked.as_ref().or(old.as_ref());
        first.cloned()
    };
    let name = asked_or_old(&asked.name, &claims.name)
        .or(own_name)
        .or_else(|| stem(path).filter(|stem| fits(stem)).map(ToOwned::to_owned));
    let inherited = is_own.then_some(&claims.capabilities);
    let capabilities = asked.capabilities.as_ref().or(inherited);
    Ok(Metadata {
        name: name.ok_or_else(|| {
            wrong("neither the artifact nor its file has a name that can be signed")
                .help("Send a `name`: `vouch sign --name NAME`.")
        })?,
        version: asked_or_old(&asked.version, &claims.version)
            .or_else(|| own_text(own.and_then(|own| own.version.as_ref()))),
        revision: asked.revision.or(claims.revision),
        tags: asked.tags.as_ref().unwrap_or(&claims.tags).clone(),
        call_alias: claims.call_alias.clone(),
        capabilities: capabilities.cloned().unwrap_or_default(),
        vendor: None,
        hash: None,
        target_hashes: None,
        config_schema: None,
    })
}

/// The same with what is said of that kind alone, above all what the token covers.
fn of_kind(
    facts: &Facts,
    asked: &Asked,
    old: &Old,
    mut wascap: Metadata,
) -> Result<(Of, Metadata)> {
    match &facts.covered {
        Covered::Rest(rest) => {
            if asked.vendor.is_some() {
                return Err(wrong("only a provider archive has a `vendor`"));
            }
            wascap.hash = Some(rest.unwrap_or(facts.digest).upper_hex());
            Ok((Of::Module, wascap))
        }
        Covered::Entries(entries) => {
            if !(wascap.tags.is_empty() && wascap.capabilities.is_empty()) {
                let why = "a provider archive has no `tags` and no `capabilities`";
                return Err(wrong(why));
            }
            let vendor = asked.vendor.as_ref().or(old.claims.vendor.as_ref());
            wascap.vendor = Some(vendor.cloned().ok_or_else(|| {
                wrong("a provider archive needs a `vendor`")
                    .help("Say who makes it: `vouch sign --vendor VENDOR`.")
            })?);
            let hashes = entries.hashes().iter();
            let hashes = hashes.map(|(name, digest)| (name.clone(), digest.upper_hex()));
            wascap.target_hashes = Some(hashes.collect());
            wascap.config_schema.clone_from(&old.schema);
            Ok((Of::Service, wascap))
        }
    }
}

/// The subject that was asked for, else the old token's, else one that follows from the name.
fn subject(of: Of, facts: &Facts, asked: &Asked, old: &Old, name: &str) -> Result<String> {
    if let Some(asked) = &asked.subject {
        if jwt::is_key(asked, of) {
            return Ok(asked.clone());
        }
        let (letter, what) = (of.letter(), facts.described());
        return Err(wrong(&format!(
            "`subject` is not a public nkey that begins with `{letter}`, as the subject of {what} must"
        )));
    }
    let kept = &old.claims.subject;
    if kept.is_empty() {
        return Ok(subject::derive(of, &asked.account, name));
    }
    Ok(kept.clone())
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
    said.map_err(|_| internal("vouchd would not accept these claims"))
}

fn unique() -> Result<String> {
    let mut random = [0; 16];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| internal("the system's random number generator failed"))?;
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
