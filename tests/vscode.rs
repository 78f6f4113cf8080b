//! The extension for VS Code: its own checks and tests, and its lock.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use vouch_testing::process::run;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/vscode")
}

/// The package, built after its types and its style were checked.
fn extension() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        run(&mut Command::new(folder().join("prepare")))
            .trim()
            .into()
    })
}

#[test]
fn its_own_tests_pass() {
    extension();
    let mut npm = Command::new("npm");
    let said = run(npm.args(["run", "--silent", "test"]).current_dir(folder()));
    let passed = said.lines().find_map(|line| line.strip_prefix("# pass "));
    let some = passed.is_some_and(|count| count != "0");
    assert!(some && said.contains("# fail 0\n"), "{said}");
}

#[test]
fn its_lock_says_no_registry_s_address() {
    let lock = fs::read_to_string(folder().join("package-lock.json")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    for (name, package) in lock["packages"].as_object().unwrap() {
        assert!(package.get("resolved").is_none(), "{name}");
        assert!(
            name.is_empty() || package["integrity"].is_string(),
            "{name}"
        );
    }
}
