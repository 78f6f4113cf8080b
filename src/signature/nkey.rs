//! Nkeys: a prefix byte that says whose key it is, an Ed25519 public key and their CRC-16, in base 32.

use data_encoding::BASE32_NOPAD;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// An account's: `A…`.
    Account,
    /// A module's or component's: `M…`.
    Module,
    /// A provider's: `V…`.
    Service,
}

impl Of {
    /// The prefix byte: the letter's place in the alphabet of base 32, in the upper five bits.
    fn prefix(self) -> u8 {
        match self {
            Self::Account => 0 << 3,
            Self::Module => 12 << 3,
            Self::Service => 21 << 3,
        }
    }

    /// What its nkeys begin with.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Account => 'A',
            Self::Module => 'M',
            Self::Service => 'V',
        }
    }
}

/// A public key as text.
pub(crate) fn write(of: Of, key: &[u8; 32]) -> String {
    let mut raw = vec![of.prefix()];
    raw.extend_from_slice(key);
    raw.extend_from_slice(&crc16(&raw).to_le_bytes());
    BASE32_NOPAD.encode(&raw)
}

/// The public key in a text, if that is an nkey of this kind.
pub(crate) fn read(of: Of, text: &str) -> Option<[u8; 32]> {
    let (prefix, key) = nkeys::from_public_key(text).ok()?;
    (prefix == of.prefix() && text.len() == 56).then_some(key)
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

    #[test]
    fn what_is_written_is_what_nkeys_writes() {
        let check = |of: Of, pair: &KeyPair| {
            let text = pair.public_key();
            let key = read(of, &text).expect("it is one");
            assert_eq!(write(of, &key), text);
            assert!(text.starts_with(of.letter()));
            for other in [Of::Account, Of::Module, Of::Service] {
                assert_eq!(read(other, &text).is_some(), of == other);
            }
        };
        check(Of::Account, &KeyPair::new_account());
        check(Of::Module, &KeyPair::new_module());
        check(Of::Service, &KeyPair::new_service());
        assert_eq!(read(Of::Account, "A"), None);
    }
}
