//! From `$/cancelRequest` to the answer, where requests are stuck.

use super::{Daemon, row};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};
use vouch_testing::{
    faulty::{Answer, Faulty},
    process::until,
    wire::{Framing, Wire, under_way},
};

const ROUNDS: u64 = 20;

/// The median and the worst of some rounds. `stuck` gets what the service has under way.
fn cancelling(
    what: &str,
    daemon: &Daemon,
    (method, params): (&str, &Value),
    stuck: impl Fn(&[Value], u64) -> bool,
) {
    let socket = daemon.socket();
    let mut wire = Wire::connect(&socket, Framing::Lines);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            wire.ask(round, method, params);
            until("it is stuck", || {
                let requests = under_way(&socket);
                !requests.is_empty() && stuck(&requests, round)
            });
            let asked = Instant::now();
            wire.cancel(round);
            assert_eq!(wire.hear()["error"]["code"], -32800);
            let took = asked.elapsed();
            until("it is gone", || under_way(&socket).is_empty());
            took
        })
        .collect();
    times.sort();
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
    row(
        &format!("cancel to answer, {what}"),
        "<= 100 ms",
        &format!(
            "{:.2} ms, worst {:.2} ms",
            milliseconds(&times[times.len() / 2]),
            times.last().map_or(0.0, milliseconds)
        ),
    );
}

/// A file that takes no space and seconds to read: custom sections of zeros.
fn endless(path: &Path) {
    const SECTION: u64 = 0xffff_fff0;
    let mut file = fs::File::create(path).unwrap();
    file.write_all(b"\0asm\x01\0\0\0").unwrap();
    let mut length = 8;
    for _ in 0..4 {
        file.seek(SeekFrom::Start(length)).unwrap();
        // Section 0 and its length in LEB128.
        file.write_all(&[0, 0xf0, 0xff, 0xff, 0xff, 0x0f]).unwrap();
        length += 6 + SECTION;
    }
    file.set_len(length).unwrap();
}

pub(crate) fn cancels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endless.wasm");
    endless(&path);
    let daemon = Daemon::configured("[limits]\nartifact = 34359738368\n", &[]);
    let verify = json!({"path": path});
    cancelling("hashing a file", &daemon, ("verify", &verify), |now, _| {
        now[0]["bytes"].as_u64() > Some(0)
    });

    let silent = Faulty::start(|_, _| Answer::silence().stall(0));
    let verify = json!({"reference": format!("{}/acme/echo:1", silent.name())});
    cancelling(
        "a registry that never answers",
        &daemon,
        ("verify", &verify),
        |_, round| silent.seen().len() as u64 > round,
    );

    let size = 1_000_000;
    let digest = format!("sha256:{}", "a".repeat(64));
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": digest, "size": size}],
    });
    let stalling = Faulty::start(move |seen, _| {
        if seen.target.contains("/manifests/") {
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let answer = Answer::new(200).header("content-type", kind);
            return answer.body(manifest.to_string());
        }
        Answer::new(200).body(vec![0; size]).stall(size / 3)
    });
    let pull = json!({
        "reference": format!("{}/acme/echo:1", stalling.name()),
        "destination": folder.path().join("pulled.wasm"),
    });
    cancelling("a blob that stalls", &daemon, ("pull", &pull), |now, _| {
        now[0]["bytes"] == size / 3
    });

    let helper = folder.path().join("docker-credential-fake");
    fs::write(
        &helper,
        "#!/bin/sh\ncd \"${0%/*}\"\necho >> runs\nsleep 1000\n",
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).unwrap();
    let config = folder.path().join("config.json");
    fs::write(config, r#"{"credsStore": "fake"}"#).unwrap();
    let search = format!("{}:/usr/bin:/bin", folder.path().display());
    let environment = [
        ("DOCKER_CONFIG", folder.path()),
        ("PATH", Path::new(&search)),
    ];
    let daemon = Daemon::configured("", &environment);
    let runs = folder.path().join("runs");
    cancelling(
        "a credential helper that hangs",
        &daemon,
        ("verify", &verify),
        |_, round| fs::read(&runs).is_ok_and(|runs| runs.len() as u64 > round),
    );
}
