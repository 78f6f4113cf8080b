//! What may be written behind `vouch sign`, and behind whatever else signs.

use super::shell::quoted;
use crate::{reference, subject::Subject};
use clap::{
    Args, ValueHint,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use vouch_client::protocol::SignPrepareParams;

/// Nothing is signed for longer: 100 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// Modules, components and provider archives
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) key: KeyArguments,
    /// Write the signed artifact there, and leave the file as it is; several go into a folder
    #[arg(
        short,
        long,
        value_name = "PATH",
        value_hint = ValueHint::AnyPath,
        value_parser = OsStringValueParser::new().try_map(reference::output)
    )]
    pub(super) output: Option<PathBuf>,
    /// Replace a regular file, or a symbolic link itself, at --output
    #[arg(short = 'f', long, alias = "force", requires = "output")]
    pub(super) overwrite: bool,
    /// Replace somebody else's signature without asking
    #[arg(long)]
    pub(super) replace: bool,
    #[command(flatten)]
    claims: ClaimArguments,
    /// The vendor of a provider archive
    #[arg(long, help_heading = CLAIMS)]
    vendor: Option<String>,
    /// A tag; may be given several times. Replaces the old token's tags; `--tag ''` removes them all
    #[arg(long = "tag", value_name = "TAG", help_heading = CLAIMS)]
    tags: Vec<String>,
    /// A capability to grant; may be given several times. Replaces the old token's capabilities;
    /// `--capability ''` removes them all
    #[arg(long = "capability", value_name = "CAPABILITY", help_heading = CLAIMS)]
    capabilities: Vec<String>,
    /// Show only what could not be signed
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// Which key signs.
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// The key: `ssh:COMMENT`, `ssh:SHA256:…` or `ssh:FILE.pub` for one in ssh-agent; a path with a
    /// slash for a file with an OpenSSH private key or an nkey seed; a name for one of `vouch keys`
    ///
    /// Without it, the file that VOUCH_KEY_FILE names signs, else `key` in the section [sign] of the
    /// config, else, only on a terminal, the one Ed25519 key in ssh-agent. If there are several, you are
    /// asked which.
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Read the passphrase of the key's file from the first line of this file; without it, it is
    /// asked for on a terminal
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) passphrase_file: Option<PathBuf>,
}

/// The heading of options for what a token says.
const CLAIMS: &str = "What the token says";

/// What the token says. What is left out is carried over from a token that holds.
#[derive(Debug, Args)]
pub(crate) struct ClaimArguments {
    /// The artifact's name; without it, that of the old token, of its own metadata, or of the file
    #[arg(long, help_heading = CLAIMS)]
    pub(crate) name: Option<String>,
    /// Its version, for example 1.0.0
    #[arg(long, help_heading = CLAIMS)]
    version: Option<String>,
    /// Its revision, a number that grows
    #[arg(long, value_name = "NUMBER", help_heading = CLAIMS)]
    revision: Option<i32>,
    /// What the token is about, as an nkey (`M…`, of an archive `V…`); without it, that of the old
    /// token, or one that follows from account and name
    #[arg(long, value_name = "NKEY", help_heading = CLAIMS)]
    subject: Option<String>,
    /// Not valid before: 2026-12-01, or 2026-12-01T08:00:00Z
    #[arg(long, value_name = "DATE", value_parser = date, help_heading = CLAIMS)]
    not_before: Option<u64>,
    /// Valid for this long from now: 90d, 12h
    #[arg(long, value_name = "SPAN", value_parser = span, help_heading = CLAIMS)]
    expires_in: Option<Duration>,
}

impl ClaimArguments {
    /// What `sign/prepare` is asked for, but for the file and the account.
    pub(crate) fn wish(&self) -> Result<SignPrepareParams, String> {
        let expires = self.expires_in.map(|span| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            (now.unwrap_or_default() + span).as_secs()
        });
        if let (Some(begin), Some(end)) = (self.not_before, expires)
            && begin >= end
        {
            return Err("--expires-in counts from now, and would end before --not-before".into());
        }
        // A seed, which is nobody else's business, begins with S.
        if let Some(subject) = &self.subject
            && !subject.starts_with(['M', 'V'])
        {
            return Err(
                "--subject is a public nkey, which begins with `M`, or of an archive with `V`"
                    .into(),
            );
        }
        Ok(SignPrepareParams {
            name: self.name.clone(),
            version: self.version.clone(),
            revision: self.revision,
            subject: self.subject.clone(),
            not_before: self.not_before,
            expires,
            ..SignPrepareParams::default()
        })
    }
}

impl SignArguments {
    /// What clap cannot check.
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        for file in &self.files {
            let shown = file.display();
            match Subject::read(file.as_os_str())? {
                Subject::File(_) => {}
                Subject::Folder(_) => {
                    let files = quoted(&file.join("").to_string_lossy());
                    return Err(format!(
                        "{shown} is a folder: name the files in it, `vouch sign {files}*.wasm`"
                    ));
                }
                Subject::Reference(_) => {
                    return Err(format!(
                        "{shown} is not a file: `vouch pull {shown}` fetches it; sign that file, and \
                         push it"
                    ));
                }
                Subject::Input => {
                    return Err(
                        "standard input cannot be signed: write it to a file, and sign that".into(),
                    );
                }
            }
        }
        let mut sorted: Vec<_> = self.files.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{} is given twice", twice[0].display()));
        }
        if self.files.len() > 1 {
            for (option, given) in [
                ("--name", self.claims.name.is_some()),
                ("--subject", self.claims.subject.is_some()),
            ] {
                if given {
                    return Err(format!("{option} works with one file only"));
                }
            }
            if let Some(output) = self.output.as_ref().filter(|output| !output.is_dir()) {
                let shown = output.display();
                return Err(if output.exists() {
                    format!("{shown} is not a folder, and several files need one")
                } else {
                    let folder = quoted(&output.to_string_lossy());
                    format!("there is no folder {shown}: `mkdir -p {folder}` makes it")
                });
            }
        }
        self.wish().map(drop)
    }

    /// What `sign/prepare` is asked for, but for the file and the account.
    pub(super) fn wish(&self) -> Result<SignPrepareParams, String> {
        Ok(SignPrepareParams {
            vendor: self.vendor.clone(),
            tags: list("--tag", &self.tags)?,
            capabilities: list("--capability", &self.capabilities)?,
            ..self.claims.wish()?
        })
    }
}

/// A list in place of another, which one empty text makes empty.
fn list(option: &str, given: &[String]) -> Result<Option<Vec<String>>, String> {
    match given {
        [] => Ok(None),
        [one] if one.is_empty() => Ok(Some(Vec::new())),
        given if given.iter().any(String::is_empty) => {
            Err(format!("{option} '' means none, and stands alone"))
        }
        given => Ok(Some(given.to_vec())),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|_| "write it as 90d, or as 12h")?;
    if span < Duration::from_secs(1) {
        return Err("it would never be valid".into());
    }
    if span > LONGEST {
        return Err("it is longer than 100 years; without it, the token is valid for ever".into());
    }
    Ok(span)
}

fn date(text: &str) -> Result<u64, String> {
    let whole = if text.len() == "2026-12-01".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let moment = humantime::parse_rfc3339(&whole)
        .map_err(|_| "write it as 2026-12-01, or as 2026-12-01T08:00:00Z".to_owned())?;
    let since = moment.duration_since(UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| "it is before 1970".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        sign: SignArguments,
    }

    fn read(line: &[&str]) -> Result<SignPrepareParams, String> {
        let whole = ["vouch"].iter().chain(line);
        let mut line = Line::try_parse_from(whole).map_err(|error| error.to_string())?;
        line.sign.complete()?;
        line.sign.wish()
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let check = |line: &[&str], expected: &str| {
            let why = read(line).unwrap_err();
            assert!(why.contains(expected), "{line:?}: {why}");
        };
        check(&[], "FILE");
        check(&["-"], "standard input cannot be signed");
        check(&["/"], "/ is a folder");
        check(&["/dev"], "`vouch sign /dev/*.wasm`");
        check(&[""], "a value is required");
        check(&["ghcr.io/acme/echo:1"], "`vouch pull ghcr.io/acme/echo:1`");
        check(&["a.wasm", "a.wasm"], "given twice");
        check(
            &["a.wasm", "b.wasm", "--name", "a"],
            "--name works with one",
        );
        check(
            &["a.wasm", "b.wasm", "--subject", "M"],
            "--subject works with one",
        );
        let several = ["a.wasm", "b.wasm", "-o"];
        check(&[&several[..], &["/absent"]].concat(), "`mkdir -p /absent`");
        check(
            &[&several[..], &["/dev/null"]].concat(),
            "/dev/null is not a folder",
        );
        check(&["a.wasm", "--subject", "SMAA"], "a public nkey");
        check(&["a.wasm", "-f"], "--output");
        check(&["a.wasm", "-o", "-"], "write `./-`");
        check(&["a.wasm", "--tag", "", "--tag", "b"], "stands alone");
        check(&["a.wasm", "--revision", "x"], "x");
        check(&["a.wasm", "--expires-in", "0s"], "never be valid");
        check(&["a.wasm", "--expires-in", "200y"], "100 years");
        check(&["a.wasm", "--expires-in", "soon"], "write it as 90d");
        check(&["a.wasm", "--not-before", "soon"], "2026-12-01");
        check(&["a.wasm", "--not-before", "1969-12-31"], "2026-12-01");
        check(
            &["a.wasm", "--not-before", "2999-01-01", "--expires-in", "1d"],
            "would end before",
        );
    }

    #[test]
    fn what_is_asked_for_is_what_was_written() {
        let none = read(&["a.wasm"]).unwrap();
        assert_eq!(none, SignPrepareParams::default());
        let line = "a.wasm --name echo --version 1.0.0 --revision 7 --vendor acme --subject M \
                    --tag a --tag b --capability= --not-before 2026-12-01";
        let line: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let expected = SignPrepareParams {
            name: Some("echo".into()),
            version: Some("1.0.0".into()),
            revision: Some(7),
            vendor: Some("acme".into()),
            subject: Some("M".into()),
            tags: Some(vec!["a".into(), "b".into()]),
            capabilities: Some(Vec::new()),
            not_before: Some(1_796_083_200),
            ..SignPrepareParams::default()
        };
        assert_eq!(read(&line).unwrap(), expected);
        let before = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let expires = read(&["a.wasm", "--expires-in", "90d"])
            .unwrap()
            .expires
            .unwrap();
        assert!((before + 90 * 86400..before + 91 * 86400).contains(&expires));
    }
}
