//! Bundles, policies and places, and what is decided about them: a row each, with the reason.
//!
//! A bundle is who signs, and what is wrong with it: `release log=absent`. Many lie beside one
//! artifact. A decision is how the signer is accepted and by which rule, or the kind of the refusal
//! and a part of its text.

use super::{
    decisions::{KEYS, keyed, usage},
    *,
};
use crate::{name::PlainHosts, signature::Layer as CosignLayer};
use data_encoding::BASE64;
use std::{path::PathBuf, sync::LazyLock};
use vouch_protocol::TrustMode;
use vouch_testing::{
    forge::{ENTRIES, custom, entry_with, tar},
    sigstore::{COSIGN, Key, Logged, Made, Over, SIGNED, Sigstore, Spec, statement, utf8},
};

/// Ten days after everything is signed.
const NOW: u64 = SIGNED + 10 * 86_400;

/// The roots and keys that the policies of these tests name.
struct Scene {
    public: Sigstore,
    github: Sigstore,
    lab: Sigstore,
    key: Key,
    other_key: Key,
    folder: tempfile::TempDir,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let scene = Scene {
        public: Sigstore::default(),
        github: Sigstore::default(),
        lab: Sigstore::default(),
        key: Key::default(),
        other_key: Key::default(),
        folder: tempfile::tempdir().unwrap(),
    };
    let write = |name: &str, text: String| std::fs::write(scene.path(name), text).unwrap();
    write("public.json", scene.public.trusted_root().to_string());
    write("lab.json", scene.lab.trusted_root().to_string());
    let mut github = scene.github.trusted_root();
    for log in ["tlogs", "ctlogs"] {
        github.as_object_mut().unwrap().remove(log);
    }
    write("github.json", github.to_string());
    write("key.pub", scene.key.public_pem());
    scene
});

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

const SIGNERS: &str = "
    [root.public-good]
    path = '$folder/public.json'
    [root.github]
    path = '$folder/github.json'
    [root.lab]
    path = '$folder/lab.json'
    [signer.release]
    workflow = 'github.com/acme/echo/.github/workflows/release.yml'
    refs = ['refs/tags/*']
    [signer.main]
    workflow = 'github.com/acme/echo/.github/workflows/release.yml'
    refs = ['refs/heads/main', 'refs/heads/release-*']
    [signer.any-ref]
    workflow = 'github.com/acme/echo/.github/workflows/release.yml'
    refs = ['*']
    [signer.shared]
    workflow = 'github.com/acme/ci/.github/workflows/build.yml'
    refs = ['refs/tags/*']
    repository = 'github.com/acme/echo'
    [signer.ann]
    email = 'ann@example.org'
    issuer = 'https://accounts.google.com'
    [signer.pipeline]
    uri = 'https://gitlab.com/acme/echo//.gitlab-ci.yml@refs/heads/main'
    issuer = 'https://gitlab.com'
    [signer.build-key]
    key = '$folder/key.pub'
    [signer.in-lab]
    workflow = 'github.com/acme/echo/.github/workflows/release.yml'
    refs = ['refs/tags/*']
    root = 'lab'
    [signer.private]
    workflow = 'github.com/acme/echo/.github/workflows/release.yml'
    refs = ['refs/tags/*']
    root = 'github'
    [signer.acme]
    account = '$acme'
";

fn policy(rules: &str) -> Policy {
    // Whom a config does not know, it is told how to accept.
    let text = match rules.strip_prefix("stranger;") {
        None => format!("{rules}\n{SIGNERS}"),
        Some(rules) => {
            let (roots, signers) = SIGNERS.split_once("[signer.release]").unwrap();
            let (release, _) = signers.split_once("[signer.").unwrap();
            let release = release.replace("acme/echo", "acme/other");
            format!("{rules}\n{roots}\n[signer.release]\n{release}")
        }
    };
    let text = keyed(&text);
    let text = text.replace("$folder", SCENE.folder.path().to_str().unwrap());
    let section = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Policy::new(section, &PlainHosts::default()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

/// The bytes of an artifact: `unsigned`, `par`, or whoever's token is in it.
fn artifact(text: &str) -> Vec<u8> {
    match text {
        "unsigned" => module(),
        "junk" => [module(), custom("jwt", b"x")].concat(),
        // Signed by nobody, and whole; and one with more in it than its contents.
        "par" => tar(ENTRIES),
        "packed" => {
            let mut bytes = entry_with(ENTRIES[0].0, ENTRIES[0].1, |header| header[345] = b'p');
            bytes.extend([0; 1024]);
            bytes
        }
        "expired" => {
            let signer = Signer {
                account: nkeys::KeyPair::from_seed(&KEYS["acme"].account.seed().unwrap()).unwrap(),
                expires: Some(1),
                ..Signer::default()
            };
            signer.wasm(&module())
        }
        signer => KEYS[signer].wasm(&module()),
    }
}

/// What lies beside it.
fn evidence(text: &str, bytes: &[u8]) -> Evidence {
    let mut words = text.split(' ');
    let base = words.next().unwrap();
    let scene = &*SCENE;
    match base {
        "unread" => return Evidence::unread("a referrer", "it could not be fetched"),
        "left" => return Evidence::left("a registry", 1, "64 of 65 were looked at"),
        _ => {}
    }
    let options: BTreeMap<_, _> = words
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .collect();
    let option = |name: &str| options.get(name).copied();
    let file = Digest::of(bytes).hex();
    let subject = match option("subject") {
        None | Some("manifest") => Digest::of(b"manifest").hex(),
        Some("file") => file,
        Some(other) => Digest::of(other.as_bytes()).hex(),
    };
    let predicate = option("predicate").unwrap_or(COSIGN);
    let over = match option("over") {
        Some("bytes") => Over::Bytes(bytes.to_vec()),
        Some("manifest") => Over::Bytes(b"manifest".to_vec()),
        Some(other) => Over::Bytes(other.as_bytes().to_vec()),
        None => statement(&subject, predicate),
    };
    let over = match (over, option("say")) {
        (Over::Statement(text, kind), Some(say)) => {
            let (from, to) = say.split_once('>').unwrap();
            assert!(text.contains(from), "{text}");
            Over::Statement(text.replace(from, to), kind)
        }
        (over, _) => over,
    };
    let over = match (over, option("payload")) {
        (Over::Statement(text, _), Some(_)) => Over::Statement(text, "application/json"),
        (over, _) => over,
    };
    let mut spec = match base {
        "mallory" => Spec::workflow(over, "mallory/echo"),
        "case" => Spec::workflow(over, "Acme/echo"),
        "shared" => {
            let mut spec = Spec::workflow(over, "acme/echo");
            let at = "https://github.com/acme/ci/.github/workflows/build.yml@refs/heads/v1";
            spec.names = vec![(0x86, at.into())];
            spec
        }
        "email" => Spec::of(over, 0x81, "ann@example.org", "https://accounts.google.com"),
        "uri" => {
            let uri = "https://gitlab.com/acme/echo//.gitlab-ci.yml@refs/heads/main";
            Spec::of(over, 0x86, uri, "https://gitlab.com")
        }
        "release" | "key" | "other-key" | "layer" | "key-layer" => {
            Spec::workflow(over, "acme/echo")
        }
        other => panic!("{other}"),
    };
    match base {
        "key" | "key-layer" => spec.key = Some(&scene.key),
        "other-key" => spec.key = Some(&scene.other_key),
        _ => {}
    }
    let claim = |name: &str| match name {
        "ref" => 14,
        "repo" => 12,
        "trigger" => 20,
        "issuer" => 8,
        number => number.parse().unwrap(),
    };
    for (name, value) in &options {
        match *name {
            "ref" | "repo" | "trigger" | "issuer" => spec = spec.claim(claim(name), Some(value)),
            "old-issuer" => spec.claims.push((1, value.as_bytes().to_vec())),
            "without" => spec = spec.claim(claim(value), None),
            "malformed" => {
                let of = claim(value);
                spec.claims.retain(|(number, _)| *number != of);
                spec.claims.push((of, b"\x0c\x7fbare".to_vec()));
            }
            "twice" => {
                let (of, _) = value.split_once(':').unwrap();
                let (_, text) = value.split_once(':').unwrap();
                spec.claims.push((claim(of), utf8(text)));
            }
            "name" => {
                let (tag, text) = value.split_once(':').unwrap();
                let tag = if tag == "email" { 0x81 } else { 0x86 };
                spec.names = vec![(tag, text.into())];
            }
            "also" => spec.names.push((0x81, (*value).into())),
            "nameless" => spec.names = Vec::new(),
            "dns" => spec.names = vec![(0x82, "acme.example".into())],
            "sct" => spec.sct = made_as(value),
            "stamp" => spec.stamp = made_as(value),
            "by" => spec.issued_by = Some(&scene.public.stranger),
            "authority" => spec.issuer = "somebody",
            "years" if *value == "old" => spec.years = ["22", "23"],
            "years" => spec.years = ["27", "28"],
            "usage" => spec.code_signing = false,
            "forged" => spec.forged = true,
            "kind" if *value == "none" => spec.kind = None,
            "kind" if *value == "0.1" => {
                spec.kind = Some("application/vnd.dev.sigstore.bundle+json;version=0.1");
            }
            "kind" => spec.kind = Some("application/vnd.dev.sigstore.bundle.v0.9+json"),
            "log" => {
                spec.log = match *value {
                    "absent" => Logged::Absent,
                    "promise" => Logged::Promise,
                    "proof" => Logged::Proof,
                    "wrong-promise" => Logged::WrongPromise,
                    "wrong-head" => Logged::WrongHead,
                    "wrong-proof" => Logged::WrongProof,
                    "other" => Logged::OtherEntry,
                    "late" => Logged::Later(2 * 365 * 86_400),
                    "future" => Logged::Later(10 * 365 * 86_400),
                    other => panic!("{other}"),
                }
            }
            _ => {}
        }
    }
    let by = match option("root") {
        Some("lab") => &scene.lab,
        Some("github") => &scene.github,
        _ => &scene.public,
    };
    if base.ends_with("layer") {
        let manifest = format!("sha256:{subject}");
        let manifest = option("digest").map_or(manifest, ToOwned::to_owned);
        let kind = option("type").unwrap_or("cosign-container-image-signature");
        let layer = by.layer(&manifest, &spec, &kind.replace('-', " "));
        let payload = match option("changed") {
            Some(_) => [&layer.payload[..], b" "].concat(),
            None => layer.payload,
        };
        return Evidence::layer(
            "a tag",
            CosignLayer {
                payload,
                signature: layer.signature,
                certificate: layer.certificate,
                chain: layer.chain,
                bundle: layer.bundle,
            },
        );
    }
    let mut bundle = by.bundle(&spec);
    let material = &mut bundle["verificationMaterial"];
    match option("json") {
        Some("two-entries") => {
            let entry = material["tlogEntries"][0].clone();
            material["tlogEntries"].as_array_mut().unwrap().push(entry);
        }
        Some("unproven-entry") => {
            let mut entry = material["tlogEntries"][0].clone();
            entry.as_object_mut().unwrap().remove("inclusionProof");
            material["tlogEntries"].as_array_mut().unwrap().push(entry);
        }
        Some("no-signature") => drop(bundle.as_object_mut().unwrap().remove("dsseEnvelope")),
        Some("both") => bundle["messageSignature"] = serde_json::json!({"signature": "AAAA"}),
        Some("more") => bundle["unknown"] = serde_json::json!({"x": [1, 2, 3]}),
        Some("more-within") => material["tlogEntries"][0]["unknown"] = "x".into(),
        Some("key-id") => bundle["dsseEnvelope"]["signatures"][0]["keyid"] = "".into(),
        Some("long-key-id") => {
            bundle["dsseEnvelope"]["signatures"][0]["keyid"] = "x".repeat(257).into();
        }
        Some("hint") => material["publicKey"]["hint"] = "TLMsSDfG3ajPsWge+z/vX5T=".into(),
        Some("long-hint") => material["publicKey"]["hint"] = "x".repeat(257).into(),
        Some(chain @ ("whole-chain" | "other-chain" | "large-chain")) => {
            let leaf = material["certificate"].clone();
            material.as_object_mut().unwrap().remove("certificate");
            let above = match chain {
                "whole-chain" => BASE64.encode(&by.root()),
                "other-chain" => leaf["rawBytes"].as_str().unwrap().to_owned(),
                _ => BASE64.encode(&[by.root(), vec![0; 4 << 10]].concat()),
            };
            material["x509CertificateChain"] =
                serde_json::json!({"certificates": [leaf, {"rawBytes": above}]});
        }
        Some("no-material") => drop(material.as_object_mut().unwrap().remove("certificate")),
        Some("chain") => {
            let leaf = material["certificate"].clone();
            material.as_object_mut().unwrap().remove("certificate");
            material["x509CertificateChain"] = serde_json::json!({"certificates": [leaf]});
        }
        Some("sha512") => {
            bundle["messageSignature"]["messageDigest"]["algorithm"] = "SHA2_512".into();
        }
        Some("no-digest") => {
            let message = bundle["messageSignature"].as_object_mut().unwrap();
            message.remove("messageDigest");
        }
        Some("wrong-digest") => {
            bundle["messageSignature"]["messageDigest"]["digest"] =
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
        }
        Some(other) => panic!("{other}"),
        None => {}
    }
    let mut text = bundle.to_string();
    match option("text") {
        Some("cut") => text.truncate(text.len() / 2),
        Some("twice") => text = text.replacen('{', "{\"dsseEnvelope\":null,", 1),
        Some("large") => text.extend(vec![' '; 1 << 20]),
        Some("pretty") => text = serde_json::to_string_pretty(&bundle).unwrap(),
        Some("wide") => text.extend(vec![' '; 16 << 10]),
        _ => {}
    }
    let found = Evidence::bundle("a referrer", text.into_bytes());
    match option("at") {
        Some(place) => found.at(&place.into()),
        None => found,
    }
}

fn made_as(text: &str) -> Made {
    match text {
        "right" => Made::Right,
        "wrong" => Made::Wrong,
        "absent" => Made::Absent,
        other => panic!("{other}"),
    }
}

fn judged(rules: &str, at: &str, of: &str, beside: &[&str], pins: &str) -> Result<Verdict<()>> {
    let folder = tempfile::tempdir().unwrap();
    if !pins.is_empty() {
        std::fs::write(folder.path().join("signers"), keyed(pins)).unwrap();
    }
    let now = Now {
        policy: Ok(Arc::new(policy(rules))),
        pins: Pins::new(folder.path().to_owned()),
        time: UNIX_EPOCH + Duration::from_secs(NOW),
    };
    let bytes = artifact(of);
    let examined = inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
    let evidence: Vec<_> = beside.iter().map(|text| evidence(text, &bytes)).collect();
    let (at, signer) = match at.split_once(" signer=") {
        Some((at, signer)) => (at, Some(keyed(signer))),
        None => (at, None),
    };
    if let Some(at) = at.strip_prefix("with it ") {
        let publication = Publication {
            bundle: evidence.into_iter().next(),
            ..Publication::alone(testing::reference(at))
        };
        return judge(examined, None, Use::Ask(publication), None, &now);
    }
    let usage = usage(at, &examined)?;
    judge(examined, Some(Ok(evidence)), usage, signer.as_deref(), &now)
}

/// What is decided: see the module.
fn decided(rules: &str, at: &str, of: &str, beside: &[&str], pins: &str) -> String {
    match judged(rules, at, of, beside, pins) {
        Err(error) => format!("{}: {error}", error.kind().name()),
        Ok(Err(refused)) => {
            let refusal = refused.refusal.clone();
            let help = refusal.advice("it").filter(|help| !help.is_empty());
            let help = help.unwrap_or_else(|| panic!("{refusal:?}"));
            let explained = refused.checks();
            assert!(
                explained.is_sorted_by_key(|check| check.row),
                "{explained:#?}"
            );
            format!("{}: {} {help}", refusal.kind.name(), refusal.of("it"))
        }
        Ok(Ok(vouched)) => {
            let explained = vouched.checks();
            assert!(
                explained.is_sorted_by_key(|check| check.row),
                "{explained:#?}"
            );
            let Verification::Accepted {
                trust, signature, ..
            } = vouched.verification()
            else {
                panic!("accepted and refused")
            };
            let mode = match trust.mode {
                TrustMode::Named => "named",
                TrustMode::Any => "any",
                TrustMode::Pinned => "pinned",
                TrustMode::FirstUse => "first use",
                TrustMode::Unknown => "unknown",
            };
            let warnings: Vec<_> = trust
                .warnings
                .iter()
                .map(|text| format!("; {text}"))
                .collect();
            let name = trust
                .signer
                .map(|name| format!(" {name}"))
                .unwrap_or_default();
            let rule = trust.rule;
            format!(
                "{}{name}, {mode} by {rule}{}",
                signature.method,
                warnings.concat()
            )
        }
    }
}

/// A rule, what lies beside the artifact, a decision, and the reason.
type Row<'a> = (&'a str, &'a [&'a str], &'a str, &'a str);

fn check(rules: &str, at: &str, of: &str, beside: &[&str], pins: &str, expected: &str, why: &str) {
    let decided = decided(rules, at, of, beside, pins);
    let expected = keyed(expected);
    let same = match expected.split_once(": ") {
        Some((kind, part)) => decided.starts_with(&format!("{kind}: ")) && decided.contains(part),
        None => decided == expected,
    };
    if !same {
        let said = format!(
            "{why}\n{rules}\n{at}, {of}, {beside:?}, {pins:?}\nis {decided}\nnot {expected}\n"
        );
        WRONG.with_borrow_mut(|wrong| wrong.push(said));
    }
}

thread_local! {
    /// Which rows were not as expected.
    static WRONG: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Fails with all rows that were not as expected.
fn all_were_right() {
    WRONG.with_borrow(|wrong| assert!(wrong.is_empty(), "{}", wrong.join("\n")));
}

const ECHO: &str = "ghcr.io/acme/echo:1";
const RELEASE: &str = "rule=[{scope='ghcr.io/acme',accept=['release']}]";
const KEY: &str = "rule=[{scope='ghcr.io/acme',accept=['build-key']}]";
const HELD: &str = "sigstore release, named by ghcr.io/acme";

/// Rows of an unsigned module that is published.
fn rows(rows: &[Row<'_>]) {
    for (rules, beside, expected, why) in rows {
        check(rules, ECHO, "unsigned", beside, "", expected, why);
    }
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn each_check_fails_alone() {
    rows(&[
        (RELEASE, &["release"], HELD, "all holds"),
        (RELEASE, &[], "unsigned: carries no token", "nothing beside it"),
        (RELEASE, &["unread"], "unsigned: it could not be fetched", "what was not read is told"),
        // The bundle.
        (RELEASE, &["release text=cut"], "signatureInvalid: it is not a bundle", "half of it"),
        (RELEASE, &["release text=twice"], "signatureInvalid: duplicate field", "a member that is there twice"),
        (RELEASE, &["release text=large"], "signatureInvalid: larger than 1048576 bytes", "over the bound"),
        (RELEASE, &["release kind=9"], "signatureInvalid: of an unknown version", "a later version"),
        (RELEASE, &["release kind=none"], HELD, "the first bundles did not say their version"),
        (RELEASE, &["release kind=0.1"], HELD, "or said it"),
        (RELEASE, &["release json=more"], "signatureInvalid: unknown field `unknown`", "a member that nobody verifies"),
        (RELEASE, &["release json=more-within"], "signatureInvalid: unknown field `unknown`", "however deep"),
        (RELEASE, &["release json=key-id"], HELD, "a word about the key, as others write it"),
        (RELEASE, &["release json=long-key-id"], "signatureInvalid: longer than 256 bytes", "and no more than a word"),
        (KEY, &["key json=hint"], "sigstore build-key, named by ghcr.io/acme", "the same of a key"),
        (KEY, &["key json=long-hint"], "signatureInvalid: longer than 256 bytes", "that is bounded, too"),
        (RELEASE, &["release kind=0.1 json=whole-chain"], HELD, "a certificate that its path has"),
        (RELEASE, &["release kind=0.1 json=other-chain"], "signatureInvalid: did not issue the one before it", "one that it does not have"),
        (RELEASE, &["release kind=0.1 json=large-chain"], "signatureInvalid: larger than 4096 bytes", "one with more in it"),
        (RELEASE, &["release text=pretty"], HELD, "indented for people"),
        (RELEASE, &["release text=wide"], "signatureInvalid: white space", "more than that takes"),
        (RELEASE, &["release root=github log=proof sct=absent stamp=right"], "signatureInvalid: ", "entries of a log that GitHub's root does not have"),
        (RELEASE, &["release json=no-signature"], "signatureInvalid: does not have one signature", "none"),
        (RELEASE, &["release json=both"], "signatureInvalid: does not have one signature", "two"),
        (RELEASE, &["release json=no-material"], "signatureInvalid: does not have one certificate or key", "nothing to verify by"),
        (RELEASE, &["release json=chain"], "signatureInvalid: must use a single certificate", "0.3 has one certificate"),
        (RELEASE, &["release json=chain kind=0.1"], HELD, "0.1 has a chain"),
        (RELEASE, &["release payload=json"], "signatureInvalid: not a statement", "an envelope of another type"),
        // The certificate.
        (RELEASE, &["release by=stranger"], "signatureInvalid: the certificate of a referrer", "of another authority with the name of ours"),
        (RELEASE, &["release authority=somebody"], "signatureInvalid: CN=somebody, whom no root vouches for", "of an authority that nobody knows"),
        (RELEASE, &["release authority=some\u{202e}body"], "signatureInvalid: CN=somebody, whom no root vouches for", "whose name turns no line round"),
        (RELEASE, &["release usage=none"], "signatureInvalid: the certificate of a referrer", "it is not for signing code"),
        (RELEASE, &["release years=old"], "signatureInvalid: the certificate of a referrer", "it had run out when it was signed"),
        (RELEASE, &["release years=new"], "signatureInvalid: the certificate of a referrer", "it was not valid yet"),
        // The logs.
        (RELEASE, &["release sct=absent"], "signatureInvalid: the sct of a referrer", "not issued in public"),
        (RELEASE, &["release sct=wrong"], "signatureInvalid: the sct of a referrer", "a log that nobody knows"),
        (RELEASE, &["release log=absent"], "signatureInvalid: the log of a referrer", "not logged at all"),
        (RELEASE, &["release log=absent stamp=right"], "signatureInvalid: a referrer fails", "a timestamp is no log"),
        (RELEASE, &["release log=promise"], "signatureInvalid: without a proof", "a promise is no proof"),
        (RELEASE, &["release log=promise kind=0.1"], "signatureInvalid: without a proof", "nor in 0.1"),
        (RELEASE, &["release log=promise kind=none"], "signatureInvalid: without a proof", "nor where no version is said"),
        (RELEASE, &["release log=wrong-head"], "signatureInvalid: the log of a referrer", "another log's head"),
        (RELEASE, &["release log=wrong-proof"], "signatureInvalid: the log of a referrer", "a proof of another entry"),
        (RELEASE, &["release log=other"], "signatureInvalid: a referrer fails", "an entry about something else"),
        (RELEASE, &["release json=unproven-entry"], "signatureInvalid: without a proof", "one of two entries is not proven"),
        (RELEASE, &["release json=two-entries"], HELD, "both are"),
        // The time.
        (RELEASE, &["release log=proof"], "signatureInvalid: the time of a referrer", "a proof without any signed time"),
        (RELEASE, &["release log=proof stamp=right"], HELD, "a timestamp says when"),
        (RELEASE, &["release log=wrong-promise"], "signatureInvalid: the time of a referrer", "nobody signs that time"),
        (RELEASE, &["release stamp=wrong"], "signatureInvalid: the time of a referrer", "a clock that nobody knows"),
        (RELEASE, &["release log=late"], "signatureInvalid: a referrer fails", "logged when the certificate had run out"),
        (RELEASE, &["release log=future"], "signatureInvalid: the time of a referrer", "logged in the future"),
        // The signature.
        (RELEASE, &["release forged"], "signatureInvalid: the signature of a referrer", "over something else"),
        (RELEASE, &["release forged over=bytes"], "signatureInvalid: the signature of a referrer", "of the bytes, too"),
        // The identity.
        (RELEASE, &["release also=ann@example.org"], "signatureInvalid: for 2 owners", "two names"),
        (RELEASE, &["release nameless"], "signatureInvalid: for 0 owners", "none"),
        (RELEASE, &["release dns"], "signatureInvalid: neither an e-mail address nor a URI", "a name of another kind"),
        (RELEASE, &["release without=issuer"], "signatureInvalid: does not say who vouches", "no issuer"),
        (RELEASE, &["release malformed=issuer"], "signatureInvalid: malformed Fulcio issuer", "an issuer that cannot be read"),
        (RELEASE, &["release twice=issuer:https://x.example"], "signatureInvalid: cannot be read", "two issuers"),
        (RELEASE, &["release old-issuer=https://x.example"], "signatureInvalid: cannot be read", "another one in the old place"),
        // The predicate.
        (RELEASE, &["release predicate=https://slsa.dev/provenance/v1"], HELD, "provenance signs a release"),
        (RELEASE, &["release predicate=https://spdx.dev/Document/v2.3"], "signatureUnrelated: attests something else", "an SBOM by the release workflow"),
        (RELEASE, &["release predicate=https://cyclonedx.org/bom"], "signatureUnrelated: attests something else", "another kind of one"),
        (RELEASE, &["release predicate=https://in-toto.io/attestation/test-result/v0.1"], "signatureUnrelated: attests something else", "a test's result"),
        (RELEASE, &["release predicate=https://slsa.dev/provenance/v0.2"], "signatureUnrelated: attests something else", "an older form of provenance"),
        (RELEASE, &["release predicate=https://slsa.dev/provenance/v10"], "signatureUnrelated: attests something else", "a longer name"),
        (RELEASE, &["release say=Statement/v1>Statement/v0.1"], HELD, "an older statement"),
        (RELEASE, &["release say=Statement/v1>Statement/v2"], "signatureInvalid: of an unknown form", "a later one"),
        (RELEASE, &["release say=_type>type"], "signatureInvalid: cannot be read", "no type at all"),
        (RELEASE, &["release say=predicateType>predicate_type"], "signatureInvalid: cannot be read", "no predicate"),
        // The subject.
        (RELEASE, &["release subject=file"], HELD, "the file's own digest"),
        (RELEASE, &["release over=bytes"], HELD, "its bytes"),
        (RELEASE, &["release over=manifest"], HELD, "the manifest's bytes"),
        (RELEASE, &["release over=bytes json=no-digest"], HELD, "without saying which"),
        (RELEASE, &["release over=manifest json=no-digest"], HELD, "the manifest's, without saying which"),
        (RELEASE, &["release over=bytes json=wrong-digest"], "signatureInvalid: a referrer fails", "another digest is said"),
        (RELEASE, &["release over=bytes json=sha512"], "signatureInvalid: only SHA-256", "another algorithm"),
        (RELEASE, &["release subject=index"], "signatureUnrelated: which is not this artifact", "an index"),
        (RELEASE, &["release subject=config"], "signatureUnrelated: which is not this artifact", "a config"),
        (RELEASE, &["release subject=sibling"], "signatureUnrelated: which is not this artifact", "another manifest with the same layer"),
        (RELEASE, &["release over=other"], "signatureUnrelated: which is not this artifact", "other bytes"),
        (RELEASE, &["release say=sha256>sha512"], "signatureInvalid: names nothing by SHA-256", "not by SHA-256"),
        (RELEASE, &["release say=\"sha256\">\"sha1\""], "signatureInvalid: names nothing by SHA-256", "by SHA-1"),
    ]);
    all_were_right();
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn the_policy_says_whose_bundle_counts() {
    let stranger = "stranger;rule=[{scope='ghcr.io/acme',accept=['release']}]";
    let main = "rule=[{scope='ghcr.io/acme',accept=['main']}]";
    let any_ref = "rule=[{scope='ghcr.io/acme',accept=['any-ref']}]";
    let shared = "rule=[{scope='ghcr.io/acme',accept=['shared']}]";
    let ann = "rule=[{scope='ghcr.io/acme',accept=['ann']}]";
    let pipeline = "rule=[{scope='ghcr.io/acme',accept=['pipeline']}]";
    let key = "rule=[{scope='ghcr.io/acme',accept=['build-key']}]";
    let lab = "rule=[{scope='ghcr.io/acme',accept=['in-lab']}]";
    let private = "rule=[{scope='ghcr.io/acme',accept=['private']}]";
    let any = "rule=[{scope='*',accept='any'}]";
    let none = "rule=[{scope='*',accept='none'}]";
    rows(&[
        // Workflows: which, of what, at which ref, why.
        (RELEASE, &["mallory"], "untrustedSigner: mallory/echo", "another repository's workflow"),
        (RELEASE, &["mallory"], "untrustedSigner: whose owner is mallory, but acme publishes it", "who that is, and who publishes"),
        (RELEASE, &["mallory"], "untrustedSigner: `vouch trust add NAME --workflow github.com/mallory/echo/.github/workflows/release.yml --refs 'refs/tags/*' --scope ghcr.io/acme`", "and what would accept it"),
        (RELEASE, &["case"], "untrustedSigner: it is github.com/Acme/echo/.github/workflows/release.yml, in other case", "names are exact"),
        (RELEASE, &["release repo=https://github.com/mallory/fork"], "untrustedSigner: it was built from github.com/mallory/fork, not from github.com/acme/echo", "the right workflow, called from elsewhere"),
        (RELEASE, &["release without=repo"], "untrustedSigner: it does not say its source repository", "an absent claim"),
        (RELEASE, &["release malformed=repo"], "untrustedSigner: its source repository cannot be read", "a malformed claim"),
        (RELEASE, &["release twice=repo:https://github.com/acme/echo"], "untrustedSigner: its source repository cannot be read", "a claim that is there twice"),
        (RELEASE, &["release ref=refs/heads/main"], "untrustedSigner: its ref is refs/heads/main, not refs/tags/*", "another ref"),
        (RELEASE, &["release ref=refs/heads/main"], "untrustedSigner: release (github.com/acme/echo/.github/workflows/release.yml at refs/tags/*)", "whom the rule wants"),
        (RELEASE, &["release ref=refs/tagsx"], "untrustedSigner: its ref is refs/tagsx", "prefixes end where they say"),
        (RELEASE, &["release without=ref"], "untrustedSigner: it does not say its ref", "no ref"),
        (RELEASE, &["release malformed=ref"], "untrustedSigner: its ref cannot be read", "a ref that cannot be read"),
        (RELEASE, &["release ref=refs/tags/\u{202e}1"], "untrustedSigner: its ref cannot be read", "a ref of which people would not see all"),
        (RELEASE, &["release trigger=pull_request"], "untrustedSigner: ran for a pull request (pull_request)", "anybody may open one"),
        (RELEASE, &["release trigger=pull_request_target"], "untrustedSigner: ran for a pull request (pull_request_target)", "and this one has secrets"),
        (main, &["release ref=refs/heads/main trigger=pull_request_target"], "untrustedSigner: ran for a pull request", "on main, too"),
        (RELEASE, &["release without=trigger"], "untrustedSigner: it does not say its trigger", "an old certificate says less"),
        (RELEASE, &["release malformed=trigger"], "untrustedSigner: its trigger cannot be read", "a trigger that cannot be read"),
        (RELEASE, &["release trigger=release"], HELD, "any other trigger"),
        (RELEASE, &["release issuer=https://evil.example"], "untrustedSigner: says https://evil.example", "GitHub's name, by another's word"),
        (RELEASE, &["release name=email:https://github.com/acme/echo/.github/workflows/release.yml@refs/tags/v1"], "untrustedSigner: is signed by", "the name of a workflow as an e-mail address"),
        (RELEASE, &["release name=uri:https://github.com/acme/echo/.github/workflows/release.yml"], "untrustedSigner: is signed by", "no ref in the name"),
        (RELEASE, &["release name=uri:https://github.com/acme/echo/.github/workflows/release.yml@x.yml@refs/tags/v1"], "untrustedSigner: is signed by", "a file whose name goes on"),
        (RELEASE, &["release name=uri:https://github.com.evil.example/acme/echo/.github/workflows/release.yml@refs/tags/v1"], "untrustedSigner: is signed by", "another host"),
        (RELEASE, &["release name=uri:http://github.com/acme/echo/.github/workflows/release.yml@refs/tags/v1"], "untrustedSigner: is signed by", "another scheme"),
        (main, &["release ref=refs/heads/main"], "sigstore main, named by ghcr.io/acme", "a whole ref"),
        (main, &["release ref=refs/heads/release-1"], "sigstore main, named by ghcr.io/acme", "or one of several"),
        (main, &["release ref=refs/heads/mainly"], "untrustedSigner: its ref is refs/heads/mainly", "a whole ref is no beginning"),
        (any_ref, &["release"], "sigstore any-ref, named by ghcr.io/acme", "any ref; of several names, the rule's"),
        (any_ref, &["release ref=refs/pull/1/merge"], "untrustedSigner: its ref is refs/pull/1/merge", "but those of pull requests"),
        (shared, &["shared"], "sigstore shared, named by ghcr.io/acme", "a reusable workflow, on purpose"),
        (shared, &["shared repo=https://github.com/mallory/echo"], "untrustedSigner: it was built from github.com/mallory/echo", "called by somebody else"),
        (stranger, &["shared"], "untrustedSigner: --workflow github.com/acme/ci/.github/workflows/build.yml --refs 'refs/tags/*' --repository github.com/acme/echo", "what would accept one"),
        // Others.
        (ann, &["email"], "sigstore ann, named by ghcr.io/acme", "an e-mail address"),
        (ann, &["email issuer=https://github.com/login/oauth"], "signatureInvalid: cannot be read", "two issuers"),
        (ann, &["email issuer=https://evil.example without=1"], "untrustedSigner: https://evil.example vouches for it, not https://accounts.google.com", "another issuer"),
        (ann, &["email name=email:ann@example.org.evil.example"], "untrustedSigner: is signed by ann@example.org.evil.example", "a longer address"),
        (ann, &["email name=email:Ann@example.org"], "untrustedSigner: is signed by Ann@example.org", "names are exact"),
        (ann, &["email name=uri:ann@example.org"], "untrustedSigner: is signed by ann@example.org", "an e-mail address as a URI"),
        (pipeline, &["uri"], "sigstore pipeline, named by ghcr.io/acme", "a URI"),
        (pipeline, &["uri issuer=https://x.example without=1"], "untrustedSigner: vouches for it, not https://gitlab.com", "by another's word"),
        (pipeline, &["uri name=email:https://gitlab.com/acme/echo//.gitlab-ci.yml@refs/heads/main"], "untrustedSigner: is signed by", "a URI as an e-mail address"),
        (stranger, &["email"], "untrustedSigner: --email ann@example.org --issuer https://accounts.google.com", "what would accept an address"),
        (stranger, &["uri"], "untrustedSigner: --uri https://gitlab.com/acme/echo//.gitlab-ci.yml@refs/heads/main --issuer https://gitlab.com", "what would accept a URI"),
        (key, &["key"], "sigstore build-key, named by ghcr.io/acme", "a key"),
        (key, &["key subject=file"], "sigstore build-key, named by ghcr.io/acme", "over the file"),
        (key, &["key over=bytes"], "sigstore build-key, named by ghcr.io/acme", "over its bytes"),
        (key, &["other-key"], "signatureInvalid: a referrer fails", "another key"),
        (key, &["other-key"], "signatureInvalid: `vouch trust add NAME --key cosign.pub --scope ghcr.io/acme`", "and how to name it"),
        ("stranger;rule=[]", &["key"], "signatureInvalid: is signed with a key, and no signer of the config has one", "no key at all"),
        ("stranger;rule=[]", &["key"], "signatureInvalid: `vouch trust add NAME --key cosign.pub --scope ghcr.io/acme/echo`", "and how to name one"),
        (key, &["key log=absent"], "signatureInvalid: the log of a referrer fails: it does not stand in a transparency log", "a key's signature is logged, too"),
        (key, &["key log=absent"], "signatureInvalid: without `--tlog-upload=false`", "and how it gets there"),
        ("stranger;rule=[]", &["key log=absent"], "signatureInvalid: the log of a referrer fails: it does not stand in", "whosever the key is"),
        (key, &["key log=promise"], "signatureInvalid: without a proof", "and proven"),
        (key, &["key log=wrong-head"], "signatureInvalid: the log of a referrer", "by the right log"),
        (key, &["key subject=sibling"], "signatureUnrelated: not this artifact", "another subject"),
        (key, &["key predicate=https://spdx.dev/Document"], "signatureUnrelated: attests something else", "another predicate"),
        (key, &["release"], "untrustedSigner: is signed by any-ref (https://github.com/acme/echo", "a certificate is no key"),
        (RELEASE, &["key"], "untrustedSigner: is signed by build-key", "a key is no workflow"),
        // Roots.
        (lab, &["release root=lab"], "sigstore in-lab, named by ghcr.io/acme", "the owner's own root, named"),
        (RELEASE, &["release root=lab"], "untrustedSigner: it is signed under the root lab, not one that the service brings along", "not named"),
        (lab, &["release"], "untrustedSigner: it is signed under the root public-good, not lab", "the public root for another"),
        (stranger, &["release root=lab"], "untrustedSigner: --root lab --scope", "what would accept it"),
        (private, &["release root=github log=absent sct=absent stamp=right"], "sigstore private, named by ghcr.io/acme", "GitHub's root: no log, a timestamp"),
        (RELEASE, &["release root=github log=absent sct=absent stamp=right"], HELD, "it counts without being named"),
        (RELEASE, &["release root=github log=absent sct=absent"], "signatureInvalid: a referrer fails", "but not without a time"),
        (RELEASE, &["release root=github log=absent sct=absent stamp=wrong"], "signatureInvalid: the time of a referrer", "by a clock that it knows"),
        (private, &["release"], "untrustedSigner: under the root public-good, not github", "the public root for GitHub's"),
        (RELEASE, &["release log=absent sct=absent stamp=right"], "signatureInvalid: a referrer fails", "what GitHub's may lack, others may not"),
        (ann, &["email root=github log=absent sct=absent stamp=right"], "signatureInvalid: counts for GitHub's workflows alone", "GitHub's root for another's word"),
        (RELEASE, &["release root=github log=absent sct=absent stamp=right without=issuer"], "signatureInvalid: does not say who vouches", "a release of GitHub's own"),
        // Nobody in particular.
        (any, &["release"], "untrustedSigner: but rule `*` accepts tokens only", "`any` is for tokens"),
        (none, &["release"], "untrustedSigner: accepts nobody", "nobody"),
        ("", &["release"], "untrustedSigner: no rule for ghcr.io/acme/echo accepts a bundle", "without a rule, tokens alone"),
        ("default='any'", &["release"], "untrustedSigner: but the default accepts tokens only", "nor by a default"),
        ("default='none'", &["release"], "untrustedSigner: the default accepts nobody", "nobody, by default"),
    ]);
    check("", "files", "unsigned", &["release subject=file"], "", "untrustedSigner: no rule for files", "a file");
    let files = "rule=[{scope='files',accept=['release']}]";
    check(files, "files", "unsigned", &["release subject=file"], "", "sigstore release, named by files", "a file's own bundle");
    check(files, "files", "unsigned", &["release"], "", "signatureUnrelated: not this artifact", "a file has no manifest");
    check(RELEASE, "push ghcr.io/acme/echo:1", "unsigned", &["release subject=file"], "", HELD, "a push");
    check(RELEASE, "push ghcr.io/acme/echo:1", "unsigned", &["release"], "", HELD, "whose manifest is made before it is judged");
    check(RELEASE, "127.0.0.1:5000/x:1", "unsigned", &["release"], "", "untrustedSigner: no rule for 127.0.0.1:5000/x", "any on this machine is for tokens");
    all_were_right();
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn several_are_looked_at_and_one_suffices() {
    let both = "rule=[{scope='ghcr.io/acme',accept=['acme','release']}]";
    let twice = "rule=[{scope='ghcr.io/acme',accept=['acme','release'],require=['token','sigstore']}]";
    let bundles = "rule=[{scope='ghcr.io/acme',accept=['acme','release'],require=['sigstore']}]";
    let aged = "rule=[{scope='ghcr.io/acme',accept=['release'],max-age='5d'}]";
    let fresh = "rule=[{scope='ghcr.io/acme',accept=['release'],max-age='30d'}]";
    let modules = "rule=[{scope='ghcr.io/acme',accept=['release'],kinds=['component']}]";
    let subjects = "rule=[{scope='ghcr.io/acme',accept=['release'],subjects=['%acme']}]";
    let all = "rule=[{scope='ghcr.io/acme',accept=['acme','release'],subjects=['%acme'],require=['token','sigstore']}]";
    let par = "rule=[{scope='ghcr.io/acme',accept=['release'],kinds=['provider']}]";
    let key = "rule=[{scope='ghcr.io/acme',accept=['build-key']}]";
    let many = |strangers| -> Vec<_> {
        std::iter::repeat_n("mallory", strangers).chain(["release"]).collect()
    };
    let (most, more) = (many(63), many(64));
    let unread: Vec<_> = std::iter::repeat_n("unread", 64).chain(["left", "release"]).collect();
    let elsewhere: Vec<_> =
        std::iter::repeat_n("mallory at=mirror", 64).chain(["release at=registry"]).collect();
    for (rules, of, beside, expected, why) in [
        (RELEASE, "unsigned", &["mallory", "release"][..], HELD, "a stranger's does no harm"),
        (RELEASE, "unsigned", &["release", "mallory"], HELD, "in any order"),
        (RELEASE, "unsigned", &["release text=cut", "release"], HELD, "nor does a broken one"),
        (RELEASE, "unsigned", &["release predicate=https://spdx.dev/Document", "release"], HELD, "nor an SBOM"),
        (RELEASE, "unsigned", &["unread", "release"], HELD, "nor one that was not read"),
        (RELEASE, "unsigned", &most, HELD, "however many there are"),
        (RELEASE, "unsigned", &more, "untrustedSigner: mallory", "but for those behind the 64th"),
        (RELEASE, "unsigned", &unread, HELD, "what was not read is not one of them"),
        (RELEASE, "unsigned", &elsewhere, HELD, "a mirror's do not hide the registry's own"),
        (RELEASE, "unsigned", &["release text=cut", "mallory"], "untrustedSigner: mallory", "of what holds, the nearest is told"),
        (RELEASE, "unsigned", &["mallory", "release ref=refs/heads/main"], "untrustedSigner: its ref is refs/heads/main", "nearer is better"),
        (RELEASE, "unsigned", &["release text=cut", "release log=absent", "release forged"], "signatureInvalid: of 3 that were looked at, it is the nearest", "none holds"),
        (RELEASE, "unsigned", &["release text=cut", "release predicate=https://spdx.dev/Document"], "signatureUnrelated: attests something else", "what holds is nearer"),
        // Tokens.
        (both, "acme", &["release"], "token acme, named by ghcr.io/acme", "both would do"),
        (both, "acme", &[], "token acme, named by ghcr.io/acme", "a token alone"),
        (both, "unsigned", &["release"], HELD, "a bundle alone"),
        (both, "junk", &["release"], "invalidToken: ", "a token that is there has to hold"),
        (both, "expired", &["release"], "expired: ", "and to be valid"),
        (both, "eve", &["release"], HELD, "a stranger's token does not block a bundle"),
        (RELEASE, "acme", &["release"], HELD, "nor does one that the rule does not name"),
        (RELEASE, "acme", &["mallory"], "untrustedSigner: ", "two that nobody named"),
        (RELEASE, "acme", &["release text=cut"], "untrustedSigner: is signed by acme", "the token holds, the bundle does not"),
        (twice, "acme", &["release"], "token acme, named by ghcr.io/acme", "both are required, and there"),
        (twice, "acme", &[], "notAllowed: is signed by token, but rule `ghcr.io/acme` requires token, sigstore", "the bundle is missing"),
        (twice, "unsigned", &["release"], "notAllowed: is signed by sigstore, but rule `ghcr.io/acme` requires token, sigstore", "the token is missing"),
        (twice, "acme", &["mallory"], "notAllowed: by sigstore it is signed by https://github.com/mallory", "the bundle is not accepted"),
        (twice, "eve", &["release"], "notAllowed: by token it is signed by", "the token is not accepted"),
        (twice, "eve", &["mallory"], "untrustedSigner: ", "neither is"),
        (bundles, "acme", &[], "notAllowed: requires sigstore", "a token alone is not enough"),
        (bundles, "acme", &["release"], HELD, "the bundle is the one that counts"),
        // What else a rule asks.
        (aged, "unsigned", &["release"], "notAllowed: was signed at 2025-06-01", "too long ago"),
        (fresh, "unsigned", &["release"], HELD, "not too long ago"),
        (fresh, "unsigned", &["release log=proof stamp=right"], HELD, "by a timestamp"),
        (modules, "unsigned", &["release"], "notAllowed: is a module", "another kind"),
        (subjects, "unsigned", &["release"], "notAllowed: is signed as sha256:", "a bundle names no subject of tokens"),
        (subjects, "acme", &["release"], "notAllowed: is signed as sha256:", "nor does a token of nobody who is accepted lend it one"),
        (all, "acme", &["release"], "token acme, named by ghcr.io/acme", "of both, the token names it"),
        // Archives.
        (par, "par", &["release"], HELD, "an archive without a token"),
        (par, "packed", &["release"], "malformedArtifact: ", "with something else in it"),
        // cosign 2.
        (RELEASE, "unsigned", &["layer"], HELD, "what cosign 2 stored"),
        (RELEASE, "unsigned", &["layer subject=sibling"], "signatureUnrelated: not this artifact", "of another manifest"),
        (RELEASE, "unsigned", &["layer subject=file"], HELD, "of the file"),
        (RELEASE, "unsigned", &["layer type=atomic-container-signature"], "signatureInvalid: not an image's signature", "another type"),
        (RELEASE, "unsigned", &["layer digest=sha512:00"], "signatureInvalid: not a digest", "another algorithm"),
        (RELEASE, "unsigned", &["layer changed"], "signatureInvalid: a tag fails", "a payload that was not signed"),
        (RELEASE, "unsigned", &["layer log=absent"], "signatureInvalid: a tag fails", "not logged"),
        (RELEASE, "unsigned", &["layer log=wrong-promise"], "signatureInvalid: a tag fails", "nobody promised it"),
        (RELEASE, "unsigned", &["layer sct=absent"], "signatureInvalid: the sct of a tag", "not issued in public"),
        (RELEASE, "unsigned", &["layer ref=refs/heads/main"], "untrustedSigner: its ref is refs/heads/main", "by another's word"),
        (key, "unsigned", &["key-layer"], "sigstore build-key, named by ghcr.io/acme", "with a key"),
        (key, "unsigned", &["key-layer log=absent"], "signatureInvalid: the log of a tag fails: it does not stand in a transparency log", "and not logged"),
    ] {
        check(rules, ECHO, of, beside, "", expected, why);
    }
    let release = "ghcr.io/acme/echo:1 signer=release";
    let acme = "ghcr.io/acme/echo:1 signer=acme";
    check(both, release, "acme", &["release"], "", HELD, "the one that is asked for");
    check(both, acme, "acme", &["release"], "", "token acme, named by ghcr.io/acme", "or the other");
    check(both, acme, "unsigned", &["release"], "", "untrustedSigner: the request accepts only acme", "who is not there");
    check(both, "ghcr.io/acme/echo:1 signer=main", "unsigned", &["release"], "", "untrustedSigner: accepts only main (", "another ref is another signer");
    check(twice, acme, "acme", &["release"], "", "token acme, named by ghcr.io/acme", "one of two that are required");
    check(twice, release, "acme", &["release"], "", HELD, "or the other");
    let id = "ghcr.io/acme/echo:1 signer=sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml";
    check(both, id, "unsigned", &["release"], "", HELD, "by id");
    all_were_right();
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn revoked_is_revoked_under_any_rule_and_root() {
    let both = "rule=[{scope='ghcr.io/acme',accept=['acme','release','ann','build-key','in-lab']}]";
    let revoked = |signer: &str| format!("{both}\n[signer.old]\n{signer}\nrevoked=true\n");
    let workflow = revoked("workflow='github.com/acme/echo/.github/workflows/release.yml'");
    let tags = revoked("workflow='github.com/acme/echo/.github/workflows/release.yml'\nrefs=['refs/tags/v1']");
    let later = revoked("workflow='github.com/acme/echo/.github/workflows/release.yml'\nrefs=['refs/tags/v2']");
    let ann = revoked("email='ann@example.org'\nissuer='https://accounts.google.com'");
    let key = revoked("key='$folder/key.pub'");
    let token = revoked("account='$acme'");
    for (rules, of, beside, expected, why) in [
        (&workflow, "unsigned", &["release"][..], "untrustedSigner: revokes as `old`", "the workflow, at any ref"),
        (&tags, "unsigned", &["release"], "untrustedSigner: revokes as `old`", "at that ref"),
        (&later, "unsigned", &["release"], HELD, "at another"),
        (&workflow, "unsigned", &["release root=lab"], "untrustedSigner: revokes as `old`", "under any root"),
        (&workflow, "unsigned", &["release without=repo"], "untrustedSigner: revokes as `old`", "whatever it does not say"),
        (&workflow, "unsigned", &["release", "email"], "sigstore ann, named by ghcr.io/acme", "it does not block another's"),
        (&workflow, "acme", &["release"], "token acme, named by ghcr.io/acme", "nor a token"),
        (&ann, "unsigned", &["email"], "untrustedSigner: revokes as `old`", "an e-mail address"),
        (&key, "unsigned", &["key"], "untrustedSigner: revokes as `old`", "a key"),
        (&token, "acme", &["release"], HELD, "a revoked token does not block a bundle"),
        (&token, "acme", &[], "untrustedSigner: revokes as `old`", "and counts for nothing"),
    ] {
        check(rules, ECHO, of, beside, "", expected, why);
    }
    all_were_right();
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn pins_hold_for_bundles_under_a_rule_that_says_so() {
    let pinned = "rule=[{scope='ghcr.io/acme',accept='pinned'}]";
    let twice = "rule=[{scope='ghcr.io/acme',accept='pinned',require=['token','sigstore']}]";
    let line = |signer: &str| format!("ghcr.io/acme/echo {signer} 2025-05-01T00:00:00Z - -\n");
    let echo = line("sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml");
    let fork = line("sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml,repository=github.com/mallory/fork");
    let ann = line("sigstore:email=ann@example.org,issuer=https://accounts.google.com");
    let acme = line("token:$acme");
    for (rules, of, beside, pins, expected, why) in [
        (pinned, "unsigned", &["release"][..], "", "sigstore any-ref, first use by ghcr.io/acme", "the first"),
        (pinned, "unsigned", &["release"], &echo, "sigstore any-ref, pinned by ghcr.io/acme", "the same, at whatever digest"),
        (pinned, "unsigned", &["release ref=refs/heads/main"], &echo, "sigstore any-ref, pinned by ghcr.io/acme", "at whatever ref"),
        (pinned, "unsigned", &["mallory"], &echo, "signerChanged: --signer sigstore:workflow=github.com/mallory/echo", "another, and what would accept it"),
        (pinned, "unsigned", &["release repo=https://github.com/mallory/fork"], &echo, "signerChanged: ", "called from elsewhere"),
        (pinned, "unsigned", &["release"], &fork, "signerChanged: ", "and the other way round"),
        (pinned, "unsigned", &["release"], &acme, "signerChanged: has been signed by acme", "a token's signer before"),
        (pinned, "acme", &["release"], &echo, "sigstore any-ref, pinned by ghcr.io/acme", "a token beside it"),
        (pinned, "acme", &["mallory"], &acme, "token acme, pinned by ghcr.io/acme", "a bundle beside it"),
        (pinned, "unsigned", &["email"], &ann, "sigstore ann, pinned by ghcr.io/acme", "an e-mail address"),
        (pinned, "unsigned", &["email issuer=https://x.example without=1"], &ann, "signerChanged: ", "by another's word"),
        (pinned, "unsigned", &["release trigger=pull_request_target"], &echo, "untrustedSigner: ran for a pull request", "anybody may have had it run"),
        (pinned, "unsigned", &["release without=repo"], "", "untrustedSigner: does not say its source repository", "nothing to remember"),
        (pinned, "unsigned", &["release root=lab"], "", "untrustedSigner: the root lab counts only for signers that name it", "the owner's own root"),
        ("", "unsigned", &["release"], &echo, "untrustedSigner: no rule", "a pin is no rule"),
        ("default='pinned'", "unsigned", &["release"], &echo, "sigstore any-ref, pinned by default", "unless the owner says so"),
        (twice, "acme", &["release"], "", ALSO_RELEASE, "both, for the first time"),
        (twice, "acme", &["release", "release ref=refs/heads/main"], "", ALSO_RELEASE, "two bundles by the same"),
        (twice, "acme", &["release", "mallory"], "", UNCLEAR, "which of them is the publisher's, nobody knows"),
        (twice, "acme", &["mallory", "release"], "", UNCLEAR, "in any order"),
        (pinned, "unsigned", &["release", "mallory"], "", UNCLEAR, "nor of bundles alone"),
        (pinned, "unsigned", &["release", "mallory log=absent"], "", "sigstore any-ref, first use by ghcr.io/acme", "one that does not hold counts for nothing"),
        (pinned, "unsigned", &["release", "mallory"], &echo, "sigstore any-ref, pinned by ghcr.io/acme", "once it is known, it is clear"),
        (pinned, "unsigned", &["left", "release"], "", "untrustedSigner: more lies beside it than was looked at", "others may be among those"),
        (pinned, "unsigned", &["left", "release"], &echo, "sigstore any-ref, pinned by ghcr.io/acme", "who is known is known"),
        (pinned, "acme", &["release", "mallory"], "", "token acme, first use by ghcr.io/acme", "its own token is not one of many"),
        (twice, "acme", &["release", "mallory"], &format!("{acme}{echo}"), "token acme, pinned by ghcr.io/acme", "both are known"),
        (twice, "acme", &["mallory"], &format!("{acme}{echo}"), "notAllowed: by sigstore it is signed by https://github.com/mallory", "one of both is another"),
    ] {
        check(rules, ECHO, of, beside, pins, expected, why);
    }
    let release = "ghcr.io/acme/echo:1 signer=release";
    let both = &["mallory", "release"];
    check(pinned, release, "unsigned", &["left", "release"], "", "sigstore any-ref, first use by ghcr.io/acme", "of some, whom the caller asks for");
    check(pinned, release, "unsigned", both, "", "sigstore any-ref, first use by ghcr.io/acme", "whom the caller asks for");
    check(twice, "ghcr.io/acme/echo:1 signer=acme", "acme", both, "", UNCLEAR, "the other is not asked for");
    check(twice, release, "acme", both, "", "sigstore any-ref, first use by ghcr.io/acme; it is the first use of token:$acme as well", "it is");
    all_were_right();
}

const UNCLEAR: &str = "untrustedSigner: had no signer before";
const ALSO_RELEASE: &str = "token acme, first use by ghcr.io/acme; it is the first use of sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml as well";

/// What is pinned once it was pulled: the ids, in order.
fn pinned(rules: &str, of: &str, beside: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let now = Now {
        policy: Ok(Arc::new(policy(rules))),
        pins: Pins::new(folder.path().to_owned()),
        time: UNIX_EPOCH + Duration::from_secs(NOW),
    };
    let bytes = artifact(of);
    let examined = inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
    let evidence: Vec<_> = beside.iter().map(|text| evidence(text, &bytes)).collect();
    let Use::Verify(Some(published)) = usage(ECHO, &examined).unwrap() else {
        panic!("not published")
    };
    let judged = judge(
        examined,
        Some(Ok(evidence)),
        Use::Pull(published),
        None,
        &now,
    )
    .unwrap();
    let verification = judged.unwrap().stands(&now).unwrap();
    assert!(matches!(verification, Verification::Accepted { .. }));
    let pins = now.pins.all().unwrap();
    pins.into_iter().map(|pin| pin.signer).collect()
}

#[test]
fn no_more_are_remembered_than_were_needed() {
    let release = "sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml";
    let acme = keyed("token:$acme");
    let pinned = |require: &str, beside: &[&str]| {
        let rule = format!("rule=[{{scope='ghcr.io/acme',accept='pinned'{require}}}]");
        pinned(&rule, "acme", beside)
    };
    let both = ",require=['token','sigstore']";
    assert_eq!(
        pinned("", &["mallory", "release"]),
        std::slice::from_ref(&acme)
    );
    assert_eq!(
        pinned(both, &["release", "release ref=refs/heads/main"]),
        [&acme, release]
    );
    assert_eq!(pinned(",require=['sigstore']", &["release"]), [release]);
}

/// All rounds are asked for where a bundle's signer would be the first, and no more than needed
/// where not.
#[test]
fn a_first_use_is_judged_by_all_that_lies_there() {
    let pinned = "rule=[{scope='ghcr.io/acme',accept='pinned'}]";
    let check = |rules: &str, rounds: &[Result<&str, ErrorKind>], asked: usize, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let now = Now {
            policy: Ok(Arc::new(policy(rules))),
            pins: Pins::new(folder.path().to_owned()),
            time: UNIX_EPOCH + Duration::from_secs(NOW),
        };
        let bytes = artifact("unsigned");
        let examined = inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
        let usage = usage(ECHO, &examined).unwrap();
        let mut count = 0;
        let rounds = rounds.iter().map(|round| {
            count += 1;
            match round {
                Ok(text) => Ok(vec![evidence(text, &bytes)]),
                Err(kind) => Err(Error::new(*kind, "lost")),
            }
        });
        let found = match judge(examined, rounds, usage, None, &now) {
            Err(error) => error.kind().name().to_owned(),
            Ok(Err(refused)) => refused.refusal.kind.name().to_owned(),
            Ok(Ok(_)) => "accepted".to_owned(),
        };
        assert_eq!(
            (found.as_str(), count),
            (expected, asked),
            "{rules} {asked}"
        );
    };
    let lost = Err(ErrorKind::RegistryTimeout);
    check(pinned, &[Ok("release"), Ok("release")], 2, "accepted");
    check(
        pinned,
        &[Ok("release"), Ok("mallory")],
        2,
        "untrustedSigner",
    );
    check(pinned, &[Ok("release"), lost], 2, "registryTimeout");
    check(RELEASE, &[Ok("release"), lost], 1, "accepted");
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn what_is_to_be_published_with_it_has_to_count() {
    let both = "rule=[{scope='ghcr.io/acme',accept=['acme','release']}]";
    let token = "rule=[{scope='ghcr.io/acme',accept=['acme']}]";
    let require = "rule=[{scope='ghcr.io/acme',accept=['acme','release'],require=['token','sigstore']}]";
    let accepted = "token acme, named by ghcr.io/acme";
    let echo = "ghcr.io/acme/echo sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml 2025-05-01T00:00:00Z - -\n";
    let pinned = "rule=[{scope='ghcr.io/acme',accept='pinned'}]";
    for (rules, of, beside, pins, expected, why) in [
        (RELEASE, "unsigned", "release", "", HELD, "it is all there is"),
        (both, "acme", "release", "", accepted, "beside a token"),
        (require, "acme", "release", "", accepted, "as the rule requires"),
        (RELEASE, "acme", "release", "", HELD, "beside a token that nobody accepts"),
        (both, "acme", "release log=absent", "", "signatureInvalid: log", "it does not hold"),
        (both, "acme", "release text=cut", "", "signatureInvalid: it is not a bundle", "nor is it one"),
        (both, "acme", "mallory", "", "untrustedSigner: github.com/mallory/echo", "another's"),
        (token, "acme", "release", "", "untrustedSigner: accept", "the rule has no bundles"),
        ("", "acme", "release", "", "untrustedSigner: no rule", "nor has the default"),
        (pinned, "acme", "release", echo, HELD_BY_PIN, "its signer is pinned"),
        (pinned, "acme", "release", "", ALSO_RELEASE, "nobody is: both are, from then on"),
        (both, "junk", "release", "", "invalidToken: ", "a token that does not hold"),
        (both, "bob", "release", "", HELD, "a token of somebody else"),
    ] {
        check(rules, &format!("with it {ECHO}"), of, &[beside], pins, expected, why);
    }
    all_were_right();
}

const HELD_BY_PIN: &str = "sigstore any-ref, pinned by ghcr.io/acme";
