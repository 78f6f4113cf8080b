//! Stuck at a registry.

use super::*;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use vouch_testing::faulty::Answer;

/// Before it has answered anything.
#[test]
fn a_registry_that_never_answers() {
    check_methods(
        || Faulty::start(|_, _| Answer::silence().stall(0)),
        Daemon::start,
        |server| !server.seen().is_empty(),
    );
}

#[test]
fn a_registry_that_says_to_come_back_later() {
    check_methods(
        || Faulty::start(|_, _| Answer::new(503).header("retry-after", "50")),
        Daemon::start,
        |server| server.closed() > 0 && let_go(server),
    );
}

const SIZE: usize = 1_000_000;

/// What names an artifact of that size, whose blob then stalls in its middle.
pub(super) fn stalling(head: bool) -> Faulty {
    let digest = format!("sha256:{}", "a".repeat(64));
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": digest, "size": SIZE}],
    });
    Faulty::start(move |seen, _| {
        if seen.target.contains("/manifests/") {
            let kind = "application/vnd.oci.image.manifest.v1+json";
            Answer::new(200)
                .header("content-type", kind)
                .body(manifest.to_string())
        } else if head {
            Answer::silence().stall(0)
        } else {
            Answer::new(200).body(vec![0; SIZE]).stall(SIZE / 3)
        }
    })
}

fn check_download(head: bool, stuck: impl Fn(&Faulty, &Value) -> bool + Copy + 'static) {
    for method in ["pull", "verify"] {
        check(|| {
            let server = Arc::new(stalling(head));
            let folder = Folder::new();
            let reference = format!("{}/acme/echo:1", server.name());
            let mut params = json!({"reference": reference});
            if method == "pull" {
                params["destination"] = json!(folder.path("pulled.wasm"));
            }
            let seen = Arc::clone(&server);
            Scene {
                daemon: Daemon::start(),
                folder,
                method,
                params,
                stuck: Box::new(move |requests| stuck(&seen, &requests[0])),
                released: Box::new(move || let_go(&server)),
            }
        });
    }
}

#[test]
fn a_blob_that_never_begins() {
    check_download(true, |server, _| server.seen().len() == 2);
}

/// Its file is there already, without a name.
#[test]
fn a_blob_that_stalls_in_its_middle() {
    check_download(false, |_, request| request["bytes"] == SIZE / 3);
}

/// A listener with one connection that nobody accepts: there is no room for another.
struct Full {
    _listener: TcpListener,
    _waits: TcpStream,
    address: SocketAddr,
}

impl Full {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Once more, with a shorter queue: listen(2).
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            _waits: TcpStream::connect(address).unwrap(),
            _listener: listener,
            address,
        }
    }

    /// Connections to it that wait to be made.
    fn knocking(&self) -> usize {
        let port = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // proc_pid_net(5): local address, remote address, state; 02 is SYN_SENT.
        table
            .lines()
            .filter(|line| {
                let fields: Vec<_> = line.split_whitespace().collect();
                fields[2].ends_with(&port) && fields[3] == "02"
            })
            .count()
    }
}

#[test]
fn a_connection_that_is_never_made() {
    for number in 0..3 {
        check(|| {
            let full = Arc::new(Full::new());
            let folder = Folder::new();
            let mut methods = methods(&full.address.to_string(), &folder);
            methods.rotate_left(number);
            let [(method, params), ..] = methods;
            let knocked = Arc::clone(&full);
            Scene {
                daemon: Daemon::start(),
                folder,
                method,
                params,
                stuck: Box::new(move |_| knocked.knocking() > 0),
                released: Box::new(move || full.knocking() == 0),
            }
        });
    }
}

/// Takes connections, reads what comes, and says nothing.
struct Mute {
    address: SocketAddr,
    heard: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Mute {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, closed) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let mute = Self {
            address,
            heard: Arc::clone(&heard),
            closed: Arc::clone(&closed),
        };
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut piece = [0; 4096];
            while stream.read(&mut piece).is_ok_and(|read| read > 0) {
                heard.store(true, Ordering::Relaxed);
            }
            closed.store(true, Ordering::Relaxed);
        });
        mute
    }
}

#[test]
fn a_handshake_that_is_never_answered() {
    for number in 0..3 {
        check(|| {
            let mute = Mute::start();
            let folder = Folder::new();
            let mut methods = methods(&mute.address.to_string(), &folder);
            methods.rotate_left(number);
            let [(method, params), ..] = methods;
            let config = format!("[registry.\"{}\"]\nplain-http = false\n", mute.address);
            Scene {
                daemon: Daemon::configured(&config, &[]),
                folder,
                method,
                params,
                stuck: Box::new(move |_| mute.heard.load(Ordering::Relaxed)),
                released: Box::new(move || mute.closed.load(Ordering::Relaxed)),
            }
        });
    }
}

/// A registry that begins an upload and then takes no byte of it, until it is let go on.
struct Stubborn {
    address: SocketAddr,
    put: Arc<AtomicBool>,
    go_on: Arc<AtomicBool>,
    /// How many bytes of an upload were still missing when its connection was closed.
    missing: Arc<Mutex<Option<u64>>>,
}

impl Stubborn {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stubborn = Self {
            address: listener.local_addr().unwrap(),
            put: Arc::default(),
            go_on: Arc::default(),
            missing: Arc::default(),
        };
        let (put, go_on) = (Arc::clone(&stubborn.put), Arc::clone(&stubborn.go_on));
        let missing = Arc::clone(&stubborn.missing);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (put, go_on) = (Arc::clone(&put), Arc::clone(&go_on));
                let missing = Arc::clone(&missing);
                std::thread::spawn(move || Self::serve(stream, &put, &go_on, &missing));
            }
        });
        stubborn
    }

    fn serve(
        stream: TcpStream,
        put: &AtomicBool,
        go_on: &AtomicBool,
        missing: &Mutex<Option<u64>>,
    ) {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        let mut length = 0;
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let answer = match first.split(' ').next().unwrap() {
            "HEAD" => "404 x",
            "POST" => "202 x\r\nLocation: /v2/acme/echo/blobs/uploads/1",
            "PUT" => {
                put.store(true, Ordering::Relaxed);
                while !go_on.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                let mut rest = reader.take(length);
                // A reset is an end, too.
                let _ = std::io::copy(&mut rest, &mut std::io::sink());
                *missing.lock().unwrap() = Some(rest.limit());
                return;
            }
            _ => "204 x",
        };
        let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        reader.get_mut().write_all(head.as_bytes()).unwrap();
    }
}

#[test]
fn a_registry_that_takes_no_byte_of_an_upload() {
    check(|| {
        let registry = Stubborn::start();
        let folder = Folder::new();
        // More than the buffers on both sides hold.
        let path = signed(&folder, 32 << 20);
        let reference = format!("{}/acme/echo:1", registry.address);
        let put = Arc::clone(&registry.put);
        Scene {
            daemon: Daemon::start(),
            folder,
            method: "push",
            params: json!({"path": path, "reference": reference}),
            stuck: Box::new(move |_| put.load(Ordering::Relaxed)),
            released: Box::new(move || {
                registry.go_on.store(true, Ordering::Relaxed);
                registry
                    .missing
                    .lock()
                    .unwrap()
                    .is_some_and(|missing| missing > 0)
            }),
        }
    });
}

/// All turns are taken: those of one connection, and those of all.
#[test]
fn a_turn_that_never_comes() {
    for connections in [1, 4] {
        let server = Arc::new(stalling(false));
        let busy = Daemon::start();
        let folder = Folder::new();
        let reference = format!("{}/acme/echo:1", server.name());
        let params = |number: u64| {
            let destination = folder.path(&format!("{number}.wasm"));
            json!({"reference": reference, "destination": destination})
        };
        let mut holding: Vec<_> = (0..connections)
            .map(|_| Wire::connect(&busy.socket(), Framing::Lines))
            .collect();
        for wire in &mut holding {
            for number in 0..16 {
                wire.ask(number, "pull", &params(number));
            }
        }
        let taken = connections * 16;
        let receiving = || {
            let requests = under_way(&busy.socket());
            let received = |request: &&Value| request["bytes"] == SIZE / 3;
            requests.iter().filter(received).count()
        };
        // Where the process has few file handles, some of these wait, too.
        until("all turns are taken", || {
            let requests = under_way(&busy.socket());
            let settled =
                |request: &Value| request["bytes"] == SIZE / 3 || request["phase"] == "waiting";
            requests.len() == taken && requests.iter().all(settled) && receiving() > 0
        });
        // A connection that holds some has no turn to come; another might get one of the last.
        let mut other = holding.pop().unwrap();
        other.ask(100, "pull", &params(100));
        // Its manifest has been read.
        until("it waits", || server.closed() > taken);
        let before = receiving();
        other.cancel(100);
        assert_eq!(other.hear()["error"]["code"], -32800);
        until("it is gone", || under_way(&busy.socket()).len() == taken);
        assert!(receiving() >= before, "the others go on");
        drop((holding, other));
        until("they are gone", || under_way(&busy.socket()).is_empty());
        until("all were let go", || let_go(&server));
        assert!(folder.names().is_empty());
    }
}
