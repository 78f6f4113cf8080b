//! What clients notice that come and go while the service is replaced, again and again.

use super::*;
use std::io::ErrorKind;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Lines,
    Headers,
    Http,
}

impl Framing {
    fn frame(self, body: &str) -> String {
        let length = body.len();
        match self {
            Self::Lines => format!("{body}\n"),
            Self::Headers => format!("Content-Length: {length}\r\n\r\n{body}"),
            Self::Http => {
                format!("POST / HTTP/1.1\r\nHost: vouchd\r\nContent-Length: {length}\r\n\r\n{body}")
            }
        }
    }

    /// The next answer; none where the connection has ended before it.
    fn read(self, stream: &mut BufReader<UnixStream>) -> Option<Value> {
        let mut length = None;
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
            if self == Self::Lines {
                return Some(serde_json::from_str(&line).unwrap());
            }
            let header = line.trim_end().to_ascii_lowercase();
            if let Some(said) = header.strip_prefix("content-length: ") {
                length = Some(said.parse().unwrap());
            } else if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length.expect("it says how long it is")];
        stream.read_exact(&mut body).unwrap();
        Some(serde_json::from_slice(&body).unwrap())
    }
}

/// Connects and asks, again and again, until it is told to end: each time anew, or for as long as
/// the connection lasts. Nobody may be refused, and whatever was sent must be answered.
fn ask_again_and_again(socket: &Path, framing: Framing, stays: bool, body: &str, end: &AtomicBool) {
    let request = framing.frame(body);
    let mut connection: Option<BufReader<UnixStream>> = None;
    while !end.load(Ordering::Relaxed) {
        let stream = connection.get_or_insert_with(|| {
            let stream = UnixStream::connect(socket).expect("nobody is refused");
            let limit = Some(Duration::from_secs(60));
            stream.set_read_timeout(limit).unwrap();
            BufReader::new(stream)
        });
        if let Err(error) = stream.get_mut().write_all(request.as_bytes()) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
            connection = None;
            continue;
        }
        let answer = framing.read(stream);
        let answer = answer.unwrap_or_else(|| panic!("{framing:?}: a request was not answered"));
        let asked_again = answer["error"]["data"]["kind"] == "shuttingDown";
        assert!(
            asked_again || answer["result"]["verdict"] == "accepted",
            "{answer}"
        );
        if asked_again || !stays {
            connection = None;
        }
    }
}

#[test]
fn no_client_is_refused_and_no_request_is_lost() {
    let running = Running::start();
    let path = signed(running.folder.path(), "a.wasm");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "verify", "params": {"path": path}})
        .to_string();
    let end = AtomicBool::new(false);
    let mut processes = vec![running.process()];
    std::thread::scope(|scope| {
        for framing in [Framing::Lines, Framing::Headers, Framing::Http] {
            for stays in [true, false] {
                let (socket, body, end) = (running.socket(), &body, &end);
                scope.spawn(move || ask_again_and_again(&socket, framing, stays, body, end));
            }
        }
        for _ in 0..8 {
            processes.push(running.restart());
        }
        end.store(true, Ordering::Relaxed);
    });
    let new = processes.pop().unwrap();
    assert_eq!(running.process(), new);
    until(|| !processes.iter().any(|process| lives(*process)));
    assert!(!processes.contains(&new));
    assert!(lives(new) && running.is_locked());
    assert_eq!(running.lock_names(), new.to_string());
    // The socket is still one that goes with its service.
    running.connect().call("server/stop", &json!({})).unwrap();
    until(|| !lives(new));
    assert!(!running.socket().exists() && !running.is_locked());
}
