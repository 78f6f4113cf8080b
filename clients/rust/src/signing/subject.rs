//! The subject that follows from account and name, so that who signs without state names the same one
//! each time: the first hash that is a key. Nobody has its private half.

use super::{
    nkey::{self, Account},
    token::Kind,
};
use curve25519_dalek::edwards::CompressedEdwardsY;
use sha2::{Digest as _, Sha256};

/// What such hashes begin with, before a NUL.
const DOMAIN: &[u8] = b"vouch subject 1\0";

/// See "Signing" in the specification. About every second hash is a key.
pub(super) fn derived(kind: Kind, account: &Account, name: &str) -> Option<String> {
    let before = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update([kind.letter() as u8])
        .chain_update(account.key())
        .chain_update(name);
    let hash = |i: u32| {
        before
            .clone()
            .chain_update(i.to_be_bytes())
            .finalize()
            .into()
    };
    let key = (0..=u32::MAX).map(hash).find(is_key)?;
    Some(nkey::encode_public(kind.prefix(), &key))
}

/// Whether these bytes are an Ed25519 public key, not a weak one, and its one spelling.
fn is_key(bytes: &[u8; 32]) -> bool {
    let point = CompressedEdwardsY(*bytes).decompress();
    point.is_some_and(|point| !point.is_small_order() && point.compress().as_bytes() == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_those_of_the_specification() {
        let account = "ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW";
        let account = Account::parse(account).unwrap();
        let check = |kind, name: &str, expected: &str| {
            let subject = derived(kind, &account, name).unwrap();
            assert_eq!(subject, expected, "{name}");
            let (prefix, _) = nkey::public_key(&subject).unwrap();
            assert_eq!(prefix, kind.prefix());
        };
        // The first hash is a key; so is that of the other kind.
        check(
            Kind::Wasm,
            "echo",
            "MB2FDDTTKDRADSDGAIL62PD7PJ634OGLVO7O5N2KACAWT353FHMYB7MV",
        );
        check(
            Kind::Archive,
            "echo",
            "VDU2EL7VGFEDVDDJ2CLIAUEIBZDG7CRSTBE7N2XBHNMGN7AIOVPVO6O4",
        );
        // The third is.
        check(
            Kind::Wasm,
            "http-server",
            "MCLIQI7CCT6ADFBNMQXO7H2KSQLM2WE24E7RFM75EMZ75XLKQMX6AZRA",
        );
        check(
            Kind::Wasm,
            "Grüße",
            "MC7K4QLIGQYF6N7JINFJOHQZXPLCEOBGV5BC3PILLRWG2R2FO4OXPULI",
        );
    }

    #[test]
    fn weak_keys_and_other_spellings_are_not_keys() {
        let check = |bytes: [u8; 32], expected: bool| {
            assert_eq!(is_key(&bytes), expected, "{bytes:?}");
        };
        let of = |first: u8, last: u8| {
            let mut bytes = [0xff; 32];
            bytes[0] = first;
            bytes[31] = last;
            bytes
        };
        let small = |first: u8| {
            let mut bytes = [0; 32];
            bytes[0] = first;
            bytes
        };
        // The identity, the point of order 2, one of order 4.
        check(small(1), false);
        check(of(0xec, 0x7f), false);
        check(small(0), false);
        // y + p for y = 3 and 4, one of which is no point at all.
        check(of(0xf0, 0x7f), false);
        check(of(0xf1, 0x7f), false);
        check(small(3), true);
    }
}
