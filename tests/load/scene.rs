//! A service, a client that behaves well all the while, and what the service may cost.

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::{
    io::{BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, module},
    process::PATIENCE,
    wire::{self, Wire},
};
pub use vouch_testing::{process::until, wire::Framing};

/// What may be taken above what there was, in megabytes, by what is said and answered in short.
pub const TALK: u64 = 16;
/// And by the reading of files: 64 at once, each with a buffer of 256 KiB and a thread.
pub const READING: u64 = 32;
/// And by long messages of all clients together.
pub const LONG_MESSAGES: u64 = 64;
/// And by long answers, which are made, put together and written.
pub const LONG_ANSWERS: u64 = 96;

/// A service under load, and what it was like before.
pub struct Scene {
    pub daemon: Daemon,
    pub folder: Folder,
    /// A signed module.
    pub artifact: PathBuf,
    well_behaved: Option<(Arc<AtomicBool>, JoinHandle<u32>)>,
    handles: usize,
    threads: u64,
    memory: u64,
}

impl Scene {
    pub fn start() -> Self {
        Self::with(Daemon::start())
    }

    pub fn with(daemon: Daemon) -> Self {
        // Each connection is a handle of ours, too.
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).expect("up to the hard limit it may be raised");

        let folder = Folder::new();
        let artifact = folder.write("echo.wasm", &Signer::default().wasm(&module()));
        let mut client = daemon.connect();
        // What is made once and kept is there before anything is counted.
        serves(&mut client, &artifact);
        let stop = Arc::new(AtomicBool::new(false));
        let well_behaved = thread::spawn({
            let (stop, artifact) = (Arc::clone(&stop), artifact.clone());
            move || {
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) {
                    serves(&mut client, &artifact);
                    rounds += 1;
                }
                rounds
            }
        });
        let mut scene = Self {
            folder,
            artifact,
            well_behaved: Some((stop, well_behaved)),
            handles: 0,
            threads: daemon.memory("Threads"),
            memory: daemon.memory("VmRSS"),
            daemon,
        };
        // But for the file that the client's request may just have open.
        scene.handles = (0..20).map(|_| scene.daemon.handles()).min().unwrap();
        scene
    }

    /// A further client is served as if it were alone.
    pub fn serves_others(&self) {
        let mut client = self.daemon.connect();
        for _ in 0..3 {
            serves(&mut client, &self.artifact);
        }
    }

    pub fn status(&self) -> Value {
        let mut client = self.daemon.connect();
        client.call("server/status", &json!({})).unwrap()
    }

    /// At no time did it take more than that many megabytes above what it had before.
    pub fn took_at_most(&self, megabytes: u64) {
        let above = self.daemon.memory("VmHWM").saturating_sub(self.memory);
        assert!(
            above <= megabytes * 1024,
            "{above} KB were taken, and {megabytes} MB may be"
        );
    }

    /// Waits until the handles are back to what they were.
    pub fn gives_handles_back(&self) {
        until("handles come back", || {
            self.daemon.handles() <= self.handles
        });
    }

    /// The load is over: what it cost is given back, the client was served all the while, and the
    /// service stops in good order.
    pub fn end(mut self) {
        self.serves_others();
        self.gives_handles_back();
        until("no request is left but two of status and verify", || {
            self.status()["requests"].as_array().unwrap().len() <= 2
        });
        self.is_done();
        // Those that read files wait for more, for a while.
        until("threads come back", || {
            self.daemon.memory("Threads") <= self.threads
        });
        self.stop();
    }

    /// Ends the client, which was served.
    fn is_done(&mut self) {
        if let Some((stop, well_behaved)) = self.well_behaved.take() {
            stop.store(true, Ordering::Relaxed);
            let rounds = well_behaved.join().expect("it was served to the end");
            assert!(rounds > 0, "it was served");
        }
    }

    /// The service stops in good order, whoever is still there.
    pub fn stop(&mut self) {
        self.is_done();
        assert_eq!(self.daemon.stop().code(), Some(0));
        assert!(!self.daemon.socket().exists());
    }

    /// A connection that says nothing by itself, and does not wait for ever.
    pub fn peer(&self) -> Peer {
        Peer::connect(self)
    }

    /// The params of a `verify` that is accepted.
    pub fn verify(&self) -> Value {
        json!({"path": self.artifact})
    }
}

/// Asks for what an everyday client asks for, and gets it.
fn serves(client: &mut Wire, artifact: &PathBuf) {
    let verified = client.call("verify", &json!({"path": artifact})).unwrap();
    assert_eq!(verified["verdict"], "accepted", "{verified}");
    let status = client.call("server/status", &json!({})).unwrap();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}

/// A raw connection.
pub struct Peer(pub BufReader<UnixStream>);

impl Peer {
    fn connect(scene: &Scene) -> Self {
        let limit = Some(PATIENCE);
        let stream = UnixStream::connect(scene.daemon.socket()).expect("it listens");
        stream.set_read_timeout(limit).unwrap();
        stream.set_write_timeout(limit).unwrap();
        Self(BufReader::new(stream))
    }

    /// A second handle of the same connection.
    pub fn twin(&self) -> Self {
        Self(BufReader::new(self.0.get_ref().try_clone().unwrap()))
    }

    pub fn shut(&self, side: Shutdown) {
        self.0.get_ref().shutdown(side).unwrap();
    }

    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.write(bytes).expect("it is taken");
    }

    /// The next answer of that framing.
    pub fn hear(&mut self, framing: Framing) -> Value {
        wire::hear(&mut self.0, framing)
    }

    /// Waits until the service closes the connection; what it still says is read.
    pub fn ends(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            // What was sent to it and never read.
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        rest
    }
}

/// The kind of an error, or `ok`.
pub fn outcome(answer: &Value) -> &str {
    if answer.get("result").is_some() {
        return "ok";
    }
    answer["error"]["data"]["kind"]
        .as_str()
        .unwrap_or_else(|| panic!("neither result nor kind: {answer}"))
}

/// An error that asks to come back later, with the words for people.
pub fn is_busy(answer: &Value) {
    assert_eq!(outcome(answer), "busy", "{answer}");
    let error = &answer["error"];
    assert_eq!(error["data"]["retryable"], true, "{answer}");
    assert_ne!(error["message"], "", "{answer}");
    assert!(error["data"]["help"].is_string(), "{answer}");
}
