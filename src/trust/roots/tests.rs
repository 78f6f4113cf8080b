use super::*;
use crate::name::PlainHosts;
use serde_json::Value;
use std::time::Duration;
use vouch_testing::sigstore::Sigstore;

fn parsed(root: &Value) -> Root {
    Root::parse("lab", root.to_string().as_bytes()).unwrap()
}

#[test]
fn a_change_tells_what_comes_and_goes_and_when_it_is_valid() {
    let own = Sigstore::default();
    let old = own.trusted_root();
    let check = |old: Option<&Value>, new: Option<&Value>, expected: &[&str]| {
        let (old, new) = (old.map(parsed), new.map(parsed));
        let lines = change(old.as_ref(), new.as_ref());
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            let (sign, words) = expected.split_at(1);
            assert!(
                line.starts_with(sign) && line.contains(words),
                "{line}: {expected}"
            );
        }
    };
    check(Some(&old), Some(&old), &[]);
    check(None, None, &[]);
    let mut ended = old.clone();
    ended["tlogs"][0]["publicKey"]["validFor"]["end"] = "2030-01-01T00:00:00Z".into();
    let changes = [
        "-sha256:",
        "+sha256:",
        "-log of signatures https://log.test, sha256:",
        "+until 2030-01-01 00:00:00 UTC",
    ];
    check(Some(&old), Some(&ended), &changes);
    let mut fewer = old.clone();
    fewer["ctlogs"] = serde_json::json!([]);
    check(
        Some(&old),
        Some(&fewer),
        &["-sha256:", "+sha256:", "-log of certificates"],
    );
    let all = parsed(&old).members().len();
    let mut gone = vec!["-"; all + 1];
    check(Some(&old), None, &gone);
    gone.fill("+");
    check(None, Some(&old), &gone);
}

#[test]
fn what_stands_in_a_root_does_nothing_to_a_terminal() {
    let mut root = Sigstore::default().trusted_root();
    root["tlogs"][0]["baseUrl"] = format!("\u{1b}[2J\n{}", "x".repeat(5000)).into();
    for line in change(None, Some(&parsed(&root))) {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() < 1000, "{}", line.len());
    }
}

#[test]
fn a_root_that_has_ended_is_warned_of_from_its_end_on() {
    let mut root = Sigstore::default().trusted_root();
    root["tlogs"][0]["publicKey"]["validFor"]["end"] = "2030-01-01T00:00:00Z".into();
    let root = parsed(&root);
    let check = |at: u64, expected: bool| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        let warned = warnings(&root, at);
        assert_eq!(!warned.is_empty(), expected, "{warned:?}");
        let whole = "its last log of signatures ended at 2030-01-01 00:00:00 UTC";
        assert!(
            warned.iter().all(|warning| warning.contains(whole)),
            "{warned:?}"
        );
        assert!(
            warned
                .iter()
                .all(|warning| warning.contains("root update lab FILE"))
        );
    };
    check(0, false);
    check(1_893_455_999, false);
    check(1_893_456_000, true);
}

#[test]
fn those_that_come_along_are_listed_unless_they_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.json");
    std::fs::write(&file, Sigstore::default().trusted_root().to_string()).unwrap();
    let check = |text: &str, expected: &[(&str, bool, &[&str])]| {
        let section: Section =
            toml::from_str(&text.replace("FILE", file.to_str().unwrap())).unwrap();
        let policy = Policy::new(section.clone(), &PlainHosts::default()).unwrap();
        for listed in [roots(&section), policy.roots()] {
            let found: Vec<_> = listed
                .iter()
                .map(|root| {
                    let signers: Vec<_> = root.signers.iter().map(String::as_str).collect();
                    assert!(root.root.is_ok(), "{root:?}");
                    (root.name.as_str(), root.path.is_some(), signers)
                })
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, own, signers)| (*name, *own, signers.to_vec()))
                .collect();
            assert_eq!(found, expected);
        }
    };
    check("", &[("public-good", false, &[]), ("github", false, &[])]);
    check(
        "[root.github]\npath = 'FILE'",
        &[("public-good", false, &[]), ("github", true, &[])],
    );
    check(
        "[root.lab]\npath = 'FILE'\n[signer.ann]\nemail = 'a@b.c'\nissuer = 'https://b.c'\nroot = 'lab'",
        &[
            ("public-good", false, &[]),
            ("github", false, &[]),
            ("lab", true, &["ann"]),
        ],
    );
}

#[test]
fn one_that_cannot_be_used_is_listed_with_the_reason() {
    let section = "[root.lab]\npath = '/nowhere/root.json'";
    let section: Section = toml::from_str(section).unwrap();
    let listed = roots(&section);
    let lab = listed.iter().find(|root| root.name == "lab").unwrap();
    let status = lab.on_the_wire(SystemTime::now());
    assert_eq!(status.digest, None);
    assert!(
        status.warnings[0].contains("/nowhere/root.json"),
        "{status:?}"
    );
}
