//! What the reference implementations sign is accepted.

use super::*;
use provider_archive::ProviderArchive;
use wascap::jwt::{CapabilityProvider, Claims, Component};

pub(super) fn wascap_signs(unsigned: &[u8]) -> Vec<u8> {
    let (account, module) = (nkeys::KeyPair::new_account(), nkeys::KeyPair::new_module());
    let claims = Claims::<Component>::new(
        "echo".into(),
        account.public_key(),
        module.public_key(),
        Some(vec!["test".into()]),
        false,
        Some(1),
        Some("0.1.0".into()),
        Some("echo".into()),
    );
    wascap::wasm::embed_claims(unsigned, &claims, &account).unwrap()
}

#[test]
fn what_wascap_signs_is_accepted() {
    check_accepted(&wascap_signs(&module()), ArtifactKind::Module);
    check_accepted(&wascap_signs(&component()), ArtifactKind::Component);
    check_accepted(&wascap_signs(&nested(3)), ArtifactKind::Component);
}

#[test]
fn what_wascap_signs_again_is_accepted() {
    let once = wascap_signs(&module());
    check_accepted(&wascap_signs(&once), ArtifactKind::Module);
}

#[test]
fn what_provider_archive_signs_is_accepted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, gzip, world) in [
        ("plain.par", false, false),
        ("world.par", false, true),
        ("plain.par.gz", true, false),
        ("world.par.gz", true, true),
    ] {
        let mut archive = ProviderArchive::new("kv", "acme", Some(2), Some("0.2.0".into()));
        archive
            .add_library("x86_64-linux", &vec![1; 70_000])
            .unwrap();
        archive.add_library("aarch64-macos", b"second").unwrap();
        archive
            .set_schema(serde_json::json!({ "type": "object" }))
            .unwrap();
        if world {
            archive.add_wit_world(b"\0asm\x0d\0\x01\0").unwrap();
        }
        let path = folder.path().join(name);
        let (account, service) = (nkeys::KeyPair::new_account(), nkeys::KeyPair::new_service());
        runtime
            .block_on(archive.write(&path, &account, &service, gzip))
            .unwrap();
        let looked = check_accepted(&std::fs::read(&path).unwrap(), ArtifactKind::Provider);
        assert_eq!(looked.extension, if gzip { "par.gz" } else { "par" });
        assert_eq!(looked.verdict.unwrap().subject, service.public_key());
    }
}

#[test]
fn what_wascap_encodes_for_an_archive_is_accepted() {
    let signer = Signer::default();
    let claims = Claims::<CapabilityProvider>::with_dates(
        "kv".into(),
        signer.account.public_key(),
        signer.service.public_key(),
        "acme".into(),
        None,
        None,
        ENTRIES
            .iter()
            .map(|(name, bytes)| (name.trim_end_matches(".bin").to_owned(), sha256(bytes)))
            .collect(),
        Some(1),
        Some(u64::MAX),
    );
    let token = claims.encode(&signer.account).unwrap();
    let mut entries = vec![("claims.jwt", token.as_bytes())];
    entries.extend_from_slice(ENTRIES);
    check_accepted(&tar(&entries), ArtifactKind::Provider);
}
