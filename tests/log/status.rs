//! What the status keeps of what happened, and of what is under way.

use super::*;

#[test]
fn what_happened_is_in_the_status() {
    let daemon = start(&[], |_, _| {});
    let mut talk = daemon.connect();
    let wasm = daemon.path("unsigned.wasm");
    fs::write(&wasm, b"\0asm\x01\0\0\0").unwrap();
    ask(
        &mut talk,
        "initialize",
        &json!({"clientInfo": {"name": "neovim"}}),
    );
    ask(&mut talk, "verify", &json!({ "path": wasm }));
    let push = json!({"path": wasm, "reference": "r.example/acme/echo:1"});
    for _ in 0..3 {
        ask(&mut talk, "push", &push);
    }
    ask(&mut talk, "later/method", &json!({}));
    let status = daemon.status();
    assert!(status.get("log").is_none(), "it logs to standard error");
    assert_eq!(
        status["outcomes"],
        json!({"methodNotFound": 1, "ok": 2, "refused": 1, "unsigned": 3})
    );
    let errors = status["lastErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{status}");
    assert_eq!(errors[0]["method"], "later/method");
    assert_eq!(errors[1]["kind"], "unsigned");
    assert_eq!(errors[1]["client"], "neovim");
    assert_eq!(errors[1]["times"], 3);
    let message = errors[1]["message"].as_str().unwrap();
    assert!(message.starts_with(wasm.to_str().unwrap()), "{message}");
    assert_eq!(status["requestsUnderWay"], 1);
    assert_eq!(status["sessions"], json!([]));
}

#[test]
fn requests_under_way_say_what_they_are_about() {
    let registry = Faulty::start(|_, _| Answer::new(200).body("{}").stall(0));
    let daemon = start(&[], |_, _| {});
    let reference = format!("{}/acme/echo:1", registry.name());
    let mut stream = daemon.connect();
    let params = json!({"reference": reference, "destination": daemon.path("pulled")});
    stream.request("pull", &params);
    let mut pull = Value::Null;
    until("the registry is asked", || {
        let status = daemon.status();
        pull = status["requests"][0].clone();
        // The session is known though its registry has not answered.
        pull["phase"] == "asking" && status["sessions"][0]["registry"] == registry.name()
    });
    assert_eq!(pull["method"], "pull");
    assert_eq!(pull["reference"], reference);
    assert_eq!(
        pull["path"].as_str().map(Path::new),
        Some(&*daemon.path("pulled"))
    );
}
