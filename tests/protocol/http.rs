//! HTTP on the socket and on stdio: statuses, several requests on a connection, and its end.

use super::{NOTE, request, status};
use crate::over::{Over, summary};

/// A request with a body, and headers besides its length.
fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: vouchd\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// The answers, one line each: the status, and what the body says where there is one.
fn answers(mut output: &str) -> Vec<String> {
    let mut answers = Vec::new();
    while !output.is_empty() {
        let (head, rest) = output.split_once("\r\n\r\n").expect("it is HTTP");
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let code = line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| line.strip_prefix("HTTP/1.0 "))
            .and_then(|line| line.get(..3))
            .unwrap_or_else(|| panic!("{line}"));
        let header = |name: &str| {
            headers
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        let length = header("content-length").map_or(0, |text| text.parse().expect("a number"));
        let (body, rest) = rest.split_at(length);
        let json = header("content-type") == Some("application/json");
        assert_eq!(json, !body.is_empty(), "JSON is announced: {head}");
        let allowed = header("allow");
        assert_eq!(allowed, (code == "405").then_some("POST"), "{head}");
        answers.push(match body {
            "" => code.to_owned(),
            body => format!("{code} {}", summary(body)),
        });
        output = rest;
    }
    answers
}

fn check(input: impl AsRef<[u8]>, expected: &[&str], why: &str) {
    for over in Over::BOTH {
        let (output, code) = over.exchange_to_the_end(input.as_ref());
        assert_eq!(answers(&output), expected, "{why}, over {over:?}");
        assert_eq!(code, 0, "{why}: all was answered, over {over:?}");
    }
}

#[test]
fn the_end_of_input_is_not_the_end_of_the_client() {
    check(post("", &status("1")), &["200 1 ok"], "at once");
    let absent = request("1", "verify", r#"{"path":"/absent/echo.wasm"}"#);
    check(post("", &absent), &["200 1 fileNotFound"], "in a while");
    let two = [post("", &absent), post("", &status("1"))].concat();
    check(
        two,
        &["200 1 fileNotFound", "200 1 ok"],
        "one after the other",
    );
}

#[test]
fn statuses() {
    check(post("", NOTE), &["204"], "nothing to answer");
    check(
        post("", &format!("[{},{NOTE}]", status("1"))),
        &["200 [1 ok]"],
        "a batch",
    );
    check(post("", "nope"), &["400 null parseError"], "not JSON");
    check(post("", "{nope"), &["400 null parseError"], "nearly JSON");
    check(post("", "[1,"), &["400 null parseError"], "a cut batch");
    check(post("", ""), &["400 null parseError"], "nothing");
    check(
        post("", "[]"),
        &["200 null invalidRequest"],
        "JSON at least",
    );
    check(
        post("", "{}"),
        &["200 null invalidRequest"],
        "JSON at least",
    );
    check(post("", "1"), &["200 null invalidRequest"], "a scalar");
    check(post("", " null"), &["200 null invalidRequest"], "another");
    check(
        post("", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        &["204"],
        "a response",
    );
    let chunked = "POST / HTTP/1.1\r\nHost: vouchd\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(
        format!("{chunked}2\r\n{{}}\r\n0\r\n\r\n"),
        &["200 null invalidRequest"],
        "chunks",
    );
    let broken = &["400 null parseError"];
    check(format!("{chunked}x\r\n{{}}\r\n"), broken, "no chunks");
    check(format!("{chunked}2\r\n{{}}\r\n"), broken, "no last chunk");
    let cut = "POST / HTTP/1.1\r\nHost: vouchd\r\nContent-Length: 9\r\n\r\n{}";
    check(cut, broken, "a cut body");
    let long = " ".repeat(1 << 20);
    check(
        format!("{chunked}100001\r\n{{{long}\r\n"),
        &["413 null invalidRequest"],
        "too long, as it turns out",
    );
    check(
        "GET / HTTP/1.1\r\nHost: vouchd\r\n\r\n",
        &["405 null invalidRequest"],
        "not a POST",
    );
    let check_headers = |headers: &str, why: &str| {
        check(format!("POST / HTTP/1.1\r\n{headers}\r\n"), &["431"], why);
    };
    check_headers(&format!("a: {}\r\n", "b".repeat(20 << 10)), "a long header");
    check_headers(&"a: b\r\n".repeat(101), "many headers");
    check("Nonsense\r\n\r\n", &["400"], "not HTTP");
}

#[test]
fn no_web_page_is_a_client() {
    let body = status("1");
    let check = |headers: &str, expected: &str| {
        let length = body.len();
        let text = format!("POST / HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        check(text, &[expected], headers);
    };
    check("Host: LOCALHOST:80\r\n", "200 1 ok");
    check("Host: unix\r\n", "200 1 ok");
    check("Host: evil.example\r\n", "403 null invalidRequest");
    check(
        "Host: vouchd\r\nOrigin: null\r\n",
        "403 null invalidRequest",
    );
    check(
        "Host: vouchd\r\nHost: vouchd\r\n",
        "400 null invalidRequest",
    );
    check("", "400 null invalidRequest");
    // Nor is one whose request looks like another framing at first.
    for line in [
        "COPY /a:b HTTP/1.1",
        "CONNECT vouchd:80 HTTP/1.1",
        "\r\nPOST / HTTP/1.1",
    ] {
        for over in Over::BOTH {
            let length = body.len();
            let text = format!(
                "{line}\r\nOrigin: http://evil.example\r\nContent-Length: {length}\r\n\r\n{body}\n"
            );
            let output = over.exchange(text.as_bytes());
            assert!(!output.contains("result"), "{line}: {output}");
            assert!(output.contains("parseError"), "{line}: {output}");
        }
    }
}

#[test]
fn a_connection_is_one_client() {
    let shutdown = request("1", "shutdown", "null");
    check(
        [post("", &shutdown), post("", &status("1"))].concat(),
        &["200 1 ok", "200 1 invalidRequest"],
        "what `shutdown` said holds",
    );
    let exit = r#"{"jsonrpc":"2.0","method":"exit"}"#;
    check(
        [post("", &shutdown), post("", exit), post("", &status("1"))].concat(),
        &["200 1 ok", "204"],
        "nothing after `exit`",
    );
}

#[test]
fn http_2_is_not_spoken() {
    for over in Over::BOTH {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let output = over.exchange(preface);
        assert!(
            output.is_empty() || output.starts_with("HTTP/1.1 "),
            "{output:?}"
        );
    }
}
