//! Where a bundle lies, what lies there, and whose counts: what becomes of a pull, and why.

use super::*;
use crate::{
    artifact::inspect,
    trust::{Now, Pins, Policy, Use, judge},
};
use std::{path::Path, sync::LazyLock, time::UNIX_EPOCH};
use vouch_protocol::Verification;
use vouch_testing::{
    forge::{Signer, custom, module},
    sigstore::{COSIGN, SIGNED, Sigstore, Spec, statement},
};

struct Scene {
    own: Sigstore,
    account: Signer,
    folder: tempfile::TempDir,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let (own, folder) = (Sigstore::default(), tempfile::tempdir().unwrap());
    let root = own.trusted_root().to_string();
    std::fs::write(folder.path().join("root.json"), root).unwrap();
    Scene {
        own,
        account: Signer::default(),
        folder,
    }
});

/// Who is accepted in a place.
fn policy(scope: &str, accept: &str) -> Policy {
    let text = format!(
        "[root.public-good]
        path = '{root}'
        [signer.release]
        workflow = 'github.com/acme/echo/.github/workflows/release.yml'
        refs = ['refs/tags/*']
        [signer.gone]
        workflow = 'github.com/gone/echo/.github/workflows/release.yml'
        revoked = true
        [signer.token]
        account = '{account}'
        [[rule]]
        scope = '{scope}'
        accept = {accept}",
        root = SCENE.folder.path().join("root.json").display(),
        account = SCENE.account.account.public_key(),
    );
    let section = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Policy::new(section, &crate::name::PlainHosts::default()).unwrap()
}

/// An artifact, and its manifest.
fn artifact(of: &str) -> (Vec<u8>, Value) {
    let bytes = match of {
        "unsigned" => module(),
        "token" => SCENE.account.wasm(&module()),
        "broken token" => [SCENE.account.wasm(&module()), custom("x", b"x")].concat(),
        other => panic!("{other}"),
    };
    let mut manifest = manifest();
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
    manifest["layers"][0]["digest"] = Digest::of(&bytes).to_string().into();
    manifest["layers"][0]["size"] = bytes.len().into();
    (bytes, manifest)
}

/// What a registry has beside a manifest, a word each: what refers to it, and what is in that.
fn candidates(words: &str, subject: Digest) -> Vec<(Value, String)> {
    let made = |word: &str| {
        let (over, of) = match word {
            "other" => (Digest::of(b"a sibling"), "acme/echo"),
            "stranger" => (subject, "mallory/echo"),
            "revoked" => (subject, "gone/echo"),
            _ => (subject, "acme/echo"),
        };
        let predicate = match word {
            "sbom" => "https://spdx.dev/Document",
            _ => COSIGN,
        };
        let mut spec = Spec::workflow(statement(&over.hex(), predicate), of);
        spec.forged = word == "forged";
        if word == "branch" {
            spec = spec.claim(14, Some("refs/heads/main"));
        }
        let text = match word {
            "nonsense" => r#"{"verificationMaterial":{}}"#.to_owned(),
            _ => SCENE.own.bundle(&spec).to_string(),
        };
        let mut manifest = match word {
            "elsewhere" => referrer(Digest::of(b"another manifest"), &text),
            _ => referrer(subject, &text),
        };
        match word {
            "untyped" => manifest["artifactType"] = "application/vnd.oci.empty.v1+json".into(),
            "mistyped" => manifest["artifactType"] = "application/spdx+json".into(),
            _ => {}
        }
        (manifest, text)
    };
    let made = |word: &str| match word.strip_suffix("*64") {
        Some(word) => (0..64).map(|_| made(word)).collect(),
        None => vec![made(word)],
    };
    words.split_whitespace().flat_map(made).collect()
}

/// Puts them there, and answers an index of them.
fn shelve(shelf: &mut Shelf, candidates: &[(Value, String)]) -> Vec<Value> {
    let shelve = |(manifest, text): &(Value, String)| {
        let mut entry = put(shelf, manifest, text);
        entry["artifactType"] = manifest["artifactType"].clone();
        entry
    };
    candidates.iter().map(shelve).collect()
}

/// What each of these has: a registry, and its mirror if it has one.
fn shelves(at: &str, words: &str, bytes: &[u8], manifest: &Value) -> (Shelf, Option<Shelf>) {
    let text = manifest.to_string();
    let subject = Digest::of(text.as_bytes());
    let list = path(&format!("referrers/{subject}"));
    let tag = path(&format!("manifests/sha256-{}", subject.hex()));
    let mut bare = Shelf::from([
        (path("manifests/1"), ok(text.clone())),
        (path(&format!("manifests/{subject}")), ok(text.clone())),
        (path(&format!("blobs/{}", Digest::of(bytes))), ok(bytes)),
    ]);
    let mut full = bare.clone();
    let candidates = candidates(words, subject);
    let entries = shelve(&mut full, &candidates);
    let is_listed = !matches!(at, "fallback" | "cosign 2");
    if is_listed && at != "paged" && !words.is_empty() {
        full.insert(list.clone(), ok(index(&entries)));
    }
    match at {
        "list" => (full, None),
        "paged" => {
            let next = format!("{list}?next=1");
            let link = format!("<{next}>; rel=\"next\"");
            full.insert(list, ok(index(&[])).header("link", link));
            full.insert(next, ok(index(&entries)));
            (full, None)
        }
        "fallback" => {
            full.insert(tag, ok(index(&entries)));
            (full, None)
        }
        // GitLab answers so.
        "list, and the image as its tag" => {
            full.insert(tag, ok(text));
            (full, None)
        }
        "mirror" => (bare, Some(full)),
        "behind a mirror" => (full, Some(bare)),
        "behind a mirror that lies" => {
            let lies = self::candidates("elsewhere other stranger nonsense", subject);
            let entries = shelve(&mut bare, &lies);
            bare.insert(list, ok(index(&entries)));
            (full, Some(bare))
        }
        "behind a mirror that fails" => {
            bare.insert(list, Answer::new(500));
            (full, Some(bare))
        }
        "cosign 2" => {
            let mut stored = referrer(subject, "");
            let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
            let layers = words.split_whitespace().map(|word| {
                let over = statement("", COSIGN);
                let of = match word {
                    "stranger" => "mallory/echo",
                    _ => "acme/echo",
                };
                let digest = match word {
                    "other" => Digest::of(b"a sibling"),
                    _ => subject,
                };
                let critical = match word {
                    "sbom" => "atomic container signature",
                    _ => "cosign container image signature",
                };
                let mut spec = Spec::workflow(over, of);
                spec.forged = word == "forged";
                let layer = SCENE.own.layer(&digest.to_string(), &spec, critical);
                let blob = Digest::of(&layer.payload);
                full.insert(path(&format!("blobs/{blob}")), ok(layer.payload.clone()));
                json!({"mediaType": kind, "digest": blob.to_string(), "size": layer.payload.len(),
                "annotations": {
                    "dev.cosignproject.cosign/signature": layer.signature,
                    "dev.sigstore.cosign/certificate": layer.certificate,
                    "dev.sigstore.cosign/chain": layer.chain,
                    "dev.sigstore.cosign/bundle": layer.bundle,
                }})
            });
            stored["layers"] = layers.collect();
            full.insert(format!("{tag}.sig"), ok(stored.to_string()));
            (full, None)
        }
        other => panic!("{other}"),
    }
}

fn served(shelf: Shelf) -> Faulty {
    Faulty::start(move |seen, _| {
        let there = shelf.get(&seen.target).cloned();
        there.unwrap_or_else(|| Answer::new(404))
    })
}

/// The same in a layout.
fn layout(folder: &Path, words: &str, bytes: &[u8], manifest: &Value) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| std::fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
    let text = manifest.to_string();
    let mut tagged = entry(manifest);
    tagged["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    let mut entries = vec![tagged];
    for bytes in [bytes, text.as_bytes(), b"{}"] {
        put(bytes);
    }
    for (manifest, text) in candidates(words, Digest::of(text.as_bytes())) {
        put(manifest.to_string().as_bytes());
        put(text.as_bytes());
        let mut entry = entry(&manifest);
        entry["artifactType"] = manifest["artifactType"].clone();
        entries.push(entry);
    }
    std::fs::write(folder.join("index.json"), index(&entries)).unwrap();
    let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
    std::fs::write(folder.join("oci-layout"), version).unwrap();
}

/// How a pull is accepted, or the kind of its refusal and what is said.
async fn decided(at: &str, of: &str, words: &str, accept: &str) -> String {
    let (bytes, manifest) = artifact(of);
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new();
    let (reference, scope, _servers) = if at == "layout" {
        let folder = std::fs::canonicalize(folder.path()).unwrap().join("layout");
        layout(&folder, words, &bytes, &manifest);
        let scope = format!("oci:{}", folder.display());
        (format!("{scope}:1"), scope, Vec::new())
    } else {
        let (own, mirror) = shelves(at, words, &bytes, &manifest);
        let (own, mirror) = (served(own), mirror.map(served));
        if let Some(mirror) = &mirror {
            let section = RegistryConfig {
                mirrors: vec![mirror.name().parse().unwrap()],
                ..RegistryConfig::default()
            };
            config.insert(testing::registry(&own.name()), section);
        }
        let scope = format!("{}/acme", own.name());
        let servers = Some(own).into_iter().chain(mirror);
        (format!("{scope}/echo:1"), scope, servers.collect())
    };
    let now = Now {
        policy: Ok(Arc::new(policy(&scope, accept))),
        pins: Pins::new(folder.path().join("pins")),
        time: UNIX_EPOCH + Duration::from_secs(SIGNED + 86_400),
    };
    let sessions = sessions(config).timeouts(waits());
    let reference = testing::reference(&reference);
    let found = find(&sessions, &reference, &Limits::default())
        .await
        .unwrap();
    let judged = tokio::task::spawn_blocking(move || {
        let (progress, limits) = (Progress::default(), Limits::default());
        let examined = found.receive(&progress, |download| {
            Ok(inspect(download, bytes.len() as u64, &limits).unwrap())
        });
        let usage = Use::Pull(found.published.clone());
        judge(examined?, found.beside(&progress), usage, None, &now)
    });
    match judged.await.unwrap() {
        Err(error) => format!("error {}: {error}", error.kind().name()),
        Ok(Err(refused)) => {
            let refusal = &refused.refusal;
            format!("{}: {}", refusal.kind.name(), refusal.of("it"))
        }
        Ok(Ok(vouched)) => match vouched.verification() {
            Verification::Accepted {
                trust, signature, ..
            } => format!("{} by {:?}", signature.method, trust.mode),
            refused @ Verification::Refused { .. } => panic!("{refused:?}"),
        },
    }
}

/// Checks rows, and fails with all that are not as expected.
async fn rows(rows: &[(&str, &str, &str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (at, of, words, accept, expected) in rows {
        let decided = decided(at, of, words, accept).await;
        let same = match expected.split_once(": ") {
            Some((kind, part)) => {
                decided.starts_with(&format!("{kind}: ")) && decided.contains(part)
            }
            None => decided == *expected,
        };
        if !same {
            wrong.push(format!(
                "{at}, {of}, {words}, {accept}\nis {decided}\nnot {expected}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const RELEASE: &str = "['release']";
const HELD: &str = "sigstore by Named";

#[tokio::test]
async fn wherever_it_lies_the_same_is_decided() {
    let places = [
        "list",
        "paged",
        "fallback",
        "list, and the image as its tag",
        "mirror",
        "behind a mirror",
        "behind a mirror that fails",
        "layout",
    ];
    for at in places {
        let row = |words, expected| (at, "unsigned", words, RELEASE, expected);
        let elsewhere = match at {
            // Its index has what refers to others, too.
            "layout" => "unsigned: is not signed",
            _ => "unsigned: it refers to sha256:",
        };
        rows(&[
            row("good", HELD),
            row("", "unsigned: is not signed"),
            row("other", "signatureUnrelated: which is not this artifact"),
            row("sbom", "signatureUnrelated: attests something else"),
            row("stranger", "untrustedSigner: mallory"),
            row("branch", "untrustedSigner: its ref is refs/heads/main"),
            row("forged", "signatureInvalid: the signature of"),
            row("nonsense", "signatureInvalid: the bundle of"),
            row("elsewhere", elsewhere),
            row("untyped", HELD),
            row("mistyped", HELD),
            row("stranger other sbom forged nonsense elsewhere good", HELD),
            row("revoked good", HELD),
        ])
        .await;
    }
}

#[tokio::test]
async fn a_mirror_that_lies_hides_nothing() {
    let at = "behind a mirror that lies";
    let row = |words, expected| (at, "unsigned", words, RELEASE, expected);
    rows(&[
        row("good", HELD),
        row("", "untrustedSigner: mallory"),
        row("other", "untrustedSigner: mallory"),
        row("elsewhere good", HELD),
    ])
    .await;
}

#[tokio::test]
async fn what_cosign_2_left_is_decided_about() {
    let row = |words, expected| ("cosign 2", "unsigned", words, RELEASE, expected);
    rows(&[
        row("good", HELD),
        row("", "unsigned: is not signed"),
        row("other", "signatureUnrelated: which is not this artifact"),
        row("sbom", "signatureInvalid: not an image's signature"),
        row("stranger", "untrustedSigner: mallory"),
        row("forged", "signatureInvalid: the signature of"),
        row("forged stranger other good", HELD),
    ])
    .await;
}

#[tokio::test]
async fn whose_counts_is_the_policy_s() {
    let both = "['token', 'release']";
    rows(&[
        ("list", "unsigned", "good", "'none'", "untrustedSigner: "),
        ("list", "unsigned", "good", "'any'", "untrustedSigner: "),
        (
            "list",
            "unsigned",
            "good",
            "'pinned'",
            "sigstore by FirstUse",
        ),
        (
            "list",
            "unsigned",
            "revoked",
            "'pinned'",
            "untrustedSigner: the config revokes as `gone`",
        ),
        (
            "list",
            "unsigned",
            "stranger good",
            "['token']",
            "untrustedSigner: ",
        ),
        ("list", "token", "good", both, "token by Named"),
        ("list", "token", "good", RELEASE, HELD),
        ("list", "token", "", RELEASE, "untrustedSigner: "),
        (
            "fallback",
            "token",
            "stranger",
            RELEASE,
            "untrustedSigner: ",
        ),
        ("list", "broken token", "good", RELEASE, "hashMismatch: "),
        ("fallback", "broken token", "good", both, "hashMismatch: "),
        ("layout", "broken token", "good", both, "hashMismatch: "),
        ("mirror", "broken token", "good", both, "hashMismatch: "),
        // The 65th is not looked at.
        (
            "list",
            "unsigned",
            "stranger*64 good",
            RELEASE,
            "untrustedSigner: mallory",
        ),
        (
            "fallback",
            "unsigned",
            "stranger*64 good",
            RELEASE,
            "untrustedSigner: mallory",
        ),
        (
            "list",
            "unsigned",
            "other*64 good",
            RELEASE,
            "signatureUnrelated: of 64 of 65",
        ),
    ])
    .await;
}
