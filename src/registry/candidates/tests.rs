use super::*;
use serde_json::{Value, json};

const TYPED: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

fn entry(of: &str, artifact_type: &str, predicate: Option<&str>) -> Value {
    let mut entry = json!({ "digest": digest(of).to_string(), "artifactType": artifact_type });
    if let Some(predicate) = predicate {
        entry["annotations"] = json!({ "dev.sigstore.bundle.predicateType": predicate });
    }
    entry
}

fn listed(most: usize, manifests: &Value) -> Result<(Vec<Digest>, usize), String> {
    let mut listed = Listed::keeping(most);
    listed.add(json!({ "manifests": manifests }).to_string().as_bytes())?;
    Ok((listed.digests(), listed.all))
}

#[test]
fn the_likeliest_come_first() {
    let manifests = json!([
        entry("sbom", "application/spdx+json", None),
        entry("test", TYPED, Some("https://example.org/test")),
        entry("provenance", TYPED, Some("https://slsa.dev/provenance/v1")),
        entry("empty", "application/vnd.oci.empty.v1+json", None),
        { "digest": digest("nothing said").to_string() },
        entry("bundle", "application/vnd.dev.sigstore.bundle.v0.4+json", None),
        entry("signature", TYPED, Some("https://sigstore.dev/cosign/sign/v1")),
    ]);
    let expected = [
        "provenance",
        "bundle",
        "signature",
        "test",
        "empty",
        "nothing said",
        "sbom",
    ];
    let (found, all) = listed(MOST, &manifests).unwrap();
    assert_eq!((found.as_slice(), all), (&expected.map(digest)[..], 7));
    let (found, all) = listed(2, &manifests).unwrap();
    assert_eq!((found.as_slice(), all), (&expected.map(digest)[..2], 7));
}

#[test]
fn entries_that_make_no_sense_hide_no_others() {
    let check = |other: Value, reason: &str| {
        let (found, _) = listed(MOST, &json!([other, entry("a", TYPED, None)])).expect(reason);
        assert_eq!(found, [digest("a")], "{reason}");
    };
    check(json!(null), "null");
    check(json!([[[1]]]), "lists");
    check(json!({}), "no digest");
    check(json!({"digest": 7}), "a number");
    check(json!({"digest": "sha512:00"}), "another algorithm");
    check(json!({"digest": "../../../etc/passwd"}), "a path");
    check(entry("a", TYPED, None), "the same once more");
    let mut odd = entry("b", TYPED, None);
    odd["annotations"] = json!([1]);
    check(odd, "annotations that are a list");
}

#[test]
fn what_is_an_index() {
    let check = |text: &str, expected: Option<usize>, reason: &str| {
        let mut listed = Listed::keeping(MOST);
        let added = listed.add(text.as_bytes());
        assert_eq!(added.ok().map(|()| listed.all), expected, "{reason}");
    };
    check(r#"{"manifests":[]}"#, Some(0), "an empty one");
    check(r#"{"manifests":null}"#, Some(0), "as Go writes it");
    check(r#"{"schemaVersion":2,"layers":[]}"#, None, "an image");
    check(r#"{"manifests":{}}"#, None, "an object");
    check(r#"{"manifests":"[]"}"#, None, "a text");
    check("[]", None, "a list");
    check("<html>", None, "a web page");
    check("", None, "nothing");
    let many = format!(r#"{{"manifests":[{}0]}}"#, "0,".repeat(100_000));
    check(&many, Some(100_001), "a hundred thousand of nothing");
}

fn manifest(subject: Option<&str>, layers: &Value) -> Vec<u8> {
    let mut manifest = json!({
        "schemaVersion": 2,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
            "digest": digest("{}").to_string() },
        "layers": layers,
    });
    if let Some(subject) = subject {
        manifest["subject"] = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": subject, "size": 7 });
    }
    manifest.to_string().into_bytes()
}

fn layer_json(digest: &str, size: i64) -> Value {
    json!({ "mediaType": TYPED, "digest": digest, "size": size })
}

#[test]
fn a_referrer_has_one_layer_and_our_subject() {
    let ours = digest("ours");
    let one = || json!([layer_json(&digest("bundle").to_string(), 6)]);
    let check = |manifest: &[u8], expected: &str| {
        let read = Referrer::read(manifest).and_then(|referrer| referrer.of(ours));
        let read = read.map(|typed| (typed.layer.digest, typed.layer.size));
        if expected.is_empty() {
            assert_eq!(read, Ok((digest("bundle"), 6)));
        } else {
            let why = read.expect_err(expected);
            assert!(why.contains(expected), "{why}");
        }
    };
    check(&manifest(Some(&ours.to_string()), &one()), "");
    check(&manifest(None, &one()), "refers to nothing");
    let other = digest("other").to_string();
    check(&manifest(Some(&other), &one()), "refers to sha256:");
    check(&manifest(Some("nonsense"), &one()), "refers to nothing");
    let ours = ours.to_string();
    check(&manifest(Some(&ours), &json!([])), "has 0 layers");
    let two = json!([layer_json(&other, 1), layer_json(&other, 1)]);
    check(&manifest(Some(&ours), &two), "has 2 layers");
    let large = json!([layer_json(&other, (1 << 20) + 1)]);
    check(&manifest(Some(&ours), &large), "larger than");
    let less = json!([layer_json(&other, -1)]);
    check(&manifest(Some(&ours), &less), "larger than");
    let bad = json!([layer_json("sha256:../..", 1)]);
    check(&manifest(Some(&ours), &bad), "bad digest");
    check(b"{}", "not valid");
    check("[".repeat(1 << 19).as_bytes(), "not valid");
}

#[test]
fn what_may_be_a_bundle_is_told_by_its_type_or_its_members() {
    let check = |called: &str, bytes: &[u8], expected: bool| {
        let layer = Layer {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        };
        let media_type = called.to_owned();
        let evidence = Typed { layer, media_type }.evidence("it", bytes.to_vec());
        let is_bundle = !format!("{evidence:?}").contains("Unread");
        assert_eq!(is_bundle, expected, "{called}");
    };
    check(TYPED, b"anything", true);
    check("application/json", br#"{"verificationMaterial":{}}"#, true);
    check("application/spdx+json", br#"{"spdxVersion":"2.3"}"#, false);
    check("", b"", false);
}

#[test]
fn what_cosign_2_stored() {
    let payload = |annotations: Value| {
        json!({ "mediaType": PAYLOAD, "digest": digest("payload").to_string(), "size": 7,
            "annotations": annotations })
    };
    let signature = json!({ "dev.cosignproject.cosign/signature": "AAAA",
        "dev.sigstore.cosign/bundle": "{}" });
    let layers = json!([
        payload(signature),
        payload(json!({})),
        layer_json("sha256:0", 1)
    ]);
    let (signed, all) = signatures(&manifest(None, &layers)).unwrap();
    assert_eq!((signed.len(), all), (2, 2));
    let evidence = signed.into_iter().map(|signed| {
        let signed = signed.unwrap();
        assert_eq!(signed.payload.digest, digest("payload"));
        format!("{:?}", signed.evidence("it", b"payload".to_vec()))
    });
    let evidence: Vec<_> = evidence.collect();
    assert!(evidence[0].contains("AAAA"), "{}", evidence[0]);
    assert!(evidence[1].contains("has no signature"), "{}", evidence[1]);
    let many: Vec<_> = (0..65).map(|_| payload(json!({}))).collect();
    let (signed, all) = signatures(&manifest(None, &json!(many))).unwrap();
    assert_eq!((signed.len(), all), (64, 65));
    assert!(told("it", 64, 65).is_some());
    assert!(told("it", 64, 64).is_none());
}
