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

/// See "The derived subject" in the specification. About every second hash is a key.
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
        let ann = "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU";
        let bob = "AA6UAF6D5BBYSWUSW4FKOTI3P26JZGBMZ4XMJFUMYDGVL4JK6RTAZQQS";
        let check = |kind, account: &str, name: &str, expected: &str| {
            let subject = derived(kind, &Account::parse(account).unwrap(), name).unwrap();
            assert_eq!(subject, expected, "{name}");
            let (prefix, _) = nkey::public_key(&subject).unwrap();
            assert_eq!(prefix, kind.prefix());
        };
        let of_a = "MDIKUELLLXNAAU5QC6GVYL5OTRPJB22R4JIRQPQZM6AM567BHI4U5CXA";
        check(Kind::Wasm, ann, "a", of_a);
        let of_echo = "MBM2YFP5LUSCDOELLPMZQ4KAXXAFMFHT6FBKXZMF556FSCO2PYKBJOKU";
        check(Kind::Wasm, ann, "echo", of_echo);
        let of_size = "MATHK7YRGK2SLYMPB6GBM3XVLRKHU2DMFZH4X2PNSE4SUAO4O53ECMPW";
        check(Kind::Wasm, ann, "größe", of_size);
        let archive = "VDKROH3VKHIQABJQ2KJQZHE6OMCAE7A4SORWHACZ4B3MPHBOYYZLZN6Q";
        check(Kind::Archive, ann, "echo", archive);
        let of_another = "MD4I7EOQ5LUIK4JS3U4EICD7HANEEQK7BCX2VT2VECDDZSFJLB5GY6F3";
        check(Kind::Wasm, bob, "echo", of_another);
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
        // y + p for y = 3 and 4, one of which is not a point at all.
        check(of(0xf0, 0x7f), false);
        check(of(0xf1, 0x7f), false);
        check(small(3), true);
    }
}
