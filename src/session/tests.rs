//! Sessions against a server that misbehaves.

mod challenges;
mod lasting;
mod logins;
mod reload;
mod tokens;

use super::{
    credentials::{Login, LoginPlace},
    *,
};
use crate::{
    error::Result,
    name::{Repository, testing},
};
use reqwest::{Method, Response, Url};
use std::{io::Write, sync::Arc, time::Duration};
use tempfile::NamedTempFile;
use vouch_protocol::{ErrorKind, LoginSource, SessionState};
use vouch_testing::faulty::{Answer, Faulty, Seen};

/// Longer than a test takes: only what is tested can end a wait.
const EVER: Duration = Duration::from_secs(3600);

/// Waits as long as it takes, and tries again at once.
fn waits() -> Timeouts {
    Timeouts {
        connect: EVER,
        idle: EVER,
        answer: EVER,
        backoff: Duration::from_millis(1),
        ..Timeouts::default()
    }
}

/// For answers that never come. Those that come have to be there sooner.
fn impatient() -> Timeouts {
    Timeouts {
        answer: Duration::from_secs(3),
        ..waits()
    }
}

/// A docker config with a login for these registries.
fn logins(registries: &[&str]) -> NamedTempFile {
    let auths: serde_json::Map<_, _> = registries
        .iter()
        .map(|registry| {
            let entry = serde_json::json!({"username": "ann", "password": "hunter2"});
            ((*registry).to_owned(), entry)
        })
        .collect();
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{}", serde_json::json!({ "auths": auths })).unwrap();
    file
}

fn sessions(docker: Option<&NamedTempFile>) -> Sessions {
    let path = docker.map_or("/nonexistent".into(), |file| file.path().to_owned());
    Sessions::new(Config::new())
        .timeouts(waits())
        .docker_config(path)
}

fn repository(name: &str) -> Repository {
    name.parse().expect(name)
}

/// Nobody uses a session for so long that its access tokens are not renewed any more.
async fn unused_for_long(session: &Session) {
    session.clock.advance(3 * 3600);
    // What would renew them sees it, before anything uses them again.
    tokio::task::yield_now().await;
}

/// A registry to which nobody is logged in.
fn nobody(registry: &str) -> Arc<Login> {
    Login::new(&testing::registry(registry), LoginPlace::Nowhere, None)
}

/// What a request for that registry begins with.
async fn begin(sessions: &Sessions, registry: &str) -> Arc<Session> {
    let began = sessions
        .session(&testing::registry(registry), &repository("acme/echo"))
        .await;
    began.expect(registry)
}

async fn session(registry: &str, docker: Option<&NamedTempFile>) -> Arc<Session> {
    begun(sessions(docker), registry).await
}

/// The session of a service that lasts as long as the test.
async fn begun(sessions: Sessions, registry: &str) -> Arc<Session> {
    let sessions = Box::leak(Box::new(sessions));
    begin(sessions, registry).await
}

async fn get(session: &Arc<Session>) -> Result<Response> {
    let scope = Scope::new(&repository("acme/echo"), Action::Pull);
    let build = || request(Method::GET, session.base().join("thing").unwrap(), []);
    session.send("looking", &scope, build).await
}

/// `ann:hunter2`
const BASIC: &str = "Basic YW5uOmh1bnRlcjI=";

fn wants_basic(seen: &Seen) -> Answer {
    match seen.header("authorization") {
        Some(BASIC) => Answer::new(200),
        _ => Answer::new(401).header("www-authenticate", "Basic realm=\"x\""),
    }
}

#[tokio::test]
async fn statuses_become_kinds() {
    let check = async |status: u16, expected: ErrorKind| {
        let server = Faulty::start(move |_, _| {
            Answer::new(status).body(r#"{"errors":[{"code":"OWN_CODE","message":"own words"}]}"#)
        });
        let error = get(&session(&server.name(), None).await).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        assert!(error.message().contains("OWN_CODE: own words"), "{error}");
        assert_eq!(error.data().status, Some(status));
        assert_eq!(error.data().registry, Some(server.name()));
        server.lines().len()
    };
    assert_eq!(check(400, ErrorKind::RegistryRefused).await, 1);
    // Once more at the root, which may say what it wants.
    assert_eq!(check(401, ErrorKind::Unauthorized).await, 2);
    assert_eq!(check(403, ErrorKind::Denied).await, 1);
    assert_eq!(check(404, ErrorKind::NotFound).await, 1);
    assert_eq!(check(429, ErrorKind::RateLimited).await, 5);
    assert_eq!(check(500, ErrorKind::RegistryError).await, 5);
    assert_eq!(check(501, ErrorKind::RegistryError).await, 1);
    assert_eq!(check(503, ErrorKind::RegistryError).await, 5);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let check = async |first: Answer, timeouts: Timeouts, reason: &str| {
        let server = Faulty::start(move |_, before| match before {
            0 => first.clone(),
            _ => Answer::new(200),
        });
        let session = begun(sessions(None).timeouts(timeouts), &server.name()).await;
        get(&session).await.expect(reason);
        assert_eq!(server.lines().len(), 2, "{reason}");
    };
    check(Answer::new(500), waits(), "a server error").await;
    let limit = Answer::new(429).header("retry-after", "0");
    check(limit, waits(), "a limit").await;
    let date = "Thu, 01 Jan 1970 00:00:00 GMT";
    let later = Answer::new(503).header("retry-after", date);
    check(later, waits(), "a date that is past").await;
    let huge = Answer::new(502).body(vec![b'x'; 1 << 20]);
    check(huge, waits(), "a huge page of an error").await;
    let stalled = Answer::new(502).header("content-length", "9").stall(0);
    check(stalled, impatient(), "an error whose page never comes").await;
}

#[tokio::test]
async fn a_registry_that_wants_a_long_pause_is_not_waited_for() {
    let server = Faulty::start(|_, _| Answer::new(429).header("retry-after", "3600"));
    let error = get(&session(&server.name(), None).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.data().help.unwrap().contains("3600 s"));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn silence_has_an_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let soon = Timeouts {
        answer: Duration::from_millis(100),
        ..waits()
    };
    let session = begun(sessions(None).timeouts(soon), &name).await;
    let error = get(&session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryTimeout, "{error}");
    drop(listener);
    let error = get(&session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryUnreachable, "{error}");
}

#[tokio::test]
async fn a_login_is_sent_when_it_is_asked_for_and_then_remembered() {
    let server = Faulty::start(|seen, _| wants_basic(seen));
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    get(&session).await.unwrap();
    get(&session).await.unwrap();
    let sent: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(sent, [None, Some(BASIC.to_owned()), Some(BASIC.to_owned())]);
}

#[tokio::test]
async fn refusals_end() {
    let check = async |challenge: &'static str, requests: usize, later: usize| {
        let server = Faulty::start(move |seen, _| {
            let challenge = challenge.replace("HOST", seen.header("host").unwrap());
            if seen.target.starts_with("/token") {
                return Answer::new(200).body(r#"{"token":"useless"}"#);
            }
            Answer::new(401).header("www-authenticate", challenge)
        });
        let docker = logins(&[&server.name()]);
        let session = session(&server.name(), Some(&docker)).await;
        let error = get(&session).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        assert_eq!(
            server.lines().len(),
            requests,
            "{challenge} {:?}",
            server.lines()
        );
        assert!(!format!("{error:?} {session:?}").contains("hunter2"));
        // A login that was refused is not sent twice in one request.
        let before = server.lines().len();
        get(&session).await.unwrap_err();
        let again = server.lines().len() - before;
        assert_eq!(again, later, "{challenge} {:?}", server.lines());
    };
    check("Basic realm=x", 2, 1).await;
    check("Bearer realm=\"http://HOST/token\"", 3, 2).await;
}

#[tokio::test]
async fn realms_that_answer_nonsense() {
    let check = async |body: &'static str, expected: ErrorKind| {
        let server = Faulty::start(move |seen, _| {
            if seen.target.starts_with("/token") {
                return Answer::new(200).body(body);
            }
            let host = seen.header("host").unwrap();
            let challenge = format!("Bearer realm=\"http://{host}/token\"");
            Answer::new(401).header("www-authenticate", challenge)
        });
        let error = get(&session(&server.name(), None).await).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{body:.30} {error}");
    };
    check("{}", ErrorKind::RegistryError).await;
    check("[]", ErrorKind::RegistryError).await;
    check(r#"{"token":""}"#, ErrorKind::RegistryError).await;
    check(r#"{"token":"a\nb"}"#, ErrorKind::RegistryError).await;
    check(r#"{"token":7}"#, ErrorKind::RegistryError).await;
    let long = format!(r#"{{"token":"{}"}}"#, "x".repeat((16 << 10) + 1));
    check(Box::leak(long.into_boxed_str()), ErrorKind::RegistryError).await;
    let huge: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    check(huge, ErrorKind::RegistryError).await;
}

#[tokio::test]
async fn a_realm_that_is_missing_is_not_a_missing_artifact() {
    let server = Faulty::start(move |seen, _| {
        if seen.target.starts_with("/token") {
            return Answer::new(404);
        }
        let host = seen.header("host").unwrap();
        let challenge = format!("Bearer realm=\"http://{host}/token\"");
        Answer::new(401).header("www-authenticate", challenge)
    });
    let error = get(&session(&server.name(), None).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryError, "{error}");
}

#[tokio::test]
async fn credentials_stay_at_home() {
    let elsewhere = Faulty::start(|_, before| match before {
        0 => Answer::new(200).body("there"),
        _ => Answer::new(401).header("www-authenticate", "Basic realm=x"),
    });
    let target = format!("http://{}/blob?signature=secret", elsewhere.name());
    let server = Faulty::start(move |seen, _| match wants_basic(seen) {
        answer if seen.header("authorization").is_none() => answer,
        _ => Answer::new(307).header("location", target.clone()),
    });
    let docker = logins(&[&server.name(), &elsewhere.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    assert_eq!(get(&session).await.unwrap().text().await.unwrap(), "there");
    let seen = elsewhere.seen();
    assert_eq!(seen[0].target, "/blob?signature=secret");
    assert_eq!(seen[0].header("authorization"), None);
    // It knows nothing of the login that it was not sent.
    let error = get(&session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert_eq!(session.login.state(), SessionState::Accepted);
    assert_eq!(elsewhere.seen()[1].header("authorization"), None);
}

#[tokio::test]
async fn redirects_end() {
    let server = Faulty::start(|_, _| Answer::new(302).header("location", "thing"));
    let error = get(&session(&server.name(), None).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryError);
    assert_eq!(server.lines().len(), 6);
}

#[test]
fn nothing_leads_to_less_protection() {
    let config = Config::from([(
        testing::registry("registry.lan:5000"),
        RegistryConfig {
            plain_http: Some(true),
            ..RegistryConfig::default()
        },
    )]);
    let sessions = Sessions::new(config);
    let check = |registry: &str, url: &str, expected: bool| {
        let session = sessions.begin(&nobody(registry)).unwrap();
        let permitted = session.permit(&Url::parse(url).unwrap());
        assert_eq!(permitted.is_ok(), expected, "{registry} {url}");
        if let Err(error) = permitted {
            assert_eq!(error.kind(), ErrorKind::InsecureRegistry);
            assert!(!error.message().contains("secret"), "{error}");
        }
    };
    check("ghcr.io", "https://cdn.io/x?secret", true);
    check("ghcr.io", "http://cdn.io/x?secret", false);
    check("ghcr.io", "http://ghcr.io/x", false);
    check("ghcr.io", "http://127.0.0.1/x", false);
    check("ghcr.io", "file:///etc/passwd", false);
    check("ghcr.io", "ftp://u:secret@ghcr.io/x", false);
    check("ghcr.io", "hstp:/u:secret@ghcr.io", false);
    check("127.0.0.1:5000", "http://127.0.0.1:6000/x", true);
    check("127.0.0.1:5000", "http://localhost:6000/x", true);
    check("127.0.0.1:5000", "https://cdn.io/x", true);
    check("127.0.0.1:5000", "http://cdn.io/x", false);
    check("registry.lan:5000", "http://auth.lan/x", true);
    check("registry.lan:5000", "http://127.0.0.1/x", false);
    check("ghcr.io", "https://169.254.169.254/x", false);
    check("ghcr.io", "https://[fe80::1]/x", false);
    check("ghcr.io", "https://[::ffff:169.254.169.254]/x", false);
    check("registry.lan:5000", "http://169.254.169.254/x", false);
    check("127.0.0.1:5000", "https://169.254.169.254/x", false);
    // Whoever names it means it.
    check("169.254.1.1:5000", "https://169.254.1.1:5000/x", true);
}

#[test]
fn plain_http_is_for_loopback_and_where_the_owner_says_so() {
    let section = |plain_http, ca: Option<&str>| RegistryConfig {
        plain_http,
        ca: ca.map(Into::into),
        ..RegistryConfig::default()
    };
    let config = Config::from([
        (
            testing::registry("Registry.lan:5000"),
            section(Some(true), None),
        ),
        (
            testing::registry("index.docker.io"),
            section(Some(true), None),
        ),
        (testing::registry("127.0.0.1:1"), section(Some(false), None)),
        (
            testing::registry("127.0.0.1:2"),
            section(None, Some("/ca.pem")),
        ),
    ]);
    let sessions = Sessions::new(config);
    let check = |registry: &str, expected: &str| {
        let session = sessions.begin(&nobody(registry));
        assert_eq!(session.unwrap().base().as_str(), expected, "{registry}");
    };
    check("ghcr.io", "https://ghcr.io/");
    check("registry.lan:5000", "http://registry.lan:5000/");
    check("registry.lan", "https://registry.lan/");
    check("localhost:5000", "http://localhost:5000/");
    check("127.9.9.9:5000", "http://127.9.9.9:5000/");
    check("[::1]:5000", "http://[::1]:5000/");
    check("127.0.0.1:1", "https://127.0.0.1:1/");
    check("127.0.0.1:2", "https://127.0.0.1:2/");
    check("localhost.example.com", "https://localhost.example.com/");
    for docker in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        check(docker, "https://registry-1.docker.io/");
    }
}

#[tokio::test]
async fn a_ca_file_that_is_not_one_is_named() {
    let server = Faulty::start(|_, _| Answer::new(200));
    let section = RegistryConfig {
        ca: Some("/dev/null".into()),
        ..RegistryConfig::default()
    };
    let sessions = Sessions::new(Config::from([(testing::registry(&server.name()), section)]));
    let error = get(&begun(sessions, &server.name()).await)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsecureRegistry);
    assert!(error.message().contains("/dev/null"), "{error}");
}
