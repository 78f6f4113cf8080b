//! The protocol from outside, message by message: over a socket that the library serves, and over
//! the binary's stdin and stdout. Both must behave the same.

mod framing;
mod generated;
mod http;

use crate::over::{Over, Talk, summary};
use serde_json::{Value, json};

/// All that is said, and what is answered, line by line. Answers may come in any order.
fn check(input: impl AsRef<[u8]>, expected: &[&str], why: &str) {
    let mut expected: Vec<_> = expected.iter().map(|&text| text.to_owned()).collect();
    expected.sort();
    for over in Over::BOTH {
        let output = over.exchange(input.as_ref());
        let mut answers: Vec<_> = output.lines().map(summary).collect();
        answers.sort();
        assert_eq!(answers, expected, "{why}, over {over:?}");
    }
}

fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn status(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"server/status"}}"#)
}

const NOTE: &str = r#"{"jsonrpc":"2.0","method":"initialized"}"#;
const ABSENT: &str = r#"{"path":"/absent/echo.wasm"}"#;

#[test]
fn the_end_of_input_is_not_the_end_of_the_client() {
    check("", &[], "nothing is said");
    check(status("1"), &["1 ok"], "a last line without its line break");
    check(
        format!("{}\r\n", status("1")),
        &["1 ok"],
        "carriage returns",
    );
    let slow = request("1", "verify", ABSENT);
    check(slow, &["1 fileNotFound"], "what takes its time is answered");
    check(
        format!("\n \t\n{}\n\n", status("1")),
        &["1 ok"],
        "blank lines",
    );
}

#[test]
fn ids() {
    let largest = u64::MAX.to_string();
    for id in ["0", "7", "\"a\"", "\"\"", &largest] {
        check(status(id), &[&format!("{id} ok")], "an id");
    }
    for id in [
        "null",
        "-1",
        "1.5",
        "1e3",
        "true",
        "[]",
        "{}",
        "18446744073709551616",
    ] {
        check(status(id), &["null invalidRequest"], "never silence");
    }
    check(
        [status("1"), status("2"), status("1")].join("\n"),
        &["1 ok", "2 ok", "1 ok"],
        "an id is free again once it was answered",
    );
}

#[test]
fn what_is_no_request() {
    let invalid = &["null invalidRequest"];
    let parse = &["null parseError"];
    check("{}", invalid, "an empty object");
    check("{", parse, "cut");
    check(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\u{1}\"}",
        parse,
        "a control character",
    );
    check(b"{\"a\":\"\xff\"}", parse, "no UTF-8");
    check("[1,2", parse, "a cut batch");
    check(" 1", invalid, "a number");
    check(" \"x\"", invalid, "a string");
    check(" null", invalid, "null");
    let one = &["1 invalidRequest"];
    check(r#"{"id":1,"method":"server/status"}"#, one, "no version");
    check(
        r#"{"jsonrpc":"1.0","id":1,"method":"server/status"}"#,
        one,
        "another version",
    );
    check(r#"{"jsonrpc":"2.0","id":1}"#, one, "no method");
    check(r#"{"jsonrpc":"2.0","id":1,"method":7}"#, one, "no string");
    check(
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"server/status"}"#,
        invalid,
        "two ids",
    );
    check(
        format!("{{\n{}", status("1")),
        &["null parseError", "1 ok"],
        "the next line is another message",
    );
    check(
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":1}}
[{{"id":2,"error":{{}}}}]
{}"#,
            status("3")
        ),
        &["3 ok"],
        "a response is not answered, alone or in a batch",
    );
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    check(&deep, &["[null invalidRequest]"], "a deep one");
    let params = format!(r#"{{"path":{deep}}}"#);
    check(
        request("1", "verify", &params),
        &["1 invalidParams"],
        "deep params",
    );
}

#[test]
fn methods_and_params() {
    let check = |method: &str, params: &str, expected: &str, why: &str| {
        check(
            request("1", method, params),
            &[&format!("1 {expected}")],
            why,
        );
    };
    check("nope", "{}", "methodNotFound", "no method");
    check("", "{}", "methodNotFound", "no name");
    check("Verify", "{}", "methodNotFound", "case matters");
    check(
        "$/cancelRequest",
        "{\"id\":1}",
        "methodNotFound",
        "a notification with an id",
    );
    check("server/status", "null", "ok", "null means none");
    check("server/status", " {} ", "ok", "none");
    check("server/status", "[]", "ok", "an empty array means none");
    check("server/status", "[null]", "ok", "and so is one of null");
    check("server/status", "[{}]", "invalidParams", "an array");
    check("verify", "[]", "invalidParams", "something is needed");
    check("server/status", "1", "invalidParams", "a number");
    check("verify", "null", "invalidParams", "something is needed");
    check("verify", "{}", "invalidParams", "something is needed");
    check("verify", "[\"/a\"]", "invalidParams", "by position");
    check("verify", r#"{"path":7}"#, "invalidParams", "no text");
    check(
        "verify",
        r#"{"path":"/a","reference":"b"}"#,
        "invalidParams",
        "both",
    );
    check(
        "verify",
        r#"{"path":"/a","force":true}"#,
        "invalidParams",
        "unknown",
    );
    check(
        "verify",
        r#"{"path":"/a","path":"/b"}"#,
        "invalidParams",
        "twice",
    );
    check(
        "verify",
        r#"{"path":"a.wasm"}"#,
        "invalidPath",
        "a relative path",
    );
    check("verify", r#"{"path":"/a\u0000b"}"#, "invalidPath", "a NUL");
    check(
        "verify",
        r#"{"path":"http://host/a"}"#,
        "invalidPath",
        "another scheme",
    );
    check("verify", ABSENT, "fileNotFound", "no file");
    check("verify", r#"{"path":"/"}"#, "notAFile", "a folder");
    check("verify", r#"{"path":"/dev/zero"}"#, "notAFile", "a device");
    check(
        "verify",
        r#"{"reference":"acme/echo:1"}"#,
        "invalidReference",
        "no registry",
    );
}

#[test]
fn params_of_push_and_pull() {
    let check = |method: &str, params: &Value, expected: &str, why: &str| {
        let request = request("1", method, &params.to_string());
        check(request, &[&format!("1 {expected}")], why);
    };
    check("push", &json!({}), "invalidParams", "both are needed");
    let params = json!({"path": "/absent", "reference": "127.0.0.1:1/a"});
    check("push", &params, "latestNotAllowed", "no tag");
    let params = json!({"path": "/absent", "reference": "127.0.0.1:1/a", "allowLatest": true});
    check("push", &params, "fileNotFound", "no file");
    let params = json!({"reference": "127.0.0.1:1/a:latest", "destination": "/tmp/x"});
    check("pull", &params, "latestNotAllowed", "latest");
    let params = json!({"reference": "127.0.0.1:1/a:1", "destination": "x"});
    check("pull", &params, "invalidPath", "relative");
    let params = json!({"reference": "127.0.0.1:1/a:1", "destination": "/absent/x"});
    check("pull", &params, "fileNotFound", "no folder");
    let params = json!({"reference": "127.0.0.1:1/a:1", "destination": "/etc/passwd"});
    check(
        "pull",
        &params,
        "registryUnreachable",
        "it may be the very file that is asked for",
    );
    let params = json!({"reference": "127.0.0.1:1/a:1", "destination": "/tmp", "target": "../x"});
    check("pull", &params, "invalidParams", "a target is not a path");
}

#[test]
fn batches() {
    let invalid = &["null invalidRequest"];
    check("[]", invalid, "an empty batch");
    check("[1]", &["[null invalidRequest]"], "no request");
    check(format!("[{NOTE},{NOTE}]"), &[], "nothing to answer");
    let absent = request("2", "verify", ABSENT);
    check(
        format!("[{},{NOTE},{{}},{absent}]", status("1")),
        &["[1 ok, null invalidRequest, 2 fileNotFound]"],
        "in order, without the notification",
    );
    check(
        format!("[{absent},{absent}]"),
        &["[2 fileNotFound, 2 invalidRequest]"],
        "an id twice",
    );
    let many = |count| format!("[{}]", vec![NOTE; count].join(","));
    check(many(100), &[], "as many as can be");
    check(many(101), invalid, "too many");
}

#[test]
fn notifications_are_never_answered() {
    check(NOTE, &[], "a known one");
    check(
        r#"{"jsonrpc":"2.0","method":"nope"}"#,
        &[],
        "an unknown one",
    );
    check(
        r#"{"jsonrpc":"2.0","method":"verify","params":{"path":"/etc/passwd"}}"#,
        &[],
        "a request without an id is not carried out",
    );
    for params in ["null", "7", "{}", "{\"id\":null}", "{\"id\":9}", "[1]"] {
        let cancel = format!(r#"{{"jsonrpc":"2.0","method":"$/cancelRequest","params":{params}}}"#);
        check(cancel, &[], "nothing to cancel");
    }
}

#[test]
fn the_life_of_a_connection() {
    let exit = r#"{"jsonrpc":"2.0","method":"exit"}"#;
    let initialize = |params: &str| request("1", "initialize", params);
    check(initialize("null"), &["1 ok"], "no params");
    check(
        initialize(r#"{"processId":null,"clientInfo":null,"capabilities":null,"rootUri":"x"}"#),
        &["1 ok"],
        "what editors send",
    );
    check(
        initialize(r#"{"clientInfo":{"name":"x","version":"1"},"protocolVersion":"1.9"}"#),
        &["1 ok"],
        "a newer minor version",
    );
    check(
        initialize(r#"{"protocolVersion":"2.0"}"#),
        &["1 unsupportedProtocol"],
        "another major version",
    );
    check(
        [initialize("null"), initialize("null")].join("\n"),
        &["1 ok", "1 invalidRequest"],
        "only once",
    );
    let shutdown = request("1", "shutdown", "null");
    check(
        [&shutdown, &status("2"), NOTE, exit, &status("3")].join("\n"),
        &["1 ok", "2 invalidRequest"],
        "after shutdown no request, after exit nothing",
    );
    check(
        [&status("1"), exit, &status("2")].join("\n"),
        &["1 ok"],
        "exit alone",
    );
    check(format!("[{exit}]"), &[], "exit in a batch");
}

#[test]
fn what_the_server_says_about_itself() {
    for over in Over::BOTH {
        let mut talk = over.connect();
        let params = json!({"clientInfo": {"name": "tests"}});
        let result = ask(&mut talk, "initialize", &params);
        assert_eq!(result["serverInfo"]["name"], "vouchd");
        assert_eq!(
            result["capabilities"]["methods"],
            vouch_protocol::METHODS
                .iter()
                .map(|method| method.name)
                .collect::<Value>()
        );
        let status = ask(&mut talk, "server/status", &Value::Null);
        assert_eq!(status["connections"], 1);
        assert_eq!(status["requests"][0]["client"], "tests");
        assert_eq!(status["socket"].is_string(), over == Over::Socket);
        let document = ask(&mut talk, "rpc.discover", &Value::Null);
        let expected: Value = serde_json::from_str(vouch_protocol::OPENRPC).expect("it is JSON");
        assert_eq!(document, expected);
        // It answers before it stops; then the conversation ends.
        let stopped = ask(&mut talk, "server/stop", &Value::Null);
        assert!(stopped["processId"].is_number());
        assert_eq!(talk.receive(), "");
    }
}

fn ask(talk: &mut Talk, method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params});
    talk.send(format!("{request}\n").as_bytes());
    let mut reply: Value = serde_json::from_str(&talk.receive()).expect("a reply is JSON");
    reply["result"].take()
}

#[test]
fn every_method_of_the_protocol_is_there() {
    for method in vouch_protocol::METHODS {
        // An array of something is refused by the methods there are; `shutdown` comes last on a connection.
        let name = method.name;
        check(request("1", name, "[1]"), &["1 invalidParams"], name);
    }
}

#[test]
fn a_small_file_is_answered_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.wasm");
    std::fs::write(&path, b"\0asm\x01\0\0\0").expect("it can be written");
    for over in Over::BOTH {
        let request = request("1", "verify", &json!({"path": path}).to_string());
        let output = over.exchange(request.as_bytes());
        assert!(summary(output.trim_end()).starts_with("1 "), "{output}");
    }
}
