//! The client for the test suite of Sigstore's clients: what it answers to that suite's commands.

#[path = "../conformance/sigstore.rs"]
#[allow(dead_code)] // its `main`
mod client;

use super::*;
use vouch_testing::{
    folder::Folder,
    sigstore::{COSIGN, GITHUB, Key, PROVENANCE},
};

#[test]
fn it_speaks_the_suite_s_command_line() {
    let (own, folder, key) = (Sigstore::default(), Folder::new(), Key::default());
    let write = |name: &str, text: &str| folder.write(name, text.as_bytes());
    let root = write("root.json", &own.trusted_root().to_string());
    let artifact = write("artifact", "an artifact");
    let pem = write("key.pub", &key.public_pem());
    let digest = vouch_testing::publisher::sha256(b"an artifact");
    let hex = &digest["sha256:".len()..];
    let bundle = |name: &str, spec: &Spec<'_>| write(name, &own.bundle(spec).to_string());
    let bytes = || Over::Bytes(b"an artifact".to_vec());
    let good = bundle("good", &Spec::workflow(bytes(), "acme/echo"));
    let attested = bundle(
        "attested",
        &Spec::workflow(statement(hex, PROVENANCE), "acme/echo"),
    );
    let other = bundle(
        "other",
        &Spec::workflow(statement("00", COSIGN), "acme/echo"),
    );
    let forged = Spec {
        forged: true,
        ..Spec::workflow(bytes(), "acme/echo")
    };
    let forged = bundle("forged", &forged);
    let with_key = Spec {
        key: Some(&key),
        ..Spec::workflow(bytes(), "acme/echo")
    };
    let with_key = bundle("with-key", &with_key);
    let who = "https://github.com/acme/echo/.github/workflows/release.yml@refs/tags/v1";
    let check = |arguments: &[&str], expected: bool, said: &str| {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let answered = client::answer(&arguments);
        assert_eq!(answered.is_ok(), expected, "{arguments:?}: {answered:?}");
        let (Ok(answer) | Err(answer)) = answered;
        assert!(answer.contains(said), "{arguments:?}: {answer}");
    };
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let root = path(&root);
    let by = |bundle: &std::path::Path, who: &str, issuer: &str, of: &str, expected, said| {
        let bundle = path(bundle);
        let identity = [
            "--certificate-identity",
            who,
            "--certificate-oidc-issuer",
            issuer,
        ];
        let rest = ["--trusted-root", &root, of];
        let arguments = [
            &["verify-bundle", "--bundle", &bundle][..],
            &identity,
            &rest,
        ]
        .concat();
        check(&arguments, expected, said);
    };
    let file = path(&artifact);
    for of in [&file, &digest] {
        by(&good, who, GITHUB, of, true, "release.yml signed it");
        by(&attested, who, GITHUB, of, true, "signed it");
        by(&forged, who, GITHUB, of, false, "has no bundle that holds");
        by(&other, who, GITHUB, of, false, "");
        by(&with_key, who, GITHUB, of, false, "signed with a key");
        by(
            &good,
            "https://github.com/mallory",
            GITHUB,
            of,
            false,
            "who is another",
        );
        by(
            &good,
            who,
            "https://accounts.example",
            of,
            false,
            "who is another",
        );
    }
    let (with_key, pem, good) = (path(&with_key), path(&pem), path(&good));
    let key = ["verify-bundle", "--bundle", &with_key, "--key", &pem];
    check(
        &[&key[..], &["--trusted-root", &root, &file]].concat(),
        true,
        "",
    );
    check(&[&key[..], &[&file]].concat(), false, "");
    let bare = [
        "verify-bundle",
        "--staging",
        "--bundle",
        &good,
        "--key",
        &pem,
        &file,
    ];
    check(&bare, false, "--staging is not supported");
    check(&["sign-bundle", &file], false, "not supported");
    check(&[], false, "usage: ");
}
