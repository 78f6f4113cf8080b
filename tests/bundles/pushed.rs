//! A file without a token, pushed with the bundle that signs it: into a registry that lists what
//! refers to a manifest, into one that does not, and into a layout.

use super::{
    published::{configured, service, service as service_of, trust},
    *,
};
use std::{
    path::Path,
    sync::{
        Arc, Barrier, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};
use vouch_testing::{
    daemon::{kind, pull, push},
    forge::Signer,
    process::{self, until},
    proxy::{Head, Instead, Proxy},
    publisher::{Publisher, descriptor, index, sha256},
    registry::{Referring, Registry},
    sigstore::COSIGN,
    wire::Wire,
};

/// An artifact of its own, so that nothing of it is anywhere yet.
fn artifact(name: &str) -> Vec<u8> {
    let mut bytes = module();
    bytes.extend([
        0,
        u8::try_from(name.len()).unwrap() + 1,
        u8::try_from(name.len()).unwrap(),
    ]);
    bytes.extend(name.bytes());
    bytes
}

/// Over the file itself, by the release workflow of that repository.
fn over_file(own: &Sigstore, bytes: &[u8], repository: &str) -> Value {
    own.bundle(&Spec::workflow(Over::Bytes(bytes.to_vec()), repository))
}

/// A file of the service's folder, with a bundle beside it where there is one.
fn file(service: &Daemon, name: &str, bytes: &[u8], bundle: Option<&Value>) -> std::path::PathBuf {
    let path = service.path(&format!("{name}.wasm"));
    fs::write(&path, bytes).unwrap();
    let beside = service.path(&format!("{name}.wasm.sigstore.json"));
    match bundle {
        Some(bundle) => fs::write(beside, bundle.to_string()).unwrap(),
        None => drop(fs::remove_file(beside)),
    }
    path
}

/// The digest of the manifest that a push would write.
fn manifest_of(client: &mut Wire, path: &Path, to: &str) -> String {
    let asked = client.call("verify", &json!({"path": path, "pushTo": to}));
    asked.unwrap()["digest"].as_str().unwrap().to_owned()
}

fn by_manifest(own: &Sigstore, manifest: &str, repository: &str) -> Value {
    let hex = manifest.strip_prefix("sha256:").unwrap();
    own.bundle(&Spec::workflow(statement(hex, COSIGN), repository))
}

fn with_bundle(client: &mut Wire, path: &Path, to: &str, bundle: &Path) -> Result<Value, Value> {
    let params = json!({"path": path, "reference": to, "bundle": bundle});
    client.call("push", &params)
}

fn tag_of(manifest: &str) -> String {
    manifest.replace(':', "-")
}

/// What the fallback tag lists.
fn listed(publisher: &Publisher, manifest: &str) -> Vec<String> {
    let (status, index) = publisher.get(&format!("manifests/{}", tag_of(manifest)));
    if status == 404 {
        return Vec::new();
    }
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["digest"].as_str().unwrap().to_owned())
        .collect()
}

/// What was written and read of manifests, in order.
fn manifests(proxy: &Proxy, from: usize) -> Vec<String> {
    let seen = proxy.seen().split_off(from);
    let manifests = seen.iter().filter_map(|(head, _)| {
        let (_, name) = head.target.split_once("/manifests/")?;
        Some(format!("{} {name}", head.method))
    });
    manifests.collect()
}

fn pushed_to(registry: &str, lists: bool) {
    let own = Sigstore::default();
    // What others see at the moment at which the tag is written.
    let seen: Arc<Mutex<Vec<(String, u16)>>> = Arc::default();
    let (looks, publisher) = (Arc::clone(&seen), Publisher::new(registry, "acme/echo"));
    let names: Arc<OnceLock<Vec<String>>> = Arc::default();
    let named = Arc::clone(&names);
    let proxy = Proxy::before(registry, move |head: &Head, _| {
        if head.method == "PUT" && head.target.ends_with("/manifests/1") {
            for name in named.get().into_iter().flatten() {
                let (status, _) = publisher.get(&format!("manifests/{name}"));
                looks.lock().unwrap().push((name.clone(), status));
            }
        }
        None
    });
    let name = proxy.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let publisher = Publisher::new(registry, "acme/echo");
    let reference = format!("{name}/acme/echo:1");
    let bytes = artifact("pushed");
    let bundle = over_file(&own, &bytes, "acme/echo");
    let path = file(&service, "pushed", &bytes, Some(&bundle));

    let manifest = manifest_of(&mut client, &path, &reference);
    assert_eq!(proxy.seen().len(), 0);
    names
        .set(vec!["1".into(), manifest.clone(), tag_of(&manifest)])
        .unwrap();
    let pushed = push(&mut client, &path, &reference).unwrap();
    assert_eq!(pushed["digest"], manifest);
    assert_eq!(pushed["verification"]["signature"]["method"], "sigstore");
    let text = bundle.to_string();
    assert_eq!(pushed["bundles"][0]["digest"], sha256(text.as_bytes()));
    let refers = pushed["bundles"][0]["manifest"]
        .as_str()
        .unwrap()
        .to_owned();
    let tag = tag_of(&manifest);
    let mut order = vec![format!("PUT {manifest}"), format!("PUT {refers}")];
    if !lists {
        order.extend(["GET", "PUT", "GET"].map(|method| format!("{method} {tag}")));
    }
    order.push("PUT 1".into());
    assert_eq!(manifests(&proxy, 0), order);
    // Three for each of four blobs, but one for `{}` where a registry has that of itself; and one look
    // at what it says to list.
    let blobs = if lists { 3 + 3 + 3 + 1 } else { 4 * 3 };
    let looks = usize::from(lists);
    assert_eq!(proxy.seen().len(), blobs + order.len() + looks);
    let fallback = if lists { 404 } else { 200 };
    let expected = [("1".into(), 404), (manifest.clone(), 200), (tag, fallback)];
    assert_eq!(*seen.lock().unwrap(), expected);

    // Whoever trusts that workflow finds it; others, that it is signed.
    let at = service.path("again.wasm");
    let other = service_of(&own, &name);
    let pulled = pull(&mut other.connect(), &at, &reference).unwrap();
    assert_eq!(pulled["digest"], manifest);
    assert_eq!(fs::read(&at).unwrap(), bytes);
    let error = pull(&mut Daemon::start().connect(), &at, &reference).unwrap_err();
    assert_eq!(kind(&error), "signatureInvalid", "{error}");

    // The same once more changes nothing; another bundle, over the manifest, comes beside it.
    let before = proxy.seen().len();
    let again = push(&mut client, &path, &reference).unwrap();
    assert_eq!(
        (&again["digest"], &again["bundles"]),
        (&pushed["digest"], &pushed["bundles"])
    );
    assert_eq!(again["uploaded"], 0);
    // One look at what refers to it, in its list or under its tag.
    assert_eq!(proxy.seen().len() - before, 4 + 3 + 1);
    let named = service.path("named.json");
    let second = by_manifest(&own, &manifest, "acme/echo");
    fs::write(&named, second.to_string()).unwrap();
    let with = with_bundle(&mut client, &path, &reference, &named).unwrap();
    assert_eq!(with["verification"]["signature"]["subject"], manifest);
    assert_eq!(
        with["bundles"][0]["digest"],
        sha256(second.to_string().as_bytes())
    );
    if !lists {
        assert_eq!(listed(&publisher, &manifest).len(), 2);
    }
    let by_digest = format!("{name}/acme/echo@{manifest}");
    push(&mut client, &path, &by_digest).unwrap();

    refused(&own, &service, &proxy);
}

/// Of what is refused, nothing is sent; and it is said before.
fn refused(own: &Sigstore, service: &Daemon, proxy: &Proxy) {
    let mut client = service.connect();
    let reference = format!("{}/acme/refused:1", proxy.name());
    let bytes = artifact("refused");
    let mut check = |bundle: Option<&Value>, named: bool, expected: &str, reason: &str| {
        let path = file(service, "refused", &bytes, bundle.filter(|_| !named));
        let before = proxy.seen().len();
        let mut params = json!({"path": path, "reference": reference});
        let mut asks = json!({"path": path, "pushTo": reference, "explain": true});
        if let Some(bundle) = bundle.filter(|_| named) {
            let named = service.path("named.json");
            fs::write(&named, bundle.to_string()).unwrap();
            params["bundle"] = json!(named);
            asks["bundle"] = json!(named);
        }
        let error = client.call("push", &params).unwrap_err();
        assert_eq!(kind(&error), expected, "{reason}: {error}");
        let asked = client.call("verify", &asks).unwrap();
        assert_eq!(asked["refusal"]["kind"], expected, "{reason}: {asked}");
        assert_eq!(proxy.seen().len(), before, "{reason}");
    };
    let other = over_file(own, b"other", "acme/echo");
    let stranger = over_file(own, &bytes, "mallory/echo");
    let sbom = own.bundle(&Spec::workflow(
        statement(
            &sha256(&bytes)["sha256:".len()..],
            "https://spdx.dev/Document",
        ),
        "acme/echo",
    ));
    let elsewhere = Sigstore::default();
    let unknown = over_file(&elsewhere, &bytes, "acme/echo");
    check(None, false, "unsigned", "it has none");
    for named in [false, true] {
        check(Some(&json!({})), named, "signatureInvalid", "not a bundle");
        check(Some(&other), named, "signatureUnrelated", "of another file");
        check(Some(&sbom), named, "signatureUnrelated", "an SBOM");
        check(
            Some(&stranger),
            named,
            "untrustedSigner",
            "by another workflow",
        );
        check(
            Some(&unknown),
            named,
            "signatureInvalid",
            "under another root",
        );
    }
}

#[test]
fn where_the_registry_lists_what_refers_to_a_manifest() {
    pushed_to(&Referring::start().name(), true);
}

#[test]
fn where_a_tag_lists_it_instead() {
    pushed_to(&Registry::open().name(), false);
}

#[test]
fn what_a_token_signs_is_pushed_as_before_unless_a_bundle_is_named() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let name = proxy.name();
    let signer = Signer::default();
    let account = signer.account.public_key();
    let service = configured(&own, |_| {
        let token = format!("[trust.signer.token]\naccount = '{account}'\n[[trust");
        let trust = trust(&name).replacen("[[trust", &token, 1);
        trust.replace("accept = ['release']", "accept = ['token', 'release']")
    });
    let mut client = service.connect();
    let bytes = signer.wasm(&artifact("token"));
    let good = over_file(&own, &bytes, "acme/echo");
    let path = file(&service, "token", &bytes, Some(&good));
    let reference = format!("{name}/acme/echo:1");
    let pushed = push(&mut client, &path, &reference).unwrap();
    assert_eq!(pushed["verification"]["signature"]["method"], "token");
    assert_eq!(pushed["bundles"], Value::Null);
    assert_eq!(proxy.seen().len(), 7);

    // One that is named is meant: it counts, or nothing is pushed.
    let named = service.path("named.json");
    let mut check = |bundle: &Value, expected: Result<&str, &str>| {
        fs::write(&named, bundle.to_string()).unwrap();
        let before = proxy.seen().len();
        let pushed = with_bundle(&mut client, &path, &reference, &named);
        let asked = json!({"path": path, "pushTo": reference, "bundle": named, "explain": true});
        let asked = client.call("verify", &asked).unwrap();
        match (pushed, expected) {
            (Ok(pushed), Ok(method)) => {
                assert_eq!(pushed["verification"]["signature"]["method"], method);
                assert_eq!(
                    pushed["bundles"][0]["digest"],
                    sha256(bundle.to_string().as_bytes())
                );
                assert_eq!(asked["verdict"], "accepted", "{asked}");
            }
            (Err(error), Err(expected)) => {
                assert_eq!(kind(&error), expected, "{error}");
                assert_eq!(asked["refusal"]["kind"], expected, "{asked}");
                let checks = asked["checks"].as_array().unwrap();
                let failed = checks.iter().any(|check| check["outcome"] == "failed");
                assert!(failed, "{asked}");
                assert_eq!(proxy.seen().len(), before);
            }
            (pushed, _) => panic!("{expected:?}: {pushed:?}"),
        }
    };
    check(&json!({}), Err("signatureInvalid"));
    check(
        &over_file(&own, b"other", "acme/echo"),
        Err("signatureUnrelated"),
    );
    check(
        &over_file(&own, &bytes, "mallory/echo"),
        Err("untrustedSigner"),
    );
    check(&good, Ok("token"));
    let absent = service.path("absent.json");
    let error = with_bundle(&mut client, &path, &reference, &absent).unwrap_err();
    assert_eq!(kind(&error), "fileNotFound", "{error}");
}

/// Whatever goes wrong on the way, there is no tag.
#[test]
fn a_push_that_stops_on_the_way_leaves_no_tag() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let fails: Arc<Mutex<Option<(&str, String)>>> = Arc::default();
    let failing = Arc::clone(&fails);
    let proxy = Proxy::before(&registry.name(), move |head: &Head, _| -> Instead {
        let fails = failing.lock().unwrap();
        let (method, name) = fails.as_ref()?;
        let is_it = head.method == *method && head.target.ends_with(name);
        is_it.then(|| (403, String::new()))
    });
    let name = proxy.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let reference = format!("{name}/acme/echo:1");
    let bytes = artifact("stopped");
    let bundle = over_file(&own, &bytes, "acme/echo");
    let path = file(&service, "stopped", &bytes, Some(&bundle));
    let manifest = manifest_of(&mut client, &path, &reference);
    let steps = [
        ("PUT", format!("/manifests/{manifest}")),
        ("GET", format!("/manifests/{}", tag_of(&manifest))),
        ("PUT", format!("/manifests/{}", tag_of(&manifest))),
        ("PUT", "/manifests/1".to_owned()),
    ];
    for step in steps {
        *fails.lock().unwrap() = Some(step.clone());
        let error = push(&mut client, &path, &reference).unwrap_err();
        assert_eq!(kind(&error), "denied", "{step:?}: {error}");
        assert_eq!(publisher.get("manifests/1").0, 404, "{step:?}");
    }
    *fails.lock().unwrap() = None;
    push(&mut client, &path, &reference).unwrap();
    assert_eq!(listed(&publisher, &manifest).len(), 1);
}

/// Whatever others can find is judged by what holds then: a manifest by its digest, and the tag.
#[test]
fn a_signer_who_counts_no_more_gets_no_manifest_and_no_tag() {
    revoked_before("/blobs/uploads/", false);
    revoked_before("/manifests/sha256-", true);
}

/// Revokes the signer before that is written.
fn revoked_before(step: &'static str, has_manifest: bool) {
    let own = Sigstore::default();
    let registry = Registry::open();
    let (reached, waits) = mpsc::channel();
    let (goes_on, held) = mpsc::channel::<()>();
    let first = Mutex::new(Some((reached, held)));
    let proxy = Proxy::before(&registry.name(), move |head: &Head, _| {
        if head.method == "PUT"
            && head.target.contains(step)
            && let Some((reached, held)) = first.lock().unwrap().take()
        {
            reached.send(()).unwrap();
            held.recv().unwrap();
        }
        None
    });
    let name = proxy.name();
    let service = service(&own, &name);
    let reference = format!("{name}/acme/echo:1");
    let bytes = artifact("revoked");
    let bundle = over_file(&own, &bytes, "acme/echo");
    let path = file(&service, "revoked", &bytes, Some(&bundle));
    let mut client = service.connect();
    let manifest = manifest_of(&mut client, &path, &reference);
    let error = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push(&mut client, &path, &reference));
        waits.recv().unwrap();
        let revoked = trust(&name).replace("acme/echo/.github", "acme/other/.github");
        let said = service.reconfigure(&revoked);
        assert!(!said.contains("ERROR"), "{said}");
        goes_on.send(()).unwrap();
        pushing.join().unwrap().unwrap_err()
    });
    assert_eq!(kind(&error), "untrustedSigner", "{error}");
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let found = publisher.get(&format!("manifests/{manifest}")).0 == 200;
    assert_eq!(found, has_manifest, "{step}");
    assert_eq!(publisher.get("manifests/1").0, 404, "{step}");
}

/// What has large bundles shares memory while it is judged, and not as long as it is sent.
#[test]
fn a_slow_push_with_a_large_bundle_keeps_no_other_waiting() {
    const MANY: usize = 3;
    let own = Sigstore::default();
    let registry = Registry::open();
    // None is through before all are on their way.
    let together = Barrier::new(MANY);
    let proxy = Proxy::before(&registry.name(), move |head: &Head, _| {
        if head.method == "PUT" && head.target.ends_with("/manifests/1") {
            together.wait();
        }
        None
    });
    let name = proxy.name();
    let service = service(&own, &name);
    std::thread::scope(|scope| {
        for number in 0..MANY {
            let (own, service, name) = (&own, &service, &name);
            scope.spawn(move || {
                let called = format!("large{number}");
                let bytes = artifact(&called);
                let hex = &sha256(&bytes)["sha256:".len()..];
                let Over::Statement(text, kind) = statement(hex, COSIGN) else {
                    panic!("a statement");
                };
                let large = format!(r#""predicate":{{"x":"{}"}}"#, "x".repeat(210 << 10));
                let text = text.replace(r#""predicate":{}"#, &large);
                assert!(text.len() > large.len(), "it is in there");
                let over = Over::Statement(text, kind);
                let bundle = own.bundle(&Spec::workflow(over, "acme/echo"));
                let path = file(service, &called, &bytes, Some(&bundle));
                let beside = service.path(&format!("{called}.wasm.sigstore.json"));
                let reference = format!("{name}/acme/{called}:1");
                let mut client = service.connect();
                // Half of them name it.
                let pushed = match number % 2 {
                    0 => push(&mut client, &path, &reference),
                    _ => with_bundle(&mut client, &path, &reference, &beside),
                };
                pushed.unwrap();
            });
        }
    });
}

/// Who waits for a turn holds nothing of a bundle, and who would be refused does not wait.
#[test]
fn a_push_that_waits_reads_its_bundle_when_it_is_its_turn() {
    // As many turns as a connection has at most; and more.
    const TURNS: usize = 16;
    const MANY: usize = TURNS + 8;
    let own = Sigstore::default();
    let registry = Registry::open();
    let (open, held) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let (opened, holds) = (Arc::clone(&open), Arc::<AtomicUsize>::clone(&held));
    let proxy = Proxy::before(&registry.name(), move |head: &Head, _| {
        if head.method == "PUT" && head.target.ends_with("/manifests/1") {
            holds.fetch_add(1, Ordering::Relaxed);
            while !opened.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        None
    });
    let name = proxy.name();
    let service = service(&own, &name);
    let bytes = artifact("waits");
    let bundle = over_file(&own, &bytes, "acme/echo").to_string();
    let mut client = service.connect();
    let named = |number: usize| service.path(&format!("{number}.json"));
    let path = file(&service, "waits", &bytes, None);
    let to = |number: usize| format!("{name}/acme/waits-{number}:1");
    let begin = |client: &mut Wire, number: usize| {
        fs::write(named(number), &bundle).unwrap();
        let params = json!({"path": path, "reference": to(number), "bundle": named(number)});
        client.ask(number as u64, "push", &params);
    };
    // Those whose file was read, and whose turn it is not.
    let waiting = |from: usize| {
        let status = service.status();
        let requests = status["requests"].as_array().unwrap().iter();
        let waiting = requests.filter(|request| {
            let reference = request["reference"].as_str().unwrap_or_default();
            let number = reference
                .strip_suffix(":1")
                .and_then(|name| name.rsplit_once('-'));
            number.is_some_and(|(_, number)| number.parse::<usize>().unwrap() >= from)
                && request["phase"] == "waiting"
                && request["bytes"] == bytes.len()
        });
        waiting.count()
    };
    (0..TURNS).for_each(|number| begin(&mut client, number));
    until("they stand", || {
        held.load(Ordering::Relaxed) + waiting(0) == TURNS
    });
    // They came first.
    (TURNS..MANY).for_each(|number| begin(&mut client, number));
    until("the others wait", || waiting(TURNS) == MANY - TURNS);
    let unsigned = file(&service, "unsigned", &artifact("unsigned"), None);
    let params = json!({"path": unsigned, "reference": to(MANY)});
    client.ask(MANY as u64, "push", &params);
    assert_eq!(client.outcome(MANY as u64), "unsigned", "at once");
    for number in TURNS..MANY {
        fs::write(named(number), "{}").unwrap();
    }
    open.store(true, Ordering::Relaxed);
    let mut outcomes: Vec<_> = (0..MANY).map(|_| client.hear()).collect();
    outcomes.sort_by_key(|answer| answer["id"].as_u64());
    for answer in outcomes {
        let number = answer["id"].as_u64().unwrap() as usize;
        let kind = answer["error"]["data"]["kind"].as_str();
        let expected = (number >= TURNS).then_some("signatureInvalid");
        assert_eq!(kind, expected, "{answer}");
        let publisher = Publisher::new(&registry.name(), &format!("acme/waits-{number}"));
        let status = publisher.get("manifests/1").0;
        assert_eq!(status, if expected.is_some() { 404 } else { 200 });
    }
}

/// Two services know nothing of each other, and write the same list.
#[test]
fn clients_that_write_the_same_list_lose_nothing_of_it() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let name = registry.name();
    let services: Vec<_> = (0..3).map(|_| service(&own, &name)).collect();
    let bytes = artifact("together");
    let reference = format!("{name}/acme/echo:1");
    let pushed: Vec<Value> = std::thread::scope(|scope| {
        let reference = &reference;
        let pushing = services.iter().map(|service| {
            let bundle = over_file(&own, &bytes, "acme/echo");
            let path = file(service, "together", &bytes, Some(&bundle));
            scope.spawn(move || push(&mut service.connect(), &path, reference).unwrap())
        });
        let pushing: Vec<_> = pushing.collect();
        pushing.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let manifest = pushed[0]["digest"].as_str().unwrap();
    let refers = |pushed: &Value| {
        pushed["bundles"][0]["manifest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut expected: Vec<String> = pushed.iter().map(refers).collect();
    let mut listed = listed(&Publisher::new(&name, "acme/echo"), manifest);
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);
}

/// Another client has read the list before we write, and writes it after.
#[test]
fn what_others_overwrite_is_written_again_or_told() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let (overwrites, reads) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let (left, seen) = (Arc::clone(&overwrites), Arc::clone(&reads));
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let proxy = Proxy::before(&registry.name(), move |head: &Head, _| {
        let (_, tag) = head.target.split_once("/manifests/sha256-")?;
        if head.method != "GET" {
            return None;
        }
        let (mut left, mut seen) = (left.lock().unwrap(), seen.lock().unwrap());
        *seen += 1;
        if *seen > 1 && *left > 0 {
            *left -= 1;
            let theirs = index(&[]);
            publisher.manifest(Some(&format!("sha256-{tag}")), &theirs);
        }
        None
    });
    let name = proxy.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let plain = Publisher::new(&registry.name(), "acme/echo");
    let mut check = |artifact_name: &str, times: usize, passes: bool| {
        *overwrites.lock().unwrap() = times;
        *reads.lock().unwrap() = 0;
        let bytes = artifact(artifact_name);
        let bundle = over_file(&own, &bytes, "acme/echo");
        let path = file(&service, artifact_name, &bytes, Some(&bundle));
        let reference = format!("{name}/acme/echo:{artifact_name}");
        let pushed = push(&mut client, &path, &reference);
        let tagged = plain.get(&format!("manifests/{artifact_name}")).0;
        if passes {
            let pushed = pushed.unwrap();
            let manifest = pushed["digest"].as_str().unwrap();
            assert_eq!(
                listed(&plain, manifest),
                [pushed["bundles"][0]["manifest"].as_str().unwrap()]
            );
            assert_eq!(tagged, 200);
        } else {
            let error = pushed.unwrap_err();
            assert_eq!(kind(&error), "registryError", "{error}");
            assert_eq!(tagged, 404);
        }
    };
    check("once", 1, true);
    check("thrice", 3, true);
    check("always", usize::MAX, false);
}

/// What is pushed there would take the place of what says who signed another manifest.
#[test]
fn nothing_is_pushed_under_a_tag_that_lists_signatures() {
    let own = Sigstore::default();
    let proxy = Proxy::before(&Registry::open().name(), |_, _| None);
    let service = service(&own, &proxy.name());
    let mut client = service.connect();
    let bytes = artifact("list");
    let path = file(
        &service,
        "list",
        &bytes,
        Some(&over_file(&own, &bytes, "acme/echo")),
    );
    let layout = format!("oci:{}", service.path("layout").display());
    for place in [format!("{}/acme/echo", proxy.name()), layout.clone()] {
        for suffix in ["", ".sig", ".att", ".sbom"] {
            let to = format!("{place}:{}{suffix}", tag_of(&sha256(b"manifest")));
            let error = push(&mut client, &path, &to).unwrap_err();
            assert_eq!(kind(&error), "invalidReference", "{to}: {error}");
            let help = error["data"]["help"].as_str().unwrap();
            assert!(help.contains("another tag"), "{error}");
            let asks = json!({"path": path, "pushTo": to});
            let asked = client.call("verify", &asks).unwrap_err();
            assert_eq!(asked, error);
        }
    }
    let params = json!({
        "reference": format!("{}/acme/echo:1", proxy.name()),
        "destination": format!("{layout}:{}", tag_of(&sha256(b"manifest"))),
    });
    let error = client.call("pull", &params).unwrap_err();
    assert_eq!(kind(&error), "invalidReference", "{error}");
    assert_eq!(proxy.seen().len(), 0);
    assert!(!service.path("layout").exists());
}

#[test]
fn what_else_has_the_list_s_name_stays() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let name = registry.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let publisher = Publisher::new(&name, "acme/echo");
    let bytes = artifact("taken");
    let bundle = over_file(&own, &bytes, "acme/echo");
    let path = file(&service, "taken", &bytes, Some(&bundle));
    let reference = format!("{name}/acme/echo:1");
    let manifest = manifest_of(&mut client, &path, &reference);
    let theirs = publisher.artifact(&tag_of(&manifest), b"theirs");
    let error = push(&mut client, &path, &reference).unwrap_err();
    assert_eq!(kind(&error), "registryError", "{error}");
    assert_eq!(publisher.get("manifests/1").0, 404);
    let there = publisher.get(&format!("manifests/{}", tag_of(&manifest))).1;
    assert_eq!(there, theirs.to_string().into_bytes());
}

/// Each push would read all of it, again and again.
#[test]
fn a_list_of_thousands_is_not_added_to() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let name = registry.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let publisher = Publisher::new(&name, "acme/echo");
    let theirs = publisher.artifact("theirs", b"theirs").to_string();
    let entry = descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        theirs.as_bytes(),
    );
    for (count, is_full) in [(1000, true), (1001, true), (999, false)] {
        let bytes = artifact(&format!("full {count}"));
        let bundle = over_file(&own, &bytes, "acme/echo");
        let path = file(&service, &format!("full {count}"), &bytes, Some(&bundle));
        let reference = format!("{name}/acme/echo:{count}");
        let manifest = manifest_of(&mut client, &path, &reference);
        let list = index(&vec![entry.clone(); count]);
        publisher.manifest(Some(&tag_of(&manifest)), &list);
        let pushed = push(&mut client, &path, &reference);
        let found = pushed.map_err(|error| (kind(&error).to_owned(), error.to_string()));
        let there = publisher.get(&format!("manifests/{}", tag_of(&manifest))).1;
        if is_full {
            let (kind, error) = found.unwrap_err();
            assert_eq!(kind, "tooLarge", "{error}");
            assert!(error.contains("1000 manifests"), "{error}");
            assert_eq!(publisher.get(&format!("manifests/{count}")).0, 404);
            assert_eq!(there, list.to_string().into_bytes(), "it stays");
        } else {
            found.unwrap();
            let there: Value = serde_json::from_slice(&there).unwrap();
            assert_eq!(there["manifests"].as_array().unwrap().len(), count + 1);
        }
    }
}

#[test]
fn a_layout_gets_both_in_one_step() {
    let own = Sigstore::default();
    let service = configured(&own, |folder| {
        let folder = fs::canonicalize(folder).unwrap();
        trust("x").replace(
            "x/acme",
            &format!("oci:{}", folder.join("layout").display()),
        )
    });
    let mut client = service.connect();
    let bytes = artifact("layout");
    let bundle = over_file(&own, &bytes, "acme/echo");
    let path = file(&service, "layout", &bytes, Some(&bundle));
    let folder = service.path("layout");
    let reference = format!("oci:{}:1", folder.display());
    let pushed = push(&mut client, &path, &reference).unwrap();
    push(&mut client, &path, &reference).unwrap();
    let index: Value =
        serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{index}");
    let refers = &pushed["bundles"][0]["manifest"];
    assert!(
        entries.iter().any(|entry| entry["digest"] == *refers),
        "{index}"
    );
    let at = service.path("again.wasm");
    for reference in [
        reference,
        format!(
            "oci:{}@{}",
            folder.display(),
            pushed["digest"].as_str().unwrap()
        ),
    ] {
        pull(&mut client, &at, &reference).unwrap();
        assert_eq!(fs::read(&at).unwrap(), bytes);
    }
    // What signs it is not another artifact.
    let params = json!({"reference": format!("oci:{}", folder.display())});
    let verified = client.call("verify", &params).unwrap();
    assert_eq!(verified["verdict"], "accepted", "{verified}");
    // Other tools take it as any layout.
    let registry = Registry::open();
    process::run(std::process::Command::new("skopeo").args([
        "copy",
        "--dest-tls-verify=false",
        &format!("oci:{}:1", folder.display()),
        &format!("docker://{}/acme/echo:1", registry.name()),
    ]));
    let (status, copied) = Publisher::new(&registry.name(), "acme/echo").get("manifests/1");
    assert_eq!(
        (status, sha256(&copied).as_str()),
        (200, pushed["digest"].as_str().unwrap())
    );
}
