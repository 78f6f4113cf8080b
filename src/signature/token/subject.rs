//! The subject of what has none yet: a public key that follows from account and name, so that each
//! signing machine names the same artifact alike and keeps no state. Nobody has its private half,
//! and nobody needs it: what counts is who signed.

use crate::signature::nkey::{self, Of};
use ed25519_dalek::VerifyingKey;
use ring::digest::{SHA256, digest};

/// The first of SHA-256(`vouch subject 1` ‖ 0 ‖ `M` or `V` ‖ account ‖ name ‖ i), for i = 0, 1, …
/// in four bytes, the highest first, that is an Ed25519 public key as strict readers take it.
pub(super) fn derive(of: Of, account: &[u8; 32], name: &str) -> String {
    let letter = [0, of.letter() as u8];
    let start = [b"vouch subject 1", &letter[..], account, name.as_bytes()].concat();
    let candidates = (0..=u32::MAX).filter_map(|i| {
        let hash = digest(&SHA256, &[&start[..], &i.to_be_bytes()].concat());
        <[u8; 32]>::try_from(hash.as_ref()).ok()
    });
    // Every other one is a key.
    let key = candidates.into_iter().find(is_strict).unwrap_or_default();
    nkey::write(of, &key)
}

/// Whether the bytes are a point, the one way it is written, and not one of small order.
fn is_strict(bytes: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(bytes)
        .is_ok_and(|key| !key.is_weak() && VerifyingKey::from(key.to_edwards()) == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the first two keys of RFC 8032, section 7.1. Clients derive the same.
    #[test]
    fn a_subject_follows_from_account_and_name() {
        let check = |account: &str, of: Of, name: &str, expected: &str| {
            let account = nkey::read(Of::Account, account).expect("it is one");
            assert_eq!(derive(of, &account, name), expected, "{name}");
        };
        let first = "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU";
        let second = "AA6UAF6D5BBYSWUSW4FKOTI3P26JZGBMZ4XMJFUMYDGVL4JK6RTAZQQS";
        // The third candidate, i = 2.
        check(
            first,
            Of::Module,
            "echo",
            "MBM2YFP5LUSCDOELLPMZQ4KAXXAFMFHT6FBKXZMF556FSCO2PYKBJOKU",
        );
        check(
            second,
            Of::Module,
            "echo",
            "MD4I7EOQ5LUIK4JS3U4EICD7HANEEQK7BCX2VT2VECDDZSFJLB5GY6F3",
        );
        check(
            first,
            Of::Service,
            "echo",
            "VDKROH3VKHIQABJQ2KJQZHE6OMCAE7A4SORWHACZ4B3MPHBOYYZLZN6Q",
        );
        check(
            first,
            Of::Service,
            "wasmcloud-messaging-nats",
            "VDIST44MOLKMBUZ4WWO7UG7RQAAJY7Y5TVQ5FGSJJHR4HMTFJPDIOWIG",
        );
        check(
            first,
            Of::Module,
            "größe",
            "MATHK7YRGK2SLYMPB6GBM3XVLRKHU2DMFZH4X2PNSE4SUAO4O53ECMPW",
        );
        // The first candidate.
        check(
            first,
            Of::Module,
            "a",
            "MDIKUELLLXNAAU5QC6GVYL5OTRPJB22R4JIRQPQZM6AM567BHI4U5CXA",
        );
    }

    #[test]
    fn keys_that_strict_readers_refuse_are_passed_over() {
        let check = |first: u8, rest: u8, last: u8, expected: bool| {
            let mut bytes = [rest; 32];
            (bytes[0], bytes[31]) = (first, last);
            assert_eq!(is_strict(&bytes), expected, "{first} {rest} {last}");
        };
        // y = 1, the identity; the same with a sign that it has not; y = 0, of order 4.
        check(1, 0, 0, false);
        check(1, 0, 0x80, false);
        check(0, 0, 0, false);
        // y = 2 is on no point; y = 3 and y = 4 are.
        check(2, 0, 0, false);
        check(3, 0, 0, true);
        check(4, 0, 0x80, true);
        // p + 3, which is 3 written in another way.
        check(0xf0, 0xff, 0x7f, false);
    }
}
