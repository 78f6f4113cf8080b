//! What publishers sign with Sigstore, by the commands that the README has for it.

use crate::{
    service::{Ran, done, fails},
    spawn::Home,
};
use std::{fs, process::Command};
use vouch_testing::{
    faulty::{Answer, Faulty},
    forge::component,
    proxy::Proxy,
    publisher::{Publisher, sha256},
    registry::Referring,
    sigstore::{PROVENANCE, Sigstore, Spec, statement},
};

/// As `ghcr.io/webassembly/wasi/http:0.2.12` is published: a component, and beside it the provenance
/// that its workflow had attested for a tag.
#[test]
fn one_rule_accepts_what_a_workflow_attests_and_asks_nobody_but_the_registry() {
    let (home, own, registry) = (Home::new(), Sigstore::default(), Referring::start());
    // The registry in place of GitHub's, and somebody who would see all other requests.
    let registry_seen = Proxy::before(&registry.name(), |_, _| None);
    let elsewhere = Faulty::start(|_, _| Answer::new(502));
    let config = home.path(".config/vouchd/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(home.path("root.json"), own.trusted_root().to_string()).unwrap();
    let text = format!(
        "[registry.\"ghcr.io\"]\nmirrors = [\"{}\"]\n[trust.root.public-good]\npath = {:?}\n",
        registry_seen.name(),
        home.path("root.json"),
    );
    fs::write(&config, text).unwrap();
    let vouch = |line: &str| {
        let arguments: Vec<_> = line.split(' ').collect();
        let mut command: Command = home.vouch(&arguments);
        for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(name, format!("http://{}", elsewhere.name()));
        }
        Ran::of(command.env("NO_PROXY", "127.0.0.1"))
    };

    let publisher = Publisher::new(&registry.name(), "webassembly/wasi/http");
    let publish = |tag: &str, of: &str, at: &str| {
        let bytes = [component(), vec![0, 2, 1, u8::try_from(tag.len()).unwrap()]].concat();
        let manifest = publisher.artifact(tag, &bytes);
        let digest = sha256(manifest.to_string().as_bytes());
        let over = statement(&digest["sha256:".len()..], PROVENANCE);
        let mut spec = Spec::workflow(over, of).claim(14, Some(at));
        let workflow = format!("https://github.com/{of}/.github/workflows/publish.yml@{at}");
        spec.names = vec![(0x86, workflow)];
        publisher.bundles(&manifest, &[own.bundle(&spec)]);
        bytes
    };
    let bytes = publish("0.2.12", "WebAssembly/WASI", "refs/tags/v0.2.12");
    publish("0.2.12-main", "WebAssembly/WASI", "refs/heads/main");
    publish("0.2.12-stranger", "mallory/WASI", "refs/tags/v0.2.12");

    let wasi = "ghcr.io/webassembly/wasi/http:0.2.12";
    let at = home.path("http.wasm");
    let pull = |reference: &str| vouch(&format!("pull {reference} -o {}", at.display()));
    // By whom it is, and the line that accepts them.
    let workflow = "github.com/WebAssembly/WASI/.github/workflows/publish.yml";
    let line = format!("vouch trust add NAME --workflow {workflow}");
    fails(&pull(wasi), 1, &[&line]);
    done(
        &vouch(&format!(
            "trust add wasi --workflow {workflow} --refs refs/tags/* --scope ghcr.io/webassembly/wasi -y"
        )),
        &["changed   and in force"],
    );
    let before = registry_seen.seen().len();
    let ran = pull(wasi);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(fs::read(&at).unwrap(), bytes);
    // The manifest, the artifact, the list, the bundle's manifest, and the bundle.
    assert_eq!(registry_seen.seen().len() - before, 5);
    let explained = vouch(&format!("--json verify --explain {wasi}")).lines()[0].clone();
    let found = &explained["verification"];
    assert_eq!(found["trust"]["signer"], "wasi", "{explained}");
    assert_eq!(found["trust"]["rule"], "ghcr.io/webassembly/wasi");
    assert_eq!(found["signature"]["signer"]["ref"], "refs/tags/v0.2.12");
    // The registry itself, where its mirror has nothing that counts; nobody else.
    let asked = elsewhere.lines();
    let registry = |line: &String| line == "CONNECT ghcr.io:443";
    assert!(asked.iter().all(registry), "{asked:?}");

    fs::remove_file(&at).unwrap();
    publisher.artifact("0.2.12-unsigned", &component());
    fails(
        &pull(&format!("{wasi}-main")),
        1,
        &["its ref is refs/heads/main"],
    );
    fails(&pull(&format!("{wasi}-stranger")), 1, &["mallory/WASI"]);
    assert!(!at.exists());
    done(&vouch("stop"), &[]);
}
