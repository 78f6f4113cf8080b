//! Ed25519 keys as nkeys write them: a prefix, the key and their CRC-16, in base 32
//! (<https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth>).
//! Not the `nkeys` crate: it leaves copies of seeds behind.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    ssh,
};
use data_encoding::BASE32_NOPAD;
use ed25519_dalek::SigningKey;
use std::fmt;
use zeroize::Zeroizing;

/// The prefix of seeds; its last three bits begin the prefix of what the seed is for.
const SEED: u8 = 18 << 3;

/// What a key is for, by the byte that nkeys begin with, and what people call that.
const PREFIXES: [(u8, char, &str); 8] = [
    (ACCOUNT, 'A', "an account"),
    (MODULE, 'M', "a module"),
    (SERVICE, 'V', "a provider"),
    (13 << 3, 'N', "a server"),
    (2 << 3, 'C', "a cluster"),
    (14 << 3, 'O', "an operator"),
    (20 << 3, 'U', "a user"),
    (23 << 3, 'X', "a curve"),
];

const ACCOUNT: u8 = 0;
pub(super) const MODULE: u8 = 12 << 3;
pub(super) const SERVICE: u8 = 21 << 3;

/// How long a seed is, in characters.
pub(super) const SEED_LENGTH: usize = 58;

/// An account: whose token it is. An Ed25519 public key, written as an nkey that starts with `A`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    key: [u8; 32],
    text: String,
}

impl Account {
    /// The account of an Ed25519 public key.
    pub fn of_key(key: [u8; 32]) -> Self {
        Self {
            key,
            text: encode(&[ACCOUNT], &key).as_str().to_owned(),
        }
    }

    /// Reads an nkey.
    pub fn parse(text: &str) -> Option<Self> {
        let (ACCOUNT, key) = public_key(text)? else {
            return None;
        };
        Some(Self::of_key(key))
    }

    /// The Ed25519 public key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The nkey: `A…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same key as SSH writes it in a line: `ssh-ed25519 AAAA… comment`.
    pub fn ssh_line(&self, comment: &str) -> String {
        ssh::line(&self.key, comment)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The prefix and the key of a public nkey.
pub(super) fn public_key(text: &str) -> Option<(u8, [u8; 32])> {
    let raw = decode(text, 35)?;
    let (prefix, key) = raw.split_first()?;
    let key = key.get(..32)?.try_into().ok()?;
    Some((*prefix, key))
}

/// An Ed25519 public key as an nkey.
pub(super) fn encode_public(prefix: u8, key: &[u8; 32]) -> String {
    encode(&[prefix], key).as_str().to_owned()
}

/// A key pair's seed as an account's nkey.
pub(super) fn account_seed(key: &SigningKey) -> Zeroizing<String> {
    let prefix = [SEED | ACCOUNT >> 5, (ACCOUNT & 31) << 3];
    encode(&prefix, key.as_bytes())
}

/// The key of an account's seed. The reason never holds any of the text.
pub(super) fn of_seed(text: &str) -> Result<SigningKey> {
    let unusable = |what: String| SigningError::new(SigningErrorKind::KeyUnusable, what);
    let broken = || unusable("the seed is cut off or changed: its check sum is wrong".into());
    let raw = decode(text, 36).ok_or_else(broken)?;
    let (&[first, second], rest) = raw.split_first_chunk().ok_or_else(broken)?;
    if first & 0b1111_1000 != SEED {
        return Err(match PREFIXES.iter().find(|(byte, ..)| *byte == first) {
            Some((_, letter, what)) => unusable(format!(
                "it holds the public nkey of {what} (`{letter}…`), not a seed"
            )),
            None => unusable("it does not hold a seed".into()),
        });
    }
    let prefix = first << 5 | second >> 3;
    if prefix != ACCOUNT {
        let what = PREFIXES.iter().find(|(byte, ..)| *byte == prefix);
        let what = what.map_or("something unknown", |(_, _, what)| what);
        return Err(unusable(format!("it holds the seed of {what}"))
            .help("Tokens are signed with the seed of an account, which starts with `SA`."));
    }
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(rest.get(..32).ok_or_else(broken)?);
    Ok(SigningKey::from_bytes(&seed))
}

fn encode(prefix: &[u8], key: &[u8; 32]) -> Zeroizing<String> {
    let mut raw = Zeroizing::new(Vec::with_capacity(36));
    raw.extend_from_slice(prefix);
    raw.extend_from_slice(key);
    let crc = crc16(&raw).to_le_bytes();
    raw.extend_from_slice(&crc);
    Zeroizing::new(BASE32_NOPAD.encode(&raw))
}

/// That many bytes with a right check sum behind them. Base 32 has one spelling for them.
fn decode(text: &str, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    if BASE32_NOPAD.decode_len(text.len()).ok()? != length {
        return None;
    }
    let raw = Zeroizing::new(BASE32_NOPAD.decode(text.as_bytes()).ok()?);
    let (key, crc) = raw.split_last_chunk()?;
    (crc16(key).to_le_bytes() == *crc).then_some(raw)
}

/// Whether it is a letter of base 32.
pub(super) fn is_base32(letter: char) -> bool {
    matches!(letter, 'A'..='Z' | '2'..='7')
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nkeys::KeyPair;

    /// Of <https://github.com/nats-io/nkeys>, made by its Go library.
    const SEED_OF_GO: &str = "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4";
    const ACCOUNT_OF_GO: &str = "ACODERUVFFAWZQDSS6SBIACUA5O6SXF7HJ3YTYXBALHZP3P7R4BUO4J2";

    #[test]
    fn accounts_and_seeds_are_those_of_others() {
        let key = of_seed(SEED_OF_GO).unwrap();
        assert_eq!(account_seed(&key).as_str(), SEED_OF_GO);
        let account = Account::of_key(key.verifying_key().to_bytes());
        assert_eq!(account.as_str(), ACCOUNT_OF_GO);
        assert_eq!(Account::parse(ACCOUNT_OF_GO), Some(account));
        for _ in 0..32 {
            let pair = KeyPair::new_account();
            let key = of_seed(&pair.seed().unwrap()).unwrap();
            let account = Account::of_key(key.verifying_key().to_bytes());
            assert_eq!(account.as_str(), pair.public_key());
        }
    }

    #[test]
    fn what_is_not_an_account_s_seed_is_called_what_it_is() {
        let check = |text: &str, expected: &str| {
            let error = of_seed(text).unwrap_err();
            assert_eq!(error.kind, SigningErrorKind::KeyUnusable);
            assert!(error.message.contains(expected), "{text}: {error}");
            assert!(text.is_empty() || !error.message.contains(text), "{error}");
        };
        check(&KeyPair::new_module().seed().unwrap(), "seed of a module");
        check(
            &KeyPair::new_service().seed().unwrap(),
            "seed of a provider",
        );
        check(&KeyPair::new_user().seed().unwrap(), "seed of a user");
        check(&KeyPair::new_operator().seed().unwrap(), "an operator");
        check(ACCOUNT_OF_GO, "check sum");
        check("", "check sum");
        check(&SEED_OF_GO[..57], "check sum");
        check(&SEED_OF_GO.replace('P', "Q"), "check sum");
        check(&SEED_OF_GO.to_lowercase(), "check sum");
        check(&format!("{SEED_OF_GO}A"), "check sum");
    }

    #[test]
    fn other_nkeys_are_not_accounts() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Account::parse(text).is_some(), expected, "{text}");
        };
        check(ACCOUNT_OF_GO, true);
        check(&KeyPair::new_module().public_key(), false);
        check(&KeyPair::new_user().public_key(), false);
        check(&ACCOUNT_OF_GO[1..], false);
        check(SEED_OF_GO, false);
        check("", false);
    }

    #[test]
    fn an_account_is_a_line_of_ssh() {
        let account =
            Account::parse("ADOIOFYU3KSKTVKAPTKWKPZQSP4C2ZURNHBH3JB6LIUOYX5VT5EMAQQD").unwrap();
        let line = account.ssh_line("ann@laptop");
        assert!(line.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
        assert!(line.ends_with(" ann@laptop"));
        assert!(!account.ssh_line("").ends_with(' '));
    }
}
