//! Stuck where logins and tokens come from.

use super::*;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};
use vouch_testing::faulty::Answer;

#[test]
fn a_token_server_that_never_answers() {
    for number in 0..3 {
        check(|| {
            let tokens = Arc::new(Faulty::start(|_, _| Answer::silence().stall(0)));
            let challenge = format!(
                "Bearer realm=\"http://{}/token\",service=\"x\"",
                tokens.name()
            );
            let server = Arc::new(Faulty::start(move |_, _| {
                Answer::new(401).header("www-authenticate", challenge.clone())
            }));
            let folder = Folder::new();
            let mut methods = methods(&server.name(), &folder);
            methods.rotate_left(number);
            let [(method, params), ..] = methods;
            let asked = Arc::clone(&tokens);
            Scene {
                daemon: Daemon::start(),
                folder,
                method,
                params,
                stuck: Box::new(move |_| !asked.seen().is_empty()),
                released: Box::new(move || [&server, &tokens].iter().all(|server| let_go(server))),
            }
        });
    }
}

/// The processes of a group, but for those that have ended and were not waited for.
fn members(group: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read_to_string(process.path().join("stat")).ok())
        .filter(|stat| {
            // proc_pid_stat(5): state, parent and group follow the name in parentheses.
            let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
            let fields: Vec<_> = rest.split(' ').collect();
            fields.get(2) == Some(&group) && fields[0] != "Z"
        })
        .count()
}

/// A daemon whose logins come from a helper that runs a shell's lines in `folder`.
fn with_helper(folder: &Path, script: &str) -> Daemon {
    let helper = folder.join("docker-credential-fake");
    fs::write(&helper, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(folder.join("config.json"), r#"{"credsStore": "fake"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Daemon::configured("", &[("DOCKER_CONFIG", folder), ("PATH", Path::new(&path))])
}

const HANGS: &str = "sleep 1000 & echo $$ > started; mv started group; wait";

#[test]
fn a_credential_helper_that_hangs() {
    for number in 0..3 {
        check(|| {
            let helpers = tempfile::tempdir().unwrap();
            let server = Faulty::start(|_, _| Answer::new(500));
            let folder = Folder::new();
            let mut methods = methods(&server.name(), &folder);
            methods.rotate_left(number);
            let [(method, params), ..] = methods;
            let daemon = with_helper(helpers.path(), HANGS);
            let group = helpers.path().join("group");
            let running = group.clone();
            Scene {
                daemon,
                folder,
                method,
                params,
                // The shell, and what it waits for.
                stuck: Box::new(move |_| {
                    fs::read_to_string(&running).is_ok_and(|group| members(group.trim()) == 2)
                }),
                released: Box::new(move || {
                    let _ = &helpers;
                    let group = fs::read_to_string(&group).unwrap();
                    assert!(server.seen().is_empty());
                    members(group.trim()) == 0
                }),
            }
        });
    }
}

/// What was ended is begun anew for the next who wants it.
#[test]
fn a_helper_that_was_ended_is_asked_anew() {
    let helpers = tempfile::tempdir().unwrap();
    let server = Faulty::start(|_, _| Answer::new(500));
    let folder = Folder::new();
    let [(method, params), ..] = methods(&server.name(), &folder);
    let daemon = with_helper(helpers.path(), HANGS);
    let file = helpers.path().join("group");
    let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
    for id in 1..4 {
        wire.ask(id, method, &params);
        until("it runs", || file.exists());
        let group = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        wire.cancel(id);
        assert_eq!(wire.hear()["error"]["code"], -32800);
        until("it was ended", || members(group.trim()) == 0);
    }
}

/// A refresh token that was sent may be spent: what replaces it is kept, though who wanted the
/// access token has gone.
#[test]
fn a_refresh_token_that_is_being_exchanged_is_not_lost() {
    let go_on = Arc::<AtomicBool>::default();
    let held = Arc::clone(&go_on);
    let tokens = Faulty::start(move |_, before| {
        until("it may go on", || held.load(Ordering::Relaxed));
        let answer = json!({
            "access_token": format!("planted-access-{before}"),
            "refresh_token": format!("planted-refresh-{}", before + 1),
        });
        Answer::new(200).body(answer.to_string())
    });
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"x\"",
        tokens.name()
    );
    let server = Faulty::start(move |seen, _| match seen.header("authorization") {
        Some(_) => Answer::new(404),
        None => Answer::new(401).header("www-authenticate", challenge.clone()),
    });
    let docker = tempfile::tempdir().unwrap();
    let config = json!({"auths": {server.name(): {"identitytoken": "planted-refresh-0"}}});
    fs::write(docker.path().join("config.json"), config.to_string()).unwrap();
    let daemon = Daemon::configured("", &[("DOCKER_CONFIG", docker.path())]);
    let params = json!({"reference": format!("{}/acme/echo:1", server.name())});
    let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
    wire.ask(1, "verify", &params);
    until("it is exchanged", || !tokens.seen().is_empty());
    wire.cancel(1);
    assert_eq!(wire.hear()["error"]["code"], -32800);
    until("it is gone", || under_way(&daemon.socket()).is_empty());
    go_on.store(true, Ordering::Relaxed);
    wire.ask(2, "verify", &params);
    let answer = wire.hear();
    assert_eq!(answer["error"]["data"]["kind"], "notFound", "{answer}");
    let sent: Vec<_> = tokens
        .seen()
        .iter()
        .map(|seen| String::from_utf8(seen.body.clone()).unwrap())
        .collect();
    let first = "refresh_token=planted-refresh-0";
    let second = "refresh_token=planted-refresh-1";
    assert!(sent[0].contains(first), "{sent:?}");
    assert!(sent[1].contains(second), "{sent:?}");
}
