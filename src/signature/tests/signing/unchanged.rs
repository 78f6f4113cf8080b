//! Nothing changes but the token.

use super::*;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

#[test]
fn what_is_signed_here_is_accepted_and_signing_again_changes_only_dates_and_id() {
    let account = KeyPair::new_account();
    let check = |bytes: &[u8], kind| {
        let once = signed(bytes, of_vendor(&account, bytes), &account);
        let claims = check_accepted(&once, kind).verdict.unwrap();
        assert_eq!(claims.issuer, account.public_key());
        assert_eq!(claims.name.as_deref(), Some("kv"));
        assert_eq!(claims.issued_at, NOW);
        let draft = draft(&once, by(&account)).unwrap();
        assert_eq!(draft.claims, claims);
        let replaces = draft.replaces.unwrap();
        assert_eq!(replaces.signature.unwrap().subject, claims.subject);
        assert_eq!((replaces.refusal, replaces.dropped), (None, vec![]));
        let twice = signed(&once, by(&account), &account);
        let again = check_accepted(&twice, kind).verdict.unwrap();
        assert_eq!(again, claims);
        let (once, twice) = (inflated(&once), inflated(&twice));
        assert_eq!(once.len(), twice.len());
        let payload = |bytes: &[u8]| {
            let start = bytes.windows(3).position(|three| three == b"eyJ").unwrap();
            let token = bytes[start..].split(|byte| *byte == b'.').nth(1).unwrap();
            let payload = BASE64URL_NOPAD.decode(token).unwrap();
            let mut payload: Value = serde_json::from_slice(&payload).unwrap();
            assert!(payload.as_object_mut().unwrap().remove("jti").is_some());
            payload
        };
        assert_eq!(payload(&once), payload(&twice));
    };
    check(&module(), ArtifactKind::Module);
    check(&component(), ArtifactKind::Component);
    check(&nested(5), ArtifactKind::Component);
    check(&tar(ENTRIES), ArtifactKind::Provider);
    check(&gzip(&tar(ENTRIES)), ArtifactKind::Provider);
}

#[test]
fn a_gzipped_archive_stays_as_hard_pressed_as_it_was() {
    let account = KeyPair::new_account();
    for (level, flag) in [(1, 4), (5, 0), (6, 0), (9, 2)] {
        let old = gzip_at(level, &tar(ENTRIES));
        let new = signed(&old, of_vendor(&account, &old), &account);
        assert_eq!((old[8], new[8]), (flag, flag), "{level}");
    }
}

/// A token somewhere among parts, or none.
fn among(parts: &[Vec<u8>], token: Option<(&Index, Vec<u8>)>) -> Vec<u8> {
    let mut parts = parts.to_vec();
    if let Some((at, token)) = token {
        parts.insert(at.index(parts.len() + 1), token);
    }
    parts.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn of_wasm_nothing_changes_but_the_token(
        sections in vec(("[a-z_]{0,20}", vec(any::<u8>(), 0..1500)), 0..6),
        at in proptest::option::of(any::<Index>()),
        which in 0..4_usize,
    ) {
        let names = ["wasmcloud_jwt", "jwt"];
        let start = [module(), component(), nested(2), module()][which].clone();
        let sections = sections.iter().map(|(name, content)| {
            // Whatever is nearly a token.
            let name = if names.contains(&&**name) { "jwt2" } else { name };
            custom(name, content)
        });
        let sections: Vec<_> = sections.collect();
        let rest = [start.clone(), sections.concat()].concat();
        let signer = Signer::default();
        let old = at.as_ref().map(|at| {
            (at, custom(names[which % 2], signer.wasm_token(&rest).as_bytes()))
        });
        let bytes = [start, among(&sections, old)].concat();
        let account = KeyPair::new_account();
        let draft = draft(&bytes, by(&account)).unwrap();
        let sealed = seal(&draft.signing_input, &account).unwrap();
        let new = put(&bytes, sealed.bytes());
        prop_assert_eq!(&new, &[rest, custom("wasmcloud_jwt", sealed.bytes())].concat());
        prop_assert_eq!(look(&new).verdict.unwrap(), draft.claims.clone());
        // The old token held, so its subject stays.
        let subject = at.map(|_| signer.module.public_key());
        prop_assert_eq!(subject.unwrap_or(draft.claims.subject.clone()), draft.claims.subject);
    }

    #[test]
    fn of_an_archive_nothing_changes_but_the_token(
        sizes in vec(0..2000_usize, 1..5),
        world in any::<bool>(),
        at in proptest::option::of(any::<Index>()),
        level in proptest::option::of(1..10_u32),
        zeros in 0..3_usize,
    ) {
        let contents: Vec<_> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
        let names: Vec<_> = (0..sizes.len()).map(|index| format!("target{index}.bin")).collect();
        let mut plain: Vec<_> = names.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
        if world {
            plain.insert(plain.len() / 2, ("world.wasm", b"\0asm\x0d\0\x01\0"));
        }
        let entries: Vec<_> = plain.iter().map(|(name, content)| {
            entry_with(name, content, |header| header[136..147].copy_from_slice(b"00000001234"))
        }).collect();
        let signer = Signer::default();
        let old = at.as_ref().map(|at| (at, entry("claims.jwt", signer.archive_token(&plain).as_bytes())));
        let end = vec![0; 1024 + 512 * zeros];
        let bytes = [among(&entries, old), end.clone()].concat();
        let bytes = level.map_or(bytes.clone(), |level| gzip_at(level, &bytes));
        let account = KeyPair::new_account();
        let draft = draft(&bytes, of_vendor(&account, &bytes)).unwrap();
        let sealed = seal(&draft.signing_input, &account).unwrap();
        let new = put(&bytes, sealed.bytes());
        prop_assert_eq!(level.is_some(), new.starts_with(b"\x1f\x8b"));
        let inflated = inflated(&new);
        let found = entries_of(&inflated);
        prop_assert_eq!(&found[0].0, "claims.jwt");
        prop_assert_eq!(&found[0].1[512..512 + sealed.bytes().len()], sealed.bytes());
        let rest: Vec<u8> = found[1..].iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
        prop_assert_eq!(rest, [entries.concat(), end].concat());
        prop_assert_eq!(look(&new).verdict.unwrap(), draft.claims);
    }
}
