//! A client that writes its messages by itself, in any of the three framings.

use crate::process::PATIENCE;
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
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
    let message = hear_or_end(reader, framing).expect("it answers");
    message.expect("it answers before it closes")
}

/// The same; nothing where the connection has ended before it.
pub fn hear_or_end(reader: &mut impl BufRead, framing: Framing) -> io::Result<Option<Value>> {
    let mut body = Vec::new();
    if framing == Framing::Lines {
        if reader.read_until(b'\n', &mut body)? == 0 {
            return Ok(None);
        }
    } else {
        let mut length = None;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            if line.is_empty() {
                break;
            }
        }
        body.resize(length.expect("a length is announced"), 0);
        reader.read_exact(&mut body)?;
    }
    let message = serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)));
    Ok(Some(message))
}

/// A client's connection. It does not wait for ever.
pub struct Wire<S = UnixStream> {
    pub stream: BufReader<S>,
    framing: Framing,
    last_id: u64,
}

impl Wire {
    pub fn connect(socket: &Path, framing: Framing) -> Self {
        let stream = UnixStream::connect(socket).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Self::over(stream, framing)
    }
}

impl<S: Read + Write> Wire<S> {
    pub fn over(stream: S, framing: Framing) -> Self {
        Self {
            stream: BufReader::new(stream),
            framing,
            last_id: 0,
        }
    }

    /// Bytes, as they are.
    pub fn say(&mut self, bytes: &[u8]) {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).expect("it is taken");
    }

    pub fn send(&mut self, message: &Value) {
        let framed = self.framing.frame(&message.to_string());
        self.say(framed.as_bytes());
    }

    pub fn ask(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    /// Sends a request under the next id, which it answers, and does not wait.
    pub fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        self.ask(self.last_id, method, params);
        self.last_id
    }

    pub fn cancel(&mut self, id: u64) {
        self.send(&json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}}));
    }

    /// The next message; of HTTP, a response's body.
    pub fn hear(&mut self) -> Value {
        hear(&mut self.stream, self.framing)
    }

    /// Sends a request, and waits for its result or error.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        let id = self.request(method, params);
        let mut answer = self.hear();
        assert_eq!(answer["id"], id, "{answer}");
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(answer["error"].take()),
        }
    }

    /// `ok` or the kind of the next answer's error, which is to this request.
    pub fn outcome(&mut self, id: u64) -> String {
        let answer = self.hear();
        assert_eq!(answer["id"], id, "{answer}");
        let kind = answer["error"]["data"]["kind"].as_str();
        kind.unwrap_or("ok").to_owned()
    }

    /// Whether the other side has closed it, and said nothing before.
    pub fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("it closes");
        rest.is_empty()
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
