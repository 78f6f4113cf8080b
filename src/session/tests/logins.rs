//! Logins: where they come from, what becomes of work when they end, and what nobody gets to see.

use super::{
    tokens::{asked, lasting, until},
    *,
};
use crate::session::authorization::{Authorization, TokenRequest};
use serde_json::json;
use vouch_protocol::SessionStatus;

fn password(username: &str, password: &str) -> Credential {
    Credential::Password {
        username: username.into(),
        password: Secret::new(password),
    }
}

/// The base64 of a user's name and password.
fn basic(username: &str, password: &str) -> String {
    let pair = format!("{username}:{password}");
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}

async fn listed(sessions: &Sessions) -> SessionStatus {
    let mut list = sessions.list().await;
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

#[tokio::test]
async fn a_login_that_cannot_be_used_is_not_an_anonymous_request() {
    let server = Faulty::start(|seen, _| wants_basic(seen));
    for config in [
        json!({"auths": {server.name(): {"registrytoken": "t"}}}),
        json!({"credsStore": "there-is-no-such-helper"}),
        json!([]),
    ] {
        let mut docker = NamedTempFile::new().unwrap();
        write!(docker, "{config}").unwrap();
        let sessions = sessions(Some(&docker));
        let error = sessions
            .session(&testing::registry(&server.name()), &repository("a"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CredentialUnusable, "{error}");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn sources_have_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, user: &str, key: &str| {
        let auths = json!({"auths": {key: {"username": user, "password": "p"}}});
        std::fs::write(folder.path().join(name), auths.to_string()).unwrap();
    };
    let files = [
        LoginSource::AuthFile,
        LoginSource::Docker,
        LoginSource::Podman,
    ];
    let paths = ["first", "second", "third"].map(|name| folder.path().join(name));
    let sessions = sessions(None).credential_files(files.into_iter().zip(paths));
    let check = async |expected: LoginSource, user: Option<&str>| {
        let session = begin(&sessions, "r.io").await;
        assert_eq!(
            (session.login.source(), session.login.user.as_deref()),
            (expected, user)
        );
        session
    };
    check(LoginSource::Anonymous, None).await;
    write("third", "pod", "r.io/acme");
    check(LoginSource::Podman, Some("pod")).await;
    write("second", "doc", "r.io/acme");
    check(LoginSource::Podman, Some("pod")).await;
    write("second", "doc", "https://r.io");
    let docker = check(LoginSource::Docker, Some("doc")).await;
    write("first", "one", "r.io");
    let one = check(LoginSource::AuthFile, Some("one")).await;
    assert!(Arc::ptr_eq(
        &one,
        &check(LoginSource::AuthFile, Some("one")).await
    ));
    write("first", "two", "r.io");
    let two = check(LoginSource::AuthFile, Some("two")).await;
    assert!(!Arc::ptr_eq(&one, &two));
    assert!(one.login.has_ended(), "its file has another's login");
    assert!(!docker.login.has_ended(), "its login is still there");
    std::fs::remove_file(folder.path().join("first")).unwrap();
    let again = check(LoginSource::Docker, Some("doc")).await;
    assert!(Arc::ptr_eq(&docker, &again));
}

#[tokio::test]
async fn a_login_is_checked_kept_and_forgotten() {
    let (server, _realm) = lasting(300).start();
    let sessions = sessions(None);
    let name = server.name();
    let status = sessions
        .login(&testing::registry(&name), password("ann", "hunter2"))
        .await
        .unwrap();
    assert_eq!(status.source, LoginSource::Login);
    assert_eq!(status.state, SessionState::Accepted);
    assert_eq!(status.user.as_deref(), Some("ann"));
    let query = "/token?a=b&service=s+p";
    assert_eq!(asked(&server)[0].target, query, "no scope is needed");
    let session = begin(&sessions, &name).await;
    get(&session).await.unwrap();
    let status = listed(&sessions).await;
    assert_eq!(status.scopes, ["repository:acme/echo:pull"]);
    assert!(status.expires_in_seconds.is_some_and(|left| left <= 300));
    assert_eq!(status.last_used_seconds, Some(0));
    assert!(sessions.logout(&testing::registry(&name)));
    assert!(!sessions.logout(&testing::registry(&name)));
    let error = get(&session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.message().contains("session/logout"), "{error}");
    assert_eq!(session.login.current().0, None);
    assert_eq!(session.tokens.scopes().0, Vec::<String>::new());
    assert!(sessions.list().await.is_empty());
}

#[tokio::test]
async fn a_login_that_is_refused_is_not_kept() {
    let server = Faulty::start(|seen, _| wants_basic(seen));
    let sessions = sessions(None);
    let name = server.name();
    let wrong = async || {
        sessions
            .login(&testing::registry(&name), password("ann", "wrong"))
            .await
            .unwrap_err()
    };
    assert_eq!(wrong().await.kind(), ErrorKind::Unauthorized);
    assert!(sessions.list().await.is_empty());
    sessions
        .login(&testing::registry(&name), password("ann", "hunter2"))
        .await
        .unwrap();
    assert_eq!(wrong().await.kind(), ErrorKind::Unauthorized);
    assert_eq!(listed(&sessions).await.state, SessionState::Accepted);
    let session = begin(&sessions, &name).await;
    get(&session).await.unwrap();
    let open = Faulty::start(|_, _| Answer::new(200));
    let status = sessions
        .login(&testing::registry(&open.name()), password("ann", "any"))
        .await
        .unwrap();
    assert_eq!(status.state, SessionState::Untried);
}

#[tokio::test]
async fn two_logins_do_not_mix() {
    let (server, _realm) = lasting(300).start();
    let (sessions, name) = (sessions(None), server.name());
    sessions
        .login(&testing::registry(&name), password("ann", "one"))
        .await
        .unwrap();
    let first = begin(&sessions, &name).await;
    get(&first).await.unwrap();
    sessions
        .login(&testing::registry(&name), password("bob", "two"))
        .await
        .unwrap();
    let second = begin(&sessions, &name).await;
    get(&second).await.unwrap();
    // What began with the first goes on with it.
    get(&first).await.unwrap();
    let used: Vec<_> = asked(&server)
        .iter()
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    let (ann, bob) = (basic("ann", "one"), basic("bob", "two"));
    assert_eq!(used, [ann.clone(), ann, bob.clone(), bob]);
    assert!(sessions.logout(&testing::registry(&name)));
    get(&first).await.unwrap_err();
    get(&second).await.unwrap_err();
}

#[tokio::test]
async fn two_namespaces_of_a_registry_do_not_mix() {
    let (server, _realm) = lasting(300).start();
    let name = server.name();
    let file = NamedTempFile::new().unwrap();
    let entry = |user: &str| json!({"username": user, "password": "p"});
    let auths = json!({format!("{name}/acme"): entry("ann"), name.clone(): entry("bob")});
    std::fs::write(file.path(), json!({ "auths": auths }).to_string()).unwrap();
    let files = [(LoginSource::Podman, file.path().to_owned())];
    let sessions = sessions(None).credential_files(files);
    for (repository, user) in [
        ("acme/echo", "ann"),
        ("other/echo", "bob"),
        ("acme/b", "ann"),
    ] {
        let session = sessions
            .session(&testing::registry(&name), &super::repository(repository))
            .await
            .unwrap();
        get(&session).await.unwrap();
        assert_eq!(session.login.user.as_deref(), Some(user));
    }
    let used: Vec<_> = asked(&server)
        .iter()
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(used, [basic("ann", "p"), basic("bob", "p")]);
    assert_eq!(sessions.list().await.len(), 2);
}

#[tokio::test]
async fn work_under_way_ends_with_its_login() {
    let server = Faulty::start(|seen, _| match wants_basic(seen) {
        answer if seen.header("authorization").is_none() => answer,
        _ if seen.target == "/thing" => Answer::new(200).header("content-length", "9").stall(0),
        answer => answer,
    });
    let sessions = sessions(None);
    let name = server.name();
    sessions
        .login(&testing::registry(&name), password("ann", "hunter2"))
        .await
        .unwrap();
    let session = begin(&sessions, &name).await;
    let scope = Scope::new(&repository("acme/echo"), Action::Pull);
    let never = Activity::default();
    let build = || request(Method::GET, session.base().join("thing").unwrap(), []);
    // The logout comes once there is a body to wait for, not while the answer is on its way.
    let answered = tokio::sync::Notify::new();
    let work = async {
        let response = session
            .stream("looking", &scope, &never, &build)
            .await
            .unwrap();
        answered.notify_one();
        tokio::select! {
            body = bounded(&session, "looking", response, 9, ErrorKind::RegistryError) => {
                panic!("{body:?}")
            }
            over = session.login.ended() => over,
        }
    };
    let logout = async {
        answered.notified().await;
        sessions.logout(&testing::registry(&name));
    };
    let (error, ()) = tokio::join!(work, logout);
    assert!(error.message().contains("has ended"), "{error}");
}

#[tokio::test]
async fn a_logout_in_the_file_counts_at_once() {
    let (server, _realm) = lasting(300).start();
    let docker = logins(&[&server.name()]);
    let sessions = sessions(Some(&docker));
    let session = begin(&sessions, &server.name()).await;
    get(&session).await.unwrap();
    assert_eq!(listed(&sessions).await.source, LoginSource::Docker);
    std::fs::write(docker.path(), "{}").unwrap();
    // The next request begins without, and ends what was there.
    let anonymous = begin(&sessions, &server.name()).await;
    let error = get(&session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.message().contains("was removed"), "{error}");
    assert_eq!(listed(&sessions).await.source, LoginSource::Anonymous);
    get(&anonymous).await.unwrap();
    let last = asked(&server).pop().unwrap();
    assert_eq!(
        last.header("authorization"),
        None,
        "another's token is not used"
    );
}

#[tokio::test]
async fn a_password_that_expired_is_asked_for_again_at_its_source() {
    let check = async |status: u16, body: &'static str, requests: usize| {
        let docker = NamedTempFile::new().unwrap();
        let path = docker.path().to_owned();
        let write = move |name: &str, password: &str| {
            let entry = json!({"username": "AWS", "password": password});
            std::fs::write(&path, json!({"auths": {name: entry}}).to_string()).unwrap();
        };
        let renew = write.clone();
        let (old, new) = (basic("AWS", "old"), basic("AWS", "new"));
        let server = Faulty::start(move |seen, _| match seen.header("authorization") {
            Some(known) if known == new => Answer::new(200),
            Some(known) if known == old => {
                renew(seen.header("host").unwrap(), "new");
                Answer::new(status).body(body)
            }
            _ => Answer::new(401).header("www-authenticate", "Basic realm=x"),
        });
        write(&server.name(), "old");
        let outcome = get(&session(&server.name(), Some(&docker)).await).await;
        assert_eq!(server.lines().len(), requests, "{status} {outcome:?}");
        outcome.map_err(|error| error.kind()).err()
    };
    let expired = r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}"#;
    assert_eq!(check(403, expired, 3).await, None);
    let other = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    assert_eq!(check(403, other, 2).await, Some(ErrorKind::Denied));
    assert_eq!(check(403, "", 2).await, Some(ErrorKind::Denied));
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let (server, _realm) = lasting(300).start();
    let docker = logins(&[&server.name()]);
    let sessions = sessions(Some(&docker));
    let name = server.name();
    let found = begin(&sessions, &name).await;
    get(&found).await.unwrap();
    let planted = password("ann", "planted-secret");
    sessions
        .login(&testing::registry(&name), planted.clone())
        .await
        .unwrap();
    let kept = begin(&sessions, &name).await;
    get(&kept).await.unwrap();
    let other = sessions.begin(&Login::new(
        &testing::registry(&name),
        LoginPlace::Memory,
        Some(planted.clone()),
    ));
    let request = TokenRequest {
        realm: Url::parse(&format!("http://{name}/token")).unwrap(),
        service: None,
        scope: None,
    };
    let shown = format!(
        "{sessions:?} {found:?} {kept:?} {other:?} {:?} {:?} {:?} {:?} {:?}",
        sessions.list().await,
        kept.login.current(),
        kept.tokens,
        kept.tokens.get(&request, None).await,
        Authorization::Basic(planted),
    );
    assert!(shown.contains(&name));
    for secret in ["hunter2", "planted-secret", "Bearer t", "\"t3\"", "\"t7\""] {
        assert!(!shown.contains(secret), "{secret} {shown}");
    }
}

#[tokio::test]
async fn what_a_registry_echoes_is_not_shown() {
    let docker_of = |server: &Faulty| logins(&[&server.name()]);
    let check = async |answer: fn(&str) -> Answer, reason: &str| {
        let server = Faulty::start(move |seen, _| match seen.header("authorization") {
            Some(sent) => answer(sent),
            None => Answer::new(401).header("www-authenticate", "Basic realm=x"),
        });
        let docker = docker_of(&server);
        let error = get(&session(&server.name(), Some(&docker)).await)
            .await
            .expect_err(reason);
        let shown = format!("{error} {:?}", error.data()).to_lowercase();
        for secret in ["hunt", "yw5uomh1bnrlcji"] {
            assert!(!shown.contains(secret), "{reason}: {shown}");
        }
    };
    check(
        |sent| {
            // A text that is cut off must not end in a part of a secret.
            let message = format!("you sent {sent}, {}hunter2", "x".repeat(263));
            let errors = json!({"errors": [{"code": "DENIED", "message": message}]});
            Answer::new(403).body(errors.to_string())
        },
        "in an error",
    )
    .await;
    check(
        |sent| {
            let path = sent.replace(' ', "/");
            Answer::new(307).header("location", format!("http://192.0.2.1/{path}"))
        },
        "in a redirect",
    )
    .await;
}

#[tokio::test]
async fn a_pause_that_no_clock_can_hold_ends_the_waiting() {
    let server = Faulty::start(|_, before| {
        let after = if before == 0 { 0 } else { u64::MAX };
        Answer::new(503).header("retry-after", after.to_string())
    });
    let error = get(&session(&server.name(), None).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryError, "{error}");
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn what_comes_back_from_another_host_gets_no_login() {
    let registry = Arc::new(std::sync::OnceLock::new());
    let back: Arc<std::sync::OnceLock<String>> = Arc::clone(&registry);
    let other = Faulty::start(move |_, _| {
        let registry = back.get().expect("it was set");
        Answer::new(307).header("location", format!("http://{registry}/victim"))
    });
    let away = format!("http://{}/away", other.name());
    let server = Faulty::start(move |seen, _| match seen.target.as_str() {
        "/victim" => Answer::new(200),
        _ if seen.header("authorization").is_none() => {
            Answer::new(401).header("www-authenticate", "Basic realm=x")
        }
        _ => Answer::new(307).header("location", away.clone()),
    });
    registry.set(server.name()).expect("it was not set");
    let docker = logins(&[&server.name()]);
    get(&session(&server.name(), Some(&docker)).await)
        .await
        .unwrap();
    let last = server.seen().pop().unwrap();
    assert_eq!(last.target, "/victim");
    assert_eq!(last.header("authorization"), None);
}

#[tokio::test]
async fn a_config_of_another_shape_is_not_an_anonymous_request() {
    let server = Faulty::start(|_, _| Answer::new(200));
    for config in [
        json!({"credsStore": 7}),
        json!({"auths": "x"}),
        json!({"credHelpers": []}),
        json!({"credHelpers": {server.name(): 7}}),
    ] {
        let mut docker = NamedTempFile::new().unwrap();
        write!(docker, "{config}").unwrap();
        let error = sessions(Some(&docker))
            .session(&testing::registry(&server.name()), &repository("a"))
            .await
            .expect_err(&config.to_string());
        assert_eq!(error.kind(), ErrorKind::CredentialUnusable, "{error}");
    }
}

#[tokio::test]
async fn a_logout_in_a_file_ends_what_is_under_way() {
    let server = Faulty::start(|seen, _| match seen.header("authorization") {
        None => Answer::new(401).header("www-authenticate", "Basic realm=x"),
        // Announced, and never sent.
        Some(_) => Answer::silence().stall(0),
    });
    let docker = logins(&[&server.name()]);
    let session = session(&server.name(), Some(&docker)).await;
    let under_way = tokio::spawn(async move { get(&session).await });
    until(|| server.lines().len() == 2).await;
    std::fs::write(docker.path(), r#"{"auths":{}}"#).unwrap();
    until(|| under_way.is_finished()).await;
    let error = under_way.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(error.message().contains("was removed from"), "{error}");
}
