//! What `vouch verify` looks at: files, folders, references, standard input, and many of them.

use crate::service::{Ran, Service, vouch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
};
use tempfile::TempDir;
use vouch_testing::process::until;

fn accepted() -> Value {
    json!({
        "verdict": "accepted",
        "artifact": {"kind": "module", "digest": "sha256:9f86", "size": 7},
        "signature": {
            "method": "token", "signer": {"id": "token:ACOJ", "account": "ACOJ"},
            "subject": "MBCF", "signedAt": 0, "notBefore": 1_700_000_000, "expires": 1_800_000_000,
        },
        "trust": {"rule": "default", "mode": "any"},
    })
}

/// Accepts all but paths with `bad` in them, which are refused, and those with `missing`.
fn judging() -> Service {
    Service::new(1, |request| {
        let path = request["params"]["path"].as_str().unwrap_or_default();
        if path.contains("bad") {
            let refusal = json!({"kind": "unsigned", "message": format!("{path} is not signed")});
            return json!({"result": {"verdict": "refused", "refusal": refusal}});
        }
        if path.contains("missing") {
            let message = format!("There is no {path}.");
            return json!({"error": {"code": 1401, "message": message, "data": null}});
        }
        let mut result = accepted();
        if let Some(reference) = request["params"]["reference"].as_str() {
            result["reference"] = json!(format!("{reference}@sha256:2c26"));
            result["digest"] = json!("sha256:2c26");
        }
        json!({ "result": result })
    })
}

const BLOCK: &str = "  module        (no name)
  signed by     ACOJ (nobody checked whose it is)
  subject       MBCF
  signed        1970-01-01 00:00:00 UTC
  valid from    2023-11-14 22:13:20 UTC
  valid until   2027-01-15 08:00:00 UTC
  content       sha256:9f86
  size          7 B
";

/// `vouch verify` in a folder.
fn verify(service: &Service, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = vouch();
    command.current_dir(folder).arg("--socket");
    command.arg(service.socket()).arg("verify").args(arguments);
    command
}

#[test]
fn a_reference_is_told_from_a_path_and_shown_pinned() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("ghcr.io/acme")).unwrap();
    fs::write(folder.path().join("ghcr.io/acme/here:1"), "").unwrap();
    let check = |arguments: &[&str], shown: &str, params: Value| {
        let service = judging();
        let ran = Ran::of(&mut verify(&service, folder.path(), arguments));
        ran.printed(0, &format!("accepted  {shown}{BLOCK}"), "");
        assert_eq!(service.asked(), ("verify".to_owned(), params));
    };
    let here = folder.path().canonicalize().unwrap();
    let here = here.to_str().unwrap();
    check(
        &["ghcr.io/acme/echo:1"],
        "ghcr.io/acme/echo:1\n  pinned        ghcr.io/acme/echo:1@sha256:2c26\n",
        json!({"reference": "ghcr.io/acme/echo:1"}),
    );
    check(
        &["oci:./layout:1"],
        "oci:./layout:1\n  pinned        oci:./layout:1@sha256:2c26\n",
        json!({"reference": format!("oci:{here}/layout:1")}),
    );
    check(
        &["./ghcr.io/acme/here:1"],
        "./ghcr.io/acme/here:1\n",
        json!({"path": format!("{here}/ghcr.io/acme/here:1")}),
    );
    check(
        &["--reference", "ghcr.io/acme/here:1"],
        "ghcr.io/acme/here:1\n  pinned        ghcr.io/acme/here:1@sha256:2c26\n",
        json!({"reference": "ghcr.io/acme/here:1"}),
    );
}

#[test]
fn what_could_be_a_path_or_a_reference_is_asked_about() {
    let service = judging();
    let ran = service.vouch(["verify", "build.out/echo.wasm"]);
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
    let spelling = "`--reference build.out/echo.wasm`";
    assert!(ran.err.contains(spelling), "{}", ran.err);
    let ran = service.vouch(["verify", "-", "-"]);
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
}

#[test]
fn folders_are_searched_and_all_is_summed_up() {
    let folder = TempDir::new().unwrap();
    let here = |name: &str| folder.path().join(name);
    fs::create_dir_all(here("dist/deep")).unwrap();
    fs::create_dir_all(here("empty")).unwrap();
    for name in [
        "dist/a.wasm",
        "dist/deep/bad.par",
        "dist/z.par.gz",
        "dist/notes.md",
    ] {
        fs::write(here(name), "").unwrap();
    }
    symlink("nowhere", here("dist/missing.wasm")).unwrap();
    let run = |arguments: &[&str]| Ran::of(&mut verify(&judging(), folder.path(), arguments));

    let ran = run(&["dist"]);
    let one = |name: &str| format!("accepted  {name}\n{BLOCK}");
    let refused = "refused   dist/deep/bad.par is not signed\n";
    let summary = "2 accepted, 1 refused, 1 could not be judged\n";
    let (a, z) = (one("dist/a.wasm"), one("dist/z.par.gz"));
    let error = "vouch: There is no dist/missing.wasm.\n";
    ran.printed(1, &format!("{a}{refused}{z}{summary}"), error);
    run(&["-q", "dist"]).printed(1, &format!("{refused}{summary}"), error);
    let missing = "1 accepted, 1 could not be judged\n";
    run(&["-q", "dist/a.wasm", "dist/missing.wasm"]).printed(2, missing, error);

    let ran = run(&["--json", "dist"]);
    let paths: Vec<_> = ran
        .lines()
        .iter()
        .map(|line| line["path"].clone())
        .collect();
    let expected = [
        "dist/a.wasm",
        "dist/deep/bad.par",
        "dist/missing.wasm",
        "dist/z.par.gz",
    ];
    assert_eq!(paths, expected);
    assert_eq!(run(&["--json", "-q", "dist"]).lines().len(), 2);

    // All of it accepted.
    let two = ["dist/a.wasm", "dist/z.par.gz"];
    run(&two).printed(0, &format!("{a}{z}2 accepted\n"), "");
    run(&["-q", two[0], two[1]]).printed(0, "", "");
    // A folder in which there is nothing must not pass.
    let err = "vouch: empty: there is no *.wasm, *.par or *.par.gz in it\n";
    run(&["-q", "empty"]).printed(2, "0 accepted, 1 could not be judged\n", err);
    fs::write(here("empty/oci-layout"), "{}").unwrap();
    let ran = run(&["empty"]);
    assert!(
        ran.err.contains("`vouch verify oci:empty:TAG`"),
        "{}",
        ran.err
    );
}

/// The files in a folder.
fn left_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn standard_input_is_kept_for_the_service_alone_and_then_gone() {
    let folder = TempDir::new().unwrap();
    let (told, asked) = mpsc::channel();
    let service = Service::new(1, move |request| {
        let path = request["params"]["path"].as_str().unwrap();
        let mode = fs::metadata(path).unwrap().permissions().mode();
        told.send((fs::read(path).unwrap(), mode & 0o777)).unwrap();
        let message = format!("{path} is not signed");
        let refusal = json!({"kind": "unsigned", "message": message, "help": path});
        json!({"result": {"verdict": "refused", "refusal": refusal}})
    });
    let mut command = verify(&service, folder.path(), &["-"]);
    command.env("TMPDIR", folder.path()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"bytes").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    let out = "refused   standard input is not signed\n  help: standard input\n";
    ran.printed(1, out, "");
    assert_eq!(asked.recv().unwrap(), (b"bytes".to_vec(), 0o600));
    assert_eq!(left_in(folder.path()), 0);

    let service = judging();
    let mut command = verify(&service, folder.path(), &["-", "--json"]);
    command.stdin(artifact());
    let ran = Ran::of(command.env("TMPDIR", folder.path()));
    assert_eq!((ran.code, &ran.lines()[0]["path"]), (0, &json!("-")));
    assert_eq!(left_in(folder.path()), 0);

    let mut command = verify(&service, folder.path(), &["-"]);
    let ran = Ran::of(command.env("TMPDIR", folder.path().join("absent")));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("help: Set TMPDIR"), "{}", ran.err);
}

/// Standard input with something in it.
fn artifact() -> fs::File {
    fs::File::open(env!("CARGO_BIN_EXE_vouch")).unwrap()
}

#[test]
fn standard_input_with_nothing_in_it_is_not_asked_about() {
    let ran = judging().vouch(["verify", "-"]);
    let err = "vouch: standard input is empty: did the command before the pipe fail?\n";
    ran.printed(2, "", err);
}

#[test]
fn a_signal_leaves_nothing_of_standard_input() {
    let check = |signal: Signal, code: i32, input_ends: bool| {
        let folder = TempDir::new().unwrap();
        let (told, asked) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let service = Service::new(1, move |_| {
            told.send(()).unwrap();
            // No answer, until the test is over.
            let _ = ended.recv();
            Value::Null
        });
        let mut command = verify(&service, folder.path(), &["-"]);
        command.env("TMPDIR", folder.path()).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take();
        stdin.as_mut().unwrap().write_all(b"bytes").unwrap();
        if input_ends {
            drop(stdin.take());
            asked.recv().unwrap();
        } else {
            until("it is being kept", || left_in(folder.path()) == 1);
        }
        assert_eq!(left_in(folder.path()), 1);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{}", ran.err);
        assert_eq!(left_in(folder.path()), 0, "{signal:?}");
        drop((stdin, end));
    };
    check(Signal::INT, 130, true);
    check(Signal::INT, 130, false);
    check(Signal::TERM, 143, false);
    check(Signal::HUP, 129, true);
}

#[test]
fn every_check_is_shown_where_that_is_asked_for() {
    let checks = json!([
        {"row": 1, "check": "artifact", "outcome": "held", "found": "a module", "wanted": "any"},
        {"row": 3, "check": "token", "outcome": "absent", "found": "no\u{1b}token", "wanted": "one"},
        {"row": 4, "check": "claims", "outcome": "notReached", "wanted": "a JWT"},
        {"row": 11, "check": "accept", "rule": "ghcr.io/acme", "outcome": "failed", "found": "B",
         "wanted": "acme (A)"},
        {"row": 11, "check": "warning", "outcome": "warning", "found": "older"},
        {"row": 12, "check": "mood", "outcome": "cursed", "found": "bad"},
    ]);
    let shown = "  checks
    ok         1 artifact               a module
    absent     3 token                  no\\u{1b}token
                                        wanted: one
    not asked  4 claims
    failed    11 accept (ghcr.io/acme)  B
                                        wanted: acme (A)
    warning   11 warning                older
    unknown   12 mood                   bad
";
    let arguments = [
        "verify",
        "--explain",
        "--signer",
        "acme",
        "--for",
        "ghcr.io/acme/echo:1",
        "/a.wasm",
    ];
    let asked = json!({
        "path": "/a.wasm", "pushTo": "ghcr.io/acme/echo:1", "signer": "acme", "explain": true,
    });
    let mut accepted = accepted();
    accepted["trust"] = json!({"rule": "default", "mode": "firstUse", "remembered": false});
    accepted["checks"] = checks.clone();
    let service = Service::result(accepted);
    let block = BLOCK.replace(
        "nobody checked whose it is",
        "first use of ghcr.io/acme/echo: nothing to compare with",
    );
    let ran = service.vouch(arguments);
    ran.printed(0, &format!("accepted  /a.wasm\n{block}{shown}"), "");
    assert_eq!(service.asked(), ("verify".to_owned(), asked));

    let refusal = json!({"kind": "unsigned", "message": "/a.wasm is not signed"});
    let refused = json!({"verdict": "refused", "refusal": refusal, "checks": checks});
    let ran = Service::result(refused).vouch(arguments);
    ran.printed(1, &format!("refused   /a.wasm is not signed\n{shown}"), "");

    let ran = judging().vouch([
        "verify",
        "--for",
        "ghcr.io/acme/echo:1",
        "ghcr.io/acme/echo:2",
    ]);
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("--for asks about files"), "{}", ran.err);
}
