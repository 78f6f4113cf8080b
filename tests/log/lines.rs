//! What stands in a line of the log.

use super::*;

const HOSTILE: &str = "x\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[2J\u{9b}\u{202e}y";

/// Asks for what is logged with a stranger's words in it.
fn provoke(daemon: &Daemon) {
    let registry = Faulty::start(|_, _| {
        let error = json!({"errors": [{"code": "DENIED\n", "message": HOSTILE}]});
        Answer::new(403).body(error.to_string())
    });
    let mut talk = daemon.connect();
    let info = json!({"clientInfo": {"name": HOSTILE}});
    ask(&mut talk, "initialize", &info);
    let reference = format!("{}/acme/echo:1", registry.name());
    for (path, reference) in [
        (format!("/{HOSTILE}"), reference.as_str()),
        ("/a".to_owned(), HOSTILE),
    ] {
        ask(&mut talk, "verify", &json!({ "path": path }));
        ask(
            &mut talk,
            "push",
            &json!({"path": path, "reference": reference}),
        );
        let pull = json!({"reference": reference, "destination": daemon.path("pulled")});
        ask(&mut talk, "pull", &pull);
    }
    ask(&mut talk, HOSTILE, &json!({}));
}

#[test]
fn no_stranger_s_words_forge_a_line() {
    let check = |format: &str| {
        let arguments = [
            "--log-file",
            "log",
            "--log",
            "trace",
            "--log-format",
            format,
        ];
        let mut daemon = start(&arguments, |_, _| {});
        provoke(&daemon);
        let status = daemon.status();
        assert_eq!(
            status["log"].as_str().map(Path::new),
            Some(&*daemon.path("log"))
        );
        for error in status["lastErrors"].as_array().unwrap() {
            let message = error["message"].as_str().unwrap();
            assert!(!message.contains(char::is_control), "{error}");
        }
        daemon.stop();
        let log = daemon.read("log");
        assert!(
            log.contains("acme/echo:1") && log.contains("denied"),
            "{log}"
        );
        assert!(
            !log.contains(|c: char| c != '\n' && c.is_control()),
            "{log:?}"
        );
        assert!(!log.contains('\u{202e}'), "{log:?}");
        for line in log.lines() {
            if format == "json" {
                let event: Value = serde_json::from_str(line).unwrap();
                assert!(event["level"].is_string(), "{line}");
            } else {
                assert!(line.starts_with("20") && !line.starts_with("2026-01-01T00"));
            }
        }
        assert_eq!(daemon.read("stderr"), "", "nothing is said elsewhere");
    };
    check("text");
    check("json");
}

#[test]
fn each_request_is_one_line_that_says_who_what_how_and_how_long() {
    let mut daemon = start(&["--log-file", "log", "--log-format", "json"], |_, _| {});
    let path = daemon.path("unsigned.wasm");
    fs::write(&path, b"\0asm\x01\0\0\0").unwrap();
    let mut talk = daemon.connect();
    ask(
        &mut talk,
        "initialize",
        &json!({"clientInfo": {"name": "neovim"}}),
    );
    let reference = "r.example/acme/echo:1";
    ask(
        &mut talk,
        "push",
        &json!({"path": path, "reference": reference}),
    );
    ask(
        &mut talk,
        "session/logout",
        &json!({"registry": "r.example"}),
    );
    daemon.stop();
    let log = daemon.read("log");
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let requests: Vec<Value> = lines
        .filter(|line: &Value| line["fields"]["outcome"].is_string())
        .collect();
    let [push, logout] = &requests[..] else {
        panic!("{log}");
    };
    for (line, method, outcome) in [(push, "push", "unsigned"), (logout, "session/logout", "ok")] {
        assert_eq!(line["span"]["method"], method, "{line}");
        assert_eq!(line["span"]["client"], "neovim", "{line}");
        assert_eq!(line["fields"]["outcome"], outcome, "{line}");
        assert!(line["fields"]["milliseconds"].is_number(), "{line}");
        assert!(line.get("spans").is_none(), "it is said once: {line}");
    }
    assert_eq!(push["level"], "WARN");
    assert_eq!(push["span"]["reference"], reference);
    assert_eq!(push["span"]["path"].as_str().map(Path::new), Some(&*path));
    let message = push["fields"]["message"].as_str().unwrap();
    assert!(message.contains("unsigned.wasm"), "{push}");
    assert_eq!(logout["level"], "INFO");
}
