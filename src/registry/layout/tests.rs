//! Layouts on disk: what is written, by several at once too, and what is read back.

use super::*;
use crate::{
    artifact::ArtifactKind,
    name::testing,
    registry::{
        publish,
        tests::{file, pull, sessions},
    },
    session::Config,
};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

const SIZE: usize = (2 << 20) + 77;

async fn push_size(size: usize, reference: &str) -> Result<Pushed> {
    let file = file(size);
    let content = Content::unverified(ArtifactKind::Module, file.path());
    let reference = testing::reference(reference);
    let (sessions, progress) = (sessions(Config::new()), Progress::default());
    publish(&sessions, content, &reference, &BTreeMap::new(), &progress).await
}

async fn pull_from(reference: &str) -> Result<Vec<u8>> {
    pull(&sessions(Config::new()), reference).await
}

fn contents(size: usize) -> Vec<u8> {
    fs::read(file(size).path()).unwrap()
}

fn layout(folder: &tempfile::TempDir) -> (PathBuf, String) {
    let path = folder.path().join("layout");
    let reference = format!("oci:{}", path.display());
    (path, reference)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn index(root: &Path) -> Value {
    serde_json::from_slice(&fs::read(root.join(INDEX)).unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_pushed_is_found_by_tag_and_digest() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    let first = push_size(SIZE, &format!("{reference}:1")).await.unwrap();
    assert!(first.uploaded > SIZE as u64);
    let again = push_size(SIZE, &format!("{reference}:2")).await.unwrap();
    assert_eq!((again.manifest, again.uploaded), (first.manifest, 0));
    let other = push_size(9, &format!("{reference}:2")).await.unwrap();
    for (name, size) in [
        (":1".to_owned(), SIZE),
        (":2".to_owned(), 9),
        (format!("@{}", first.manifest), SIZE),
        (format!(":2@{}", first.manifest), SIZE),
        (format!("@{}", other.manifest), 9),
    ] {
        let pulled = pull_from(&format!("{reference}{name}")).await.unwrap();
        assert!(pulled == contents(size), "{name}");
    }
    // Nothing foreign lies in it.
    assert_eq!(names(&root), ["blobs", "index.json", "oci-layout"]);
    assert_eq!(names(&root.join("blobs")), ["sha256"]);
    assert_eq!(names(&root.join(BLOBS)).len(), 6);
    assert_eq!(index(&root)["manifests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_tag_the_only_manifest_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    push_size(9, &reference).await.unwrap();
    push_size(9, &reference).await.unwrap();
    assert_eq!(index(&root)["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(pull_from(&reference).await.unwrap(), contents(9));
    push_size(10, &reference).await.unwrap();
    let error = pull_from(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn skopeo_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, reference) = layout(&folder);
    let pushed = push_size(9, &format!("{reference}:1")).await.unwrap();
    let output = Command::new("skopeo")
        .args(["inspect", "--raw", &format!("{reference}:1")])
        .output()
        .expect("skopeo must be installed");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(Digest::of(&output.stdout), pushed.manifest);
    let copy = format!("oci:{}:2", folder.path().join("copy").display());
    let output = Command::new("skopeo")
        .args([
            "--insecure-policy",
            "copy",
            &format!("{reference}:1"),
            &copy,
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(pull_from(&copy).await.unwrap(), contents(9));
}

#[tokio::test]
async fn what_others_wrote_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    push_size(9, &format!("{reference}:1")).await.unwrap();
    let mut before = index(&root);
    before["annotations"] = json!({"org.example": "é"});
    before["unknown"] = json!([1, {"a": null}]);
    let foreign = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": Digest::of(b"x").to_string(), "size": 1, "own": true,
    });
    before["manifests"]
        .as_array_mut()
        .unwrap()
        .push(foreign.clone());
    fs::write(root.join(INDEX), before.to_string()).unwrap();
    push_size(10, &format!("{reference}:1")).await.unwrap();
    let after = index(&root);
    assert_eq!(after["annotations"], before["annotations"]);
    assert_eq!(after["unknown"], before["unknown"]);
    let entries = after["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0], foreign);
}

#[tokio::test]
async fn two_writers_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    let writers = (0..8).map(|n| {
        let reference = format!("{reference}:{n}");
        tokio::spawn(async move { push_size(1000 + n, &reference).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(index(&root)["manifests"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn a_writer_that_died_is_cleaned_up_after() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    fs::create_dir_all(root.join(BLOBS)).unwrap();
    fs::write(root.join(".vouchd-0123456789abcdef.part"), "").unwrap();
    fs::write(root.join(LAYOUT), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(root.join(BLOBS).join(".vouchd-0123456789abcdee.part"), "").unwrap();
    // A blob that another tool left unfinished.
    let digest = Digest::of(&contents(9));
    fs::write(root.join(BLOBS).join(digest.hex()), "x").unwrap();
    push_size(9, &format!("{reference}:1")).await.unwrap();
    assert_eq!(names(&root), ["blobs", "index.json", "oci-layout"]);
    assert_eq!(names(&root.join(BLOBS)).len(), 3);
    assert_eq!(
        pull_from(&format!("{reference}:1")).await.unwrap(),
        contents(9)
    );
}

#[tokio::test]
async fn a_layout_is_made_where_there_is_a_folder_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |path: &str| {
        let reference = format!("oci:{}/{path}:1", folder.path().display());
        let error = push_size(9, &reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileNotFound, "{path}");
        let help = error.data().help.unwrap();
        assert!(help.contains("make it first"), "{help}");
    };
    check("ghcr.io/acme/echo").await;
    assert!(names(folder.path()).is_empty());
    fs::write(folder.path().join("file"), "").unwrap();
    check("file/layout").await;
}

#[tokio::test]
async fn nothing_outside_a_layout_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    let mine = ".vouchd-0123456789abcdef.part";
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("notes"), "").unwrap();
    fs::write(root.join(mine), "").unwrap();
    let error = push_size(9, &format!("{reference}:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLayout);
    assert_eq!(names(&root), [mine, "notes"]);

    fs::remove_file(root.join("notes")).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("sha256")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("blobs")).unwrap();
    fs::write(root.join(LAYOUT), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let error = push_size(9, &format!("{reference}:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLayout);
    assert!(names(&elsewhere.join("sha256")).is_empty());
}

#[tokio::test]
async fn a_blob_of_another_size_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    fs::create_dir_all(root.join(BLOBS)).unwrap();
    fs::write(root.join(LAYOUT), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let sparse = root.join(BLOBS).join(Digest::of(&contents(9)).hex());
    // Hashing it would take an hour.
    fs::File::create(&sparse).unwrap().set_len(8 << 40).unwrap();
    push_size(9, &format!("{reference}:1")).await.unwrap();
    assert_eq!(fs::metadata(&sparse).unwrap().len(), 9);
}

#[tokio::test]
async fn a_file_that_changed_or_a_stop_leaves_no_tag() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    let reference = testing::reference(&format!("{reference}:1"));
    let file = file(SIZE);
    let content = Content::unverified(ArtifactKind::Module, file.path());
    let (sessions, none) = (sessions(Config::new()), BTreeMap::new());
    let progress = Progress::default();
    progress.stop();
    let stopped = publish(&sessions, content.clone(), &reference, &none, &progress).await;
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    fs::write(file.path(), vec![0; SIZE]).unwrap();
    let progress = Progress::default();
    let changed = publish(&sessions, content, &reference, &none, &progress).await;
    assert_eq!(changed.unwrap_err().kind(), ErrorKind::ContentModified);
    assert!(!root.join(INDEX).exists());
    assert!(names(&root.join(BLOBS)).is_empty());
}

#[tokio::test]
async fn folders_that_are_not_layouts() {
    let check = async |setup: fn(&Path), kind: ErrorKind, reason: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (root, reference) = layout(&folder);
        push_size(9, &format!("{reference}:1")).await.unwrap();
        setup(&root);
        let error = pull_from(&format!("{reference}:1"))
            .await
            .expect_err(reason);
        assert_eq!(error.kind(), kind, "{reason}: {error}");
    };
    let invalid = ErrorKind::InvalidLayout;
    check(
        |root| fs::remove_file(root.join(LAYOUT)).unwrap(),
        invalid,
        "no marker",
    )
    .await;
    check(
        |root| fs::write(root.join(LAYOUT), "[]").unwrap(),
        invalid,
        "a wrong marker",
    )
    .await;
    check(
        |root| {
            let deep = vouch_testing::forge::hidden_depth(60);
            fs::write(
                root.join(INDEX),
                format!(r#"{{"schemaVersion":2,"a":{deep}}}"#),
            )
            .unwrap();
        },
        invalid,
        "JSON nested without end in texts that serde_json reads",
    )
    .await;
    check(
        |root| fs::write(root.join(LAYOUT), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap(),
        invalid,
        "another version",
    )
    .await;
    check(
        |root| fs::write(root.join(INDEX), "[").unwrap(),
        invalid,
        "no JSON",
    )
    .await;
    check(
        |root| fs::write(root.join(INDEX), "{}").unwrap(),
        invalid,
        "no version",
    )
    .await;
    check(
        |root| fs::write(root.join(INDEX), r#"{"schemaVersion":2,"manifests":7}"#).unwrap(),
        invalid,
        "no list",
    )
    .await;
    check(
        |root| fs::write(root.join(INDEX), vec![b' '; LARGEST + 1]).unwrap(),
        invalid,
        "a huge index",
    )
    .await;
    check(
        |root| fs::remove_dir_all(root.join(BLOBS)).unwrap(),
        invalid,
        "no blobs",
    )
    .await;
    check(
        |root| fs::remove_file(root.join(INDEX)).unwrap(),
        ErrorKind::NotFound,
        "empty",
    )
    .await;
    check(
        |root| fs::remove_dir_all(root).unwrap(),
        ErrorKind::NotFound,
        "gone",
    )
    .await;
    check(
        |root| fs::remove_file(root.join(BLOBS).join(Digest::of(&contents(9)).hex())).unwrap(),
        invalid,
        "no artifact",
    )
    .await;
    check(
        |root| {
            let path = root.join(BLOBS).join(Digest::of(&contents(9)).hex());
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        },
        invalid,
        "a device in an artifact's place",
    )
    .await;
    check(
        |root| fs::write(root.join(BLOBS).join(Digest::of(&contents(9)).hex()), "x").unwrap(),
        ErrorKind::DigestMismatch,
        "an artifact of another size",
    )
    .await;
}

#[tokio::test]
async fn a_folder_with_other_things_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    let reference = format!("oci:{}:1", folder.path().display());
    let error = push_size(9, &reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLayout);
    assert_eq!(names(folder.path()), ["thesis.tex"]);
}

#[tokio::test]
async fn another_writer_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    push_size(9, &format!("{reference}:1")).await.unwrap();
    let before = index(&root);
    let other = lock(&root).await.unwrap();
    let waiting = tokio::spawn(async move { push_size(10, &format!("{reference}:2")).await });
    // Its third look finds the folder locked still.
    tokio::time::sleep(3 * LOCK_STEP).await;
    assert!(!waiting.is_finished());
    assert_eq!(index(&root), before);
    drop(other);
    waiting.await.unwrap().unwrap();
    assert_eq!(index(&root)["manifests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_index_of_one_manifest_is_followed_in_a_layout_too() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    let pushed = push_size(9, &format!("{reference}:1")).await.unwrap();
    let inner = json!({ "schemaVersion": 2, "manifests": index(&root)["manifests"] }).to_string();
    let digest = Digest::of(inner.as_bytes());
    fs::write(root.join(BLOBS).join(digest.hex()), &inner).unwrap();
    let entry = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": digest.to_string(), "size": inner.len(),
    });
    let outer = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    fs::write(root.join(INDEX), outer).unwrap();
    for name in [String::new(), format!("@{digest}")] {
        let reference = testing::reference(&format!("{reference}{name}"));
        let (sessions, limits) = (sessions(Config::new()), Limits::default());
        let found = crate::registry::find(&sessions, &reference, &limits).await;
        assert_eq!(found.unwrap().published.manifest, pushed.manifest);
    }
}

#[tokio::test]
async fn the_tags_of_a_layout_are_listed_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let (root, reference) = layout(&folder);
    let sessions = sessions(Config::new());
    let repository = testing::reference(&reference);
    let listed = async |limit, last: Option<&str>| {
        let last = last.map(|last| last.parse::<Tag>().unwrap());
        let page = crate::registry::tags(&sessions, &repository, limit, last.as_ref()).await?;
        let tags: Vec<_> = page.tags.iter().map(ToString::to_string).collect();
        Ok::<_, Error>((tags.join(" "), page.more))
    };
    let absent = listed(9, None).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    for tag in ["b", "a", "c"] {
        push_size(9, &format!("{reference}:{tag}")).await.unwrap();
    }
    let check = async |limit, last, expected: (&str, bool)| {
        let (tags, more) = listed(limit, last).await.unwrap();
        assert_eq!((tags.as_str(), more), expected);
    };
    check(2, None, ("b a", true)).await;
    check(2, Some("a"), ("c", false)).await;
    // An index of another tool's: names that are not tags, one that is there twice, none at all.
    let named = |name: &str| json!({"annotations": {"org.opencontainers.image.ref.name": name}});
    let entries = [
        named("docker.io/echo:1"),
        named("x"),
        named("x"),
        json!({}),
        json!(7),
    ];
    let index = json!({"schemaVersion": 2, "manifests": entries});
    fs::write(root.join(INDEX), index.to_string()).unwrap();
    check(9, None, ("x", false)).await;
    fs::write(root.join(INDEX), r#"{"schemaVersion":2}"#).unwrap();
    check(9, None, ("", false)).await;
    let error = pull_from(&format!("{reference}:x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "an index without a list");
}
