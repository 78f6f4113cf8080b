//! A client for the test suite of Sigstore's clients, `sigstore/sigstore-conformance`: it speaks
//! that suite's command line over the very check that `vouchd` makes of bundles.
//!
//! `cargo build --release --example sigstore_conformance`

use serde_json::{Map, Value, json};
use std::{
    env,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};
use vouchd::{name::Digest, trust::conformance::signed_by};

const USAGE: &str = "usage: sigstore_conformance verify-bundle --bundle FILE \
    (--certificate-identity ID --certificate-oidc-issuer URL | --key FILE) \
    [--trusted-root FILE] FILE_OR_DIGEST";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match answer(&arguments) {
        Ok(said) => eprintln!("{said}"),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// What is said, and whether that is yes.
pub(crate) fn answer(arguments: &[String]) -> Result<String, String> {
    match arguments.split_first() {
        Some((command, rest)) if command == "verify-bundle" => verify(rest),
        Some((command, _)) => Err(format!("{command:?} is not supported: it verifies alone")),
        None => Err(USAGE.into()),
    }
}

fn verify(arguments: &[String]) -> Result<String, String> {
    let mut given = Map::new();
    let mut arguments = arguments.iter();
    let mut artifact = None;
    while let Some(argument) = arguments.next() {
        match &**argument {
            "--staging" => drop(given.insert("staging".into(), true.into())),
            "--bundle"
            | "--certificate-identity"
            | "--certificate-oidc-issuer"
            | "--key"
            | "--trusted-root" => {
                let value = arguments.next().ok_or(USAGE)?;
                given.insert(argument[2..].into(), value.as_str().into());
            }
            _ if artifact.is_none() => artifact = Some(argument),
            _ => return Err(USAGE.into()),
        }
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let root = text("trusted-root");
    if given.contains_key("staging") && root.is_none() {
        return Err("--staging is not supported: give its root by --trusted-root".into());
    }
    let signer = match (
        text("certificate-identity"),
        text("certificate-oidc-issuer"),
        text("key"),
    ) {
        (Some(email), Some(issuer), None) if !email.contains(':') => {
            json!({"email": email, "issuer": issuer})
        }
        (Some(uri), Some(issuer), None) => json!({"uri": uri, "issuer": issuer}),
        (None, None, Some(key)) => json!({"key": absolute(key)?}),
        _ => return Err(USAGE.into()),
    };
    let mut trust = json!({});
    if let Some(root) = root {
        // In place of the one that would count otherwise.
        trust["root"]["public-good"]["path"] = json!(absolute(root)?);
    }
    trust["signer"]["wanted"] = signer;
    let trust = serde_json::from_value(trust).map_err(text_of)?;
    let bundle = fs::read(text("bundle").ok_or(USAGE)?).map_err(text_of)?;
    signed_by("wanted", trust, digest(artifact.ok_or(USAGE)?)?, bundle)
}

fn digest(artifact: &str) -> Result<Digest, String> {
    if !Path::new(artifact).exists()
        && let Ok(digest) = artifact.parse()
    {
        return Ok(digest);
    }
    let bytes = fs::read(artifact).map_err(|error| format!("{artifact}: {error}"))?;
    Ok(Digest::of(&bytes))
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))
}

fn text_of(error: impl Display) -> String {
    error.to_string()
}
