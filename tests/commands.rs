//! What people and scripts type: a shell, the command line, the demo.

use serde_json::{Value, json};
use std::{fs, process::Command};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, component},
    process::{program, run},
};

/// The commands of the README, as a shell runs them.
#[test]
fn a_shell_needs_no_client() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let path = folder.write("echo.wasm", &Signer::default().wasm(&component()));
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "verify", "params": {"path": path}});
    let file = folder.write("request.json", request.to_string().as_bytes());
    let socket = daemon.socket();
    let shell = |command: &str| {
        let environment = [("SOCKET", &socket), ("FILE", &file)];
        run(Command::new("sh").args(["-c", command]).envs(environment))
    };
    let socat = shell(r#"printf '%s\n' "$(cat "$FILE")" | socat -t 60 - UNIX-CONNECT:"$SOCKET""#);
    assert_eq!(socat.lines().count(), 1);
    let unfinished = shell(r#"socat -t 60 - UNIX-CONNECT:"$SOCKET" < "$FILE""#);
    assert_eq!(unfinished, socat, "a last line without its end counts");
    let curl = shell(r#"curl -sSf --unix-socket "$SOCKET" -d @"$FILE" http://vouchd/"#);
    for answer in [socat, curl] {
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["result"]["verdict"], "accepted");
    }
}

/// The command line, built beside the service.
#[test]
fn vouch_speaks_to_the_service() {
    let vouch = program("vouch");
    assert!(vouch.exists(), "run `cargo build --workspace` first");
    let daemon = Daemon::start();
    let folder = Folder::new();
    let bytes = Signer::default().wasm(&component());
    folder.write("echo.wasm", &bytes);
    folder.write("unsigned.wasm", &component());
    let layout = format!("oci:{}:1", folder.path("layout").display());
    let check = |arguments: &[&str], code: i32, says: &str| {
        let output = Command::new(&vouch)
            .args(arguments)
            .env("VOUCHD_SOCKET", daemon.socket())
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    };
    check(&["verify", "echo.wasm"], 0, "accepted");
    check(
        &["verify", "echo.wasm", "unsigned.wasm"],
        1,
        "is not signed",
    );
    check(&["verify", "absent.wasm"], 2, "absent.wasm");
    check(&["push", "echo.wasm", &layout], 0, "sha256:");
    check(&["push", "unsigned.wasm", &layout], 1, "is not signed");
    check(&["pull", &layout, "-o", "pulled.wasm"], 0, "pulled.wasm");
    assert_eq!(fs::read(folder.path("pulled.wasm")).unwrap(), bytes);
    // The same bytes are there already; others are not replaced unasked.
    check(&["pull", &layout, "-o", "pulled.wasm"], 0, "pulled.wasm");
    folder.write("pulled.wasm", b"mine");
    check(&["pull", &layout, "-o", "pulled.wasm"], 2, "exists");
    check(
        &["pull", &layout, "-o", "pulled.wasm", "-f"],
        0,
        "pulled.wasm",
    );
    assert_eq!(fs::read(folder.path("pulled.wasm")).unwrap(), bytes);
    check(&["rpc", "server/status"], 0, "uptimeSeconds");
    check(&["status"], 0, "connections");
    check(&["no-such-command"], 64, "");
}

#[test]
fn the_demo_shows_what_it_promises_and_leaves_nothing() {
    let folder = Folder::new();
    let output = Command::new(env!("CARGO_BIN_EXE_vouchd"))
        .arg("demo")
        .env("TMPDIR", folder.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    for word in ["accepted", "unsigned", "hashMismatch", "signatureInvalid"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(folder.names().is_empty());

    let keep = || {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_vouchd"));
        demo.args(["demo", "--keep"]).arg(folder.path("samples"));
        demo.output().unwrap().status.success()
    };
    assert!(keep() && keep(), "samples of an earlier demo are replaced");
    let other = folder.path("samples/forged.wasm");
    let sample = fs::read(&other).unwrap();
    fs::write(&other, "mine").unwrap();
    assert!(!keep());
    assert_eq!(fs::read(&other).unwrap(), b"mine", "and nothing else");
    fs::write(&other, sample).unwrap();
    let daemon = Daemon::start();
    let verdict = |name: &str| {
        let path = folder.path("samples").join(name);
        let verified = daemon.connect().call("verify", &json!({"path": path}));
        verified.unwrap()["verdict"].clone()
    };
    assert_eq!(verdict("adder.wasm"), "accepted");
    for name in ["unsigned.wasm", "tampered.wasm", "forged.wasm"] {
        assert_eq!(verdict(name), "refused", "{name}");
    }
}
