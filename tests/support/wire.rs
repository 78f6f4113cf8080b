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

impl Framing {
    pub const ALL: [Self; 3] = [Self::Lines, Self::ContentLength, Self::Http];

    pub fn frame(self, message: &str) -> String {
        let length = message.len();
        match self {
            Self::Lines => format!("{message}\n"),
            Self::ContentLength => format!("Content-Length: {length}\r\n\r\n{message}"),
            Self::Http => format!(
                "POST / HTTP/1.1\r\nHost: vouchd\r\nContent-Length: {length}\r\n\r\n{message}"
            ),
        }
    }

    pub fn request(self, id: u64, method: &str, params: &Value) -> String {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.frame(&request.to_string())
    }
}

/// The next message of that framing; of HTTP, a response's body.
pub fn hear(reader: &mut impl BufRead, framing: Framing) -> Value {
    let mut body = Vec::new();
    if framing == Framing::Lines {
        reader.read_until(b'\n', &mut body).expect("it answers");
    } else {
        let mut length = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("it answers");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            if line.is_empty() {
                break;
            }
        }
        body.resize(length.expect("a length is announced"), 0);
        reader.read_exact(&mut body).expect("it answers whole");
    }
    serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)))
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
        let framed = self.framing.frame(&message.to_string());
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
        hear(&mut self.stream, self.framing)
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
