//! A service that answers what a scenario wants it to.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Barrier, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use vouch_testing::{
    folder::Folder,
    wire::{Framing, hear_or_end},
};

/// What it does with a request.
pub enum Reply {
    Result(Value),
    Error(Value),
    /// Messages, as they are; an `id` of the request's own stands for `"ID"`.
    Messages(Vec<Value>),
    /// So many bytes of an answer that does not end, at most.
    Endless(usize),
    /// It closes the connection.
    HangUp,
    /// It reads no more, and meets the scenario: now, and once more before it answers this and closes
    /// the connection.
    ReadNoMore(Arc<Barrier>, Value),
}

impl Reply {
    /// An error of one of our kinds, as services write it.
    pub fn kind(code: i32, kind: &str, retryable: bool) -> Self {
        Self::Error(json!({
            "code": code, "message": format!("it is {kind}"),
            "data": {"kind": kind, "retryable": retryable},
        }))
    }
}

/// The service. It listens until the process of the test ends.
pub struct Fake {
    folder: Folder,
    asked: Arc<Mutex<Vec<Value>>>,
    connections: Arc<AtomicUsize>,
}

impl Fake {
    /// `answer` sees each request and how many of that method came before. Where it answers nothing,
    /// `initialize` gets what a service of today says.
    pub fn start(answer: impl Fn(&Value, usize) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path("socket")).unwrap();
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (log, count, answer) = (asked.clone(), connections.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let (log, answer) = (log.clone(), answer.clone());
                // A client that goes away does not fail a test.
                std::thread::spawn(move || serve(stream, &log, &*answer).ok());
            }
        });
        Self {
            folder,
            asked,
            connections,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path("socket")
    }

    fn log(&self) -> MutexGuard<'_, Vec<Value>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests of a method that came.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let log = self.log();
        log.iter()
            .filter(|message| message["method"] == method)
            .cloned()
            .collect()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn lock(log: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: UnixStream,
    log: &Mutex<Vec<Value>>,
    answer: &(dyn Fn(&Value, usize) -> Option<Reply> + Send + Sync),
) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let framing = match reader.fill_buf()?.first() {
        Some(b'C' | b'c') => Framing::ContentLength,
        _ => Framing::Lines,
    };
    while let Some(request) = hear_or_end(&mut reader, framing)? {
        let before = {
            let mut log = lock(log);
            let same = |other: &&Value| other["method"] == request["method"];
            let before = log.iter().filter(same).count();
            log.push(request.clone());
            before
        };
        let id = &request["id"];
        if id.is_null() {
            continue;
        }
        let whole = |name: &str, value: Value| json!({"jsonrpc": "2.0", "id": id, name: value});
        let answers = match answer(&request, before) {
            None if request["method"] == "initialize" => vec![whole("result", introduction())],
            None => vec![whole(
                "error",
                json!({"code": -32601, "message": "there is no such method",
                       "data": {"kind": "methodNotFound", "retryable": false}}),
            )],
            Some(Reply::Result(result)) => vec![whole("result", result)],
            Some(Reply::Error(error)) => vec![whole("error", error)],
            Some(Reply::Messages(mut messages)) => {
                for message in &mut messages {
                    if message["id"] == "ID" {
                        message["id"] = id.clone();
                    }
                }
                messages
            }
            Some(Reply::Endless(most)) => {
                if framing == Framing::ContentLength {
                    writer.write_all(format!("Content-Length: {most}\r\n\r\n").as_bytes())?;
                }
                for _ in 0..most >> 16 {
                    writer.write_all(&[b' '; 1 << 16])?;
                }
                continue;
            }
            Some(Reply::HangUp) => return Ok(()),
            Some(Reply::ReadNoMore(meet, result)) => {
                writer.shutdown(Shutdown::Read)?;
                meet.wait();
                meet.wait();
                let last = whole("result", result).to_string();
                return writer.write_all(framing.frame(&last).as_bytes());
            }
        };
        for message in answers {
            writer.write_all(framing.frame(&message.to_string()).as_bytes())?;
        }
    }
    Ok(())
}

/// What a service says of itself.
pub fn introduction() -> Value {
    json!({
        "serverInfo": {"name": "vouchd", "version": "0.1.0"},
        "protocolVersion": "1.0",
        "capabilities": {"methods": ["initialize", "verify", "push", "pull", "server/status"]},
    })
}
