//! A service that is killed while it publishes an artifact with its bundle. Wherever it stood: nobody
//! finds a tag without what signs it, nothing counts before its time, nobody is pinned whom no
//! registry has confirmed, and the same push does all of it afterwards.

use super::{published::trust, *};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use vouch_testing::{
    daemon::{kind, push},
    folder::Folder,
    process::until,
    proxy::{Head, Instead, Proxy},
    publisher::Publisher,
    registry::{Referring, Registry},
};

/// Lets so many requests about manifests pass, and holds the next.
#[derive(Default)]
struct Gate {
    held: Mutex<Held>,
    /// What becomes of the one that is held, though nobody hears of that.
    done: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    /// After so many.
    Next(usize),
    Now,
}

impl Gate {
    fn set(&self, held: Held) {
        *self.held.lock().unwrap() = held;
    }

    fn holds(&self) -> bool {
        matches!(*self.held.lock().unwrap(), Held::Now)
    }

    fn pass(&self, head: &Head) -> Instead {
        if !is_step(head) {
            return None;
        }
        let mut held = self.held.lock().unwrap();
        match *held {
            Held::Next(0) => {
                if let Some(done) = self.done.lock().unwrap().take() {
                    done();
                }
                *held = Held::Now;
            }
            Held::Next(more) => {
                *held = Held::Next(more - 1);
                return None;
            }
            Held::Nothing | Held::Now => return None,
        }
        drop(held);
        while self.holds() {
            thread::sleep(Duration::from_millis(5));
        }
        // Whoever asked is dead.
        Some((503, String::new()))
    }
}

/// Blobs come before all of these.
fn is_step(head: &Head) -> bool {
    head.target.contains("/manifests/") || head.target.contains("/referrers/")
}

/// A service that remembers in that folder whom it has seen.
fn service(own: &Sigstore, rules: &str, state: &Path) -> Daemon {
    Daemon::with(|folder, command| {
        let root = own.trusted_root().to_string();
        fs::write(folder.join("root.json"), root).unwrap();
        fs::write(folder.join("config.toml"), rules).unwrap();
        command.env("XDG_STATE_HOME", state);
    })
}

/// How an artifact is judged: the method by which it is accepted, or the kind of what is wrong.
fn judged(service: &Daemon, reference: &str) -> String {
    let params = json!({"reference": reference});
    let verified = match service.connect().call("verify", &params) {
        Ok(verified) => verified,
        Err(error) => return kind(&error).to_owned(),
    };
    let said = match verified["verdict"].as_str() {
        Some("accepted") => &verified["signature"]["method"],
        _ => &verified["refusal"]["kind"],
    };
    said.as_str().unwrap().to_owned()
}

/// Kills a service at each of the requests of a push about manifests. `steps` says what is found by
/// the manifest's digest where the registry has not heard of the first, of the second, and so on.
fn killed(registry: &str, steps: &[&str]) {
    let own = Sigstore::default();
    let (state, files) = (Folder::new(), Folder::new());
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let proxy = Proxy::before(registry, move |head, _| held.pass(head));
    let name = proxy.name();
    let path = files.write("echo.wasm", &module());
    let bundle = own.bundle(&Spec::workflow(Over::Bytes(module()), "acme/echo"));
    files.write("echo.wasm.sigstore.json", bundle.to_string().as_bytes());
    let pinned = trust(&name).replace("['release']", "'pinned'");
    let reader = published::service(&own, &name);
    let pins = || fs::read_to_string(state.path("vouchd/signers")).unwrap_or_default();

    // The last time the tag is written, and nobody hears of that.
    for step in 0..=steps.len() {
        let repository = match steps.get(step) {
            Some(_) => format!("acme/step-{step}"),
            None => "acme/lost".to_owned(),
        };
        let reference = format!("{name}/{repository}:1");
        let publisher = Publisher::new(registry, &repository);
        let params = json!({"path": path, "reference": reference});
        let mut dies = service(&own, &pinned, state.root());
        let mut client = dies.connect();
        let asks = json!({"path": path, "pushTo": reference});
        let manifest = client.call("verify", &asks).unwrap()["digest"].clone();
        let manifest = manifest.as_str().unwrap().to_owned();
        if step == steps.len() {
            let (publisher, name) = (Publisher::new(registry, &repository), manifest.clone());
            *gate.done.lock().unwrap() = Some(Box::new(move || {
                let (_, manifest) = publisher.get(&format!("manifests/{name}"));
                publisher.tag("1", &manifest);
            }));
        }
        gate.set(Held::Next(step.min(steps.len() - 1)));
        client.request("push", &params);
        until("it is held", || gate.holds());
        dies.kill();
        gate.set(Held::Nothing);

        let why = format!("{repository}, of {}", steps.len());
        let (tag, by_digest) = match steps.get(step) {
            Some(by_digest) => ("notFound", *by_digest),
            None => ("sigstore", "sigstore"),
        };
        let status = publisher.get("manifests/1").0;
        assert_eq!(status, if tag == "notFound" { 404 } else { 200 }, "{why}");
        assert_eq!(judged(&reader, &reference), tag, "{why}");
        let named = format!("{name}/{repository}@{manifest}");
        assert_eq!(judged(&reader, &named), by_digest, "{why}");
        assert!(!pins().contains(&repository), "{why}: {}", pins());

        // The next service does what this one did not.
        let next = service(&own, &pinned, state.root());
        let before = proxy.seen().len();
        let pushed = push(&mut next.connect(), &path, &reference).unwrap();
        let asked = proxy.seen().split_off(before);
        let asked = asked.iter().filter(|(head, _)| is_step(head)).count();
        if step == 0 {
            assert_eq!(asked, steps.len(), "each is a step: {:?}", proxy.seen());
        }
        assert_eq!(pushed["digest"], manifest, "{why}");
        let trust = &pushed["verification"]["trust"];
        assert_eq!(trust["mode"], "firstUse", "{why}: {pushed}");
        assert_eq!(trust["remembered"], true, "{why}: {pushed}");
        assert_eq!(judged(&reader, &reference), "sigstore", "{why}");
        let of_it = pins()
            .lines()
            .filter(|line| line.contains(&repository))
            .count();
        assert_eq!(of_it, 1, "{why}: {}", pins());
    }
}

#[test]
fn where_the_registry_lists_what_refers_to_a_manifest() {
    // The manifest, its bundle, a look at the list, the tag.
    killed(
        &Referring::start().name(),
        &["notFound", "unsigned", "sigstore", "sigstore"],
    );
}

#[test]
fn where_a_tag_lists_it_instead() {
    // The manifest, its bundle, the list's tag (before, written, again), the tag.
    killed(
        &Registry::open().name(),
        &[
            "notFound", "unsigned", "unsigned", "unsigned", "sigstore", "sigstore",
        ],
    );
}
