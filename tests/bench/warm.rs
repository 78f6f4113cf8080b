//! 10 KB on a warm session of a registry that wants tokens, beside a cold `skopeo copy`.

use super::{Daemon, installed, race, row, timed};
use serde_json::json;
use std::{fs, path::Path, process::Command};
use vouch_testing::{
    forge,
    registry::Registry,
    token_server::{PASSWORD, TokenServer, USERNAME},
};

const ROUNDS: usize = 10;

// One scene, told in order.
#[allow(clippy::too_many_lines)]
pub(crate) fn sessions() {
    if !installed("skopeo") {
        return;
    }
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let scratch = tempfile::tempdir().unwrap();
    let login = json!({"username": USERNAME, "password": PASSWORD});
    let config = json!({"auths": {registry.name(): login}});
    fs::write(scratch.path().join("config.json"), config.to_string()).unwrap();
    let daemon = Daemon::configured("", &[("DOCKER_CONFIG", scratch.path())]);
    let mut client = daemon.connect();
    // A registry keeps no blob twice in a repository: each round has content of its own.
    let mut artifacts = Vec::new();
    for number in 0..=2 * ROUNDS {
        let mut filler = vec![7; 10_000];
        filler[..8].copy_from_slice(&number.to_le_bytes());
        let unsigned = [forge::module(), forge::custom("fill", &filler)].concat();
        let path = scratch.path().join(format!("{number}.wasm"));
        fs::write(&path, forge::Signer::default().wasm(&unsigned)).unwrap();
        let layout = format!(
            "oci:{}:1",
            scratch.path().join(number.to_string()).display()
        );
        let params = json!({"path": path, "reference": layout});
        client.call("push", &params).unwrap();
        artifacts.push((path, layout));
    }
    let reference = |tag: usize| format!("{}/bench/echo:{tag}", registry.name());
    let credentials = format!("{USERNAME}:{PASSWORD}");
    let skopeo = |side: &str, from: &str, to: &str| {
        let (tls, login) = (
            format!("--{side}-tls-verify=false"),
            format!("--{side}-creds"),
        );
        let arguments = ["copy", "-q", &tls, &login, &credentials, from, to];
        timed(|| {
            let ended = Command::new("skopeo").args(arguments).status().unwrap();
            assert!(ended.success());
        })
    };
    let pulled = scratch.path().join("pulled.wasm");
    let copied = scratch.path().join("copied");
    let pull = json!({"reference": reference(0), "destination": pulled, "overwrite": true});
    let push = |path: &Path, tag| json!({"path": path, "reference": reference(tag)});

    // The first push finds the challenge and an access token, which is good for pulls too.
    client.call("push", &push(&artifacts[0].0, 0)).unwrap();
    let after_push = tokens.count();
    client.call("pull", &pull).unwrap();
    let for_pull = tokens.count() - after_push;
    let (mut ours, mut theirs) = (0, ROUNDS);
    let mut asked = tokens.count();
    let mut counted = 0;
    let [push_time, skopeo_push] = race(
        ROUNDS,
        [
            &mut || {
                ours += 1;
                asked = tokens.count();
                let params = push(&artifacts[ours].0, ours);
                let time = timed(|| drop(client.call("push", &params).unwrap()));
                counted += tokens.count() - asked;
                time
            },
            &mut || {
                theirs += 1;
                let to = format!("docker://{}", reference(theirs));
                skopeo("dest", &artifacts[theirs].1, &to)
            },
        ],
    );
    let mut client = daemon.connect();
    let [pull_time, skopeo_pull] = race(
        ROUNDS,
        [
            &mut || {
                asked = tokens.count();
                let time = timed(|| drop(client.call("pull", &pull).unwrap()));
                counted += tokens.count() - asked;
                time
            },
            &mut || {
                let _ = fs::remove_dir_all(&copied);
                let from = format!("docker://{}", reference(0));
                skopeo("src", &from, &format!("dir:{}", copied.display()))
            },
        ],
    );
    row(
        "10 KB on a warm session with tokens, beside cold skopeo",
        ">= 3 x, >= 5 x faster",
        &format!(
            "{:.1} x ({:.1} ms), {:.1} x ({:.1} ms)",
            skopeo_push / push_time,
            push_time * 1e3,
            skopeo_pull / pull_time,
            pull_time * 1e3
        ),
    );
    row(
        "requests for access tokens in those pushes and pulls",
        "none",
        &counted.to_string(),
    );
    row(
        "requests for access tokens of a pull after a push",
        "none",
        &for_pull.to_string(),
    );
}
