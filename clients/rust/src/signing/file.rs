//! Keys in files: OpenSSH private keys, and nkey seeds.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    nkey::{self, Account},
    signature::TokenSignature,
    ssh::{ED25519, take, unusable},
};
use data_encoding::BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use ssh_key::{Kdf, PrivateKey, private::KeypairData, public::KeyData};
use std::{
    ffi::OsStr,
    fmt,
    fs::{File, OpenOptions},
    io::Read as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// The longest key file, in bytes: an RSA key of 16384 bits has some 13,000.
const LONGEST: u64 = 64 << 10;
/// The longest passphrase, in bytes.
const LONGEST_PASSPHRASE: u64 = 4096;
/// The most rounds of a passphrase's hash. OpenSSH writes 24; a thousand take some 20 seconds.
const MOST_ROUNDS: u32 = 1024;

/// What opens a key file. Overwritten when it is dropped; never shown.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// As it was typed.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The first line of a file, which nobody else may be able to read. Blocks.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = secret(path, LONGEST_PASSPHRASE, "a passphrase")?;
        let line = text.split(['\n', '\r']).next().unwrap_or_default();
        Ok(Self(Zeroizing::new(line.to_owned())))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// A key in a file. Its secret is overwritten when it is dropped, and never shown.
pub struct KeyFile {
    path: PathBuf,
    account: Account,
    comment: String,
    secret: Secret,
}

enum Secret {
    /// As it signs.
    Open(Box<SigningKey>),
    /// As it stands in its file, encrypted.
    Locked(Arc<PrivateKey>),
}

impl KeyFile {
    /// Reads a file that nobody else can read. Blocks.
    pub fn open(path: &Path) -> Result<Self> {
        let text = secret(path, LONGEST, "a key").map_err(|error| match error.kind {
            // A public key is for others to read. Who names it may know that from Git.
            SigningErrorKind::FileOpenToOthers if path.extension() == Some(OsStr::new("pub")) => {
                of_public(path)
            }
            _ => error,
        })?;
        let of_file = |error: SigningError| SigningError {
            message: format!("{} cannot sign tokens: {}", path.display(), error.message),
            ..error
        };
        if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
            return Self::of_openssh(path, &text);
        }
        let seed = text.trim();
        if seed.starts_with('S') && seed.chars().all(nkey::is_base32) {
            let key = nkey::of_seed(seed).map_err(of_file)?;
            return Ok(Self {
                path: path.to_owned(),
                account: Account::of_key(key.verifying_key().to_bytes()),
                comment: String::new(),
                secret: Secret::Open(Box::new(key)),
            });
        }
        Err(of_file(what_else(path, seed)))
    }

    fn of_openssh(path: &Path, text: &str) -> Result<Self> {
        let broken = |what: &str| broken(path, what);
        let cut_off = || broken("it is cut off or changed");
        let kind = kind(text).ok_or_else(cut_off)?;
        if kind != ED25519 {
            return Err(unusable(&path.display().to_string(), &kind));
        }
        let key = PrivateKey::from_openssh(text.trim_start()).map_err(|_| cut_off())?;
        let KeyData::Ed25519(public) = key.public_key().key_data() else {
            return Err(cut_off());
        };
        let account = Account::of_key(public.0);
        let comment = key.comment().to_owned();
        let secret = if key.is_encrypted() {
            let rounds = match key.kdf() {
                Kdf::Bcrypt { rounds, .. } => *rounds,
                _ => 0,
            };
            if !(1..=MOST_ROUNDS).contains(&rounds) {
                let what = format!(
                    "its passphrase is hashed in {rounds} rounds, of which at most \
                                    {MOST_ROUNDS} are taken"
                );
                let again = format!("`ssh-keygen -p -a 100 -f {}` changes that.", path.display());
                return Err(broken(&what).help(again));
            }
            Secret::Locked(Arc::new(key))
        } else {
            Secret::Open(
                opened(&key, &account).ok_or_else(|| broken("its two halves do not match"))?,
            )
        };
        Ok(Self {
            path: path.to_owned(),
            account,
            comment,
            secret,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The account whose tokens it signs.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The comment in the file; empty without one, or while it is locked.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether it needs its passphrase before it can sign.
    pub fn is_locked(&self) -> bool {
        matches!(self.secret, Secret::Locked(_))
    }

    /// Opens it with its passphrase, on a thread of its own: that takes some tenths of a second, or
    /// what the rounds in the file ask for.
    pub async fn unlock(&mut self, passphrase: Passphrase) -> Result<()> {
        let Secret::Locked(locked) = &self.secret else {
            return Ok(());
        };
        let locked = Arc::clone(locked);
        let decrypted = tokio::task::spawn_blocking(move || locked.decrypt(&*passphrase.0));
        let failed = || broken(&self.path, "its passphrase could not be tried");
        let decrypted = decrypted.await.map_err(|_| failed())?;
        let wrong = || {
            let message = format!("that is not the passphrase of {}", self.path.display());
            SigningError::new(SigningErrorKind::PassphraseWrong, message)
        };
        let key = decrypted.map_err(|_| wrong())?;
        let open = opened(&key, &self.account);
        self.secret =
            Secret::Open(open.ok_or_else(|| broken(&self.path, "its two halves do not match"))?);
        key.comment().clone_into(&mut self.comment);
        Ok(())
    }

    /// Signs.
    pub(super) fn sign(&self, input: &str) -> Result<TokenSignature> {
        match &self.secret {
            Secret::Open(key) => Ok(TokenSignature::new(key.sign(input.as_bytes()).to_bytes())),
            Secret::Locked(_) => {
                let message = format!("{} has a passphrase", self.path.display());
                Err(
                    SigningError::new(SigningErrorKind::PassphraseNeeded, message).help(format!(
                        "Name a file that holds it with `--passphrase-file`, or let ssh-agent have \
                         the key: `ssh-add {}`.",
                        self.path.display()
                    )),
                )
            }
        }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .field("account", &self.account)
            .field("is_locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}

/// The type of the key in a private key file, which is not encrypted: see `PROTOCOL.key` of OpenSSH.
/// `ssh-key` knows fewer types than may be there.
fn kind(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN"))?;
    // Grown text would leave copies behind.
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    for line in lines.take_while(|line| !line.starts_with('-')) {
        body.push_str(line);
    }
    let bytes = Zeroizing::new(BASE64.decode(body.as_bytes()).ok()?);
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    // The cipher, the hash of the passphrase, and its options.
    for _ in 0..3 {
        take(&mut rest)?;
    }
    let (_how_many, mut rest) = rest.split_first_chunk::<4>()?;
    let kind = take(&mut take(&mut rest)?)?;
    Some(String::from_utf8_lossy(kind).into_owned())
}

/// The private half, if it belongs to that account.
fn opened(key: &PrivateKey, account: &Account) -> Option<Box<SigningKey>> {
    let KeypairData::Ed25519(pair) = key.key_data() else {
        return None;
    };
    let open = Box::new(SigningKey::from(&pair.private));
    (open.verifying_key().as_bytes() == account.key()).then_some(open)
}

fn broken(path: &Path, what: &str) -> SigningError {
    let message = format!("{} cannot sign tokens: {what}", path.display());
    SigningError::new(SigningErrorKind::KeyUnusable, message)
}

/// A file with the public half, where the private one is needed.
fn of_public(path: &Path) -> SigningError {
    let error = broken(path, "it holds a public key");
    if path.extension() != Some(OsStr::new("pub")) {
        return error.help("Name the file with the private key that belongs to it.");
    }
    let (shown, private) = (path.display(), path.with_extension(""));
    error.help(format!(
        "`--key ssh:{shown}` signs with its private key in ssh-agent, `--key {}` with that in a file.",
        private.display()
    ))
}

/// What a file holds that is not a key that can sign. Nothing of it is repeated.
fn what_else(path: &Path, text: &str) -> SigningError {
    let unusable = |what: &str| SigningError::new(SigningErrorKind::KeyUnusable, what);
    let public = ["ssh-", "ecdsa-", "sk-"];
    if public.iter().any(|start| text.starts_with(start)) {
        SigningError {
            message: "it holds a public key".into(),
            ..of_public(path)
        }
    } else if text.contains("PRIVATE KEY-----") {
        unusable("it is a PEM file of another kind than OpenSSH's").help(
            "Only Ed25519 keys sign tokens, and OpenSSH keeps those in its own format: `ssh-keygen -t \
             ed25519` makes one.",
        )
    } else if text.starts_with("PuTTY-User-Key-File") {
        unusable("it is PuTTY's").help("`puttygen FILE -O private-openssh-new -o OUT` converts it.")
    } else if text.is_empty() {
        unusable("it is empty")
    } else if nkey::public_key(text).is_some() {
        unusable("it holds a public nkey, not a seed")
    } else {
        unusable("it holds neither an OpenSSH private key nor an nkey seed")
            .help("`vouch keys new NAME` makes a key; `vouch keys list` lists your keys.")
    }
}

/// The text of a file with a secret, which nobody else can read. It is read into a buffer that never
/// moves, and is overwritten.
fn secret(path: &Path, longest: u64, what: &str) -> Result<Zeroizing<String>> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => SigningErrorKind::KeyAbsent,
            _ => SigningErrorKind::File,
        };
        SigningError::new(kind, format!("cannot read {shown}: {error}"))
    };
    // A pipe would keep who opens it waiting.
    let mut file: File = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        let message = format!("{shown} is not a regular file");
        return Err(SigningError::new(SigningErrorKind::File, message));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message =
            format!("others can read or change {shown} (mode {mode:03o}), where {what} should be");
        return Err(
            SigningError::new(SigningErrorKind::FileOpenToOthers, message).help(format!(
                "`chmod 600 {shown}` keeps them out. If others may have read it, make another."
            )),
        );
    }
    let too_long = || {
        let message = format!("{shown} is too large for {what}: it has more than {longest} bytes");
        SigningError::new(SigningErrorKind::File, message)
    };
    if about.len() > longest {
        return Err(too_long());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(longest).unwrap_or(0) + 1,
    ));
    (&mut file)
        .take(longest + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > longest {
        return Err(too_long());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        let message = format!("{shown} is not text");
        SigningError::new(SigningErrorKind::KeyUnusable, message)
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests;
