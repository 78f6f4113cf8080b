//! No secret comes back: not in an answer, not in the log, whatever happens.

use super::*;
use vouch_testing::faulty::{Answer, Faulty};

#[test]
fn planted_secrets_are_nowhere_to_be_seen() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let elsewhere = Registry::with_tokens(&tokens.auth());
    let refused = Registry::with_login();
    let challenge = tokens.challenge();
    let proxy = Proxy::before(&registry.name(), move |head, before| {
        let hit = head.method == "PUT" && before == 0;
        hit.then(|| (401, challenge.clone()))
    });
    // Registries and realms that answer nonsense, and say what they were sent.
    let echo = Faulty::start(|seen, _| {
        let said = format!("{seen:?}");
        let host = seen.header("host").unwrap();
        let challenge = format!("Bearer realm=\"http://{host}/token?signature=planted-query\"");
        if seen.target.starts_with("/token") {
            return Answer::new(200).body(said);
        }
        Answer::new(401)
            .header("www-authenticate", challenge)
            .body(said)
    });
    let redirect = Faulty::start(|_, _| {
        Answer::new(307).header("location", "http://192.0.2.1/x?signature=planted-query")
    });
    let planted = |name: &str| json!({"username": USERNAME, "password": format!("planted-{name}")});
    let refresh = tokens.refresh_token();
    let docker = docker(&json!({
        proxy.name(): {"username": USERNAME, "password": PASSWORD},
        elsewhere.name(): {"identitytoken": refresh},
        refused.name(): planted("refused"),
        echo.name(): planted("echo"),
        redirect.name(): planted("redirect"),
        "broken.example": {"auth": "cGxhbnRlZC1icm9rZW4="},
    }));
    let daemon = Daemon::logging_all("", &[("DOCKER_CONFIG", docker.path())]);
    let modules = Modules::new();
    let mut client = daemon.connect();
    let mut answers = Vec::new();
    for name in [
        proxy.name(),
        elsewhere.name(),
        refused.name(),
        echo.name(),
        redirect.name(),
        "broken.example".into(),
    ] {
        let reference = format!("{name}/acme/echo:1");
        answers.push(push(&mut client, &modules.make(SMALL), &reference));
        answers.push(pull(&mut client, &modules.pulled(), &reference));
    }
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    tokens.revoke_refresh_tokens();
    let other = format!("{}/acme/other:1", elsewhere.name());
    answers.push(push(&mut client, &modules.make(SMALL), &other));
    for (registry, password) in [
        (proxy.name(), json!(PASSWORD)),
        (proxy.name(), json!("planted-wrong")),
        (echo.name(), json!("planted-login")),
        ("no registry".into(), json!("planted-nowhere")),
        ("ghcr.io".into(), json!(5_318_008)),
        ("ghcr.io".into(), json!(["planted-array"])),
    ] {
        let params = json!({"registry": registry, "username": USERNAME, "password": password});
        answers.push(client.call("session/login", &params));
        let params = json!({"registry": registry, "identityToken": password});
        answers.push(client.call("session/login", &params));
    }
    // Not a reference: it looks like a URL with a login in it.
    for reference in [
        "https://ann:planted-user@ghcr.io/acme/echo:1",
        "ann:planted@user@ghcr.io/acme/echo:1",
        "https://ghcr.io/acme/echo?token=planted-query",
    ] {
        answers.push(push(&mut client, &modules.make(SMALL), reference));
        let params = json!({"registry": reference, "username": USERNAME, "password": PASSWORD});
        answers.push(client.call("session/login", &params));
    }
    for method in ["session/list", "server/status"] {
        answers.push(client.call(method, &json!({})));
    }
    let mut secrets = tokens.issued();
    assert!(secrets.len() > 4);
    for issued in tokens.issued() {
        secrets.extend(issued.rsplit('.').next().map(str::to_owned));
    }
    secrets.extend(["planted", "5318008", "cGxhbnRlZ"].map(str::to_owned));
    for password in [PASSWORD, "planted-refused", "planted-echo", "planted-wrong"] {
        let pair = format!("{USERNAME}:{password}");
        secrets.push(data_encoding::BASE64.encode(pair.as_bytes()));
    }
    let log = daemon.log();
    assert!(log.contains("sending"), "it logs what it does: {log}");
    let shown = format!("{answers:?}\n{log}");
    for secret in secrets {
        let found = shown.find(&secret);
        let around = found.map(|at| &shown[at.saturating_sub(300)..at]);
        assert!(found.is_none(), "{secret} after {around:?}");
    }
}
