//! Where a message ends: both framings, their limits, and what is neither.

use super::{NOTE, check, request, status};
use crate::over::{Over, summary};

#[test]
fn garbage() {
    for first in ["\0", "1", "\u{7f}", "\"x\"", "\u{feff}{}", "-"] {
        check(first, &["null parseError"], "one answer, then the end");
    }
    check([0x16, 3, 1, 0, 200], &["null parseError"], "TLS");
}

#[test]
fn lengths() {
    let padded = |length: usize| {
        let bare = request("1", "server/status", "{}").len();
        request(
            "1",
            "server/status",
            &format!("{{{}}}", " ".repeat(length - bare)),
        )
    };
    let most = padded(1 << 20);
    assert_eq!(most.len(), 1 << 20);
    check(&most, &["1 ok"], "as long as can be");
    check(
        format!("{}\n{}", padded((1 << 20) + 1), status("2")),
        &["null invalidRequest", "2 ok"],
        "one byte longer; the next line counts",
    );
    let endless = "{".repeat(5 << 20);
    check(&endless, &["null invalidRequest"], "no line break for long");
}

#[test]
fn content_length() {
    let frame = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let check = |input: &str, expected: &[&str], why: &str| {
        for over in Over::BOTH {
            let output = over.exchange(input.as_bytes());
            let answers: Vec<_> = bodies(&output).iter().map(|body| summary(body)).collect();
            assert_eq!(answers, expected, "{why}, over {over:?}");
        }
    };
    let two = [frame(&status("1")), frame(&status("2"))].concat();
    check(&two, &["1 ok", "2 ok"], "two");
    check(
        &two.to_ascii_lowercase(),
        &["1 ok", "2 ok"],
        "names have no case",
    );
    check(&frame("{\n"), &["null parseError"], "no JSON");
    let two = [frame("{"), frame(&status("1"))].concat();
    check(&two, &["null parseError", "1 ok"], "the next one counts");
    check(&frame("[]"), &["null invalidRequest"], "an empty batch");
    check(&frame(NOTE), &[], "a notification");
    check("Content-Length: 9\r\n\r\n{", &["null parseError"], "cut");
    check(
        "Content-Length: x\r\n\r\n{}",
        &["null parseError"],
        "no number",
    );
    check(
        "Content-Type: x\r\n\r\n{}",
        &["null parseError"],
        "no length",
    );
    let two = [frame(&" ".repeat((1 << 20) + 1)), frame(&status("1"))].concat();
    check(
        &two,
        &["null invalidRequest", "1 ok"],
        "too long; the next one counts",
    );
    let far = "Content-Length: 99999999999\r\n\r\n{}";
    check(far, &["null invalidRequest"], "far too long");
}

/// The bodies of `Content-Length` frames.
fn bodies(mut output: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some((header, rest)) = output.split_once("\r\n\r\n") {
        let length = header
            .strip_prefix("Content-Length: ")
            .expect("it is framed");
        let (body, rest) = rest.split_at(length.parse().expect("a number"));
        bodies.push(body.to_owned());
        output = rest;
    }
    assert_eq!(output, "", "nothing but frames");
    bodies
}

#[test]
fn byte_by_byte() {
    for over in Over::BOTH {
        let mut talk = over.connect();
        for byte in format!("{}\n{}\n", status("1"), status("2")).bytes() {
            talk.send(&[byte]);
        }
        assert_eq!(summary(&talk.receive()), "1 ok");
        assert_eq!(summary(&talk.receive()), "2 ok");
    }
}
