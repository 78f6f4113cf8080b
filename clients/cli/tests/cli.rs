//! The built `vouch` against a service that answers what each test says.

use crate::service::{Ran, Service, introduced, vouch};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    os::unix::{ffi::OsStrExt, net::UnixListener},
    process::Stdio,
    thread,
};
use tempfile::TempDir;

fn accepted(name: &str) -> Value {
    json!({
        "verdict": "accepted",
        "artifact": {"kind": "component", "digest": "sha256:9f86", "size": 2_634_056},
        "signature": {
            "method": "token", "signer": {"id": "token:ACOJ", "account": "ACOJ"},
            "subject": "MBCF", "signedAt": 1_644_843_743,
        },
        "claims": {
            "issuer": "ACOJ", "subject": "MBCF", "name": name, "version": "0.3.4",
            "tags": ["a", "b"], "capabilities": ["wasmcloud:httpserver", "wasmcloud:keyvalue"],
            "issuedAt": 1_644_843_743,
        },
        "trust": {"rule": "default", "mode": "any"},
        "added": "later",
    })
}

fn refused() -> Value {
    json!({
        "verdict": "refused",
        "refusal": {"kind": "unsigned", "message": "/a.wasm is not signed", "help": "Sign it.\nTry again."},
    })
}

const BLOCK: &str = "  component     echo 0.3.4
  signed by     ACOJ (nobody checked whose it is)
  subject       MBCF
  signed        2022-02-14 13:02:23 UTC
  token tags    a, b
  capabilities  wasmcloud:httpserver, wasmcloud:keyvalue
  content       sha256:9f86
  size          2.5 MiB
";

#[test]
fn verify_shows_what_was_accepted() {
    let service = Service::result(accepted("echo"));
    let ran = service.vouch(["verify", "tmp/echo.wasm"]);
    ran.printed(0, &format!("accepted  tmp/echo.wasm\n{BLOCK}"), "");
    let asked = ("verify".to_owned(), json!({"path": "/tmp/echo.wasm"}));
    assert_eq!(service.asked(), asked);
}

#[test]
fn tags_are_listed_page_by_page() {
    let pages = |request: &Value| match request["params"].get("last") {
        None => json!({"repository": "r.example/a", "tags": ["1", "2\u{1b}[2J"], "more": true}),
        Some(_) => json!({"repository": "r.example/a", "tags": ["3"], "more": false}),
    };
    let service = Service::new(1, move |request| json!({"result": pages(request)}));
    let ran = service.vouch(["tags", "r.example/a"]);
    ran.printed(0, "1\n2\\u{1b}[2J\n3\n", "");
    let ran = service.vouch(["tags", "r.example/a", "-n", "2"]);
    ran.printed(0, "1\n2\\u{1b}[2J\n", "");
    let ran = service.vouch(["--json", "tags", "r.example/a"]);
    assert_eq!(ran.lines().len(), 2);
}

#[test]
fn verify_shows_why_one_was_refused() {
    let ran = Service::result(refused()).vouch(["verify", "/a.wasm"]);
    let out = "refused   /a.wasm is not signed\n  help: Sign it.\n  help: Try again.\n";
    ran.printed(1, out, "");
}

#[test]
fn verify_tells_a_refusal_from_having_no_look() {
    let ran = Service::error(1401, "fileNotFound").vouch(["verify", "/a.wasm"]);
    let err = "vouch: /a.wasm: it did not work\nhelp: Do better.\n";
    ran.printed(2, "", err);

    let error = json!({"code": 1401, "message": "cannot open /tmp/a.wasm", "data": null});
    let ran = Service::new(1, move |_| json!({ "error": error })).vouch(["verify", "tmp/a.wasm"]);
    ran.printed(2, "", "vouch: cannot open tmp/a.wasm\n");
}

#[test]
fn verify_asks_for_a_reference() {
    let service = Service::result(accepted("echo"));
    let ran = service.vouch(["--json", "verify", "--reference", "ghcr.io/acme/echo:1"]);
    assert_eq!(ran.code, 0);
    let line = json!({"reference": "ghcr.io/acme/echo:1", "verification": accepted("echo")});
    assert_eq!(ran.lines(), [line]);
    assert_eq!(
        service.asked().1,
        json!({"reference": "ghcr.io/acme/echo:1"})
    );
}

/// Answers about each file what its name says.
fn by_name(at_a_time: usize) -> Service {
    Service::new(at_a_time, |request| {
        match request["params"]["path"].as_str().unwrap() {
            path if path.contains("good") => json!({"result": accepted(path)}),
            path if path.contains("bad") => json!({"result": refused()}),
            _ => {
                json!({"error": {"code": 1401, "message": "no such file", "data": {"kind": "fileNotFound"}}})
            }
        }
    })
}

#[test]
fn several_files_are_judged_at_once_and_shown_in_order() {
    // None is answered before all are asked about.
    let service = by_name(4);
    let files = ["good1", "bad1", "good2", "missing"];
    let ran = service.vouch(["--json", "verify"].into_iter().chain(files));
    let lines = ran.lines();
    let paths: Vec<_> = lines.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, files);
    assert_eq!(lines[0]["verification"]["claims"]["name"], "/good1");
    assert_eq!(lines[1]["verification"], refused());
    assert_eq!(lines[2]["verification"]["verdict"], "accepted");
    let error = json!({"code": 1401, "message": "no such file", "data": {"kind": "fileNotFound"}});
    assert_eq!(lines[3], json!({"path": "missing", "error": error}));
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
}

#[test]
fn a_refusal_counts_more_than_what_is_not_known() {
    let check = |files: &[&str], code: i32| {
        let ran = by_name(1).vouch(["verify"].iter().chain(files));
        assert_eq!(ran.code, code, "{files:?}");
    };
    check(&["good", "good"], 0);
    check(&["good", "bad", "good"], 1);
    check(&["bad", "missing", "good"], 1);
    check(&["missing", "good"], 2);
    check(&["good"; 100], 0);
}

#[test]
fn hostile_names_do_nothing_to_a_terminal() {
    let name = "echo\u{1b}[2J\u{9b}31m\n\u{202e}accepted  /evil.wasm\r";
    let service = Service::result(accepted(name));
    let ran = service.vouch(["verify", "/a\u{1b}[1m.wasm"]);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!ran.out.contains(acts), "{:?}", ran.out);
    assert_eq!(ran.out.lines().count(), 9, "{}", ran.out);
    let line = "echo\\u{1b}[2J\\u{9b}31m\\n\\u{202e}accepted  /evil.wasm\\r 0.3.4";
    assert!(ran.out.contains(line), "{}", ran.out);

    let ran = service.vouch(["verify", "--json", "/a.wasm"]);
    assert!(!ran.out.contains(acts), "{:?}", ran.out);
    assert_eq!(ran.lines()[0]["verification"]["claims"]["name"], name);

    let error = json!({"code": 1401, "message": name, "data": {"kind": "io", "help": name}});
    let service = Service::new(1, move |_| json!({ "error": error }));
    let ran = service.vouch(["push", "/a", "ghcr.io/a:1"]);
    assert!(!ran.err.contains(acts), "{:?}", ran.err);
    let ran = service.vouch(["rpc", "verify"]);
    assert!(!ran.err.contains(acts), "{:?}", ran.err);
}

#[test]
fn a_verdict_that_cannot_be_read_is_none() {
    let check = |result: Value| {
        let ran = Service::result(result.clone()).vouch(["verify", "/a"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{result}");
        let ran = Service::result(result.clone()).vouch(["verify", "/a", "--json"]);
        assert_eq!(ran.code, 2, "{result}");
        assert!(ran.lines()[0]["error"]["message"].is_string(), "{result}");
    };
    check(json!(null));
    check(json!({"verdict": "maybe"}));
    check(json!({"verdict": "accepted"}));
}

#[test]
fn push_sends_what_was_written() {
    let service = Service::result(json!({
        "reference": "ghcr.io/acme/echo:1@sha256:2c26", "digest": "sha256:2c26",
        "verification": accepted("echo"), "uploaded": 2048, "skipped": 311,
    }));
    let ran = service.vouch([
        "push",
        "a.wasm",
        "ghcr.io/acme/echo:1",
        "--annotation",
        "a.b=c=d",
        "--annotation",
        "e=",
        "--allow-latest",
    ]);
    let out = format!(
        "pushed    ghcr.io/acme/echo:1@sha256:2c26\n{BLOCK}  sent          2.0 KiB, 311 B were there already\n"
    );
    ran.printed(0, &out, "");
    let params = json!({
        "path": "/a.wasm", "reference": "ghcr.io/acme/echo:1",
        "annotations": {"a.b": "c=d", "e": ""}, "allowLatest": true,
    });
    assert_eq!(service.asked(), ("push".to_owned(), params));
}

#[test]
fn a_quiet_transfer_prints_the_reference_to_pin() {
    let answer = json!({
        "path": "/echo.wasm", "reference": "ghcr.io/acme/echo:1@sha256:2c26",
        "digest": "sha256:2c26", "verification": accepted("echo"),
        "downloaded": 7, "uploaded": 2048, "skipped": 311,
    });
    for command in [
        &["push", "-q", "a.wasm", "ghcr.io/acme/echo:1"][..],
        &["pull", "--quiet", "ghcr.io/acme/echo:1"],
    ] {
        let ran = Service::result(answer.clone()).vouch(command);
        ran.printed(0, "ghcr.io/acme/echo:1@sha256:2c26\n", "");
    }
    // What went wrong is said all the same.
    let ran = Service::error(1101, "unsigned").vouch(["push", "-q", "a.wasm", "r.example/a:1"]);
    ran.printed(1, "", "vouch: it did not work\nhelp: Do better.\n");
}

#[test]
fn nothing_is_written_to_standard_output_nor_to_a_file_of_its_name() {
    let service = Service::result(json!({}));
    let ran = service.vouch(["pull", "ghcr.io/a/b:1", "-o", "-"]);
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
    assert!(ran.err.contains("write `./-`"), "{}", ran.err);
    service.vouch(["pull", "ghcr.io/a/b:1", "-o", "./-"]);
    assert_eq!(service.asked().1["destination"], "/-");
}

#[test]
fn a_manifest_comes_from_standard_input() {
    let check = |text: &str, recognised: bool, code: i32, says: &str| {
        let result = json!({"recognised": recognised, "whole": true, "references": []});
        let service = Service::result(result);
        let mut command = vouch();
        command.arg("--socket").arg(service.socket());
        command.args(["check", "-"]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{}", ran.err);
        let said = ran.out + &ran.err;
        assert!(said.contains(says), "{said}");
        service
    };
    let service = check("apiVersion: x", true, 0, "0 accepted in 1 document");
    let params = json!({"uri": "/input.yaml", "text": "apiVersion: x", "lookup": "full"});
    assert_eq!(service.asked(), ("document/check".to_owned(), params));
    check("[package]", false, 2, "-: standard input is not a manifest");
    check("", true, 2, "-: standard input is empty");
}

#[test]
fn pull_writes_to_the_folder_that_one_is_in() {
    let result = json!({
        "path": "/echo.wasm", "reference": "oci:/layout:1@sha256:2c26", "digest": "sha256:2c26",
        "verification": accepted("echo"), "downloaded": 7,
    });
    let service = Service::result(result.clone());
    let ran = service.vouch(["pull", "oci:layout:1"]);
    let out = format!(
        "pulled    /echo.wasm\n  pinned        oci:layout:1@sha256:2c26\n{BLOCK}  received      7 B\n"
    );
    ran.printed(0, &out, "");
    let params = json!({"reference": "oci:/layout:1", "destination": "/"});
    assert_eq!(service.asked(), ("pull".to_owned(), params));

    let service = Service::result(result.clone());
    let ran = service.vouch([
        "pull",
        "ghcr.io/a/b",
        "-o",
        "x/b.wasm",
        "--overwrite",
        "--target",
        "x86_64-linux",
        "--allow-latest",
        "--json",
    ]);
    assert_eq!((ran.code, ran.lines()), (0, vec![result]));
    let params = json!({
        "reference": "ghcr.io/a/b", "destination": "/x/b.wasm", "overwrite": true,
        "target": "x86_64-linux", "allowLatest": true,
    });
    assert_eq!(service.asked().1, params);

    let service = Service::error(1404, "destinationExists");
    service.vouch(["pull", "ghcr.io/a/b:1", "-f"]);
    assert_eq!(service.asked().1["overwrite"], true);
}

#[test]
fn paths_are_shown_as_they_were_typed() {
    let folder = TempDir::new().unwrap();
    let run = |answer: fn(&Value) -> Value, arguments: &[&str]| {
        let service = Service::new(1, answer);
        let mut command = vouch();
        command.current_dir(folder.path()).arg("--socket");
        Ran::of(command.arg(service.socket()).args(arguments))
    };
    let pulled = |request: &Value| {
        let params = &request["params"];
        let path = format!("{}/echo.wasm", params["destination"].as_str().unwrap());
        let pinned = format!("{}@sha256:2c26", params["reference"].as_str().unwrap());
        json!({"result": {
            "path": path, "reference": pinned, "digest": "sha256:2c26",
            "verification": accepted("echo"), "downloaded": 7,
        }})
    };
    for (arguments, shown) in [
        (
            &["pull", "oci:l:1"][..],
            "pulled    echo.wasm\n  pinned        oci:l:1@sha256:2c26\n",
        ),
        (
            &["pull", "oci:l:1", "-o", "out"],
            "pulled    out/echo.wasm\n",
        ),
    ] {
        let ran = run(pulled, arguments);
        assert!(ran.out.starts_with(shown), "{}", ran.out);
    }
    let exists = |request: &Value| {
        let path = request["params"]["destination"].as_str().unwrap();
        let message = format!("{path} already exists");
        let help = format!("Remove {path}, or set `overwrite`.");
        json!({"error": {"code": 1404, "message": message, "data": {"kind": "destinationExists", "help": help}}})
    };
    let ran = run(exists, &["pull", "ghcr.io/a/b:1", "-o", "../x.wasm"]);
    let err = "vouch: ../x.wasm already exists\nhelp: Remove ../x.wasm, or set `--overwrite`.\n";
    ran.printed(2, "", err);
    // Programs get what the service answered.
    let ran = run(pulled, &["--json", "pull", "oci:l:1"]);
    assert!(ran.lines()[0]["path"].as_str().unwrap().starts_with('/'));
}

#[test]
fn the_exit_code_tells_a_refusal_from_other_errors() {
    let check = |code: i32, kind: &str, exit: i32| {
        for command in ["push", "pull"] {
            let service = Service::error(code, kind);
            let arguments: &[&str] = match command {
                "push" => &["push", "/a", "ghcr.io/a/b:1"],
                _ => &["pull", "ghcr.io/a/b:1"],
            };
            let ran = service.vouch(arguments);
            ran.printed(exit, "", "vouch: it did not work\nhelp: Do better.\n");
            let ran = service.vouch(arguments.iter().chain(&["--json"]));
            assert_eq!((ran.code, ran.err.as_str()), (exit, ""));
            assert_eq!(ran.lines()[0]["error"]["code"], code);
            assert_eq!(ran.lines()[0]["error"]["data"]["kind"], kind);
        }
    };
    check(1001, "unknownArtifact", 1);
    check(1003, "tooLarge", 1);
    check(1004, "contentModified", 2);
    check(1005, "targetNotFound", 2);
    check(1101, "unsigned", 1);
    check(1108, "untrustedSigner", 1);
    check(1199, "cursed", 1);
    check(1203, "notFound", 2);
    check(1404, "destinationExists", 2);
    check(-32602, "invalidParams", 2);
}

#[test]
fn status_and_stop_tell_of_the_service() {
    let status = json!({
        "version": "0.1.0", "protocolVersion": "1.0", "processId": 4711, "uptimeSeconds": 90_061,
        "socket": "/run/vouchd.sock", "connections": 2,
        "requests": [{"method": "push", "client": "neo\u{7}vim", "ageMilliseconds": 1200, "phase": "sending", "bytes": 2048}],
        "cache": {"entries": 1, "capacity": 4096}, "later": 1,
    });
    let service = Service::result(status.clone());
    let ran = service.vouch(["status"]);
    let out = "vouchd 0.1.0 (protocol 1.0), process 4711, up 1 d 1 h
  socket        /run/vouchd.sock
  trust         0 signers, 0 rules
  connections   2
  cache         1 of 4096 files
  request       push for neo\\u{7}vim: sending, 2.0 KiB, for 1 s
";
    ran.printed(0, out, "");
    assert_eq!(service.asked().0, "server/status");
    assert_eq!(service.vouch(["status", "--json"]).lines(), [status]);

    let service = Service::result(json!({"processId": 4711}));
    let ran = service.vouch(["stop"]);
    ran.printed(0, "vouchd (process 4711) is stopping\n", "");
    assert_eq!(service.asked().0, "server/stop");
}

#[test]
fn rpc_calls_what_it_is_told() {
    let service = Service::result(json!({"b": [1], "a": "\u{1b}"}));
    let ran = service.vouch(["rpc", "later/method", r#"{"x": 1}"#]);
    let out = "{\n  \"b\": [\n    1\n  ],\n  \"a\": \"\\u001b\"\n}\n";
    ran.printed(0, out, "");
    let asked = ("later/method".to_owned(), json!({"x": 1}));
    assert_eq!(service.asked(), asked);
    let ran = service.vouch(["--json", "rpc", "later/method"]);
    ran.printed(0, "{\"b\":[1],\"a\":\"\\u001b\"}\n", "");

    let service = Service::result(json!(null));
    let mut command = vouch();
    let mut child = command
        .env("VOUCHD_SOCKET", service.socket())
        .args(["rpc", "x", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(br#"{"from": "stdin"}"#).unwrap();
    drop(stdin);
    Ran::from(child.wait_with_output().unwrap()).printed(0, "null\n", "");
    assert_eq!(service.asked().1, json!({"from": "stdin"}));
}

/// Each command that takes both has a spelling for either.
#[test]
fn what_could_be_a_file_or_a_reference_is_refused() {
    let folder = TempDir::new().unwrap();
    let name = "ghcr.io/acme/echo:1";
    std::fs::create_dir_all(folder.path().join("ghcr.io/acme")).unwrap();
    std::fs::write(folder.path().join(name), "").unwrap();
    let run = |arguments: &[&str]| {
        let service = Service::result(refused());
        let mut command = vouch();
        command.env("VOUCHD_SOCKET", service.socket());
        let ran = Ran::of(command.current_dir(folder.path()).args(arguments));
        (ran, service)
    };
    for command in ["verify", "inspect"] {
        let (ran, _) = run(&[command, name]);
        assert_eq!(ran.code, 64, "{}", ran.err);
        for spelt in [format!("`./{name}`"), format!("`--reference {name}`")] {
            assert!(ran.err.contains(&spelt), "{}", ran.err);
        }
        let (_, service) = run(&[command, "--reference", name]);
        assert_eq!(service.asked().1["reference"], name);
        let (_, service) = run(&[command, &format!("./{name}")]);
        let path = service.asked().1["path"].clone();
        assert!(path.as_str().unwrap().ends_with(name), "{path}");
        assert_eq!(run(&[command]).0.code, 64);
    }
    let both = run(&["inspect", "./echo.wasm", "--reference", name]);
    assert_eq!(both.0.code, 64, "one at a time");
}

#[test]
fn a_path_that_is_no_text_is_sent_as_a_uri() {
    let service = Service::result(refused());
    service.vouch([OsStr::new("verify"), OsStr::from_bytes(b"/a \xff.wasm")]);
    assert_eq!(service.asked().1, json!({"path": "file:///a%20%FF.wasm"}));
}

#[test]
fn without_a_service_it_says_where_it_looked_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("vouchd/vouchd.sock");
    let err = format!(
        "vouch: no service listens on {}\nhelp: There is nothing to show, stop or restart. Commands such as `vouch verify` start a service.\n",
        socket.display()
    );
    let mut command = vouch();
    command.env("XDG_RUNTIME_DIR", folder.path()).arg("status");
    Ran::of(&mut command).printed(2, "", &err);
    // A socket that nobody listens on any more is the same to people.
    std::fs::create_dir(folder.path().join("vouchd")).unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    Ran::of(&mut command).printed(2, "", &err);
    let ran = Ran::of(command.arg("--json"));
    assert_eq!(ran.code, 2);
    assert!(ran.lines()[0]["error"]["data"]["help"].is_string());
}

#[test]
fn a_service_that_dies_is_an_error() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            let _ = stream.read_line(&mut line);
            let mut reply = introduced("0.1.0");
            reply["id"] = serde_json::from_str::<Value>(&line).unwrap()["id"].clone();
            reply["jsonrpc"] = json!("2.0");
            let _ = writeln!(stream.get_mut(), "{reply}");
            let _ = stream.read_line(&mut line);
        }
    });
    let ran = Ran::of(vouch().arg("--socket").arg(&socket).args(["verify", "/a"]));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with("vouch: /a: "), "{}", ran.err);
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    let check = |arguments: &[&str], code: i32| {
        let ran = Ran::of(vouch().args(arguments));
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.err);
        let silent = if code == 0 { ran.err } else { ran.out };
        assert_eq!(silent, "", "{arguments:?}");
    };
    check(&["--help"], 0);
    check(&["--version"], 0);
    check(&["help", "verify"], 0);
    check(&["push", "--help"], 0);
    check(&[], 64);
    check(&["sign"], 64);
    check(&["verify"], 64);
    check(&["verify", ""], 64);
    check(&["push", "/a"], 64);
    // Both places that could be meant are told, and nobody is asked.
    check(&["push", "/a", "oci://ghcr.io/acme/echo:1"], 64);
    check(&["push", "/a", "oci:ghcr.io/acme/echo:1"], 64);
    check(&["pull", "oci:ghcr.io/acme/echo:1"], 64);
    check(&["verify", "oci:ghcr.io/acme/echo:1"], 64);
    check(&["push", "/a", "b", "--annotation", "novalue"], 64);
    check(
        &[
            "push",
            "/a",
            "b",
            "--annotation",
            "a=1",
            "--annotation",
            "a=2",
        ],
        64,
    );
    check(&["pull"], 64);
    check(&["status", "extra"], 64);
    check(&["rpc"], 64);
    check(&["rpc", "verify", "{"], 64);
    check(&["rpc", "verify", "-"], 64);
    check(&["--nonsense", "status"], 64);
}

#[test]
fn an_unknown_command_gets_a_hint() {
    let check = |word: &str, hint: &str| {
        let ran = Ran::of(vouch().arg(word));
        assert_eq!((ran.code, ran.out.as_str()), (64, ""));
        assert!(ran.err.contains(&format!("tip: {hint}")), "{}", ran.err);
    };
    check("attest", "`vouch sign FILE` signs a file");
    check("serve", "commands start the service");
    check("verfy", "a similar subcommand exists: 'verify'");
}

#[test]
fn help_has_an_example_and_global_options_apart() {
    let help = |arguments: &[&str]| Ran::of(vouch().args(arguments)).out;
    let own = help(&["--help"]);
    let (_, commands) = own.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        let help = help(&["help", name]);
        let (options, global) = help.split_once("Global options:\n").expect(name);
        assert!(!options.contains("--socket"), "{help}");
        for option in ["--socket", "--no-spawn", "--json"] {
            assert!(global.contains(option), "{help}");
        }
        let (_, examples) = global.split_once("Example").expect(name);
        assert!(examples.contains(&format!("vouch {name}")), "{help}");
    }
}

#[test]
fn swapped_arguments_are_told_the_right_way_round() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("echo.wasm"), "").unwrap();
    let mut command = vouch();
    command.current_dir(folder.path());
    let ran = Ran::of(command.args(["push", "ghcr.io/acme/echo:1", "echo.wasm"]));
    assert_eq!(ran.code, 64);
    let right = "`vouch push echo.wasm ghcr.io/acme/echo:1`";
    assert!(ran.err.contains(right), "{}", ran.err);
}

#[test]
fn a_reader_that_goes_away_is_no_matter() {
    let service = by_name(1);
    let files: Vec<String> = (0..500).map(|number| format!("good{number}")).collect();
    let mut child = vouch()
        .arg("--socket")
        .arg(service.socket())
        .arg("verify")
        .args(files)
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (2, ""));
}

#[test]
fn colours_are_for_terminals() {
    let service = Service::result(accepted("echo"));
    let run = |name: &str, value: &str| {
        let mut command = vouch();
        command
            .arg("--socket")
            .arg(service.socket())
            .env(name, value);
        Ran::of(command.args(["verify", "/a"])).out
    };
    assert!(!run("TERM", "xterm").contains('\u{1b}'));
    assert!(run("CLICOLOR_FORCE", "1").contains("\u{1b}[1m"));
}
