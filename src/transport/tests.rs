//! What needs a request that takes its time: order, cancelling, limits, and who outlives whom.

mod limits;

use super::{
    accept::connected,
    room::Room,
    serving::{finish, serve_with},
    terms::{Patience, Terms},
};
use crate::{config::Config, service::Service};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use vouch_testing::process::PATIENCE;

/// A client, its service, and the end of its connection.
struct Talk {
    stream: BufReader<UnixStream>,
    service: Arc<Service>,
    terms: Terms,
    connection: JoinHandle<()>,
}

impl Talk {
    fn begin() -> Self {
        let service = Arc::new(Service::new(Config::default(), None));
        Self::with(&service, &Terms::default())
    }

    fn with(service: &Arc<Service>, terms: &Terms) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let connection = connected(theirs, service, terms);
        Self {
            stream: BufReader::new(ours),
            service: Arc::clone(service),
            terms: terms.clone(),
            connection: tokio::spawn(connection),
        }
    }

    async fn say(&mut self, message: &Value) {
        self.write(&format!("{message}\n")).await;
    }

    async fn write(&mut self, text: &str) {
        within(self.stream.write_all(text.as_bytes()))
            .await
            .unwrap();
    }

    async fn ask(&mut self, id: u64, method: &str) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method}))
            .await;
    }

    async fn cancel(&mut self, id: u64) {
        self.say(&json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}}))
            .await;
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        within(self.stream.read_line(&mut line)).await.unwrap();
        serde_json::from_str(&line).expect("a reply is JSON")
    }

    /// Id and kind of the next reply.
    async fn outcome(&mut self) -> (u64, String) {
        let reply = self.hear().await;
        let kind = reply["error"]["data"]["kind"].as_str().unwrap_or("ok");
        (reply["id"].as_u64().unwrap(), kind.to_owned())
    }

    async fn expect(&mut self, id: u64, kind: &str) {
        assert_eq!(self.outcome().await, (id, kind.to_owned()));
    }

    /// Waits until the service has nothing more to say, and has noticed the same of the client.
    async fn end(self) {
        drop(self.stream);
        within(self.connection).await.unwrap();
        within(self.service.idle()).await;
    }

    /// Begins a request that has committed when this returns, and ends when the file is there.
    async fn commit(&mut self, id: u64, until: &Path) {
        let params = json!({"until": until});
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "test/commit", "params": params}))
            .await;
        within(async {
            loop {
                self.ask(1000, "server/status").await;
                let status = self.hear().await;
                let requests = status["result"]["requests"].as_array().unwrap().clone();
                if requests.iter().any(|request| request["bytes"] == 1) {
                    return;
                }
            }
        })
        .await;
    }
}

/// What is waited for, or a failure.
async fn within<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it takes too long")
}

async fn exists(path: &Path) {
    within(async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A request over HTTP.
fn post(body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: vouchd\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn answers_come_when_they_are_ready_and_ids_are_free_again() {
    let mut talk = Talk::begin();
    talk.ask(1, "test/wait").await;
    talk.ask(2, "server/status").await;
    talk.expect(2, "ok").await;
    talk.ask(1, "server/status").await;
    talk.expect(1, "invalidRequest").await;
    talk.cancel(7).await;
    talk.cancel(1).await;
    talk.expect(1, "cancelled").await;
    talk.ask(1, "server/status").await;
    talk.expect(1, "ok").await;
}

#[tokio::test]
async fn the_next_request_after_64_is_told_to_wait_and_cancelling_still_works() {
    let mut talk = Talk::begin();
    for id in 0..64 {
        talk.ask(id, "test/wait").await;
    }
    talk.ask(64, "server/status").await;
    talk.expect(64, "busy").await;
    talk.cancel(5).await;
    talk.expect(5, "cancelled").await;
    talk.ask(65, "server/status").await;
    talk.expect(65, "ok").await;
}

#[tokio::test]
async fn entries_of_a_batch_count_and_run_side_by_side() {
    let mut talk = Talk::begin();
    let batch: Vec<_> = (0..70)
        .map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "test/wait"}))
        .collect();
    talk.say(&json!(batch)).await;
    for id in 0..64 {
        talk.cancel(id).await;
    }
    let replies = talk.hear().await;
    let kinds: Vec<_> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| reply["error"]["data"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..64], ["cancelled"; 64]);
    assert_eq!(kinds[64..], ["busy"; 6]);
}

#[tokio::test]
async fn a_panic_is_one_request_s_failure() {
    let mut talk = Talk::begin();
    let methods = ["test/panic", "test/panicOnThread", "test/panicAtOnce"];
    for (id, method) in (1..).zip(methods) {
        talk.ask(id, method).await;
        talk.expect(id, "internalError").await;
    }
    talk.ask(4, "server/status").await;
    let status = talk.hear().await;
    let requests = status["result"]["requests"].as_array().unwrap().len();
    assert_eq!(requests, 1, "nothing is left behind");
}

#[tokio::test]
async fn an_answer_that_is_too_long_becomes_an_error() {
    let mut talk = Talk::begin();
    talk.ask(1, "test/large").await;
    talk.expect(1, "responseTooLarge").await;
}

#[tokio::test]
async fn what_has_committed_cannot_be_cancelled_and_outlives_its_client() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin();
    let until = folder.path().join("a");
    talk.commit(1, &until).await;
    talk.cancel(1).await;
    std::fs::write(&until, b"").unwrap();
    talk.expect(1, "ok").await;

    let until = folder.path().join("b");
    talk.commit(2, &until).await;
    drop(talk.stream);
    within(talk.connection).await.unwrap();
    std::fs::write(&until, b"").unwrap();
    exists(&until.with_extension("done")).await;
}

#[tokio::test]
async fn a_client_that_is_gone_takes_its_requests_with_it() {
    let mut talk = Talk::begin();
    talk.ask(1, "test/wait").await;
    talk.ask(2, "server/status").await;
    talk.expect(2, "ok").await;
    talk.end().await;
}

#[tokio::test]
async fn a_client_that_has_said_all_is_answered_until_it_is_gone() {
    let mut talk = Talk::begin();
    let folder = tempfile::tempdir().unwrap();
    let until = folder.path().join("a");
    talk.commit(1, &until).await;
    talk.stream.shutdown().await.unwrap();
    std::fs::write(&until, b"").unwrap();
    talk.expect(1, "ok").await;
    assert_eq!(within(talk.stream.read(&mut [0])).await.unwrap(), 0);

    let mut talk = Talk::begin();
    talk.ask(1, "test/wait").await;
    talk.stream.shutdown().await.unwrap();
    talk.end().await;
}

#[tokio::test]
async fn exit_cancels_what_is_under_way() {
    let mut talk = Talk::begin();
    talk.ask(1, "test/wait").await;
    talk.say(&json!({"jsonrpc": "2.0", "method": "exit"})).await;
    talk.expect(1, "cancelled").await;
    assert_eq!(within(talk.stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn one_that_takes_nothing_is_disconnected() {
    let service = Arc::new(Service::new(Config::default(), None));
    let terms = Terms {
        patience: Patience {
            stalled: Duration::from_millis(20),
            ..Patience::default()
        },
        ..Terms::default()
    };
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#;
    for message in [format!("{body}\n"), post(body)] {
        let mut talk = Talk::with(&service, &terms);
        // More than a socket's buffer holds, until the service gives up.
        within(async { while talk.stream.write_all(message.as_bytes()).await.is_ok() {} }).await;
        within(talk.connection).await.unwrap();
    }
}

#[tokio::test]
async fn requests_over_http_end_with_their_connection() {
    for half_closed in [false, true] {
        let mut talk = Talk::begin();
        talk.write(&post(r#"{"jsonrpc":"2.0","id":1,"method":"test/wait"}"#))
            .await;
        if half_closed {
            talk.stream.shutdown().await.unwrap();
        }
        let mut other = Talk::with(&talk.service, &Terms::default());
        within(async {
            loop {
                other.ask(1, "server/status").await;
                let status = other.hear().await;
                if status["result"]["requests"].as_array().unwrap().len() == 2 {
                    assert_eq!(status["result"]["connections"], 2);
                    break;
                }
            }
        })
        .await;
        talk.end().await;
    }
}

#[tokio::test]
async fn a_service_that_stops_refuses_what_is_new_and_finishes_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let until = folder.path().join("a");
    let mut talk = Talk::begin();
    talk.commit(1, &until).await;
    talk.ask(2, "server/stop").await;
    talk.expect(2, "ok").await;
    talk.ask(3, "server/status").await;
    talk.expect(3, "shuttingDown").await;
    assert!(talk.service.idle().now_or_never().is_none());
    let finishing = {
        let service = Arc::clone(&talk.service);
        let closing = talk.terms.closing.clone();
        tokio::spawn(async move {
            finish(&service, Patience::default()).await;
            closing.cancel();
        })
    };
    std::fs::write(&until, b"").unwrap();
    talk.expect(1, "ok").await;
    assert_eq!(within(talk.stream.read(&mut [0])).await.unwrap(), 0);
    within(finishing).await.unwrap();
}

#[tokio::test]
async fn a_service_that_stops_does_not_wait_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vouchd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let service = Arc::new(Service::new(Config::default(), None));
    let patience = Patience {
        stopping: Duration::from_millis(20),
        ..Patience::default()
    };
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve_with(
        patience,
        usize::MAX,
        listener,
        None,
        Arc::clone(&service),
        shutdown.clone().cancelled_owned(),
    ));
    let stream = UnixStream::connect(&path).await.unwrap();
    let mut talk = Talk::begin();
    talk.stream = BufReader::new(stream);
    talk.ask(1, "test/wait").await;
    talk.ask(2, "server/status").await;
    talk.expect(2, "ok").await;
    shutdown.cancel();
    talk.expect(1, "shuttingDown").await;
    assert_eq!(within(talk.stream.read(&mut [0])).await.unwrap(), 0);
    within(serving).await.unwrap();
    assert!(UnixStream::connect(&path).await.is_err());
}
