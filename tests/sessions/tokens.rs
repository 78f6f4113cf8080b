//! Tokens of a real registry: counted at their server.

use super::*;

#[test]
fn a_warm_push_and_pull_ask_for_no_token() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let mut client = daemon.connect();
    let reference = |tag: &str| format!("{}/acme/echo:{tag}", registry.name());
    push(&mut client, &modules.make(SMALL), &reference("1")).unwrap();
    pull(&mut client, &modules.pulled(), &reference("1")).unwrap();
    // Who may push may pull.
    let scope = "repository:acme/echo:pull,push".to_owned();
    assert_eq!(tokens.counts(), [(scope, 1)].into());
    let tagged = |tag: &str| {
        let line = format!("PUT /v2/acme/echo/manifests/{tag} HTTP");
        until("the registry logs it", || registry.logged(&[&line]) == 1);
    };
    let refused = || registry.logged(&["error authorizing"]);
    tagged("1");
    until("the registry asks for a login", || refused() == 1);
    push(&mut client, &modules.make(SMALL), &reference("2")).unwrap();
    pull(&mut client, &modules.pulled(), &reference("2")).unwrap();
    assert_eq!(tokens.count(), 1, "{:?}", tokens.counts());
    // Another connection is the same session.
    push(&mut daemon.connect(), &modules.make(SMALL), &reference("3")).unwrap();
    assert_eq!(tokens.count(), 1);
    tagged("2");
    tagged("3");
    assert_eq!(refused(), 1, "the challenge is found once");
}

#[test]
fn ten_cold_pushes_ask_once_for_each_scope() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    std::thread::scope(|scope| {
        for number in 0..10 {
            let path = modules.make(SMALL);
            let reference = format!("{}/acme/r{}:{number}", registry.name(), number % 2);
            let mut client = daemon.connect();
            scope.spawn(move || push(&mut client, &path, &reference).unwrap());
        }
    });
    let expected = ["r0", "r1"].map(|name| (format!("repository:acme/{name}:pull,push"), 1));
    assert_eq!(tokens.counts(), expected.into());
}

#[test]
fn a_token_that_dies_in_the_middle_is_replaced_once() {
    let check = |chunked: bool, refused: usize, size: usize| {
        let tokens = TokenServer::start();
        let registry = Registry::with_tokens(&tokens.auth());
        let challenge = tokens.challenge();
        let method = if chunked { "PATCH" } else { "PUT" };
        let once = AtomicBool::new(true);
        let proxy = Proxy::before(&registry.name(), move |head, before| {
            let streamed = head.length > 1 << 20;
            if chunked && head.method == "PUT" && streamed {
                return Some((413, "Basic realm=x".into()));
            }
            let hit = head.method == method && before == refused && streamed;
            (hit && once.swap(false, Ordering::Relaxed)).then(|| (401, challenge.clone()))
        });
        let docker = logged_in(&proxy.name());
        let (daemon, modules) = (with_docker(docker.path()), Modules::new());
        let (path, reference) = (modules.make(size), format!("{}/acme/echo:1", proxy.name()));
        push(&mut daemon.connect(), &path, &reference).unwrap();
        let scope = "repository:acme/echo:pull,push".to_owned();
        assert_eq!(tokens.counts(), [(scope, 2)].into(), "{method}");
        let answered = proxy
            .seen()
            .iter()
            .filter(|(_, status)| *status == 401)
            .count();
        assert_eq!(answered, 1);
        let there = modules.pulled();
        pull(&mut daemon.connect(), &there, &reference).unwrap();
        assert!(fs::read(there).unwrap() == fs::read(path).unwrap());
    };
    check(true, 2, 20 << 20);
    check(false, 0, 20 << 20);
}

#[test]
fn an_upload_outlives_its_token() {
    let check = |chunked: bool| {
        let tokens = TokenServer::start();
        tokens.live_for(2);
        let registry = Registry::with_tokens(&tokens.auth());
        let challenge = tokens.challenge();
        // docker-registry itself takes tokens a minute longer.
        let proxy = Proxy::before(&registry.name(), move |head, _| {
            if chunked && head.method == "PUT" && head.length > 1 << 20 {
                return Some((413, "Basic realm=x".into()));
            }
            let expired = head.authorization.as_deref().is_some_and(has_expired);
            expired.then(|| (401, challenge.clone()))
        });
        proxy.throttle(6 << 20);
        let docker = logged_in(&proxy.name());
        let (daemon, modules) = (with_docker(docker.path()), Modules::new());
        let reference = format!("{}/acme/echo:1", proxy.name());
        let begun = Instant::now();
        push(&mut daemon.connect(), &modules.make(20 << 20), &reference).unwrap();
        assert!(begun.elapsed() > Duration::from_secs(3));
        assert!(tokens.count() >= 2, "{:?}", tokens.counts());
    };
    std::thread::scope(|scope| {
        for chunked in [true, false] {
            scope.spawn(move || check(chunked));
        }
    });
}

#[test]
fn a_token_in_use_is_renewed_in_the_background() {
    let tokens = TokenServer::start();
    tokens.live_for(2);
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let reference = format!("{}/acme/echo:1", registry.name());
    push(&mut daemon.connect(), &modules.make(SMALL), &reference).unwrap();
    assert_eq!(tokens.count(), 1);
    until("it is renewed", || tokens.count() >= 3);
}

#[test]
fn refresh_tokens_are_replaced_and_never_used_twice() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let token = tokens.refresh_token();
    let docker = docker(&json!({registry.name(): {"auth": "YW5uOg==", "identitytoken": token}}));
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    std::thread::scope(|scope| {
        for number in 0..6 {
            let path = modules.make(SMALL);
            let reference = format!("{}/acme/r{}:{number}", registry.name(), number % 3);
            let mut client = daemon.connect();
            scope.spawn(move || push(&mut client, &path, &reference).unwrap());
        }
    });
    assert_eq!((tokens.count(), tokens.reused()), (3, 0));
    tokens.revoke_refresh_tokens();
    let reference = format!("{}/acme/other:1", registry.name());
    let error = push(&mut daemon.connect(), &modules.make(SMALL), &reference).unwrap_err();
    assert_eq!(kind(&error), "unauthorized", "{error}");
    let help = error["data"]["help"].as_str().unwrap();
    assert!(help.contains("config.json"), "{help}");
    assert_eq!(tokens.reused(), 0);
}

#[test]
fn a_blob_is_mounted_from_where_it_was_seen() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let mut client = daemon.connect();
    let size = 2 << 20;
    let path = modules.make(size);
    let reference = |name: &str| format!("{}/acme/{name}:1", registry.name());
    push(&mut client, &path, &reference("echo")).unwrap();
    let copied = push(&mut client, &path, &reference("copy")).unwrap();
    assert!(copied["skipped"].as_u64() > Some(size as u64), "{copied}");
    let both = "repository:acme/copy:pull,push repository:acme/echo:pull";
    assert_eq!(tokens.counts()[both], 1);
    let pulled = modules.pulled();
    pull(&mut client, &pulled, &reference("copy")).unwrap();
    assert!(fs::read(pulled).unwrap() == fs::read(path).unwrap());
}
