//! The budget, measured side by side in one run: `cargo bench --bench budget`, or a part of it:
//! `cargo bench --bench budget -- latency` (or `artifacts`, `again`, `sessions`, `small`, `cancel`,
//! `service`, `signing`, `burst`, `documents`, `bundles`).
//!
//! Each row is a ratio of the best of several interleaved rounds, so that a busy moment of the
//! machine does not count. Peers are measured where they are installed. Nothing fails here: a
//! machine is noisy, and a number is for people to look at.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]
#![allow(clippy::cast_precision_loss)]

mod bundles;
mod burst;
mod cancel;
mod documents;
mod latency;
mod signing;
mod small;
mod transfer;
mod warm;

use serde_json::json;
use std::{
    fs,
    io::Read,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use vouch_testing::{
    daemon::Daemon,
    forge::{self, Signer},
    process::binary,
    real_modules,
};
use vouchd::{
    artifact::{Limits, examine},
    file::Source,
    progress::Progress,
};

const ROUNDS: usize = 9;

/// Prints what was measured against what.
fn row(what: &str, budget: &str, measured: &str) {
    println!("{what:<58} {budget:<26} {measured}");
}

/// The best time of each, taken in turns.
fn race<const N: usize>(rounds: usize, mut runs: [&mut dyn FnMut() -> Duration; N]) -> [f64; N] {
    let mut best = [f64::MAX; N];
    for _ in 0..rounds {
        for (best, run) in best.iter_mut().zip(&mut runs) {
            *best = best.min(run().as_secs_f64());
        }
    }
    best
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

struct Inputs {
    folder: tempfile::TempDir,
    module: PathBuf,
    archive: PathBuf,
    gzipped: PathBuf,
}

impl Inputs {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let modules: Vec<Vec<u8>> = real_modules::fetch()
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect();
        let signer = Signer::default();
        let archive = signer.archive(&[
            ("x86_64-linux.bin", &modules[0]),
            ("aarch64-linux.bin", &modules[1]),
            ("x86_64-macos.bin", &modules[2]),
        ]);
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        Self {
            module: write("module.wasm", &signer.wasm(&modules[0])),
            gzipped: write("archive.par.gz", &forge::gzip(&archive)),
            archive: write("archive.par", &archive),
            folder,
        }
    }
}

fn main() {
    // `cargo test --benches` asks for a list; there is nothing to list.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    if latency::is_peer() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let asked = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    row("what", "budget", "measured");
    if asked("artifacts") {
        let inputs = Inputs::make();
        verifying(&inputs);
        transfer::transfers(&inputs);
        drop(inputs.folder);
    }
    if asked("again") {
        again();
    }
    if asked("sessions") {
        warm::sessions();
    }
    if asked("small") {
        small::small();
        small::by_ten();
    }
    if asked("latency") {
        latency::beside_a_web_socket();
        latency::a_thousand_connected();
        latency::under_a_thousand_rules();
    }
    if asked("cancel") {
        cancel::cancels();
    }
    if asked("burst") {
        burst::bursts();
    }
    if asked("signing") {
        signing::signing();
    }
    if asked("bundles") {
        bundles::offline();
    }
    if asked("documents") {
        documents::known();
    }
    if asked("service") {
        start_up();
        memory();
    }
}

fn examined(path: &Path) -> Duration {
    timed(|| {
        let source = Source::open(path).unwrap();
        let examined = examine(source, &Limits::default(), &Progress::default()).unwrap();
        assert!(examined.digest().is_some());
    })
}

/// One pass over a file, which reads it too: what a digest of it costs, and nothing else.
fn hashed(path: &Path) -> Duration {
    let source = Source::open(path).unwrap();
    let mut buffer = vec![0; 256 << 10];
    timed(|| {
        let mut reader = source.reader();
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                read => context.update(&buffer[..read]),
            }
        }
        std::hint::black_box(context.finish());
    })
}

fn sha256(bytes: &[u8]) -> Duration {
    timed(|| {
        std::hint::black_box(ring::digest::digest(&ring::digest::SHA256, bytes));
    })
}

fn inflated(bytes: &[u8]) -> Duration {
    let mut buffer = vec![0; 256 << 10];
    timed(|| {
        let mut decoder = flate2::bufread::GzDecoder::new(bytes);
        while decoder.read(&mut buffer).unwrap() > 0 {}
    })
}

fn verifying(inputs: &Inputs) {
    let megabytes = |bytes: &[u8]| bytes.len() / 1_000_000;
    let bytes = fs::read(&inputs.module).unwrap();
    let [ours, file, hash, theirs] = race(
        ROUNDS,
        [
            &mut || examined(&inputs.module),
            &mut || hashed(&inputs.module),
            &mut || sha256(&bytes),
            &mut || {
                timed(|| {
                    assert!(wascap::wasm::extract_claims(&bytes).unwrap().is_some());
                    sha256(&bytes);
                })
            },
        ],
    );
    row(
        &format!("verify a real module of {} MB", megabytes(&bytes)),
        "<= 1.05 x SHA-256",
        &format!(
            "{:.2} x; of bytes in memory {:.2} x (wascap + digest: {:.1} x)",
            ours / file,
            ours / hash,
            theirs / hash
        ),
    );

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let load = |bytes: &[u8]| {
        timed(|| {
            let loading = provider_archive::ProviderArchive::try_load(bytes);
            assert!(runtime.block_on(loading).is_ok());
            sha256(bytes);
        })
    };
    let bytes = fs::read(&inputs.archive).unwrap();
    let [ours, file, hash, theirs] = race(
        ROUNDS,
        [
            &mut || examined(&inputs.archive),
            &mut || hashed(&inputs.archive),
            &mut || sha256(&bytes),
            &mut || load(&bytes),
        ],
    );
    row(
        &format!("verify an archive of {} MB", megabytes(&bytes)),
        "<= 1.10 x SHA-256",
        &format!(
            "{:.2} x; of bytes in memory {:.2} x (provider-archive + digest: {:.1} x)",
            ours / file,
            ours / hash,
            theirs / hash
        ),
    );
    let bytes = fs::read(&inputs.gzipped).unwrap();
    let [ours, inflate, theirs] = race(
        ROUNDS,
        [
            &mut || examined(&inputs.gzipped),
            &mut || inflated(&bytes),
            &mut || load(&bytes),
        ],
    );
    row(
        &format!("verify that archive gzipped, {} MB", megabytes(&bytes)),
        "<= 1.15 x inflating",
        &format!(
            "{:.2} x (provider-archive: {:.1} x)",
            ours / inflate,
            theirs / inflate
        ),
    );
}

/// An unchanged file, answered from what is remembered.
fn again() {
    let daemon = Arc::new(Daemon::start());
    let module = daemon.path("module.wasm");
    let unsigned = [forge::module(), forge::custom("fill", &vec![7; 1 << 20])].concat();
    fs::write(&module, Signer::default().wasm(&unsigned)).unwrap();
    let params = json!({"path": module});
    // A file is remembered once its times are 2 s old.
    std::thread::sleep(Duration::from_millis(2100));
    let mut client = daemon.connect();
    client.call("verify", &params).unwrap();
    let mut times: Vec<Duration> = (0..5000)
        .map(|_| timed(|| drop(client.call("verify", &params).unwrap())))
        .collect();
    times.sort();
    let each = 20_000;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (daemon, params) = (daemon.clone(), params.clone());
            std::thread::spawn(move || {
                let mut client = daemon.connect();
                // Sixteen under way at a time, as an editor's or a script's requests are.
                for _ in 0..each / 16 {
                    for _ in 0..16 {
                        client.request("verify", &params);
                    }
                    for _ in 0..16 {
                        drop(client.hear());
                    }
                }
            })
        })
        .collect();
    let all = timed(|| {
        for client in clients {
            client.join().unwrap();
        }
    });
    row(
        "verify an unchanged file again",
        "p50 <= 60 us; 50,000/s",
        &format!(
            "p50 {} us, p99 {} us; {:.0}/s with 8 clients",
            times[times.len() / 2].as_micros(),
            times[times.len() * 99 / 100].as_micros(),
            f64::from(8 * each) / all.as_secs_f64(),
        ),
    );
}

fn start_up() {
    let best = (0..20)
        .map(|_| {
            let mut daemon = None;
            timed(|| {
                let started = Daemon::launch(binary(), |_, _| {});
                // `Daemon::start` looks every five milliseconds, which is longer than this takes.
                while UnixStream::connect(started.socket()).is_err() {
                    std::thread::sleep(Duration::from_micros(50));
                }
                started.connect().call("server/status", &json!({})).unwrap();
                daemon = Some(started);
            })
        })
        .min()
        .unwrap();
    let daemon = Daemon::start();
    daemon.connect().call("server/status", &json!({})).unwrap();
    let binary = fs::metadata(env!("CARGO_BIN_EXE_vouchd")).unwrap().len();
    row(
        "start to first answer; idle memory; binary",
        "<= 4 ms; 8 MB; 12 MB",
        &format!(
            "{:.1} ms; {:.1} MB ({:.1} MB without what it maps of files); {:.1} MB",
            best.as_secs_f64() * 1e3,
            daemon.memory("VmRSS") as f64 / 1e3,
            daemon.memory("RssAnon") as f64 / 1e3,
            binary as f64 / 1e6,
        ),
    );
}

/// The highest memory above idle, verifying modules from 5 KB to 1 GB.
fn memory() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let signer = Signer::default();
    let mut measured = Vec::new();
    for size in [5_000, 1_000_000, 100_000_000, 1_000_000_000] {
        let path = folder.path().join("module.wasm");
        let unsigned = [forge::module(), forge::custom("fill", &vec![7; size])].concat();
        fs::write(&path, signer.wasm(&unsigned)).unwrap();
        drop(unsigned);
        let idle = daemon.memory("VmRSS");
        daemon.forget_highest_memory();
        client.call("verify", &json!({"path": path})).unwrap();
        let above = daemon.memory("VmHWM").saturating_sub(idle);
        measured.push(format!("{:.1}", above as f64 / 1e3));
    }
    row(
        "memory above idle: verify 5 KB, 1 MB, 100 MB, 1 GB",
        "constant",
        &format!("{} MB", measured.join(", ")),
    );
}
