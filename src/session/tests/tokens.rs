//! Tokens: how often they are asked for, by whom, and for how long they are good.

use super::{super::authorization::TokenRequest, *};
use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A registry and its realm in one, with what a test changes meanwhile.
#[derive(Default)]
pub(super) struct Realm {
    pub(super) life: AtomicU64,
    /// Tokens that the registry does not take any more.
    pub(super) revoked: Mutex<HashSet<String>>,
    /// Milliseconds that the realm takes.
    slow: AtomicU64,
    /// Whether it gives tokens at all.
    pub(super) down: AtomicBool,
    /// How often it gave none.
    pub(super) failed: AtomicU64,
    /// The refresh token that is good.
    pub(super) refresh: Mutex<String>,
}

impl Realm {
    pub(super) fn start(self) -> (Faulty, Arc<Self>) {
        let realm = Arc::new(self);
        let same = Arc::clone(&realm);
        (
            Faulty::start(move |seen, before| same.answer(seen, before)),
            realm,
        )
    }

    fn answer(&self, seen: &Seen, before: usize) -> Answer {
        if seen.target.starts_with("/token") {
            let slow = self.slow.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(slow));
            if self.down.load(Ordering::Relaxed) {
                self.failed.fetch_add(1, Ordering::Relaxed);
                return Answer::new(503);
            }
            return self.grant(seen, before);
        }
        let token = seen.header("authorization").unwrap_or_default();
        let good = token.starts_with("Bearer t") && !lock(&self.revoked).contains(token);
        if good {
            return Answer::new(200);
        }
        let host = seen.header("host").unwrap();
        let challenge = format!("Bearer realm=\"http://{host}/token?a=b\",service=\"s p\"");
        Answer::new(401).header("www-authenticate", challenge)
    }

    fn grant(&self, seen: &Seen, before: usize) -> Answer {
        let life = self.life.load(Ordering::Relaxed);
        let mut answer = serde_json::json!({"access_token": format!("t{before}")});
        if life > 0 {
            answer["expires_in"] = life.into();
        }
        if seen.method == "POST" {
            let body = String::from_utf8(seen.body.clone()).unwrap();
            let mut good = lock(&self.refresh);
            if !body.contains(&format!("refresh_token={good}&")) {
                return Answer::new(400).body(r#"{"error":"invalid_grant"}"#);
            }
            *good = format!("r{before}");
            answer["refresh_token"] = good.as_str().into();
        }
        Answer::new(200).body(answer.to_string())
    }

    /// From now on no token that was given so far is good.
    pub(super) fn revoke(&self, server: &Faulty) {
        let given = (0..server.seen().len()).map(|number| format!("Bearer t{number}"));
        lock(&self.revoked).extend(given);
    }
}

pub(super) fn lasting(life: u64) -> Realm {
    Realm {
        life: life.into(),
        ..Realm::default()
    }
}

pub(super) fn asked(server: &Faulty) -> Vec<Seen> {
    let mut seen = server.seen();
    seen.retain(|seen| seen.target.starts_with("/token"));
    seen
}

/// Waits for something that happens in the background.
pub(super) async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
    waited.expect("it never happens");
}

async fn get_from(session: &Arc<Session>, repository: &str) -> Result<Response> {
    let scope = Scope::new(&super::repository(repository), Action::Push);
    let build = || request(Method::GET, session.base().join("thing").unwrap(), []);
    session.send("looking", &scope, build).await
}

#[tokio::test]
async fn a_token_is_asked_for_once_by_ten_and_kept() {
    let (server, realm) = lasting(300).start();
    realm.slow.store(50, Ordering::Relaxed);
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    let all = futures_util::future::join_all((0..10).map(|_| get(&session))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    get(&session).await.unwrap();
    let asked = asked(&server);
    assert_eq!(asked.len(), 1);
    let query = "/token?a=b&service=s+p&scope=repository%3Aacme%2Fecho%3Apull";
    assert_eq!(asked[0].target, query);
    assert_eq!(asked[0].header("authorization"), Some(BASIC));
    let unknown = |seen: &&Seen| seen.header("authorization").is_none();
    assert_eq!(
        server.seen().iter().filter(unknown).count(),
        1,
        "one finds the challenge"
    );
}

#[tokio::test]
async fn one_who_goes_away_with_the_challenge_fails_nobody() {
    let server = Faulty::start(|seen, _| wants_basic(seen));
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    let heard = session.heard.of(Some(&repository("acme/echo")));
    let first = heard.first(EVER).await;
    assert!(first.is_some());
    let mut second = Box::pin(get(&session));
    assert!(futures_util::poll!(&mut second).is_pending());
    assert!(server.lines().is_empty(), "it waits");
    drop(first);
    second.await.unwrap();
}

#[tokio::test]
async fn one_who_goes_away_fails_nobody() {
    let (server, realm) = lasting(300).start();
    realm.slow.store(200, Ordering::Relaxed);
    let session = session(&server.name(), None).await;
    let first = tokio::spawn({
        let session = Arc::clone(&session);
        async move { get(&session).await }
    });
    until(|| !asked(&server).is_empty()).await;
    let second = get(&session);
    first.abort();
    second.await.unwrap();
    assert_eq!(asked(&server).len(), 1);
}

#[tokio::test]
async fn a_token_that_dies_is_replaced_once_for_all() {
    let (server, realm) = lasting(300).start();
    let session = session(&server.name(), None).await;
    get(&session).await.unwrap();
    realm.revoke(&server);
    realm.slow.store(50, Ordering::Relaxed);
    let all = futures_util::future::join_all((0..10).map(|_| get(&session))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(asked(&server).len(), 2);
}

#[tokio::test]
async fn one_who_hears_late_of_a_death_takes_what_replaced_it() {
    let (server, _realm) = lasting(300).start();
    let session = session(&server.name(), None).await;
    let realm = Url::parse(&format!("http://{}/token", server.name())).unwrap();
    let scope = Scope::new(&repository("acme/echo"), Action::Pull);
    let service = Some("s p".to_owned());
    let token = async |refused| {
        let request = TokenRequest {
            realm: realm.clone(),
            service: service.clone(),
            scope: Some(scope.clone()),
        };
        session.tokens.get(&request, refused).await.unwrap()
    };
    let (first, fresh) = token(None).await;
    assert!(fresh);
    let (second, fresh) = token(Some(&first)).await;
    assert!(fresh && second != first);
    let (third, fresh) = token(Some(&first)).await;
    assert!(!fresh && third == second);
    assert_eq!(asked(&server).len(), 2);
}

#[tokio::test]
async fn a_token_that_nobody_used_for_long_is_left_alone() {
    let (server, _realm) = lasting(300).start();
    let session = session(&server.name(), None).await;
    get(&session).await.unwrap();
    session.clock.advance(3 * 3600);
    // What would be renewed, would be by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(asked(&server).len(), 1);
    get(&session).await.unwrap();
    assert_eq!(asked(&server).len(), 2);
}

#[tokio::test]
async fn a_token_in_use_is_renewed_before_it_expires() {
    let (server, _realm) = lasting(300).start();
    let session = session(&server.name(), None).await;
    get(&session).await.unwrap();
    for renewals in 1..=3 {
        session.clock.advance(271);
        until(|| asked(&server).len() > renewals).await;
    }
    // It is kept a moment after it was asked for.
    let fresh = |left: Duration| left.as_secs() > 290;
    until(|| session.tokens.scopes().1.is_some_and(fresh)).await;
    let before = server.lines().len();
    get(&session).await.unwrap();
    assert_eq!(server.lines()[before..], ["GET /thing"]);
}

#[tokio::test]
async fn a_realm_that_is_down_leaves_what_there_is() {
    let (server, realm) = lasting(300).start();
    let session = session(&server.name(), None).await;
    get(&session).await.unwrap();
    realm.down.store(true, Ordering::Relaxed);
    session.clock.advance(280);
    get(&session).await.unwrap();
    session.clock.advance(30);
    let error = get(&session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryError, "{error}");
}

/// A docker config with an identity token.
pub(super) fn identity(registry: &str, token: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let entry = serde_json::json!({"auth": "YW5uOg==", "identitytoken": token});
    write!(file, "{}", serde_json::json!({"auths": {registry: entry}})).unwrap();
    file
}

#[tokio::test]
async fn refresh_tokens_are_used_one_at_a_time_and_replaced() {
    let realm = lasting(300);
    *lock(&realm.refresh) = "first".into();
    let (server, realm) = realm.start();
    realm.slow.store(20, Ordering::Relaxed);
    let docker = identity(&server.name(), "first");
    let session = session(&server.name(), Some(&docker)).await;
    let repositories: Vec<_> = (0..5).map(|number| format!("acme/r{number}")).collect();
    let gets = repositories.iter().map(|name| get_from(&session, name));
    let all = futures_util::future::join_all(gets).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let asked = asked(&server);
    assert_eq!(asked.len(), 5);
    let body = String::from_utf8(asked[0].body.clone()).unwrap();
    for part in ["grant_type=refresh_token", "service=s+p", "%3Apull%2Cpush"] {
        assert!(body.contains(part), "{body}");
    }
    assert_eq!(asked[0].header("authorization"), None);
    // Once more from the file would be a reuse.
    realm.revoke(&server);
    get_from(&session, "acme/r0").await.unwrap();
    // A new one in the file counts.
    "second".clone_into(&mut lock(&realm.refresh));
    std::fs::copy(identity(&server.name(), "second").path(), docker.path()).unwrap();
    get_from(&session, "acme/r1").await.unwrap();
    assert_eq!(session.login.current().1, 1);
    // One that the realm does not take any more is a refusal.
    "third".clone_into(&mut lock(&realm.refresh));
    let error = get_from(&session, "acme/other").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert_eq!(session.login.state(), SessionState::Refused);
}

#[tokio::test]
async fn an_identity_token_is_not_a_password() {
    let server = Faulty::start(|seen, _| wants_basic(seen));
    let docker = identity(&server.name(), "t");
    let error = get(&session(&server.name(), Some(&docker)).await)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CredentialUnusable, "{error}");
}

#[tokio::test]
async fn challenges_without_end_have_one() {
    let server = Faulty::start(|seen, before| {
        if seen.target.starts_with("/token") {
            return Answer::new(200).body(format!(r#"{{"token":"t{before}"}}"#));
        }
        let host = seen.header("host").unwrap();
        let challenge = match before % 2 {
            0 => format!("Bearer realm=\"http://{host}/token/{before}\""),
            _ => "Basic realm=x".to_owned(),
        };
        Answer::new(401).header("www-authenticate", challenge)
    });
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    for _ in 0..3 {
        let before = server.lines().len();
        let error = get(&session).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        let requests = server.lines().len() - before;
        assert!(requests <= 6, "{:?}", server.lines());
    }
}

#[tokio::test]
async fn a_login_that_is_known_and_too_small_is_denied() {
    let check = async |header: &'static str, body: &'static str, docker, expected| {
        let server = Faulty::start(move |seen, _| {
            if seen.target.starts_with("/token") {
                return Answer::new(200).body(r#"{"token":"t"}"#);
            }
            let host = seen.header("host").unwrap();
            let challenge = format!("Bearer realm=\"http://{host}/token\"{header}");
            Answer::new(401)
                .header("www-authenticate", challenge)
                .body(body)
        });
        let file = logins(&[&server.name()]);
        let docker = Some(&file).filter(|_| docker);
        let error = get(&session(&server.name(), docker).await)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        assert_eq!(error.data().status, Some(401));
        error.message().to_owned()
    };
    let small = ",error=\"insufficient_scope\"";
    check(small, "", true, ErrorKind::Denied).await;
    check(small, "", false, ErrorKind::Unauthorized).await;
    let denied = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    let message = check("", denied, true, ErrorKind::Denied).await;
    assert!(message.contains("DENIED: not yours"), "{message}");
    check("", "", true, ErrorKind::Unauthorized).await;
}

#[test]
fn a_realm_is_asked_only_where_a_login_is_safe() {
    let sections = [
        ("registry.lan:5000", Some(true), None),
        ("127.0.0.1:7", None, Some("/ca.pem".into())),
    ];
    let config = sections.map(|(name, plain_http, ca)| {
        let section = RegistryConfig {
            plain_http,
            ca,
            ..RegistryConfig::default()
        };
        (testing::registry(name), section)
    });
    let sessions = Sessions::new(Config::from(config));
    let check = |registry: &str, realm: &str, expected: bool| {
        let session = sessions.begin(&nobody(registry)).unwrap();
        let permitted = session.permit_realm(&Url::parse(realm).unwrap());
        assert_eq!(permitted.is_ok(), expected, "{registry} {realm}");
    };
    check("ghcr.io", "https://auth.io/token", true);
    check("ghcr.io", "http://auth.io/token", false);
    check("ghcr.io", "http://127.0.0.1/token", false);
    check("ghcr.io", "file:///token", false);
    check("ghcr.io", "hstp:/auth.io", false);
    check("127.0.0.1:5000", "http://127.0.0.1:6000/token", true);
    check("127.0.0.1:7", "http://localhost:6000/token", true);
    check("127.0.0.1:5000", "http://auth.io/token", false);
    check("127.0.0.1:5000", "https://auth.io/token", true);
    check("registry.lan:5000", "http://auth.lan/token", true);
    check("registry.lan:5000", "http://127.0.0.1/token", false);
    check("ghcr.io", "https://169.254.169.254/token", false);
    check("127.0.0.1:5000", "https://[fe80::1]/token", false);
}
