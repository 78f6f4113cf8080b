//! Push and pull of 100 MB against a registry on loopback, beside curl and skopeo.

use super::{Daemon, Inputs, installed, race, row, timed};
use serde_json::json;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use vouch_testing::{forge, registry::Registry};

const ROUNDS: usize = 5;
const SMALL_ROUNDS: usize = 25;

fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A registry keeps no blob twice in a repository: each round pushes to one of its own.
fn repository(registry: &Registry, round: &mut u32) -> String {
    *round += 1;
    format!("{}/bench/r{round}", registry.name())
}

pub(crate) fn transfers(inputs: &Inputs) {
    let registry = Registry::open();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let scratch = tempfile::tempdir().unwrap();

    let layout = scratch.path().join("layout");
    let stored = format!("oci:{}:1", layout.display());
    client
        .call(
            "push",
            &json!({"path": inputs.archive, "reference": stored}),
        )
        .unwrap();
    let has_skopeo = installed("skopeo");
    let mut rounds = [0, 1000, 2000];
    let [push_round, curl_round, skopeo_round] = &mut rounds;
    let mut push_client = daemon.connect();
    let idle = daemon.memory("VmRSS");
    daemon.forget_highest_memory();
    let [ours, curl, skopeo] = race(
        ROUNDS,
        [
            &mut || {
                // As with skopeo: what was seen in a registry is mounted from there.
                let fresh = Registry::open();
                let reference = format!("{}:1", repository(&fresh, push_round));
                let params = json!({"path": inputs.archive, "reference": reference});
                timed(|| drop(push_client.call("push", &params).unwrap()))
            },
            &mut || {
                let fresh = Registry::open();
                curl_upload(&repository(&fresh, curl_round), &inputs.archive)
            },
            &mut || {
                if !has_skopeo {
                    return Duration::MAX;
                }
                let fresh = Registry::open();
                let to = format!("docker://{}:1", repository(&fresh, skopeo_round));
                timed(|| {
                    run(Command::new("skopeo").args([
                        "copy",
                        "-q",
                        "--dest-tls-verify=false",
                        &stored,
                        &to,
                    ]));
                })
            },
        ],
    );
    let push_memory = daemon.memory("VmHWM").saturating_sub(idle);
    row(
        "push 107 MB to a registry on loopback, verified",
        "<= 1.10 x curl",
        &format!("{:.2} x (skopeo: {:.2} x)", ours / curl, skopeo / curl),
    );

    let pull_memory = pull(inputs, &registry, &daemon, scratch.path());
    row(
        "memory above idle in those two",
        "<= 16 MB each",
        &format!(
            "{:.1} MB, {:.1} MB",
            push_memory as f64 / 1e3,
            pull_memory as f64 / 1e3
        ),
    );
    small(&registry, &daemon, scratch.path());
}

/// Answers the highest memory above idle, in KB.
fn pull(inputs: &Inputs, registry: &Registry, daemon: &Daemon, scratch: &Path) -> u64 {
    let mut client = daemon.connect();
    let has_skopeo = installed("skopeo");
    let reference = format!("{}:1", repository(registry, &mut 5000));
    client
        .call(
            "push",
            &json!({"path": inputs.archive, "reference": reference}),
        )
        .unwrap();
    let idle = daemon.memory("VmRSS");
    daemon.forget_highest_memory();
    let destination = scratch.join("pulled.par");
    let copy = scratch.join("copy");
    let from = format!("docker://{reference}");
    let [ours, skopeo] = race(
        ROUNDS,
        [
            &mut || {
                let _ = fs::remove_file(&destination);
                let params = json!({"reference": reference, "destination": destination});
                timed(|| drop(client.call("pull", &params).unwrap()))
            },
            &mut || {
                let _ = fs::remove_dir_all(&copy);
                if !has_skopeo {
                    return Duration::MAX;
                }
                let to = format!("dir:{}", copy.display());
                timed(|| {
                    run(Command::new("skopeo").args([
                        "copy",
                        "-q",
                        "--src-tls-verify=false",
                        &from,
                        &to,
                    ]));
                })
            },
        ],
    );
    let memory = daemon.memory("VmHWM").saturating_sub(idle);
    row(
        "pull it, verified, synced, atomically placed",
        "<= 0.45 x skopeo",
        &format!("{:.2} x ({:.0} ms)", ours / skopeo, ours * 1e3),
    );
    memory
}

/// 10 KB on a warm connection, beside a cold `skopeo copy`.
fn small(registry: &Registry, daemon: &Daemon, scratch: &Path) {
    if !installed("skopeo") {
        return;
    }
    let unsigned = [forge::module(), forge::custom("fill", &[7; 10_000])].concat();
    let path = scratch.join("small.wasm");
    fs::write(&path, forge::Signer::default().wasm(&unsigned)).unwrap();
    let layout = format!("oci:{}:1", scratch.join("small").display());
    let mut client = daemon.connect();
    client
        .call("push", &json!({"path": path, "reference": layout}))
        .unwrap();
    let mut rounds = [3000, 4000];
    let [push_round, skopeo_round] = &mut rounds;
    let [push, skopeo_push] = race(
        SMALL_ROUNDS,
        [
            &mut || {
                let reference = format!("{}:1", repository(registry, push_round));
                let params = json!({"path": path, "reference": reference});
                timed(|| drop(client.call("push", &params).unwrap()))
            },
            &mut || {
                let fresh = Registry::open();
                let to = format!("docker://{}:1", repository(&fresh, skopeo_round));
                timed(|| {
                    run(Command::new("skopeo").args([
                        "copy",
                        "-q",
                        "--dest-tls-verify=false",
                        &layout,
                        &to,
                    ]));
                })
            },
        ],
    );
    let mut client = daemon.connect();
    let reference = format!("{}/bench/r3001:1", registry.name());
    let (destination, copy) = (scratch.join("small.pulled"), scratch.join("small.copy"));
    let [pull, skopeo_pull] = race(
        SMALL_ROUNDS,
        [
            &mut || {
                let params =
                    json!({"reference": reference, "destination": destination, "overwrite": true});
                timed(|| drop(client.call("pull", &params).unwrap()))
            },
            &mut || {
                let from = format!("docker://{reference}");
                let to = format!("dir:{}", copy.display());
                let _ = fs::remove_dir_all(&copy);
                timed(|| {
                    run(Command::new("skopeo").args([
                        "copy",
                        "-q",
                        "--src-tls-verify=false",
                        &from,
                        &to,
                    ]));
                })
            },
        ],
    );
    row(
        "10 KB, warm: push and pull, beside a cold skopeo copy",
        ">= 3 x, >= 5 x faster",
        &format!("{:.1} x, {:.1} x", skopeo_push / push, skopeo_pull / pull),
    );
}

/// One blob and nothing else, as fast as curl sends it.
fn curl_upload(repository: &str, path: &Path) -> Duration {
    let (host, name) = repository.split_once('/').unwrap();
    let digest = format!(
        "sha256:{}",
        forge::sha256(&fs::read(path).unwrap()).to_lowercase()
    );
    timed(|| {
        let headers = run(Command::new("curl").args([
            "-sS",
            "-X",
            "POST",
            "-D",
            "-",
            "-o",
            "/dev/null",
            &format!("http://{host}/v2/{name}/blobs/uploads/"),
        ]));
        let location = headers
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .unwrap()
            .trim();
        run(Command::new("curl").args([
            "-sS",
            "-f",
            "-o",
            "/dev/null",
            "-H",
            "Content-Type: application/octet-stream",
            "-T",
            path.to_str().unwrap(),
            &format!("{location}&digest={digest}"),
        ]));
    })
}
