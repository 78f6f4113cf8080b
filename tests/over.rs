//! A service to talk to from outside: in this process on a socket, or the binary on stdio.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    process::{ChildStdin, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
};
use tokio::sync::oneshot;
use vouch_protocol::ErrorKind;
use vouch_testing::process::{Process, binary, ended, within};
use vouchd::{config::Config, service::Service, transport};

/// The two ways to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Socket,
    Stdio,
}

impl Over {
    pub(crate) const BOTH: [Self; 2] = [Self::Socket, Self::Stdio];

    /// Begins a conversation with a service of its own.
    pub(crate) fn connect(self) -> Talk {
        match self {
            Self::Socket => over_socket(),
            Self::Stdio => over_stdio(),
        }
    }

    /// Says all of that, ends the input, and answers all that comes back.
    pub(crate) fn exchange(self, input: &[u8]) -> String {
        self.exchange_to_the_end(input).0
    }

    /// The same, with the code that a process ends with; over a socket it is 0.
    pub(crate) fn exchange_to_the_end(self, input: &[u8]) -> (String, i32) {
        let mut talk = self.connect();
        let input = input.to_owned();
        let mut writer = talk.writer.take().expect("nothing was said yet");
        // A thread of its own: neither side waits until the other has read.
        let writing = thread::spawn(move || {
            // The service may have ended the conversation before it has read all.
            let _ = writer.write_all(&input);
            writer.end();
        });
        let mut reader = talk.reader;
        let output = within(move || {
            let mut output = Vec::new();
            if let Err(error) = reader.read_to_end(&mut output) {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
            output
        });
        writing.join().expect("the writer ends");
        let code = match &mut talk.service {
            Running::Thread(..) => 0,
            Running::Process(process) => ended(&mut process.0).code().expect("no signal ended it"),
        };
        (String::from_utf8_lossy(&output).into_owned(), code)
    }
}

/// A conversation.
pub(crate) struct Talk {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Option<Writer>,
    service: Running,
}

impl Talk {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("the input goes on");
        writer.write_all(bytes).expect("it is taken");
    }

    /// The next line.
    pub(crate) fn receive(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("it answers");
        line
    }
}

enum Writer {
    Socket(UnixStream),
    Stdio(ChildStdin),
}

impl Writer {
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Socket(stream) => stream.write_all(bytes),
            Self::Stdio(stdin) => stdin.write_all(bytes),
        }
    }

    /// Ends the input, as `printf … | socat` does.
    fn end(self) {
        if let Self::Socket(stream) = self {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

/// The service of a conversation, which ends with it.
enum Running {
    Thread(Option<oneshot::Sender<()>>, Option<JoinHandle<()>>),
    Process(Process),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Thread(stop, thread) = self {
            drop(stop.take());
            let ended = thread.take().is_some_and(|thread| thread.join().is_ok());
            assert!(ended || thread::panicking(), "the service ends");
        }
    }
}

fn over_socket() -> Talk {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vouchd.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("it listens");
    listener.set_nonblocking(true).expect("it does");
    let (stop, stopped) = oneshot::channel();
    let shown = path.clone();
    let thread = thread::spawn(move || {
        let service = Service::new(Config::default(), Some(shown));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("it starts");
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).expect("it is one");
            let stopped = async {
                let _ = stopped.await;
            };
            transport::serve(listener, None, Arc::new(service), stopped).await;
        });
    });
    let stream = UnixStream::connect(&path).expect("it listens");
    let reader = stream.try_clone().expect("a second handle");
    Talk {
        reader: BufReader::new(Box::new(reader)),
        writer: Some(Writer::Socket(stream)),
        service: Running::Thread(Some(stop), Some(thread)),
    }
}

fn over_stdio() -> Talk {
    let mut process = binary()
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let reader = process.stdout.take().expect("it has one");
    let writer = process.stdin.take().expect("it has one");
    Talk {
        reader: BufReader::new(Box::new(reader)),
        writer: Some(Writer::Stdio(writer)),
        service: Running::Process(Process(process)),
    }
}

/// A reply in a few words: its id, and `ok` or the kind of its error; for a batch, a list of them.
/// What every reply must hold is checked on the way.
pub(crate) fn summary(reply: &str) -> String {
    fn one(reply: &Value) -> String {
        assert_eq!(reply["jsonrpc"], "2.0", "{reply}");
        let id = &reply["id"];
        let Some(error) = reply.get("error") else {
            assert!(reply.get("result").is_some(), "{reply}");
            return format!("{id} ok");
        };
        assert!(reply.get("result").is_none(), "{reply}");
        let kind: ErrorKind =
            serde_json::from_value(error["data"]["kind"].clone()).expect("a kind of the table");
        assert_eq!(error["code"], kind.code(), "{reply}");
        assert_eq!(error["data"]["retryable"], kind.retryable(), "{reply}");
        assert_ne!(error["message"], "", "{reply}");
        format!("{id} {kind}")
    }
    match serde_json::from_str(reply).expect("a reply is JSON") {
        Value::Array(replies) => {
            let replies: Vec<_> = replies.iter().map(one).collect();
            format!("[{}]", replies.join(", "))
        }
        reply => one(&reply),
    }
}
