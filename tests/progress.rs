//! What a client is told of its requests while they last, in every framing.

use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};
use vouch_testing::{
    daemon::Daemon,
    faulty::{Answer, Faulty},
    folder::Folder,
    forge::{Signer, custom, module},
    process::until,
    proxy::Proxy,
    registry::Registry,
    wire::{Framing, Wire},
};
use vouchd::name::Digest;

/// What was told of a request, and its answer.
struct Story {
    told: Vec<Value>,
    answer: Value,
}

impl Story {
    /// Listens up to the answer. What is told has to be in order.
    fn of<S: Read + Write>(wire: &mut Wire<S>, token: &Value) -> Self {
        let mut told: Vec<Value> = Vec::new();
        loop {
            let message = wire.hear();
            if message.get("method").is_none() {
                let story = Self {
                    told,
                    answer: message,
                };
                story.check();
                return story;
            }
            assert_eq!(message["method"], "$/progress");
            assert_eq!(&message["params"]["token"], token);
            told.push(message["params"]["value"].clone());
        }
    }

    fn check(&self) {
        let [begin, reports @ .., end] = &self.told[..] else {
            panic!("no begin and end: {:?}", self.told);
        };
        assert_eq!(begin["kind"], "begin");
        assert_eq!(begin["cancellable"], true);
        assert_eq!(begin["percentage"], 0);
        assert_eq!(begin["bytes"], 0);
        assert_eq!(end["kind"], "end");
        let (mut bytes, mut percentage, mut total) = (0, 0, None);
        for report in reports {
            assert_eq!(report["kind"], "report", "{:?}", self.told);
            let now = report["bytes"].as_u64().unwrap();
            assert!(now >= bytes, "{:?}", self.told);
            bytes = now;
            let known = report["total"].as_u64();
            assert!(total.is_none() || known == total, "{:?}", self.told);
            total = known;
            assert_eq!(total.is_some(), report.get("percentage").is_some());
            if let Some(total) = total {
                assert!(bytes <= total, "{:?}", self.told);
                let now = report["percentage"].as_u64().unwrap();
                assert!(now >= percentage && now <= 100, "{:?}", self.told);
                assert_eq!(now, bytes * 100 / total);
                percentage = now;
            }
        }
    }

    fn reports(&self) -> &[Value] {
        &self.told[1..self.told.len() - 1]
    }

    fn end(&self) -> &str {
        self.told[self.told.len() - 1]["message"].as_str().unwrap()
    }
}

fn signed(size: usize) -> Vec<u8> {
    Signer::default().wasm(&[module(), custom("fill", &vec![7; size])].concat())
}

/// A registry that sends an artifact byte by byte.
fn trickling(artifact: Vec<u8>, pause: Duration) -> Faulty {
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json",
            "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/wasm",
            "digest": digest(&artifact), "size": artifact.len()}],
    })
    .to_string();
    Faulty::start(move |seen, _| {
        if seen.target.contains("/manifests/") {
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let answer = Answer::new(200).header("content-type", kind);
            answer.body(manifest.clone())
        } else {
            Answer::new(200).body(artifact.clone()).trickle(pause)
        }
    })
}

/// The service on stdio, ended when it is dropped.
struct OverStdio {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl OverStdio {
    fn start(home: &std::path::Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_vouchd"))
            .args(["--log", "warn", "--stdio"])
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: process.stdin.take().unwrap(),
            output: process.stdout.take().unwrap(),
            process,
        }
    }
}

impl Read for OverStdio {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl Write for OverStdio {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

impl Drop for OverStdio {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn check_pull<S: Read + Write>(mut wire: Wire<S>) {
    let artifact = signed(1);
    let size = artifact.len() as u64;
    let server = trickling(artifact, Duration::from_millis(1));
    let folder = Folder::new();
    let token = json!("a \"token\"\n");
    let params = json!({
        "reference": format!("{}/acme/echo:1", server.name()),
        "destination": folder.path("pulled.wasm"),
        "workDoneToken": token,
    });
    wire.ask(1, "pull", &params);
    let story = Story::of(&mut wire, &token);
    assert_eq!(story.answer["id"], 1);
    assert_eq!(story.answer["result"]["downloaded"], size);
    assert_eq!(story.told[0]["title"], "Pulling");
    let middle = |report: &&Value| {
        let bytes = report["bytes"].as_u64().unwrap();
        report["message"] == "receiving" && report["total"] == size && bytes > 0 && bytes < size
    };
    assert!(story.reports().iter().any(|report| middle(&report)));
    assert_eq!(story.end(), "done");
    assert_eq!(folder.names(), ["pulled.wasm"]);
}

#[test]
fn a_pull_is_told_of_in_every_framing_of_socket_and_stdio() {
    for framing in [Framing::Lines, Framing::ContentLength] {
        let daemon = Daemon::start();
        check_pull(Wire::connect(&daemon.socket(), framing));
        let home = tempfile::tempdir().unwrap();
        check_pull(Wire::over(OverStdio::start(home.path()), framing));
    }
}

/// It is read, sent, broken off, sent again: each byte counts once for each of the two.
#[test]
fn a_push_counts_what_it_reads_and_what_it_sends() {
    let registry = Registry::open();
    let proxy = Proxy::before(&registry.name(), |head, before| {
        let broken = head.method == "PUT" && head.length > 10_000 && before == 0;
        broken.then(|| (503, "x".into()))
    });
    proxy.throttle(8 << 20);
    let daemon = Daemon::start();
    let folder = Folder::new();
    let artifact = signed(4 << 20);
    let size = artifact.len() as u64;
    let path = folder.write("signed.wasm", &artifact);
    let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
    let mut push = |token: u64| {
        let reference = format!("{}/acme/echo:1", proxy.name());
        let params = json!({"path": path, "reference": reference, "workDoneToken": token});
        wire.ask(token, "push", &params);
        Story::of(&mut wire, &json!(token))
    };
    let story = push(0);
    assert!(story.answer["result"]["uploaded"].as_u64() > Some(size));
    assert_eq!(story.told[0]["title"], "Pushing");
    let sending = |report: &&Value| report["message"] == "sending" && report["total"] == 2 * size;
    assert!(story.reports().iter().any(|report| sending(&report)));
    assert_eq!(story.end(), "done");
    let puts = proxy.seen();
    assert!(puts.iter().any(|(_, status)| *status == 503), "{puts:?}");
    // What is there already is not sent, and counts as if it were.
    let story = push(1);
    assert_eq!(story.answer["result"]["uploaded"], 0);
    assert_eq!(story.end(), "done");
}

#[test]
fn the_end_says_how_it_ended() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let good = folder.write("good.wasm", &signed(1));
    let unsigned = folder.write("unsigned.wasm", &module());
    let missing = folder.path("missing.wasm");
    let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
    let mut check = |method: &str, mut params: Value, expected: &str| {
        params["workDoneToken"] = json!("t");
        wire.ask(1, method, &params);
        let story = Story::of(&mut wire, &json!("t"));
        assert_eq!(story.end(), expected, "{method} {params}: {}", story.answer);
    };
    let to = format!("oci:{}:1", folder.path("layout").display());
    check("verify", json!({"path": good}), "done");
    // Remembered, or not.
    check("verify", json!({"path": good}), "done");
    check("verify", json!({"path": unsigned}), "refused");
    check("verify", json!({"path": missing}), "failed");
    check("push", json!({"path": good, "reference": to}), "done");
    check("push", json!({"path": good, "reference": to}), "done");
    check(
        "push",
        json!({"path": unsigned, "reference": to}),
        "refused",
    );
    check("push", json!({"path": missing, "reference": to}), "failed");
    check(
        "push",
        json!({"path": good, "reference": "nonsense"}),
        "failed",
    );

    // Params that do not fit are answered before anything begins.
    wire.ask(1, "push", &json!({"path": good, "workDoneToken": "t"}));
    assert_eq!(wire.hear()["error"]["data"]["kind"], "invalidParams");

    let server = Faulty::start(|_, _| Answer::silence().stall(0));
    let reference = format!("{}/acme/echo:1", server.name());
    wire.ask(
        2,
        "verify",
        &json!({"reference": reference, "workDoneToken": 2}),
    );
    until("it waits", || !server.seen().is_empty());
    wire.cancel(2);
    let story = Story::of(&mut wire, &json!(2));
    assert_eq!(story.answer["error"]["code"], -32800);
    assert_eq!(story.end(), "cancelled");
}

#[test]
fn a_token_is_one_request_s_at_a_time() {
    let server = Faulty::start(|_, _| Answer::silence().stall(0));
    let reference = format!("{}/acme/echo:1", server.name());
    let daemon = Daemon::start();
    let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
    let params = |token: &Value| json!({"reference": reference, "workDoneToken": token});
    let one = json!(1);
    for id in [1, 10] {
        wire.ask(id, "verify", &params(&one));
        let begin = wire.hear();
        assert_eq!(begin["params"]["value"]["kind"], "begin");
        // A string is another token, and another connection has its own.
        let mut other = Wire::connect(&daemon.socket(), Framing::Lines);
        other.ask(1, "verify", &params(&one));
        assert_eq!(other.hear()["params"]["token"], 1);
        let next = |wire: &mut Wire<_>, answered: bool| loop {
            let message = wire.hear();
            let report = message["params"]["value"]["kind"] == "report";
            if !report || answered {
                return message;
            }
        };
        wire.ask(id + 1, "verify", &params(&one));
        let refused = next(&mut wire, false);
        assert_eq!(refused["id"], id + 1, "{refused}");
        assert_eq!(refused["error"]["data"]["kind"], "invalidRequest");
        wire.ask(id + 2, "verify", &params(&json!("1")));
        let begin = next(&mut wire, false);
        assert_eq!(begin["params"]["token"], "1", "{begin}");
        wire.cancel(id);
        wire.cancel(id + 2);
        let mut answered = 0;
        while answered < 2 {
            answered += usize::from(wire.hear().get("error").is_some());
        }
    }
}

#[test]
fn what_is_no_token_is_refused_and_none_is_silent() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let path = folder.write("signed.wasm", &signed(1));
    for framing in [Framing::Lines, Framing::ContentLength, Framing::Http] {
        let mut wire = Wire::connect(&daemon.socket(), framing);
        let mut check = |token: Value, expected: &str| {
            wire.ask(1, "verify", &json!({"path": path, "workDoneToken": token}));
            let answer = wire.hear();
            let kind = answer["error"]["data"]["kind"].as_str().unwrap_or("ok");
            assert_eq!(
                (kind, answer["id"].as_u64()),
                (expected, Some(1)),
                "{answer}"
            );
        };
        check(json!(null), "ok");
        check(json!(-1), "invalidParams");
        check(json!(1.5), "invalidParams");
        check(json!(true), "invalidParams");
        check(json!({}), "invalidParams");
        check(json!("x".repeat(257)), "invalidParams");
        // Other methods know none.
        wire.ask(2, "server/status", &json!({"workDoneToken": 1}));
        assert_eq!(wire.hear()["error"]["data"]["kind"], "invalidParams");
    }
}

#[test]
fn over_http_a_token_is_taken_and_nothing_is_told() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let path = folder.write("signed.wasm", &signed(1));
    let params = json!({"path": path, "workDoneToken": 1});
    let mut wire = Wire::connect(&daemon.socket(), Framing::Http);
    wire.ask(1, "verify", &params);
    assert_eq!(wire.hear()["result"]["verdict"], "accepted");
    let request = |id| {
        let params = json!({"path": path, "workDoneToken": id});
        json!({"jsonrpc": "2.0", "id": id, "method": "verify", "params": params})
    };
    wire.send(&json!([request(1), request(2)]));
    assert_eq!(wire.hear()[1]["result"]["verdict"], "accepted");
}

#[test]
fn requests_of_a_batch_are_told_of_before_its_answer() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let path = folder.write("signed.wasm", &signed(1));
    for framing in [Framing::Lines, Framing::ContentLength] {
        let mut wire = Wire::connect(&daemon.socket(), framing);
        let request = |id: u64, token: Value| {
            let params = json!({"path": path, "workDoneToken": token});
            json!({"jsonrpc": "2.0", "id": id, "method": "verify", "params": params})
        };
        let batch = [
            request(1, json!("a")),
            request(2, json!(null)),
            request(3, json!("b")),
            request(4, json!("a")),
        ];
        wire.send(&json!(batch));
        let mut told = Vec::new();
        let answers = loop {
            let message = wire.hear();
            if message.is_array() {
                break message;
            }
            let value = &message["params"]["value"]["kind"];
            if value != "report" {
                told.push((message["params"]["token"].clone(), value.clone()));
            }
        };
        for token in ["a", "b"] {
            let kinds: Vec<_> = told
                .iter()
                .filter(|(of, _)| of == token)
                .map(|(_, kind)| kind.as_str().unwrap())
                .collect();
            assert_eq!(kinds, ["begin", "end"], "{token}");
        }
        assert_eq!(told.len(), 4);
        let answers = answers.as_array().unwrap();
        let refused = |answer: &&Value| answer["error"]["data"]["kind"] == "invalidRequest";
        assert_eq!(answers.len(), 4);
        assert_eq!(answers.iter().filter(refused).count(), 1);
    }
}

#[test]
fn signing_counts_what_it_reads_of_the_file() {
    let daemon = Daemon::start();
    let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
    let folder = Folder::new();
    let account = nkeys::KeyPair::new_account();
    let bytes = [module(), custom("fill", &vec![7; 3 << 20])].concat();
    let path = folder.write("echo.wasm", &bytes);
    let token = json!("signing");
    let params = json!({"path": path, "account": account.public_key(), "workDoneToken": token});
    wire.ask(1, "sign/prepare", &params);
    let prepared = Story::of(&mut wire, &token);
    assert_eq!(prepared.end(), "done");
    let input = &prepared.answer["result"]["signingInput"];
    let signature = account.sign(input.as_str().unwrap().as_bytes()).unwrap();
    let signature = vouch_testing::forge::base64(&signature);
    let params = json!({"path": path, "signingInput": input, "signature": signature, "workDoneToken": token});
    wire.ask(2, "sign/complete", &params);
    let completed = Story::of(&mut wire, &token);
    assert_eq!(completed.end(), "done");
    for story in [&prepared, &completed] {
        for report in story.reports() {
            let total = report.get("total");
            assert!(total.is_none_or(|total| *total == bytes.len()), "{report}");
        }
    }
    // What was changed since is refused.
    std::fs::write(&path, module()).unwrap();
    wire.ask(3, "sign/complete", &params);
    assert_eq!(Story::of(&mut wire, &token).end(), "refused");
}
