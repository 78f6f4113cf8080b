//! Challenges: the answer that one came with decides, and what was heard before is a hint.

use super::{
    tokens::{asked, lasting, until},
    *,
};
use futures_util::future::join_all;
use rustix::fs::inotify;
use std::{
    collections::BTreeSet,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
};

async fn ask(
    session: &Arc<Session>,
    method: Method,
    repository: &str,
    action: Action,
) -> Result<Response> {
    let scope = Scope::new(&super::repository(repository), action);
    let build = || {
        let url = session.base().join(&format!("v2/{repository}/thing"));
        request(method.clone(), url.unwrap(), [])
    };
    session.send("looking", &scope, build).await
}

async fn get_from(session: &Arc<Session>, repository: &str) -> Result<Response> {
    ask(session, Method::GET, repository, Action::Pull).await
}

fn bearer(seen: &Seen, realm: &str) -> Answer {
    let host = seen.header("host").unwrap();
    let challenge = format!("Bearer realm=\"http://{host}/{realm}\"");
    Answer::new(401).header("www-authenticate", challenge)
}

/// What a realm answers: a token that bears its name.
fn token(realm: &str) -> Answer {
    Answer::new(200).body(format!(r#"{{"token":"of-{realm}","expires_in":300}}"#))
}

#[tokio::test]
async fn repositories_of_one_host_differ_side_by_side() {
    let server = Faulty::start(|seen, _| {
        let authorization = seen.header("authorization");
        let lets_in = |known: &str| authorization == Some(known);
        let mut parts = seen.target.split(['/', '?']).skip(1);
        match (parts.next(), parts.nth(1)) {
            (Some(realm @ ("one" | "two")), _) => token(realm),
            (_, Some("a")) if lets_in("Bearer of-one") => Answer::new(200),
            (_, Some("a")) => bearer(seen, "one"),
            (_, Some("b")) if lets_in("Bearer of-two") => Answer::new(200),
            (_, Some("b")) => bearer(seen, "two"),
            (_, Some("c")) => wants_basic(seen),
            (_, Some("d")) if authorization.is_none() => Answer::new(200),
            _ => Answer::new(400),
        }
    });
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    for _ in 0..2 {
        let all = (0..60).map(|number| {
            let repository = ["acme/a", "acme/b", "acme/c", "acme/d"][number % 4];
            let session = &session;
            async move { get_from(session, repository).await.map(drop) }
        });
        let failed: Vec<_> = join_all(all)
            .await
            .into_iter()
            .filter_map(Result::err)
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    let realms = targets.iter().filter(|target| !target.starts_with("/v2/"));
    let realms: BTreeSet<_> = realms.collect();
    let expected = [
        "/one?scope=repository%3Aacme%2Fa%3Apull".to_owned(),
        "/two?scope=repository%3Aacme%2Fb%3Apull".to_owned(),
    ];
    assert_eq!(realms, expected.iter().collect());
    // Each of the three that ask did so once, and each realm gave one token.
    assert_eq!(targets.len(), 120 + 3 + 2);
}

/// A registry whose realm moved: what the old one answers then must not matter.
#[tokio::test]
async fn a_realm_that_is_only_remembered_is_not_believed() {
    const SILENT: u16 = 1;
    let check = async |gone: u16, answer: fn(u16) -> Answer| {
        let moved = Arc::new(AtomicBool::new(false));
        let has_moved = Arc::clone(&moved);
        let server = Faulty::start(move |seen, _| {
            let moved = has_moved.load(Ordering::Relaxed);
            let realm = if moved { "new" } else { "old" };
            match seen.target.split(['/', '?']).nth(1) {
                Some("old") if moved => answer(gone),
                Some(realm @ ("old" | "new")) => token(realm),
                _ if seen.header("authorization") == Some(&format!("Bearer of-{realm}")) => {
                    Answer::new(200)
                }
                _ => bearer(seen, realm),
            }
        });
        let docker = logins(&[&server.name()]);
        // Nothing but the silence takes long.
        let timeouts = if gone == SILENT { impatient() } else { waits() };
        let sessions = sessions(Some(&docker)).timeouts(timeouts);
        let session = begun(sessions, &server.name()).await;
        get_from(&session, "acme/echo").await.unwrap();
        moved.store(true, Ordering::Relaxed);
        unused_for_long(&session).await;
        let found = get_from(&session, "acme/echo").await;
        found.unwrap_or_else(|error| panic!("{gone}: {error}"));
        let lines = server.lines().len();
        get_from(&session, "acme/echo").await.unwrap();
        assert_eq!(
            server.lines().len(),
            lines + 1,
            "{gone}: it is the hint now"
        );
    };
    for status in [400, 401, 403, 404, 429, 500, 503] {
        check(status, Answer::new).await;
    }
    check(0, |_| Answer::silence()).await;
    check(SILENT, |_| Answer::silence().stall(0)).await;
    check(200, |_| Answer::new(200).body("a page")).await;
}

#[tokio::test]
async fn a_dead_realm_is_blamed_and_locks_nobody_out() {
    let status = Arc::new(AtomicU16::new(200));
    let dead = Arc::clone(&status);
    let server = Faulty::start(move |seen, _| {
        let status = dead.load(Ordering::Relaxed);
        match (seen.target.starts_with("/realm"), status) {
            (true, 200) => token("realm"),
            (true, status) => Answer::new(status),
            // It asks for nothing any more.
            (false, 1) => Answer::new(200),
            (false, _) if seen.header("authorization").is_some() => Answer::new(200),
            (false, _) => bearer(seen, "realm"),
        }
    });
    let docker = logins(&[&server.name()]);
    let sessions = sessions(Some(&docker));
    let session = begin(&sessions, &server.name()).await;
    get_from(&session, "acme/echo").await.unwrap();
    unused_for_long(&session).await;
    for (answered, expected) in [
        (404, ErrorKind::RegistryError),
        (500, ErrorKind::RegistryError),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Denied),
    ] {
        status.store(answered, Ordering::Relaxed);
        let error = get_from(&session, "acme/echo").await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        let message = error.message();
        assert!(
            message.starts_with("asking for an access token: "),
            "{message}"
        );
        assert!(
            message.contains(&format!(" answered {answered} ")),
            "{message}"
        );
    }
    let login = Credential::Password {
        username: "ann".into(),
        password: Secret::new("hunter2"),
    };
    let name = testing::registry(&server.name());
    sessions.login(&name, login.clone()).await.unwrap_err();
    status.store(1, Ordering::Relaxed);
    get_from(&session, "acme/echo").await.unwrap();
    status.store(200, Ordering::Relaxed);
    get_from(&session, "acme/echo").await.unwrap();
    sessions.login(&name, login).await.unwrap();
}

#[tokio::test]
async fn a_realm_elsewhere_is_named() {
    let realm = Faulty::start(|_, _| Answer::new(500));
    let name = realm.name();
    let server = Faulty::start(move |_, _| {
        let challenge = format!("Bearer realm=\"http://{name}/realm\"");
        Answer::new(401).header("www-authenticate", challenge)
    });
    let session = session(&server.name(), None).await;
    let error = get_from(&session, "acme/echo").await.unwrap_err();
    let expected = format!(
        "asking for an access token: http://{}/realm (for {}) answered 500 ",
        realm.name(),
        server.name()
    );
    assert!(error.message().starts_with(&expected), "{error}");
    assert_eq!(error.data().registry, Some(server.name()));
}

/// What some answer to those whom they want to log in: the challenge is at the root.
#[tokio::test]
async fn a_registry_that_asks_at_its_root_alone_gets_the_login() {
    let check = async |silent: fn(&Seen) -> Answer, realm: bool, logged_in: bool, works: bool| {
        let server = Faulty::start(move |seen, _| match seen.target.as_str() {
            target if target.starts_with("/realm") => token("realm"),
            "/v2/" if realm => bearer(seen, "realm"),
            "/v2/" => Answer::new(401).header("www-authenticate", "Basic realm=x"),
            _ if seen.header("authorization").is_some() => Answer::new(200),
            _ => silent(seen),
        });
        let docker = logins(&[&server.name()]);
        let docker = Some(&docker).filter(|_| logged_in);
        let session = session(&server.name(), docker).await;
        let ask = async || ask(&session, Method::HEAD, "acme/echo", Action::Push).await;
        assert_eq!(ask().await.is_ok(), works, "{:?}", server.lines());
        let before = server.lines().len();
        let _ = ask().await;
        let root = |line: &String| line == "GET /v2/";
        let roots = server.lines()[before..]
            .iter()
            .filter(|line| root(line))
            .count();
        assert_eq!(roots, 0, "{:?}", server.lines());
    };
    for realm in [true, false] {
        check(|_| Answer::new(401), realm, true, true).await;
        check(|_| Answer::new(403), realm, true, true).await;
        check(|_| Answer::new(404), realm, true, true).await;
    }
    let negotiate = |_: &Seen| Answer::new(401).header("www-authenticate", "Negotiate");
    check(negotiate, true, true, true).await;
    check(|_| Answer::new(401), true, false, true).await;
    // Who is not logged in sees what is there for all.
    check(|_| Answer::new(404), true, false, false).await;
}

#[tokio::test]
async fn a_root_that_lets_everybody_in_is_asked_once() {
    let server = Faulty::start(|seen, _| match seen.target.as_str() {
        "/v2/" => Answer::new(200),
        _ => Answer::new(404),
    });
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    for _ in 0..3 {
        let error = get_from(&session, "acme/echo").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(server.lines().len(), 4, "{:?}", server.lines());
}

#[tokio::test]
async fn who_may_push_may_pull() {
    let (server, realm) = lasting(300).start();
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    let ask = async |action| {
        ask(&session, Method::GET, "acme/echo", action)
            .await
            .unwrap();
    };
    ask(Action::Push).await;
    ask(Action::Pull).await;
    assert_eq!(asked(&server).len(), 1);
    // One that dies is replaced by what is wanted, and no more.
    realm.revoke(&server);
    ask(Action::Pull).await;
    let last = asked(&server).pop().unwrap();
    assert!(last.target.ends_with("%3Apull"), "{}", last.target);
    assert_eq!(asked(&server).len(), 2);
    // The other way it does not hold.
    ask(Action::Push).await;
    assert_eq!(asked(&server).len(), 3);
}

#[tokio::test]
async fn refusals_say_of_what() {
    let check = async |status: u16, action: Action, wanted: &str| {
        let server = Faulty::start(move |_, _| Answer::new(status));
        let session = session(&server.name(), None).await;
        let error = ask(&session, Method::GET, "acme/echo", action).await;
        let error = error.unwrap_err();
        let expected = format!("cannot {wanted} acme/echo: looking: {}", server.name());
        assert!(error.message().starts_with(&expected), "{error}");
        let help = error.data().help.unwrap();
        assert!(help.contains("does not exist"), "{help}");
        assert!(help.contains("vouch login"), "{help}");
    };
    check(403, Action::Push, "push to").await;
    check(403, Action::Pull, "pull from").await;
    check(404, Action::Pull, "pull from").await;
}

#[tokio::test]
async fn an_address_is_followed_as_it_was_meant() {
    let check = async |location: &'static str, expected: &str| {
        let server = Faulty::start(move |seen, _| match seen.target.as_str() {
            "/thing" => Answer::new(307).header("location", location),
            _ => Answer::new(200),
        });
        get(&session(&server.name(), None).await).await.unwrap();
        assert_eq!(server.seen()[1].target, expected);
    };
    check("/a b/\u{fc}", "/a%20b/%C3%BC").await;
    check("there?x=a b", "/there?x=a%20b").await;
}

/// How often a file was opened since.
fn opens(watch: &OwnedFd) -> usize {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    let mut opens = 0;
    while let Ok(event) = events.next() {
        opens += usize::from(event.events().contains(inotify::ReadFlags::OPEN));
    }
    opens
}

#[tokio::test]
async fn a_file_of_logins_is_opened_once_for_all_that_a_request_sends() {
    let (server, _realm) = lasting(300).start();
    let docker = logins(&[&server.name()]);
    let sessions = sessions(Some(&docker));
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, docker.path(), inotify::WatchFlags::OPEN).unwrap();
    for _ in 0..2 {
        let session = begin(&sessions, &server.name()).await;
        for _ in 0..8 {
            get(&session).await.unwrap();
        }
        assert_eq!(opens(&watch), 1);
    }
    until(|| true).await;
}

#[tokio::test]
async fn what_a_registry_splits_or_remembers_is_not_shown() {
    let sent = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let memory = Arc::clone(&sent);
    let server = Faulty::start(move |seen, before| {
        let mut known = tokens::lock(&memory);
        if seen.target.starts_with("/realm") {
            return Answer::new(200).body(format!(r#"{{"token":"planted-token-{before}"}}"#));
        }
        if let Some(token) = seen.header("authorization") {
            known.push(token.trim_start_matches("Bearer ").to_owned());
        }
        let split: String = "hunter2".chars().flat_map(|c| [c, '\u{200b}']).collect();
        let message = format!("{} {split} YW5uOmh1bnRlcjI", known.join(" "));
        let errors = serde_json::json!({"errors": [{"code": "X", "message": message}]});
        let challenge = bearer(seen, "realm");
        challenge.body(errors.to_string())
    });
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    // Each attempt drops a token, and the registry still knows it.
    for _ in 0..3 {
        let error = get_from(&session, "acme/echo").await.unwrap_err();
        let shown = format!("{error:?} {:?}", error.data());
        for secret in ["planted", "hunter2", "YW5u"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    assert_eq!(tokens::lock(&sent).len(), 3);
}
