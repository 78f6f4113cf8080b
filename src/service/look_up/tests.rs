//! What a look costs, counted; whom it asks; and that what is remembered is judged anew.

use super::{
    super::{Service, asking::QUESTIONS, questions::AT_ONCE, state::Settings},
    *,
};
use crate::{
    config::Config,
    name::testing,
    session::{Flight, Sessions},
};
use serde_json::json;
use std::{io::Write, path::Path};
use tempfile::NamedTempFile;
use vouch_protocol::Verification;
use vouch_testing::{
    faulty::{Answer, Faulty, Seen as Request},
    forge::{Signer, leb, module, section},
};

/// A service that finds no logins but those of a docker config.
pub(in crate::service) fn service(config: &str, docker: Option<&NamedTempFile>) -> Service {
    let config = Config::check(config, Path::new("/nonexistent/config.toml"), None).unwrap();
    let service = Service::new(Config::default(), None);
    let path = docker.map_or("/nonexistent/docker.json".into(), |file| {
        file.path().to_owned()
    });
    let sessions = Sessions::new(config.registry.clone()).docker_config(path);
    let settings = Settings::new(config, sessions, Arc::default(), Arc::default());
    *service.state.settings.write() = Arc::new(settings);
    service
}

pub(in crate::service) fn allowing(registry: &Faulty) -> Service {
    let service = service("", None);
    let registry = testing::registry(&registry.name());
    service.state.look_ups.allow(registry).unwrap();
    service
}

fn reference(text: &str) -> RegistryReference {
    match testing::reference(text) {
        Reference::Registry(reference) => reference,
        Reference::Layout(_) => panic!("{text} is not in a registry"),
    }
}

fn manifest(layer: &str, size: u64) -> String {
    json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": Digest::of(b"{}").to_string(),
            "size": 2,
        },
        "layers": [{"mediaType": "application/wasm", "digest": layer, "size": size}],
    })
    .to_string()
}

/// A registry in which every tag names one artifact.
pub(in crate::service) fn serves(artifact: Vec<u8>) -> Faulty {
    let named = manifest(&Digest::of(&artifact).to_string(), artifact.len() as u64);
    Faulty::start(move |seen, _| answer(seen, &named, &artifact))
}

fn answer(seen: &Request, named: &str, artifact: &[u8]) -> Answer {
    let digest = Digest::of(named.as_bytes()).to_string();
    let (_, what) = seen.target.rsplit_once('/').unwrap();
    if seen.target.contains("/blobs/") {
        Answer::new(200).body(artifact)
    } else if seen.target.contains("/manifests/") && (what == digest || !what.contains("sha256")) {
        Answer::new(200).body(named)
    } else {
        Answer::new(404)
    }
}

pub(in crate::service) fn signed() -> Vec<u8> {
    Signer::default().wasm(&module())
}

async fn see(service: &Service, how_far: Lookup, name: &str) -> Seen {
    let (look, named) = (Look::new(&service.state, 0, how_far), reference(name));
    match look.remembered(&named, &look.now()) {
        Some(seen) => seen,
        None => look.look_up(&named).await,
    }
}

/// `accepted`, the kind of a refusal, or why nothing is known.
fn told(seen: &Seen) -> String {
    match &seen.outcome {
        Outcome::Judged(judged) => match &judged.verification {
            Verification::Accepted { .. } => "accepted".into(),
            Verification::Refused { refusal, .. } => refusal.kind.name().into(),
        },
        Outcome::Unknown(unknown) => match unknown.kind {
            Some(kind) => format!("{:?}: {kind}", unknown.why),
            None => format!("{:?}", unknown.why),
        },
    }
}

async fn check(service: &Service, how_far: Lookup, name: &str, expected: &str) {
    let seen = see(service, how_far, name).await;
    assert_eq!(
        told(&seen),
        expected,
        "{how_far:?} {name}: {:?}",
        seen.outcome
    );
}

#[tokio::test]
async fn nobody_is_asked_whom_nobody_allowed() {
    let registry = serves(signed());
    let name = format!("{}/acme/echo:1", registry.name());
    let service = service("", None);
    check(&service, Lookup::Memory, &name, "NotRemembered").await;
    check(&service, Lookup::Allowed, &name, "NotAllowed").await;
    let other = "[trust]\n[[trust.rule]]\nscope = \"*\"\naccept = \"any\"".to_string();
    check(
        &self::service(&other, None),
        Lookup::Allowed,
        &name,
        "NotAllowed",
    )
    .await;
    let none = format!(
        "[[trust.rule]]\nscope = \"{}\"\naccept = \"none\"",
        registry.name()
    );
    check(
        &self::service(&none, None),
        Lookup::Allowed,
        &name,
        "NotAllowed",
    )
    .await;
    assert_eq!(registry.lines(), [""; 0]);
}

#[tokio::test]
async fn who_has_dealings_with_a_registry_has_it_asked() {
    let registry = serves(signed());
    let name = format!("{}/acme/echo:1", registry.name());
    let rule = format!(
        "[[trust.rule]]\nscope = \"{}/other\"\naccept = \"any\"",
        registry.name()
    );
    check(&service(&rule, None), Lookup::Allowed, &name, "accepted").await;
    check(&allowing(&registry), Lookup::Allowed, &name, "accepted").await;
    check(&service("", None), Lookup::Full, &name, "accepted").await;
    let mut docker = NamedTempFile::new().unwrap();
    // As docker writes it beside a helper.
    let auths = json!({"auths": {registry.name(): {}, "other.example": {}}});
    write!(docker, "{auths}").unwrap();
    check(
        &service("", Some(&docker)),
        Lookup::Allowed,
        &name,
        "accepted",
    )
    .await;
    write!(docker, "x").unwrap();
    check(
        &service("", Some(&docker)),
        Lookup::Allowed,
        &name,
        "NotAllowed",
    )
    .await;
}

#[tokio::test]
async fn what_is_known_is_asked_for_no_more() {
    let registry = serves(signed());
    let service = allowing(&registry);
    let tag = format!("{}/acme/echo:1", registry.name());
    check(&service, Lookup::Allowed, &tag, "accepted").await;
    let first = registry.seen().len();
    assert_eq!(first, 2, "{:?}", registry.lines());
    check(&service, Lookup::Allowed, &tag, "accepted").await;
    check(&service, Lookup::Memory, &tag, "accepted").await;
    let seen = see(&service, Lookup::Memory, &tag).await;
    let digest = format!("{}/acme/echo@{}", registry.name(), seen.manifest.unwrap());
    check(&service, Lookup::Full, &digest, "accepted").await;
    assert_eq!(registry.seen().len(), first);
    // A tag may have moved; the artifact has not.
    check(&service, Lookup::Full, &tag, "accepted").await;
    assert_eq!(registry.seen().len(), first + 1, "{:?}", registry.lines());
    // The same artifact elsewhere is known by its digest, once its manifest is.
    let other = format!("{}/acme/other:1", registry.name());
    check(&service, Lookup::Allowed, &other, "accepted").await;
    let blobs = registry
        .lines()
        .into_iter()
        .filter(|line| line.contains("/blobs/"));
    assert_eq!(blobs.count(), 1);
}

#[tokio::test]
async fn what_is_remembered_is_judged_anew() {
    let registry = serves(signed());
    let service = allowing(&registry);
    let tag = format!("{}/acme/echo:1", registry.name());
    check(&service, Lookup::Allowed, &tag, "accepted").await;
    let asked = registry.seen().len();
    let none = format!(
        "[[trust.rule]]\nscope = \"{}\"\naccept = \"none\"",
        registry.name()
    );
    let mut changes = service.state.look_ups.changes();
    let config = Config::check(&none, Path::new("/nonexistent/config.toml"), None).unwrap();
    service.reload(Ok(config)).unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let seen = see(&service, Lookup::Memory, &tag).await;
    assert_eq!(told(&seen), "untrustedSigner");
    let Outcome::Judged(judged) = seen.outcome else {
        panic!("it is known");
    };
    let command = judged.command.unwrap();
    assert!(
        command.starts_with("vouch trust add NAME --account A"),
        "{command}"
    );
    assert_eq!(registry.seen().len(), asked);
}

#[tokio::test]
async fn an_unsigned_one_is_looked_for_beside_once() {
    let registry = serves(module());
    let service = allowing(&registry);
    let tag = format!("{}/acme/echo:1", registry.name());
    check(&service, Lookup::Allowed, &tag, "unsigned").await;
    let asked = registry.seen().len();
    check(&service, Lookup::Allowed, &tag, "unsigned").await;
    check(&service, Lookup::Memory, &tag, "unsigned").await;
    assert_eq!(registry.seen().len(), asked, "{:?}", registry.lines());
    let Outcome::Judged(judged) = see(&service, Lookup::Memory, &tag).await.outcome else {
        panic!("it is known");
    };
    let command = format!("vouch sign FILE && vouch push FILE {tag}");
    assert_eq!(judged.command.as_deref(), Some(&*command));
    // Somebody may have signed it since: who asks wants to know.
    check(&service, Lookup::Full, &tag, "unsigned").await;
    let beside = |lines: &[String]| {
        let beside = lines.iter().filter(|line| line.contains("/referrers/"));
        beside.count()
    };
    assert_eq!(beside(&registry.lines()), 2, "{:?}", registry.lines());
}

#[tokio::test]
async fn one_question_serves_all_who_have_it() {
    let registry = serves(signed());
    let service = allowing(&registry);
    let name = format!("{}/acme/echo:1", registry.name());
    let looks = (0..200).map(|_| see(&service, Lookup::Allowed, &name));
    for seen in futures_util::future::join_all(looks).await {
        assert_eq!(told(&seen), "accepted");
    }
    assert_eq!(registry.seen().len(), 2, "{:?}", registry.lines());
}

#[tokio::test]
async fn large_artifacts_are_not_fetched_unasked() {
    let large = manifest(&Digest::of(b"large").to_string(), SMALL + 1);
    let registry = Faulty::start(move |seen, _| answer(seen, &large, b""));
    let service = allowing(&registry);
    let name = format!("{}/acme/echo:1", registry.name());
    check(&service, Lookup::Allowed, &name, "TooMuch").await;
    assert_eq!(registry.seen().len(), 1, "{:?}", registry.lines());
}

/// A module that imports so many functions.
fn importing(count: u32) -> Vec<u8> {
    let mut imports = leb(count);
    for at in 0..count {
        imports.push(60);
        imports.extend(format!("{at:060}").bytes());
        imports.extend(b"\x01f\0\0");
    }
    // Their type: `func()`.
    let of = section(1, b"\x01\x60\0\0");
    [b"\0asm\x01\0\0\0".to_vec(), of, section(2, &imports)].concat()
}

#[tokio::test]
async fn what_is_too_much_to_be_remembered_is_not_fetched_again_at_once() {
    let registry = serves(Signer::default().wasm(&importing(4000)));
    let service = allowing(&registry);
    let name = format!("{}/acme/echo:1", registry.name());
    check(&service, Lookup::Allowed, &name, "accepted").await;
    let asked = registry.seen().len();
    check(&service, Lookup::Allowed, &name, "TooMuch").await;
    assert_eq!(registry.seen().len(), asked, "{:?}", registry.lines());
    check(&service, Lookup::Full, &name, "accepted").await;
}

#[tokio::test]
async fn a_document_has_a_budget_of_bytes_and_of_questions() {
    let service = service("", None);
    let look = Look::new(&service.state, 0, Lookup::Allowed);
    let of = |size| Layer {
        digest: Digest::of(b""),
        size,
    };
    let spent = (0..20).filter(|_| look.spend(of(SMALL)).is_ok()).count();
    assert_eq!(spent as u64, OF_A_DOCUMENT / SMALL);
    assert!(look.spend(of(1)).is_err());
    let other = Look::new(&service.state, 0, Lookup::Allowed);
    assert!(other.spend(of(1)).is_ok());

    let registry = Faulty::start(|_, _| Answer::new(404));
    let service = allowing(&registry);
    let look = Look::new(&service.state, 0, Lookup::Allowed);
    let names = (0..2 * QUESTIONS).map(|at| format!("{}/acme/echo:{at}", registry.name()));
    let looks = names.map(|name| {
        let look = Arc::clone(&look);
        async move { told(&look.look_up(&reference(&name)).await) }
    });
    let told = futures_util::future::join_all(looks).await;
    let too_much = told.iter().filter(|told| *told == "TooMuch").count();
    assert_eq!(too_much, QUESTIONS);
    assert_eq!(registry.seen().len(), QUESTIONS);
}

#[tokio::test]
async fn what_failed_is_left_alone_for_a_moment() {
    let registry = Faulty::start(|_, _| Answer::new(404));
    let service = allowing(&registry);
    let name = format!("{}/acme/echo:1", registry.name());
    let asked = || registry.seen().len();
    check(&service, Lookup::Allowed, &name, "Failed: notFound").await;
    let first = asked();
    check(&service, Lookup::Allowed, &name, "Failed: notFound").await;
    assert_eq!(asked(), first);
    // Who asks by hand has it tried; so has who logs in.
    check(&service, Lookup::Full, &name, "Failed: notFound").await;
    assert_eq!(asked(), 2 * first);
    service.state.look_ups.changed();
    check(&service, Lookup::Allowed, &name, "Failed: notFound").await;
    assert_eq!(asked(), 3 * first);
}

#[tokio::test]
async fn a_registry_that_is_down_is_asked_once_for_a_whole_document() {
    let registry = Faulty::start(|_, _| Answer::silence());
    let service = allowing(&registry);
    let look = Look::new(&service.state, 0, Lookup::Allowed);
    let names = (0..100).map(|at| format!("{}/acme/echo:{at}", registry.name()));
    let looks = names.map(|name| {
        let look = Arc::clone(&look);
        async move { look.look_up(&reference(&name)).await }
    });
    for seen in futures_util::future::join_all(looks).await {
        assert!(
            told(&seen).starts_with("Failed: registry"),
            "{}",
            told(&seen)
        );
    }
    let asked = registry.seen().len();
    assert!(asked <= AT_ONCE * 5, "{asked} requests");
}

#[tokio::test]
async fn no_document_leads_to_link_local_addresses() {
    let service = service("", None);
    for host in [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]:80",
    ] {
        let name = format!("{host}/latest/meta-data:1");
        for how_far in [Lookup::Allowed, Lookup::Full] {
            check(&service, how_far, &name, "Failed: insecureRegistry").await;
        }
        let allowed = service.state.look_ups.allow(testing::registry(host));
        assert!(allowed.is_err(), "{host}");
    }
    // Nor by a redirect, of one that may be asked.
    let redirects = |seen: &Request, _: usize| {
        assert!(seen.target.contains("/acme/"));
        Answer::new(307).header("location", "http://169.254.169.254/latest")
    };
    let registry = Faulty::start(redirects);
    let name = format!("{}/acme/echo:1", registry.name());
    check(&service, Lookup::Full, &name, "Failed: insecureRegistry").await;
}

#[tokio::test]
async fn a_question_ends_when_nobody_waits_for_it() {
    let registry = Faulty::start(|_, _| Answer::new(200).body("{").stall(0));
    let service = allowing(&registry);
    let name = format!("{}/acme/echo:1", registry.name());
    let look = see(&service, Lookup::Full, &name);
    let arrived = async {
        while registry.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        seen = look => panic!("it was answered: {}", told(&seen)),
        () = arrived => {}
    }
    let asking = service.state.look_ups.asking.lock();
    assert!(!asking.values().any(Flight::is_under_way));
}

/// However long the registry takes, who waits gets an answer, and others get its turn there.
#[tokio::test]
async fn no_registry_is_waited_for_for_ever() {
    let moment = Duration::from_millis(50);
    let unasked = Patience {
        artifact: moment,
        ..Patience::UNASKED
    };
    let by_hand = Patience {
        artifact: moment,
        ..Patience::BY_HAND
    };
    let of_manifests = Patience {
        manifest: moment,
        ..Patience::BY_HAND
    };
    let of_all = Patience {
        whole: Some(moment),
        ..Patience::UNASKED
    };
    let late = "Failed: registryTimeout";
    for (stalls, patience, how_far, expected) in [
        ("/blobs/", unasked, Lookup::Allowed, late),
        ("/blobs/", by_hand, Lookup::Full, late),
        ("/manifests/", of_manifests, Lookup::Full, late),
        ("/manifests/", of_all, Lookup::Allowed, "TooMuch"),
    ] {
        let artifact = signed();
        let named = manifest(&Digest::of(&artifact).to_string(), artifact.len() as u64);
        let registry = Faulty::start(move |seen, _| {
            let answer = answer(seen, &named, &artifact);
            if seen.target.contains(stalls) {
                answer.stall(1)
            } else {
                answer
            }
        });
        let service = allowing(&registry);
        let name = reference(&format!("{}/acme/echo:1", registry.name()));
        let asking = Asking::new(&service.state, 0, patience);
        let seen = Look::within(asking, how_far).look_up(&name).await;
        assert_eq!(told(&seen), expected, "{stalls}: {:?}", seen.outcome);
        let look_ups = &service.state.look_ups;
        let free = look_ups.semaphore(&name.registry).available_permits();
        assert_eq!(free, AT_ONCE, "{stalls}");
        assert!(!look_ups.asking.lock().values().any(Flight::is_under_way));
    }
}

#[tokio::test]
async fn a_tag_beside_a_digest_is_followed() {
    let registry = serves(signed());
    let service = allowing(&registry);
    let old = Digest::of(b"old");
    let name = format!("{}/acme/echo:1@{old}", registry.name());
    let seen = see(&service, Lookup::Allowed, &name).await;
    assert_eq!(told(&seen), "Failed: notFound");
    assert_eq!(seen.manifest, Some(old));
    assert!(seen.moved.is_some_and(|moved| moved != old));
    let name = format!("{}/acme/echo:1@{}", registry.name(), seen.moved.unwrap());
    let seen = see(&service, Lookup::Full, &name).await;
    assert_eq!((&*told(&seen), seen.moved), ("accepted", None));
}

#[test]
fn the_memory_is_bounded() {
    let memory = Memory::default();
    let layer = Layer {
        digest: Digest::of(b"x"),
        size: 1,
    };
    for at in 0..10_000 {
        let named = reference(&format!("a.io/acme/echo:{at}"));
        memory.resolved(&named, Digest::of(at.to_string().as_bytes()), layer);
    }
    assert!(memory.fill().0 <= 4096);
}

#[tokio::test]
async fn a_tag_that_has_moved_is_seen_though_its_digest_is_known() {
    let artifact = signed();
    let old = manifest(&Digest::of(&artifact).to_string(), artifact.len() as u64);
    let new = format!("{old} ");
    let (was, is) = (Digest::of(old.as_bytes()), Digest::of(new.as_bytes()));
    let registry = Faulty::start(move |seen, _| {
        let is_old = seen.target.ends_with(&was.to_string());
        answer(seen, if is_old { &old } else { &new }, &artifact)
    });
    let service = allowing(&registry);
    let name = |end: &str| format!("{}/acme/echo{end}@{was}", registry.name());
    check(&service, Lookup::Allowed, &name(""), "accepted").await;
    let asked = registry.seen().len();
    for how_far in [Lookup::Allowed, Lookup::Allowed, Lookup::Memory] {
        let seen = see(&service, how_far, &name(":1")).await;
        assert_eq!(told(&seen), "accepted");
        assert_eq!((seen.manifest, seen.moved), (Some(was), Some(is)));
        assert_eq!(registry.seen().len(), asked + 1, "{:?}", registry.lines());
    }
    // Where nobody may be asked, what is known is answered.
    let service = self::service("", None);
    check(&service, Lookup::Full, &name(""), "accepted").await;
    let asked = registry.seen().len();
    check(&service, Lookup::Allowed, &name(":2"), "accepted").await;
    assert_eq!(registry.seen().len(), asked);
}
