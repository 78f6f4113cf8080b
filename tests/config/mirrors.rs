//! Mirrors, with two real registries.

use super::*;
use std::fs;
use vouch_testing::{
    daemon::Daemon,
    faulty::{Answer, Faulty},
    process::run,
    registry::{PASSWORD, Registry, USERNAME},
};

fn mirrored(registry: &str, mirror: &str) -> String {
    format!("[registry.\"{registry}\"]\nmirrors = [\"{mirror}\"]\n")
}

#[test]
fn pulls_ask_the_mirror_first_and_pushes_never_do() {
    let (registry, mirror) = (Registry::open(), Registry::open());
    let config = mirrored(&registry.name(), &format!("{}/hub", mirror.name()));
    let daemon = Daemon::logging_all(&config, &[]);
    let mut client = daemon.connect();
    let folder = Folder::new();
    let (path, to) = (signed(&folder), folder.path("pulled.wasm"));
    let reference = format!("{}/acme/echo:1", registry.name());
    let pushed = push(&mut client, &path, &reference).unwrap();
    assert_eq!(mirror.stored("repositories"), 0);
    assert_eq!(mirror.logged(&["/v2/"]), 0, "a push asks no mirror");

    // It is not there yet: the registry has it.
    let pulled = pull(&mut client, &to, &reference).unwrap();
    assert_eq!(pulled["digest"], pushed["digest"]);
    assert_eq!(fs::read(&to).unwrap(), fs::read(&path).unwrap());
    assert!(
        daemon.log().contains("the mirror was skipped"),
        "{}",
        daemon.log()
    );

    // It is: the registry is not asked, and not needed.
    let there = format!("{}/hub/acme/echo:1", mirror.name());
    push(&mut client, &path, &there).unwrap();
    drop(registry);
    let pulled = pull(&mut client, &to, &reference).unwrap();
    assert_eq!(pulled["digest"], pushed["digest"]);
    let digest = pushed["digest"].as_str().unwrap();
    let named = format!("{reference}@{digest}");
    assert_eq!(
        pulled["reference"], named,
        "it is called as it was asked for"
    );
    let verified = client.call("verify", &json!({"reference": reference}));
    assert_eq!(verified.unwrap()["verdict"], "accepted");
    // A push needs the registry itself.
    let error = push(&mut client, &path, &reference).unwrap_err();
    assert_eq!(kind(&error), "registryUnreachable");
}

#[test]
fn a_mirror_has_a_login_and_a_section_of_its_own() {
    let (registry, mirror) = (Registry::open(), Registry::with_login());
    let name = mirror.name();
    let config = mirrored(&registry.name(), &name);
    let daemon = Daemon::logging_all(&config, &[]);
    let mut client = daemon.connect();
    let folder = Folder::new();
    let (path, to) = (signed(&folder), folder.path("pulled.wasm"));
    let reference = format!("{}/acme/echo:1", registry.name());
    push(&mut client, &path, &reference).unwrap();
    let passed_over = || daemon.log().matches("the mirror was skipped").count();
    // Nobody is logged in there.
    pull(&mut client, &to, &reference).unwrap();
    assert_eq!(passed_over(), 1);
    let login = json!({"registry": name, "username": USERNAME, "password": PASSWORD});
    client.call("session/login", &login).unwrap();
    push(&mut client, &path, &format!("{name}/acme/echo:1")).unwrap();
    drop(registry);
    pull(&mut client, &to, &reference).unwrap();
    assert_eq!(passed_over(), 1);
    assert!(!daemon.log().contains(PASSWORD));
    // What its own section says counts.
    let strict = format!("{config}[registry.\"{name}\"]\nplain-http = false\n");
    daemon.reconfigure(&strict);
    let error = pull(&mut client, &to, &reference).unwrap_err();
    assert_eq!(kind(&error), "registryUnreachable");
    assert_eq!(passed_over(), 2);
}

#[test]
fn a_mirror_that_sends_other_bytes_costs_a_second_download() {
    let registry = Registry::open();
    let folder = Folder::new();
    let (path, to) = (signed(&folder), folder.path("pulled.wasm"));
    let upstream = registry.name();
    let bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    // Its manifests are the registry's, its blobs are not.
    let manifest = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let served = std::sync::Arc::clone(&manifest);
    let mirror = Faulty::start(move |seen, _| {
        if seen.target.contains("/manifests/") {
            return Answer::new(200).body(served.lock().unwrap().clone());
        }
        let mut other = bytes.clone();
        other[length / 2] ^= 1;
        Answer::new(200).body(other)
    });
    let daemon = Daemon::logging_all(&mirrored(&upstream, &mirror.name()), &[]);
    let mut client = daemon.connect();
    let reference = format!("{upstream}/acme/echo:1");
    push(&mut client, &path, &reference).unwrap();
    let url = format!("http://{upstream}/v2/acme/echo/manifests/1");
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let fetched = run(std::process::Command::new("curl").args(["-sSf", "-H", accept, &url]));
    *manifest.lock().unwrap() = fetched.into_bytes();

    pull(&mut client, &to, &reference).unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read(&path).unwrap());
    assert!(daemon.log().contains("a mirror sent other bytes"));
    let verified = client.call("verify", &json!({"reference": reference}));
    assert_eq!(verified.unwrap()["verdict"], "accepted");
    assert_eq!(mirror.lines().len(), 4, "it was asked, twice for each");
}
