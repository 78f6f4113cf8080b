//! What people call a key: on the command line, in the environment, in the config.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    nkey::{self, SEED_LENGTH},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The longest name, in bytes.
const LONGEST: usize = 4096;

/// The longest name of a key of one's own, in bytes.
const LONGEST_OWN: usize = 64;

/// Which key is meant:
///
/// | written | a key |
/// |---|---|
/// | `ssh:COMMENT` | of the agent, by its comment |
/// | `ssh:SHA256:…` | of the agent, by its fingerprint |
/// | `ssh:FILE.pub` | of the agent, by a file with its public half |
/// | a path, with a slash | in a file: an OpenSSH private key, or an nkey seed |
/// | a name, without | of `vouch keys new`, or in a folder that the config names |
///
/// Reading one never repeats what was written in its error if that may be a secret. So read what
/// stood on a command line after it was parsed, not while: a parser's error would show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Comment(String),
    /// `SHA256:…`.
    Fingerprint(String),
    PublicFile(PathBuf),
    File(PathBuf),
    Own(String),
}

impl KeyName {
    pub(super) fn form(&self) -> &Form {
        &self.0
    }

    /// A key in a file.
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        Self(Form::File(path.into()))
    }

    pub(super) fn comment(comment: &str) -> Self {
        Self(Form::Comment(comment.to_owned()))
    }

    pub(super) fn fingerprint(fingerprint: &str) -> Self {
        Self(Form::Fingerprint(fingerprint.to_owned()))
    }

    /// The same, with paths made absolute: what may be kept for other folders.
    #[must_use]
    pub fn absolute(self) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self(match self.0 {
            Form::File(path) => Form::File(absolute(path)),
            Form::PublicFile(path) => Form::PublicFile(absolute(path)),
            form => form,
        })
    }

    fn read(text: &str, home: Option<&Path>) -> Result<Self> {
        let wrong = |what: &str| SigningError::new(SigningErrorKind::KeyName, what);
        if text.len() > LONGEST {
            return Err(wrong("the name of a key is too long"));
        }
        if holds_key(text) {
            return Err(key_itself());
        }
        if text.contains('\0') || text.contains('\n') {
            return Err(wrong("the name of a key has a line break or a NUL in it"));
        }
        if let Some(name) = text.strip_prefix("ssh:") {
            let is_public = Path::new(name).extension().is_some_and(|end| end == "pub");
            return if name.is_empty() {
                Err(wrong("`ssh:` does not say which key").help(WRITE_SSH))
            } else if let Some(hash) = name.strip_prefix("SHA256:") {
                fingerprint(hash)
            } else if name.starts_with("MD5:") {
                Err(wrong("MD5 fingerprints are not used").help(WRITE_SSH))
            } else if is_public {
                Ok(Self(Form::PublicFile(below_home(name, home))))
            } else {
                Ok(Self(Form::Comment(name.to_owned())))
            };
        }
        if text.contains('/') {
            return Ok(Self(Form::File(below_home(text, home))));
        }
        own(text)?;
        Ok(Self(Form::Own(text.to_owned())))
    }
}

const WRITE_SSH: &str = "Write `ssh:COMMENT`, `ssh:SHA256:…` (as `ssh-add -l` shows it), or \
                         `ssh:FILE.pub`.";

/// Whether there is a private key in a text that should only name one: an nkey seed, a PEM, or a PEM
/// in base64, as secrets of pipelines often are.
pub(super) fn holds_key(text: &str) -> bool {
    let is_seed = |word: &str| word.len() >= SEED_LENGTH && word.starts_with('S');
    text.split(|c: char| !nkey::is_base32(c)).any(is_seed)
        || text.contains("PRIVATE KEY")
        // What `-----BEGIN` becomes.
        || text.contains("LS0tLS1CRUdJTi")
}

fn key_itself() -> SigningError {
    let message = "that is a private key itself, which others can read where it was written";
    SigningError::new(SigningErrorKind::KeyName, message).help(
        "Keep it in a file that only you can read, and name that file: `--key ./FILE`. If others may \
         have seen it, sign with a new key.",
    )
}

/// Checks the name of a key of one's own, which is the name of a file.
pub(super) fn own(name: &str) -> Result<()> {
    if holds_key(name) {
        return Err(key_itself());
    }
    let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_');
    let wrong = name.is_empty()
        || name.len() > LONGEST_OWN
        || name.starts_with(['.', '-'])
        || name.contains(odd);
    if wrong {
        let message = format!("{name:?} is not the name of a key");
        return Err(
            SigningError::new(SigningErrorKind::KeyName, message).help(format!(
                "A name has letters, digits, `-`, `_` and `.`, at most {LONGEST_OWN}. A file is \
                 written with a slash: `./FILE`; a key of the agent as `ssh:COMMENT`."
            )),
        );
    }
    if let Some(stem) = name.strip_suffix(".nk") {
        let message = format!("{name:?} is a file's name");
        return Err(
            SigningError::new(SigningErrorKind::KeyName, message).help(format!(
                "The key is called `{stem}`; a file in this folder is `./{name}`."
            )),
        );
    }
    Ok(())
}

fn fingerprint(hash: &str) -> Result<KeyName> {
    let hash = hash.trim_end_matches('=');
    let is_hash = data_encoding::BASE64_NOPAD
        .decode(hash.as_bytes())
        .is_ok_and(|hash| hash.len() == 32);
    if !is_hash {
        let message = format!("\"SHA256:{hash}\" is not a fingerprint");
        return Err(SigningError::new(SigningErrorKind::KeyName, message)
            .help("`ssh-add -l` lists the keys with their fingerprints."));
    }
    Ok(KeyName(Form::Fingerprint(format!("SHA256:{hash}"))))
}

/// Behind `ssh:` no shell puts the home folder in the place of `~`.
fn below_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

impl FromStr for KeyName {
    type Err = SigningError;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(text, vouch_protocol::paths::home().as_deref())
    }
}

/// As it is written.
impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Comment(text) | Form::Fingerprint(text) => write!(f, "ssh:{text}"),
            Form::PublicFile(path) => write!(f, "ssh:{}", path.display()),
            Form::File(path) if !path.as_os_str().as_encoded_bytes().contains(&b'/') => {
                write!(f, "./{}", path.display())
            }
            Form::File(path) => path.display().fmt(f),
            Form::Own(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_called() {
        let check = |text: &str, expected: Form| {
            let name = KeyName::read(text, Some(Path::new("/h"))).unwrap();
            assert_eq!(name.form(), &expected, "{text}");
        };
        check("ssh:ann@laptop", Form::Comment("ann@laptop".into()));
        check("ssh:my key", Form::Comment("my key".into()));
        let hash = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        check(&format!("ssh:{hash}"), Form::Fingerprint(hash.into()));
        check(&format!("ssh:{hash}="), Form::Fingerprint(hash.into()));
        check("ssh:a.pub", Form::PublicFile("a.pub".into()));
        check("ssh:~/.ssh/a.pub", Form::PublicFile("/h/.ssh/a.pub".into()));
        check("./a", Form::File("./a".into()));
        check("/a/b.nk", Form::File("/a/b.nk".into()));
        check("~/b.nk", Form::File("/h/b.nk".into()));
        check("acme", Form::Own("acme".into()));
        check("acme_2.0-x", Form::Own("acme_2.0-x".into()));
    }

    #[test]
    fn what_is_not_a_name_says_what_to_write() {
        let check = |text: &str, expected: &str| {
            let error = KeyName::read(text, None).unwrap_err();
            assert_eq!(error.kind, SigningErrorKind::KeyName);
            let said = format!("{error} {}", error.help.clone().unwrap_or_default());
            assert!(said.contains(expected), "{text}: {said}");
        };
        check("", "not the name");
        check("ssh:", "ssh:COMMENT");
        check("ssh:SHA256:abc", "ssh-add -l");
        check("ssh:MD5:00:11", "SHA256");
        check(".hidden", "not the name");
        check("-f", "not the name");
        check("a b", "not the name");
        check("acme.nk", "called `acme`");
        check(&"a".repeat(65), "at most 64");
        check(&"a".repeat(5000), "too long");
        check("a\nb", "line break");
    }

    #[test]
    fn a_seed_in_the_place_of_a_name_is_not_repeated() {
        let seed = "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4";
        for seed in [seed.to_owned(), seed.replace("SAA", "SMA")] {
            let error = KeyName::read(&seed, None).unwrap_err();
            assert!(!format!("{error:?}").contains(&seed[3..]), "{error:?}");
            assert!(error.message.contains("a private key itself"), "{error}");
        }
    }

    #[test]
    fn a_name_is_shown_as_it_is_written() {
        let hash = "ssh:SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        for text in ["ssh:ann@laptop", hash, "ssh:a.pub", "./a", "/a", "acme"] {
            let name = KeyName::read(text, None).unwrap();
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(KeyName::file("a").to_string(), "./a");
    }
}
