//! Sessions by another's client of the protocol, with what three editors say they can do: see
//! `transcripts.py`.

use super::scene::Scene;
use std::{path::Path, process::Command};
use vouch_testing::process::program;

fn pytest(scene: &Scene, stranger: &str, which: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = workspace.join("target/pytest-lsp");
    assert!(libraries.exists(), "`tests/run` installs it");
    let output = Command::new("python3")
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which])
        .arg(workspace.join("tests/editor/transcripts.py"))
        .env("PYTHONPATH", libraries)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("VOUCHD", program("vouchd"))
        .env("SOCKET", scene.daemon.socket())
        .env("REGISTRY", scene.registry.name())
        .env("STRANGER", stranger)
        .env("ACCOUNT", scene.signer.account.public_key())
        .current_dir(scene.daemon.folder.root())
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains(" passed"), "{said}");
}

#[test]
fn three_editors_are_served() {
    let scene = Scene::new();
    pytest(&scene, "127.0.0.1:1", "session");
}
