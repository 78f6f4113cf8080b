//! A client that starts a service where none listens: what the built service and other programs
//! do with that.

use futures_util::future::join_all;
use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use vouch_client::{
    CallError, Client, Start, StartError,
    protocol::{ClientInfo, NoParams, ServerRestart},
};
use vouch_testing::process::program;

fn start(program: &Path) -> Start {
    let client = ClientInfo {
        name: "test".into(),
        version: None,
    };
    Start::new(client).program(program)
}

/// A program in place of the service's.
fn script(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    // Another process writes it: a handle of ours would be inherited by whatever other tests
    // start meanwhile, and what is open for writing cannot be run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", write, "sh", text]).arg(&path);
    assert!(shell.status().unwrap().success());
    path
}

/// The service of a socket: it is gone when the test ends, however that ends.
struct Service<'a>(&'a Path);

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let lock = format!("{}.lock", self.0.display());
        let process = fs::read_to_string(lock).unwrap_or_default();
        let said = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        // The number may be another's by now.
        if String::from_utf8_lossy(&said).contains(self.0.to_str().unwrap()) {
            let _ = Command::new("kill").args(["-9", &process]).status();
        }
    }
}

async fn fails(socket: &Path, start: &Start) -> StartError {
    match Client::connect_or_start(socket, start).await {
        Err(CallError::NotStarted(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_is_started_once_and_introduced() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    // Other tests may keep the machine busy.
    let start = start(&program("vouchd")).patience(Duration::from_secs(100));
    // Side by side, as the parts of an editor do.
    let _service = Service(&socket);
    let (one, other) = tokio::join!(
        Client::connect_or_start(&socket, &start),
        Client::connect_or_start(&socket, &start),
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    let told = one.server().expect("it has introduced itself");
    assert_eq!(told.server_info.name, "vouchd");
    let status = one.status().await.unwrap();
    assert_eq!(status.process_id, other.status().await.unwrap().process_id);
    assert_eq!(status.requests[0].client.as_deref(), Some("test"));
    drop(other);
    // A client that finds it is told of it too.
    let third = Client::connect_or_start(&socket, &start).await.unwrap();
    assert!(third.server().is_some());
    assert_eq!(third.stop().await.unwrap().process_id, status.process_id);
    gone(status.process_id).await;
}

/// Its calls go to the next service, also those that it made when the old one was about to end.
#[tokio::test]
async fn a_client_outlives_its_service() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let start = start(&program("vouchd")).patience(Duration::from_secs(100));
    let _service = Service(&socket);
    let client = Client::connect_or_start(&socket, &start).await.unwrap();
    let mut process = client.status().await.unwrap().process_id;
    for _ in 0..10 {
        let calls = (0..20).map(|_| client.status());
        let restarted = client.call::<ServerRestart>(NoParams {});
        let (restarted, answers) = tokio::join!(restarted, join_all(calls));
        let next = restarted.unwrap().process_id;
        for answer in answers {
            let answered_by = answer.unwrap().process_id;
            assert!([process, next].contains(&answered_by));
        }
        process = next;
        assert_eq!(client.status().await.unwrap().process_id, process);
    }
    client.stop().await.unwrap();
    gone(process).await;
    // Nobody took the place of this one.
    match client.status().await {
        Err(CallError::Connection(_)) => {}
        other => panic!("{other:?}"),
    }
}

async fn gone(process: u32) {
    for _ in 0..3000 {
        if !Path::new(&format!("/proc/{process}")).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the service is left");
}

#[tokio::test]
async fn a_program_that_does_not_serve_is_given_up() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let process = folder.path().join("process");
    let text = format!("echo $$ > {}; exec sleep 600", process.display());
    let silent = script(&folder, "silent", &text);
    let start = start(&silent).patience(Duration::from_millis(300));
    let error = fails(&socket, &start).await;
    assert!(error.message.contains("did not answer in 300ms"), "{error}");
    assert_eq!(error.program.as_deref(), Some(&*silent));
    assert_eq!(error.socket, socket);
    // It may serve yet, so it was left alone. This one will not.
    let mut id = String::new();
    while !id.ends_with('\n') {
        tokio::time::sleep(Duration::from_millis(5)).await;
        id = fs::read_to_string(&process).unwrap_or_default();
    }
    let killed = Command::new("kill").arg(id.trim()).status();
    assert!(killed.unwrap().success(), "it was left alone");
}

#[tokio::test]
async fn what_it_says_is_read_however_much_it_is() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    // More than a pipe holds: a program that nobody read would never end.
    let program = script(
        &folder,
        "much",
        "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2; exit 1",
    );
    let error = fails(&socket, &start(&program).patience(Duration::from_secs(100))).await;
    assert_eq!(error.last_words.len(), 2);
    assert_eq!(error.last_words[1], "end");
    assert!(error.last_words[0].len() < 5000);
}

#[tokio::test]
async fn who_always_loses_is_given_up() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let program = script(
        &folder,
        "loser",
        "echo process 7 serves it already >&2; exit 75",
    );
    let mut patience = Duration::from_secs(1);
    let error = loop {
        let error = fails(&socket, &start(&program).patience(patience)).await;
        // A machine with much else to do had not even run it by then.
        if !error.message.contains("did not answer") {
            break error;
        }
        patience *= 2;
    };
    assert!(
        error.message.contains("another process holds its lock"),
        "{error}"
    );
    assert_eq!(error.last_words, ["process 7 serves it already"]);
}

#[tokio::test]
async fn nothing_is_started_where_somebody_listens_and_hangs_up() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let mark = folder.path().join("started");
    let program = script(&folder, "program", &format!("touch {}", mark.display()));
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    match Client::connect_or_start(&socket, &start(&program)).await {
        Err(CallError::Connection(_)) => {}
        other => panic!("{other:?}"),
    }
    assert!(!mark.exists());
}
