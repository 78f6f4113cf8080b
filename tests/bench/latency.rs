//! How long a call takes: alone, with others, among a thousand who are only connected; and beside
//! jsonrpsee's own server, which is given the same work.

use super::{Daemon, ROUNDS, row, timed};
use jsonrpsee::{
    RpcModule,
    server::Server,
    types::{ErrorObjectOwned, Params},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};
use vouch_testing::forge::{Signer, module};
use vouchd::{
    artifact::{Cache, Limits},
    file::Source,
    progress::Progress,
    trust::{self, Now, Use},
};

/// In a WebSocket's frame: what follows is masked; the length has two bytes of its own.
const MASKED: u8 = 0x80;
const LONGER: u8 = 0x7e;

/// Says to the bench's own binary that it is the peer.
const PEER: &str = "VOUCH_BENCH_PEER";
/// So many calls are measured in a round, by all clients together.
const CALLS: usize = 4096;

/// The middle of many times, and the one that one of a hundred is above.
#[derive(Clone, Copy)]
struct Times {
    p50: Duration,
    p99: Duration,
}

impl Times {
    const WORST: Self = Self {
        p50: Duration::MAX,
        p99: Duration::MAX,
    };

    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
        }
    }

    fn better(self, other: Self) -> Self {
        Self {
            p50: self.p50.min(other.p50),
            p99: self.p99.min(other.p99),
        }
    }

    fn shown(self) -> String {
        format!("{}/{}", self.p50.as_micros(), self.p99.as_micros())
    }
}

/// What that many clients measure, side by side, each one call after another.
fn called<C: FnMut() + Send + 'static>(clients: usize, connect: impl Fn() -> C) -> Times {
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let mut call = connect();
            thread::spawn(move || {
                (0..CALLS / clients)
                    .map(|_| timed(&mut call))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let times = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap());
    Times::of(times.collect())
}

/// A signed module that is old enough to be remembered.
fn artifact(folder: &Path) -> Value {
    let path = folder.join("echo.wasm");
    std::fs::write(&path, Signer::default().wasm(&module())).unwrap();
    thread::sleep(Duration::from_millis(2100));
    json!({"path": path})
}

pub(crate) fn beside_a_web_socket() {
    let folder = tempfile::tempdir().unwrap();
    let params = artifact(folder.path());
    let daemon = Daemon::start();
    let peer = Peer::start();
    for clients in [1, 8, 64] {
        let (mut ours, mut theirs) = (Times::WORST, Times::WORST);
        for _ in 0..ROUNDS {
            ours = ours.better(called(clients, || {
                let mut client = daemon.connect();
                let params = params.clone();
                move || drop(client.call("verify", &params).unwrap())
            }));
            theirs = theirs.better(called(clients, || {
                let mut client = WebSocket::connect(peer.address);
                let params = params.clone();
                move || client.verify(&params)
            }));
        }
        row(
            &format!("a warm verify, {clients} clients side by side"),
            "p50/p99, beside a peer",
            &format!(
                "{} us over the socket; {} us for the same work by jsonrpsee over WebSocket",
                ours.shown(),
                theirs.shown()
            ),
        );
    }
}

pub(crate) fn a_thousand_connected() {
    const CLIENTS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let params = artifact(folder.path());
    let daemon = Daemon::start();
    let measured = || {
        called(1, || {
            let mut client = daemon.connect();
            let params = params.clone();
            move || drop(client.call("verify", &params).unwrap())
        })
    };
    let connected = || {
        let connect = |_| {
            let mut client = daemon.connect();
            client.call("server/status", &json!({})).unwrap();
            client
        };
        (0..CLIENTS).map(connect).collect::<Vec<_>>()
    };
    let (mut alone, mut among) = (Times::WORST, Times::WORST);
    let mut each = None;
    for _ in 0..ROUNDS {
        alone = alone.better(measured());
        let before = daemon.memory("VmRSS");
        let clients = connected();
        let taken = daemon.memory("VmRSS").saturating_sub(before);
        // Memory that was given back is used again: the first round tells.
        each.get_or_insert(taken as f64 * 1024.0 / CLIENTS as f64 / 1e3);
        among = among.better(measured());
        drop(clients);
    }
    row(
        "1,000 connected clients: each takes; a call of another",
        "<= 16 KB; within 1.1 x",
        &format!(
            "{:.1} KB; p50 {:.2} x, p99 {:.2} x ({} us, without them {} us)",
            each.unwrap_or_default(),
            among.p50.as_secs_f64() / alone.p50.as_secs_f64(),
            among.p99.as_secs_f64() / alone.p99.as_secs_f64(),
            among.shown(),
            alone.shown(),
        ),
    );
}

/// A policy of a thousand rules and as many signers, beside none.
pub(crate) fn under_a_thousand_rules() {
    let folder = tempfile::tempdir().unwrap();
    let params = artifact(folder.path());
    let rules = (0..1000).map(|number| {
        let account = Signer::default().account.public_key();
        format!(
            "[trust.signer.s{number}]\naccount = '{account}'\n[[trust.rule]]\n\
             scope = 'r{number}.example/acme'\naccept = ['s{number}']\nmax-age = '90d'\n"
        )
    });
    let files = "[[trust.rule]]\nscope = 'files'\naccept = 'any'\nkinds = ['module']\n";
    let policy = files.to_owned() + &rules.collect::<String>();
    let daemons = [Daemon::start(), Daemon::configured(&policy, &[])];
    let mut best = [Times::WORST; 2];
    for _ in 0..ROUNDS {
        for (best, daemon) in best.iter_mut().zip(&daemons) {
            *best = best.better(called(1, || {
                let mut client = daemon.connect();
                let params = params.clone();
                move || drop(client.call("verify", &params).unwrap())
            }));
        }
    }
    let [none, rules] = best;
    row(
        "a warm verify under a policy of 1,000 rules",
        "within 1.1 x of none",
        &format!(
            "p50 {:.2} x ({} us, without them {} us)",
            rules.p50.as_secs_f64() / none.p50.as_secs_f64(),
            rules.shown(),
            none.shown(),
        ),
    );
}

/// jsonrpsee's server in a process of its own.
struct Peer {
    process: Child,
    address: SocketAddr,
}

impl Peer {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(PEER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        Self {
            process,
            address: address.trim().parse().unwrap(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves as the peer, if this process is meant to be it.
pub(crate) fn is_peer() -> bool {
    let meant = std::env::var_os(PEER).is_some();
    if meant {
        let workers = thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .unwrap()
            .block_on(serve());
    }
    meant
}

async fn serve() {
    let mut module = RpcModule::new(Cache::default());
    module
        .register_async_method("verify", |params, cache, _| verify(params, cache))
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    println!("{}", server.local_addr().unwrap());
    server.start(module).stopped().await;
}

/// What our own `verify` does, from the params to the answer.
async fn verify(
    params: Params<'static>,
    cache: Arc<Cache>,
) -> Result<vouch_protocol::Verification, ErrorObjectOwned> {
    let params: vouch_protocol::VerifyParams = params.parse()?;
    let vouch_protocol::VerifySubject::Path(path) = params.subject else {
        unreachable!("the bench names files");
    };
    let path = vouchd::file::parse_path(&path).unwrap();
    let name = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let source = Source::open(&path).unwrap();
        cache.examine(&source, &Limits::default(), &Progress::default())
    });
    let examined = reading.await.unwrap().unwrap();
    let now = Now::built_in(SystemTime::now());
    let verdict = trust::judge(examined, None, Use::Verify(None), None, &now).unwrap();
    Ok(match verdict {
        Ok(vouched) => vouched.verification(),
        Err(refused) => refused.verification(&name),
    })
}

/// A client that does no more than ours does: one frame out, one in.
struct WebSocket {
    stream: BufReader<TcpStream>,
    id: u64,
}

impl WebSocket {
    fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 101 "), "{line}");
        while !line.trim().is_empty() {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        Self { stream, id: 0 }
    }

    /// RFC 6455, section 5.2.
    fn verify(&mut self, params: &Value) {
        self.id += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.id, "method": "verify", "params": params});
        let request = request.to_string();
        // A whole text message of less than 64 KiB, with a mask of zeros.
        let length = u16::try_from(request.len()).unwrap().to_be_bytes();
        let mut frame = vec![0x81];
        if let [0, length @ ..LONGER] = length {
            frame.push(MASKED | length);
        } else {
            frame.push(MASKED | LONGER);
            frame.extend(length);
        }
        frame.extend([0; 4]);
        frame.extend(request.as_bytes());
        self.stream.get_mut().write_all(&frame).unwrap();

        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let length = match head[1] {
            LONGER => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length).into()
            }
            length => usize::from(length),
        };
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["result"]["verdict"], "accepted", "{answer}");
    }
}
