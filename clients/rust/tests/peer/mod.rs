//! A server of a test's own, at the other end of a client's one connection.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixListener,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use vouch_client::Client;
use vouch_testing::process::PATIENCE;

/// The server's end of the one connection.
pub(crate) struct Peer {
    pub(crate) requests: Lines<BufReader<OwnedReadHalf>>,
    pub(crate) replies: OwnedWriteHalf,
}

impl Peer {
    pub(crate) async fn request(&mut self) -> Value {
        let line = self.requests.next_line().await.unwrap();
        serde_json::from_str(&line.expect("a request")).unwrap()
    }

    pub(crate) async fn reply(&mut self, line: &str) {
        self.replies.write_all(line.as_bytes()).await.unwrap();
        self.replies.write_all(b"\n").await.unwrap();
    }

    pub(crate) async fn result(&mut self, request: &Value, result: Value) {
        let reply = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
        self.reply(&reply.to_string()).await;
    }
}

/// Connects a client to a server that does what `serve` does.
pub(crate) async fn connected<F>(serve: impl FnOnce(Peer) -> F) -> (Client, TempDir)
where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = Client::connect(&path).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let (reader, replies) = stream.into_split();
    tokio::spawn(serve(Peer {
        requests: BufReader::new(reader).lines(),
        replies,
    }));
    (client, folder)
}

/// An end for tests whose subject is that nothing hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it hangs")
}
