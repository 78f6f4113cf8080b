//! Sessions by another's client of the protocol, with what three editors say they can do: see
//! `transcripts.py`.

use super::scene::Scene;
use std::{
    io::Read,
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use vouch_testing::process::program;

/// A registry that nobody has allowed, and how often it was asked.
fn stranger() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("it listens");
    let name = listener.local_addr().expect("it has one").to_string();
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
            let mut some = [0; 100];
            // It answers nothing, and closes.
            let _ = stream.expect("it comes").read(&mut some);
        }
    });
    (name, asked)
}

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

/// Opening, changing, actions, hints and completions ask nobody whom the user has no dealings with;
/// looking closely does, and so does everything once it is allowed.
#[test]
fn opening_asks_nobody() {
    let scene = Scene::new();
    let (name, asked) = stranger();
    pytest(&scene, &name, "opening");
    assert_eq!(asked.load(Ordering::Relaxed), 0, "it was asked");
    pytest(&scene, &name, "looking");
    assert!(asked.load(Ordering::Relaxed) > 0, "it was not asked");
}
