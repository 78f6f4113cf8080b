//! A client that writes its messages by itself, in any of the three framings.

#![allow(dead_code, missing_docs, unreachable_pub)]

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Lines,
    ContentLength,
    Http,
}

pub struct Wire<S> {
    stream: BufReader<S>,
    framing: Framing,
}

impl Wire<UnixStream> {
    pub fn connect(socket: &Path, framing: Framing) -> Self {
        let stream = UnixStream::connect(socket).expect("it listens");
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).expect("it takes a limit");
        Self::over(stream, framing)
    }
}

impl<S: Read + Write> Wire<S> {
    pub fn over(stream: S, framing: Framing) -> Self {
        Self {
            stream: BufReader::new(stream),
            framing,
        }
    }

    pub fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let length = text.len();
        let framed = match self.framing {
            Framing::Lines => format!("{text}\n"),
            Framing::ContentLength => format!("Content-Length: {length}\r\n\r\n{text}"),
            Framing::Http => {
                format!("POST / HTTP/1.1\r\nHost: vouchd\r\nContent-Length: {length}\r\n\r\n{text}")
            }
        };
        let stream = self.stream.get_mut();
        stream.write_all(framed.as_bytes()).expect("it is taken");
    }

    pub fn ask(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    pub fn cancel(&mut self, id: u64) {
        self.send(&json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}}));
    }

    /// The next message; of HTTP, a response's body.
    pub fn hear(&mut self) -> Value {
        let mut first = self.line();
        if self.framing == Framing::Lines {
            return serde_json::from_str(&first)
                .unwrap_or_else(|error| panic!("{error}: {first:?}"));
        }
        let mut length = 0;
        while !first.trim().is_empty() {
            if let Some((name, value)) = first.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
            first = self.line();
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("it answers");
        serde_json::from_slice(&body).expect("a message is JSON")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("it answers");
        line
    }
}

/// Waits until it is so.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it takes too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a service has under way, `server/status` itself not counted.
pub fn under_way(socket: &Path) -> Vec<Value> {
    let mut wire = Wire::connect(socket, Framing::Lines);
    wire.ask(1, "server/status", &json!({}));
    let status = wire.hear();
    let requests = status["result"]["requests"]
        .as_array()
        .expect("it is a list");
    let others = |request: &&Value| request["method"] != "server/status";
    requests.iter().filter(others).cloned().collect()
}
