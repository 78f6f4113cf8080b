//! Logins that live in memory only, over a restart.

use super::*;
use vouch_testing::token_server::{PASSWORD, TokenServer, USERNAME};

fn listed(running: &Daemon, registry: &str) -> Option<Value> {
    let list = running.connect().call("session/list", &json!({})).unwrap();
    let sessions = list["sessions"].as_array().unwrap().iter();
    let mut ours = sessions
        .filter(|session| session["registry"] == registry && session["source"] == "session/login");
    ours.next().cloned()
}

#[test]
fn they_are_carried_over_and_nothing_shows_them() {
    let registry = Registry::with_login();
    let (name, password) = (registry.name(), registry::PASSWORD);
    let running = Daemon::start();
    let login = json!({"registry": name, "username": registry::USERNAME, "password": password});
    running.connect().call("session/login", &login).unwrap();
    for _ in 0..2 {
        let new = running.restart();
        let session = listed(&running, &name).expect("the login is there");
        assert_eq!(session["user"], registry::USERNAME);
        assert_eq!(session["state"], "accepted");
        assert!(session["lastUsedSeconds"].is_u64(), "{session}");
        for place in ["cmdline", "environ"] {
            let shown = fs::read_to_string(format!("/proc/{new}/{place}")).unwrap();
            assert!(!shown.contains(password), "{shown}");
        }
    }
    let path = signed(running.folder.root(), "a.wasm");
    let push = json!({"path": path, "reference": format!("{name}/acme/echo:1")});
    running.connect().call("push", &push).unwrap();
    let logout = json!({"registry": name});
    let out = running.connect().call("session/logout", &logout).unwrap();
    assert_eq!(out["loggedOut"], true);
    running.restart();
    assert_eq!(listed(&running, &name), None);
    let refused = running.connect().call("push", &push).unwrap_err();
    assert_eq!(refused["data"]["kind"], "unauthorized");
}

#[test]
fn refresh_tokens_that_were_replaced_are_carried_over() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let name = registry.name();
    let entry = json!({"auth": "YW5uOg==", "identitytoken": tokens.refresh_token()});
    let config = json!({"auths": {&name: entry}}).to_string();
    let running = Daemon::with(|folder, _| fs::write(folder.join("config.json"), config).unwrap());
    let path = signed(running.folder.root(), "a.wasm");
    let push = |name: &str| {
        let reference = format!("{}/acme/{name}:1", registry.name());
        let params = json!({"path": path, "reference": reference});
        running.connect().call("push", &params).unwrap();
    };
    push("one");
    running.restart();
    // Once before anything asked for it there, and once after.
    running.restart();
    push("two");
    running.restart();
    push("three");
    assert_eq!((tokens.count(), tokens.reused()), (3, 0));
}

#[test]
fn what_becomes_of_a_login_in_the_old_process_reaches_the_new_one() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    // The check of a login begins with an answer that is late.
    let (open, waiting) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (door, waits) = (Arc::clone(&open), Arc::clone(&waiting));
    let proxy = Proxy::before(&registry.name(), move |_, _| {
        waits.fetch_add(1, Ordering::Relaxed);
        while !door.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    });
    let name = proxy.name();
    let running = Daemon::start();
    let mut asking = running.connect();
    let login = json!({"registry": name, "username": USERNAME, "password": PASSWORD});
    let id = asking.request("session/login", &login);
    until("it waits", || waiting.load(Ordering::Relaxed) > 0);
    running.restart();
    assert_eq!(listed(&running, &name), None);
    open.store(true, Ordering::Relaxed);
    assert_eq!(asking.outcome(id), "ok");
    until("the login is listed", || listed(&running, &name).is_some());
}
