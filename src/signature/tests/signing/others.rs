//! wascap and provider-archive read what is signed here, and what they signed is signed again.

use super::{super::interoperability::wascap_signs, *};
use provider_archive::ProviderArchive;
use serde_json::json;

#[test]
fn what_is_signed_here_wascap_reads() {
    let account = KeyPair::new_account();
    for bytes in [module(), component(), nested(3)] {
        let params = SignPrepareParams {
            version: Some("1.2.3".into()),
            revision: Some(7),
            tags: Some(vec!["a".into(), "ü \"b\"".into()]),
            expires: Some(NOW * 2),
            ..by(&account)
        };
        let new = signed(&bytes, params, &account);
        let token = wascap::wasm::extract_claims(&new).unwrap().unwrap();
        let validation = wascap::jwt::validate_token::<wascap::jwt::Component>(&token.jwt).unwrap();
        assert!(validation.signature_valid && !validation.expired && !validation.cannot_use_yet);
        let metadata = token.claims.metadata.unwrap();
        assert_eq!(metadata.name.as_deref(), Some("kv"));
        assert_eq!(metadata.ver.as_deref(), Some("1.2.3"));
        assert_eq!(metadata.rev, Some(7));
        assert_eq!(metadata.tags.unwrap(), ["a", "ü \"b\""]);
        assert_eq!(token.claims.issuer, account.public_key());
        assert_eq!(token.claims.expires, Some(NOW * 2));
    }
}

#[test]
fn where_lengths_are_long_wascap_does_not_read_it_and_that_is_said() {
    let account = KeyPair::new_account();
    let long = [module(), vec![0, 0x83, 0x80, 0, 1, b'x', 1]].concat();
    let nested = component_around(&long);
    for (bytes, is_long) in [(long, true), (nested, true), (module(), false)] {
        let warnings = draft(&bytes, by(&account)).unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(is_long), "{warnings:?}");
        let new = signed(&bytes, by(&account), &account);
        look(&new).verdict.unwrap();
        assert_eq!(new[..bytes.len()], bytes);
        assert_eq!(wascap::wasm::extract_claims(&new).is_err(), is_long);
        // The length of the token that is replaced is nobody's concern.
        let again = draft(&new, by(&account)).unwrap();
        assert_eq!(again.warnings.len(), usize::from(is_long));
    }
}

#[test]
fn what_is_signed_here_provider_archive_reads() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let account = KeyPair::new_account();
    for bytes in [tar(ENTRIES), gzip(&tar(ENTRIES))] {
        let new = signed(&bytes, of_vendor(&account, &bytes), &account);
        let archive = runtime.block_on(ProviderArchive::try_load(&new)).unwrap();
        let mut targets = archive.targets();
        targets.sort();
        assert_eq!(targets, ["aarch64-linux", "x86_64-linux"]);
        assert_eq!(archive.target_bytes("x86_64-linux").unwrap(), ENTRIES[1].1);
        assert_eq!(archive.wit_world(), Some(ENTRIES[0].1));
        let claims = archive.claims().unwrap();
        assert_eq!(claims.issuer, account.public_key());
        assert_eq!(claims.metadata.unwrap().vendor, "acme");
    }
}

#[test]
fn what_others_signed_is_signed_again_with_what_it_says() {
    let account = KeyPair::new_account();
    let old = wascap_signs(&component());
    let was = look(&old).verdict.unwrap();
    let new = look(&signed(&old, by(&account), &account)).verdict.unwrap();
    let expected = Claims {
        issuer: account.public_key(),
        issued_at: NOW,
        ..was
    };
    assert_eq!(new, expected);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for gzip in [false, true] {
        let mut archive = ProviderArchive::new("nats", "acme", Some(2), Some("0.2.0".into()));
        archive
            .add_library("x86_64-linux", &vec![1; 70_000])
            .unwrap();
        let schema = json!({"type": "object", "a": [1, {"b": null}]});
        archive.set_schema(schema.clone()).unwrap();
        let path = folder.path().join(if gzip { "a.par.gz" } else { "a.par" });
        let (issuer, service) = (KeyPair::new_account(), KeyPair::new_service());
        runtime
            .block_on(archive.write(&path, &issuer, &service, gzip))
            .unwrap();
        let old = std::fs::read(&path).unwrap();
        let new = signed(&old, by(&account), &account);
        let claims = look(&new).verdict.unwrap();
        assert_eq!(claims.subject, service.public_key());
        assert_eq!(claims.vendor.as_deref(), Some("acme"));
        assert_eq!(claims.revision, Some(2));
        let read = runtime.block_on(ProviderArchive::try_load(&new)).unwrap();
        assert_eq!(read.schema(), Some(schema));
        let without = |bytes: &[u8]| -> Vec<u8> {
            let inflated = inflated(bytes);
            let entries = entries_of(&inflated);
            assert_eq!(entries[0].0, "claims.jwt");
            entries[1..]
                .iter()
                .flat_map(|(_, bytes)| bytes.to_vec())
                .collect()
        };
        assert_eq!(without(&old), without(&new));
    }
}
