//! A server that answers HTTP as badly as a test wants it to, one connection a request.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sent: usize,
    stall: bool,
    pause: Option<Duration>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            sent: usize::MAX,
            stall: false,
            pause: None,
        }
    }

    /// No answer at all: the connection closes.
    pub fn silence() -> Self {
        Self::new(0)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Its length is announced unless a header says another.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Closes the connection after that many bytes of the body.
    pub fn cut(mut self, sent: usize) -> Self {
        self.sent = sent;
        self
    }

    /// Pauses before each byte of the body.
    pub fn trickle(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Sends nothing after that many bytes of the body, and leaves the connection open.
    pub fn stall(mut self, sent: usize) -> Self {
        self.sent = sent;
        self.stall = true;
        self
    }
}

/// The server. It runs until the test's process ends.
pub struct Faulty {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    closed: Arc<AtomicUsize>,
}

impl Faulty {
    /// `answer` gets each request and how many came before.
    pub fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let closed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&closed);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                let count = Arc::clone(&count);
                // A client that goes away does not fail a test.
                std::thread::spawn(move || {
                    serve(stream, &log, &*answer).ok();
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            address,
            seen,
            closed,
        }
    }

    /// Host and port.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Connections that have ended.
    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    /// What arrived so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics with it").clone()
    }

    /// Methods and targets of what arrived so far.
    pub fn lines(&self) -> Vec<String> {
        let line = |seen: Seen| format!("{} {}", seen.method, seen.target);
        self.seen().into_iter().map(line).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &(dyn Fn(&Seen, usize) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    let length = seen.header("content-length").and_then(|n| n.parse().ok());
    (&mut reader)
        .take(length.unwrap_or(0))
        .read_to_end(&mut seen.body)?;
    let before = {
        let mut log = log.lock().expect("no test panics with it");
        log.push(seen.clone());
        log.len() - 1
    };
    let answer = answer(&seen, before);
    if answer.status == 0 {
        if answer.stall {
            // Until the client closes it.
            let _ = reader.read_to_end(&mut Vec::new());
        }
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let has = |name: &str| answer.headers.iter().any(|(known, _)| known == name);
    if !has("content-length") && !has("transfer-encoding") {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    head += "\r\n";
    let body = match seen.method.as_str() {
        "HEAD" => &[],
        _ => &answer.body[..answer.sent.min(answer.body.len())],
    };
    match answer.pause {
        // In one piece: what is not to stall must not, however busy the machine is.
        None => stream.write_all(&[head.as_bytes(), body].concat())?,
        Some(pause) => {
            stream.write_all(head.as_bytes())?;
            for byte in body {
                std::thread::sleep(pause);
                stream.write_all(&[*byte])?;
            }
        }
    }
    if answer.stall {
        // Until the client closes it.
        let _ = reader.read_to_end(&mut Vec::new());
    }
    Ok(())
}
