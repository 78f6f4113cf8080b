//! Pushes and pulls through real registries. What registries do wrong is in `faults`.

use super::*;
use crate::{
    artifact::ArtifactKind,
    name::testing,
    session::{Config, RegistryConfig},
};
use std::io::{Read, Write};
use tempfile::NamedTempFile;
use vouch_testing::registry::Registry;

pub(super) fn sessions(config: Config) -> Sessions {
    Sessions::new(config).docker_config("/nonexistent/config.json".into())
}

/// A file of that many bytes, which do not repeat.
pub(super) fn file(size: usize) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0u32..)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(size)
        .collect();
    file.write_all(&bytes).unwrap();
    file
}

pub(super) async fn push_file(
    sessions: &Sessions,
    file: &NamedTempFile,
    reference: &str,
) -> Result<Pushed> {
    let content = Content::unverified(ArtifactKind::Component, file.path());
    let reference = testing::reference(reference);
    let progress = Progress::default();
    publish(sessions, content, &reference, &BTreeMap::new(), &progress).await
}

pub(super) async fn pull(sessions: &Sessions, reference: &str) -> Result<Vec<u8>> {
    let reference = testing::reference(reference);
    let found = find(sessions, &reference, &Limits::default()).await?;
    let received = tokio::task::spawn_blocking(move || {
        found.receive(&Progress::default(), |mut download| {
            let mut bytes = Vec::new();
            let read = download.read_to_end(&mut bytes);
            read.map_err(|error| Error::from_io(error, "/".as_ref(), "read"))?;
            Ok(bytes)
        })
    });
    received.await.unwrap()
}

/// Larger than a block and no multiple of one.
const SIZE: usize = 3 * (1 << 20) + 12345;

async fn round_trip(sessions: &Sessions, registry: &str) {
    let file = file(SIZE);
    let tagged = format!("{registry}/acme/echo:1");
    let first = push_file(sessions, &file, &tagged).await.unwrap();
    assert!(first.uploaded > SIZE as u64);
    assert_eq!(first.skipped, 0);
    let again = push_file(sessions, &file, &tagged).await.unwrap();
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(again.uploaded, 0);
    let contents = std::fs::read(file.path()).unwrap();
    assert_eq!(pull(sessions, &tagged).await.unwrap(), contents);
    let by_digest = format!("{registry}/acme/echo@{}", first.manifest);
    assert_eq!(pull(sessions, &by_digest).await.unwrap(), contents);
    let other = format!("{registry}/acme/other@{}", first.manifest);
    push_file(sessions, &file, &other).await.unwrap();
    assert_eq!(pull(sessions, &other).await.unwrap(), contents);
}

#[tokio::test]
async fn an_open_registry() {
    let registry = Registry::open();
    round_trip(&sessions(Config::new()), &registry.name()).await;
}

#[tokio::test]
async fn a_registry_that_wants_a_login() {
    let registry = Registry::with_login();
    let name = registry.name();
    let anonymous = sessions(Config::new());
    let error = pull(&anonymous, &format!("{name}/acme/echo:1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.data().status, Some(401));
    assert_eq!(error.data().registry.as_deref(), Some(name.as_str()));
    let known = sessions(Config::new()).docker_config(registry.docker_config());
    round_trip(&known, &name).await;
}

#[tokio::test]
async fn a_registry_with_tls() {
    let registry = Registry::with_tls();
    let name = registry.name();
    let config = |section| sessions(Config::from([(testing::registry(&name), section)]));
    let trusting = config(RegistryConfig {
        ca: Some(registry.ca()),
        ..RegistryConfig::default()
    });
    round_trip(&trusting, &name).await;
    let strict = config(RegistryConfig {
        plain_http: Some(false),
        ..RegistryConfig::default()
    });
    let error = pull(&strict, &format!("{name}/acme/echo:1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsecureRegistry, "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let registry = Registry::open();
    let error = pull(
        &sessions(Config::new()),
        &format!("{}/acme/echo:1", registry.name()),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.data().status, Some(404));
}

#[tokio::test]
async fn a_file_that_changed_leaves_nothing() {
    let registry = Registry::open();
    let sessions = sessions(Config::new());
    let check = |change: fn(&mut std::fs::File), reason: &'static str| {
        let (registry, sessions) = (&registry, &sessions);
        async move {
            let file = file(SIZE);
            let content = Content::unverified(ArtifactKind::Module, file.path());
            let mut handle = std::fs::OpenOptions::new()
                .write(true)
                .open(file.path())
                .unwrap();
            change(&mut handle);
            let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
            let progress = Progress::default();
            let error = publish(sessions, content, &reference, &BTreeMap::new(), &progress)
                .await
                .unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::ContentModified,
                "{reason}: {error}"
            );
            assert_eq!(registry.stored("_manifests"), 0, "{reason}");
            assert_eq!(registry.stored("blobs"), 0, "{reason}");
        }
    };
    check(
        |file| std::os::unix::fs::FileExt::write_all_at(file, b"x", 5).unwrap(),
        "its first block",
    )
    .await;
    check(
        |file| std::os::unix::fs::FileExt::write_all_at(file, b"x", SIZE as u64 - 1).unwrap(),
        "its last byte",
    )
    .await;
    check(
        |file| file.set_len(SIZE as u64 - 1).unwrap(),
        "cut by one byte",
    )
    .await;
    check(
        |file| file.set_len(SIZE as u64 + 1).unwrap(),
        "one byte more",
    )
    .await;
    check(
        |file| file.set_len(1 << 20).unwrap(),
        "cut at a block's end",
    )
    .await;
}

#[tokio::test]
async fn a_stopped_push_writes_no_manifest() {
    let registry = Registry::open();
    let sessions = sessions(Config::new());
    let file = file(SIZE);
    let content = Content::unverified(ArtifactKind::Module, file.path());
    let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
    let progress = Progress::default();
    progress.stop();
    let error = publish(&sessions, content, &reference, &BTreeMap::new(), &progress)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(registry.stored("_manifests"), 0);
}

#[tokio::test]
async fn a_digest_that_is_not_the_manifest_s_is_refused_before_anything_is_sent() {
    let file = file(10);
    let reference = format!("127.0.0.1:1/acme/echo:1@{}", Digest::of(b"other"));
    let error = push_file(&sessions(Config::new()), &file, &reference)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidReference);
}
