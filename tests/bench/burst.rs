//! Many at once: the highest memory above idle, and what of it is kept ten seconds later. Each
//! scene has a service of its own.

use super::row;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::{fs, path::Path, thread, time::Duration};
use vouch_testing::{
    daemon::Daemon,
    forge::{self, Signer, custom, module},
    registry::Registry,
    wire::{Framing, Wire},
};

/// How long memory may take to be given back.
const LATER: Duration = Duration::from_secs(10);

/// What the allocator is told, as `vouchd serve --detach` and the unit of systemd tell it.
fn allocator() -> Vec<(&'static str, &'static Path)> {
    let unit = include_str!("../../dist/systemd/vouchd.service");
    let variables = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let pairs = variables
        .flat_map(str::split_whitespace)
        .filter_map(|variable| variable.split_once('='));
    pairs
        .map(|(name, value)| (name, Path::new(value)))
        .collect()
}

/// Runs a scene, and prints what it cost. `work` answers how many of its requests failed: what is
/// not done takes no memory.
fn scene(what: &str, budget: &str, work: impl FnOnce(&Daemon) -> usize) {
    let daemon = Daemon::configured("", &allocator());
    daemon.status();
    let idle = daemon.memory("VmRSS");
    daemon.forget_highest_memory();
    let failed = match work(&daemon) {
        0 => String::new(),
        failed => format!(", {failed} FAILED"),
    };
    let above = |name| daemon.memory(name).saturating_sub(idle) as f64 / 1e3;
    let peak = above("VmHWM");
    thread::sleep(LATER);
    let (kept, threads) = (above("VmRSS"), daemon.memory("Threads"));
    row(
        &format!("memory above idle: {what}"),
        budget,
        &format!("peak {peak:.1} MB, kept {kept:.1} MB ({threads} threads){failed}"),
    );
}

/// So many clients, side by side, that each ask one thing and go; answers how many failed.
fn each_asks(
    daemon: &Daemon,
    count: usize,
    ask: impl Fn(usize) -> (&'static str, Value) + Sync,
) -> usize {
    thread::scope(|scope| {
        let ask = &ask;
        let one = |number| {
            scope.spawn(move || {
                let (method, params) = ask(number);
                let answer = daemon.connect().call(method, &params);
                answer.inspect_err(|error| eprintln!("{error}")).is_err()
            })
        };
        let clients: Vec<_> = (0..count).map(one).collect();
        let failed = |client: thread::ScopedJoinHandle<bool>| client.join().unwrap_or(true);
        clients
            .into_iter()
            .map(failed)
            .filter(|failed| *failed)
            .count()
    })
}

/// Bytes that do not compress, another sequence for each seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// A signed module of about that length.
fn signed(seed: u64, length: usize) -> Vec<u8> {
    let fill = custom("fill", &noise(seed, length));
    Signer::default().wasm(&[module(), fill].concat())
}

/// The scenes of the budget.
pub(crate) fn bursts() {
    const BUDGET: &str = "peak <= 64 MB; kept <= 8 MB";
    const ONE: &str = "peak <= 16 MB";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: String, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };

    let content = [noise(0, 11_500_000), vec![0; 40_000_000]].concat();
    let archive = Signer::default().archive(&[("x86_64-linux.bin", &content)]);
    let gzipped = forge::gzip(&archive);
    // A copy each, so that none is remembered.
    let archives: Vec<_> = (0..64)
        .map(|number| write(format!("{number}.par.gz"), &gzipped))
        .collect();
    drop((content, archive, gzipped));
    scene("64 verifies of a .par.gz of 12 MB", BUDGET, |daemon| {
        each_asks(daemon, 64, |number| {
            ("verify", json!({"path": archives[number]}))
        })
    });
    for archive in archives {
        fs::remove_file(archive).unwrap();
    }

    let registry = Registry::open();
    let reference = |name: &str| format!("{}/acme/{name}:1", registry.name());
    let push = |path: &Path, name: &str| json!({"path": path, "reference": reference(name)});
    let one = write("one.wasm".into(), &signed(2, 103_000_000));
    scene("one push of 103 MB", ONE, |daemon| {
        each_asks(daemon, 1, |_| ("push", push(&one, "one")))
    });
    scene("one pull of 103 MB", ONE, |daemon| {
        let destination = folder.path().join("pulled.wasm");
        let params = json!({"reference": reference("one"), "destination": destination});
        each_asks(daemon, 1, |_| ("pull", params.clone()))
    });
    let long = write("long.wasm".into(), &signed(1, 30_000_000));
    Daemon::start()
        .connect()
        .call("push", &push(&long, "long"))
        .unwrap();
    scene("50 pulls of 30 MB", BUDGET, |daemon| {
        each_asks(daemon, 50, |number| {
            let destination = folder.path().join(format!("pulled-{number}.wasm"));
            let params = json!({"reference": reference("long"), "destination": destination});
            ("pull", params)
        })
    });
    for number in 0..50 {
        fs::remove_file(folder.path().join(format!("pulled-{number}.wasm"))).unwrap();
    }
    let files: Vec<_> = (0..50)
        .map(|number| write(format!("{number}.wasm"), &signed(100 + number, 5_000_000)))
        .collect();
    scene("50 pushes of 5 MB", BUDGET, |daemon| {
        each_asks(daemon, 50, |number| {
            ("push", push(&files[number], &format!("echo-{number}")))
        })
    });

    let small: Vec<_> = (0..900)
        .map(|number| write(format!("small-{number}.wasm"), &signed(1000 + number, 300)))
        .collect();
    scene("900 one-shot clients, small files", BUDGET, |daemon| {
        each_asks(daemon, 900, |number| {
            ("verify", json!({"path": small[number]}))
        })
    });
    scene("4,000 slow clients", "peak <= 64 MB", |daemon| {
        slow_clients(daemon);
        0
    });
}

/// Clients of every framing whose request lacks its end for a while.
fn slow_clients(daemon: &Daemon) {
    const CLIENTS: usize = 4000;
    // Each is a handle of ours, too.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let request = |framing: Framing| framing.request(1, "server/status", &json!({}));
    let mut clients: Vec<(Framing, Wire)> = (0..CLIENTS)
        .map(|number| {
            let framing = Framing::ALL[number % 3];
            let mut client = Wire::connect(&daemon.socket(), framing);
            let request = request(framing);
            client.say(&request.as_bytes()[..request.len() - 5]);
            (framing, client)
        })
        .collect();
    for (framing, client) in &mut clients {
        let request = request(*framing);
        client.say(&request.as_bytes()[request.len() - 5..]);
    }
    for (_, client) in &mut clients {
        client.hear();
    }
}
