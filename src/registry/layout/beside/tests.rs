use super::*;
use crate::registry::memory::Memory;
use serde_json::{Value, json};
use std::fs;

const TYPED: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BUNDLE: &str = r#"{"verificationMaterial":{}}"#;

/// A layout that is made by hand, with an artifact's manifest in it.
struct Made {
    folder: tempfile::TempDir,
    artifact: Digest,
    entries: Vec<Value>,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(BLOBS)).unwrap();
        let mut made = Self {
            folder,
            artifact: Digest::of(b""),
            entries: Vec::new(),
        };
        made.artifact = made.put(br#"{"schemaVersion":2}"#);
        made.enter(made.artifact, None);
        made
    }

    fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        fs::write(self.blob(digest), bytes).unwrap();
        digest
    }

    fn blob(&self, digest: Digest) -> std::path::PathBuf {
        self.folder.path().join(BLOBS).join(digest.hex())
    }

    fn enter(&mut self, digest: Digest, tag: Option<&str>) {
        let mut entry = json!({ "digest": digest.to_string(), "size": 1,
            "mediaType": "application/vnd.oci.image.manifest.v1+json" });
        if let Some(tag) = tag {
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        }
        self.entries.push(entry);
    }

    /// A manifest with one layer, which refers to something.
    fn referrer(&self, subject: Option<Digest>, media_type: &str, content: &str) -> Digest {
        let layer = self.put(content.as_bytes());
        let mut manifest = json!({
            "schemaVersion": 2,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                "digest": layer.to_string() },
            "layers": [{ "mediaType": media_type, "size": content.len(),
                "digest": layer.to_string(),
                "annotations": { "dev.cosignproject.cosign/signature": "AAAA" } }],
        });
        if let Some(subject) = subject {
            manifest["subject"] = json!({ "mediaType": "x", "size": 1,
                "digest": subject.to_string() });
        }
        self.put(manifest.to_string().as_bytes())
    }

    fn found(&self) -> Vec<String> {
        let index = json!({ "schemaVersion": 2, "manifests": self.entries }).to_string();
        fs::write(self.folder.path().join(INDEX), index).unwrap();
        let memory = Memory::at(&self.folder.path().display().to_string());
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let charge = |bytes| runtime.block_on(memory.charge(bytes));
        let found = beside(
            self.folder.path(),
            self.artifact,
            &Progress::default(),
            &charge,
        )
        .unwrap();
        found.iter().map(|one| format!("{one:?}")).collect()
    }
}

#[test]
fn what_refers_to_an_artifact_is_found_wherever_it_is_listed() {
    let mut made = Made::new();
    assert!(made.found().is_empty());
    let ours = made.referrer(Some(made.artifact), TYPED, BUNDLE);
    made.enter(ours, None);
    let other = made.referrer(Some(Digest::of(b"other")), TYPED, BUNDLE);
    made.enter(other, None);
    let alone = made.referrer(None, TYPED, BUNDLE);
    made.enter(alone, Some("1"));
    let found = made.found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(&format!("oci:{}@{ours}", made.folder.path().display())));
    assert!(found[0].contains("Bundle("), "{found:?}");

    made.entries.remove(1);
    assert!(made.found().is_empty());
    let listed = json!({ "manifests": [{ "digest": ours.to_string() }] });
    let listed = made.put(listed.to_string().as_bytes());
    made.enter(listed, Some(&fallback_tag(made.artifact)));
    assert_eq!(made.found().len(), 1, "the fallback tag lists it");
}

#[test]
fn what_is_broken_is_told_or_passed_over() {
    let mut made = Made::new();
    let content = r#"{"verificationMaterial":{},"cut":1}"#;
    let cut = made.referrer(Some(made.artifact), TYPED, content);
    fs::write(made.blob(Digest::of(content.as_bytes())), "cut").unwrap();
    made.enter(cut, None);
    let lost = made.referrer(Some(made.artifact), TYPED, "lost");
    fs::remove_file(made.blob(lost)).unwrap();
    made.enter(lost, None);
    let text = made.put(b"no manifest");
    made.enter(text, None);
    let good = made.referrer(Some(made.artifact), TYPED, BUNDLE);
    made.enter(good, None);
    let found = made.found();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("hashes to"), "{found:?}");
    assert!(found[1].contains("Bundle("), "{found:?}");
}

#[test]
fn more_than_64_are_not_looked_at() {
    let mut made = Made::new();
    for n in 0..66 {
        let content = format!(r#"{{"verificationMaterial":{n}}}"#);
        let referrer = made.referrer(Some(made.artifact), TYPED, &content);
        made.enter(referrer, None);
    }
    let found = made.found();
    assert_eq!(found.len(), 65);
    assert!(
        found[64].contains("64 of 66 were looked at"),
        "{}",
        found[64]
    );
}

#[test]
fn what_cosign_2_stored_comes_last() {
    let mut made = Made::new();
    let called = "application/vnd.dev.cosign.simplesigning.v1+json";
    let stored = made.referrer(None, called, "payload");
    made.enter(stored, Some(&signature_tag(made.artifact)));
    let good = made.referrer(Some(made.artifact), TYPED, BUNDLE);
    made.enter(good, None);
    let found = made.found();
    assert_eq!(found.len(), 2);
    assert!(found[1].contains("AAAA"), "{found:?}");
}
