//! Bundles that others have made, and the roots that the service brings along. They are the ones
//! that `sigstore-verify` is tested with, in cargo's own copy of its source; where that is elsewhere,
//! there is nothing to look at.

use super::*;
use std::{fs, path::PathBuf};

/// The crate's folder of test data.
fn folder() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let sources = fs::read_dir(home.join("registry/src")).ok()?;
    let folders = sources.flatten().map(|source| source.path());
    let mut folders = folders.map(|source| source.join("sigstore-verify-0.15.1/test_data"));
    folders.find(|folder| folder.is_dir())
}

/// What became of a bundle over a digest.
fn became_of(bundle: &str, digest: &str, anchors: &Anchors) -> String {
    let subjects = Subjects {
        file: format!("sha256:{digest}").parse().unwrap(),
        manifest: None,
    };
    let evidence = Evidence::bundle("beside", bundle.as_bytes());
    let mut reports = Vec::new();
    let found = signatures(
        &facts().covered,
        subjects,
        &[evidence],
        anchors,
        &mut reports,
    );
    match found {
        Ok(signed) => {
            let signed = signed.first().map(|signed| signed.on_the_wire()).unwrap();
            let at = signed.signed_at.unwrap();
            format!("{} at {at}", signed.signer.id)
        }
        Err(refusal) => {
            let step = reports[0].fault().map(|(step, _)| step.name());
            format!("{} {}: {refusal}", refusal.kind, step.unwrap_or_default())
        }
    }
}

#[test]
fn what_others_have_signed() {
    let Some(folder) = folder() else {
        eprintln!("the source of sigstore-verify is not there: nothing is looked at");
        return;
    };
    let anchors = Anchors::new();
    let zero = "00".repeat(32);
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let of = |name: &str| Digest::of(&fs::read(folder.join(name)).unwrap()).hex();
    let check = |bundle: &str, digest: &str, expected: &str| {
        let became = became_of(&text(bundle), digest, &anchors);
        assert!(became.contains(expected), "{bundle}: {became}");
    };
    let message = |name: &str| {
        let bundle: Value = serde_json::from_str(&text(name)).unwrap();
        let digest = bundle["messageSignature"]["messageDigest"]["digest"]
            .as_str()
            .unwrap();
        let digest = data_encoding::BASE64.decode(digest.as_bytes()).unwrap();
        data_encoding::HEXLOWER.encode(&digest)
    };
    let blob = "bundles/cosign-v3-blob.sigstore.json";
    let ann =
        "sigstore:email=w.vollprecht@gmail.com,issuer=https://github.com/login/oauth at 17647";
    check(blob, &of("bundles/cosign-v3-blob.txt"), ann);
    check(blob, &zero, "signatureUnrelated subject: ");
    let wheel = "bundles/bundle_v3_github.whl.sigstore";
    let release = "sigstore:workflow=github.com/trailofbits/rfc8785.py/.github/workflows/release.yml at 1710888";
    check(wheel, &message(wheel), release);
    let package = "54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
    // What holds to its end, and says something else of a package.
    let conda = "bundles/conda-attestation.sigstore.json";
    check(conda, package, "signatureUnrelated predicate: ");
    let npm = "bundles/sigstore.js@2.0.0-provenance.sigstore.json";
    check(
        npm,
        &zero,
        "signatureInvalid subject: the artifact has no bundle that holds",
    );
    let own = "bundles/github-private-attestation.sigstore.json";
    check(own, &zero, "signatureInvalid identity: ");
    // The second version of the log has no time of its own.
    let staging = folder.join("../../sigstore-trust-root-0.15.1/src/trusted_root_staging.json");
    let mut anchors = Anchors::new();
    anchors
        .add_root("staging", &fs::read(staging).unwrap())
        .unwrap();
    let name = "upstream/sigstore-python/staging-rekor-v2.txt";
    let bundle = text(&format!("{name}.sigstore.json"));
    let became = became_of(&bundle, &of(name), &anchors);
    assert!(became.contains(",root=staging at 17"), "{became}");
    for (bundle, step) in [
        ("bundle_cve_2022_36056.txt.sigstore", "log"),
        ("bundle_invalid_version.txt.sigstore", "bundle"),
        ("bundle_no_cert_v1.txt.sigstore", "bundle"),
        ("bundle_no_checkpoint.txt.sigstore", "bundle"),
        ("bundle_no_log_entry.txt.sigstore", "log"),
        ("bundle_v3_no_signed_time.txt.sigstore.json", "time"),
        ("dsse-2sigs.sigstore.json", "bundle"),
        ("othername.sigstore.json", ""),
    ] {
        let bundle = format!("bundles/{bundle}");
        let expected = format!("signatureInvalid {step}");
        let digest = serde_json::from_str::<Value>(&text(&bundle)).unwrap();
        let digest = &digest["messageSignature"]["messageDigest"]["digest"];
        let digest = digest
            .as_str()
            .and_then(|it| data_encoding::BASE64.decode(it.as_bytes()).ok());
        let digest = digest.map_or(zero.clone(), |digest| {
            data_encoding::HEXLOWER.encode(&digest)
        });
        let became = became_of(&text(&bundle), &digest, &anchors);
        assert!(became.starts_with(&expected), "{bundle}: {became}");
    }
    let mut anchors = Anchors::new();
    let key = fs::read(folder.join("managed-key/key.pub")).unwrap();
    let fingerprint = anchors.add_key(&key, None).unwrap();
    let bundle = text("managed-key/bundle.sigstore.json");
    let became = became_of(&bundle, &of("managed-key/artifact.txt"), &anchors);
    let expected = format!("sigstore:key={fingerprint} at ");
    assert!(became.starts_with(&expected), "{became}");
}
