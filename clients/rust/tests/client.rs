//! The client against servers that answer what they should not.

use crate::peer::{connected, soon};
use serde_json::{Value, json};
use std::{io, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::UnixListener, process::Command, time::timeout};
use vouch_client::{
    CallError, Client,
    protocol::{ErrorKind, PushParams, ServerStop, Verification, VerifyParams},
};

fn path(path: &str) -> VerifyParams {
    VerifyParams::path(path)
}

#[tokio::test]
async fn a_call_is_typed_and_its_params_go_by_name() {
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        assert_eq!(request["jsonrpc"], "2.0");
        assert_eq!(request["method"], "verify");
        assert_eq!(request["params"], json!({"path": "/a.wasm"}));
        let result = json!({
            "verdict": "refused",
            "refusal": {"kind": "unsigned", "message": "no token", "help": "Sign it."},
            "added": "later",
        });
        peer.result(&request, result).await;
    })
    .await;
    let result = soon(client.verify(path("/a.wasm"))).await.unwrap();
    let Verification::Refused { refusal, artifact } = result.verification else {
        panic!("it was refused");
    };
    assert_eq!(refusal.kind, ErrorKind::Unsigned);
    assert_eq!(artifact, None);
}

#[tokio::test]
async fn a_raw_request_takes_what_comes() {
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        assert_eq!(request["method"], "later/method");
        assert!(request.get("params").is_none());
        peer.result(&request, json!([1, {"a": null}])).await;
    })
    .await;
    let result = soon(client.request("later/method", Value::Null)).await;
    assert_eq!(result.unwrap(), json!([1, {"a": null}]));
}

#[tokio::test]
async fn errors_keep_kinds_that_are_not_known() {
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        let error = json!({
            "code": 1999, "message": "it is cursed",
            "data": {"kind": "cursed", "retryable": true, "help": "Wait for the moon.", "phase": 3},
        });
        let reply = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
        peer.reply(&reply.to_string()).await;
    })
    .await;
    let error = soon(client.push(PushParams::default())).await.unwrap_err();
    let CallError::Refused(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!((error.kind.as_str(), error.code), ("cursed", 1999));
    assert_eq!(error.known_kind(), None);
    assert_eq!(error.help.as_deref(), Some("Wait for the moon."));
    assert!(error.retryable);
    assert_eq!(error.data["phase"], 3);
}

#[tokio::test]
async fn calls_run_side_by_side_and_replies_come_in_any_order() {
    let (client, _folder) = connected(|mut peer| async move {
        let mut requests = Vec::new();
        for _ in 0..32 {
            requests.push(peer.request().await);
        }
        for request in requests.iter().rev() {
            let message = request["params"]["path"].clone();
            let refusal = json!({"kind": "unsigned", "message": message});
            peer.reply("").await;
            peer.reply(r#"{"jsonrpc":"2.0","method":"$/later","params":{"token":1}}"#)
                .await;
            peer.result(request, json!({"verdict": "refused", "refusal": refusal}))
                .await;
        }
    })
    .await;
    let client = std::sync::Arc::new(client);
    let calls: Vec<_> = (0..32)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.verify(path(&format!("/{number}"))).await })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        let result = soon(call).await.unwrap().unwrap();
        let Verification::Refused { refusal, .. } = result.verification else {
            panic!("it was refused");
        };
        assert_eq!(refusal.message, format!("/{number}"));
    }
}

#[tokio::test]
async fn more_calls_than_a_connection_may_have_wait_for_their_turn() {
    let (client, _folder) = connected(|mut peer| async move {
        let mut requests = Vec::new();
        for _ in 0..64 {
            requests.push(peer.request().await);
        }
        // The next one comes only once there is room for it.
        let early = timeout(Duration::from_millis(50), peer.requests.next_line()).await;
        assert!(early.is_err(), "{early:?}");
        for request in &requests {
            peer.result(request, json!({"processId": 1})).await;
        }
        let last = peer.request().await;
        peer.result(&last, json!({"processId": 1})).await;
    })
    .await;
    let client = std::sync::Arc::new(client);
    let calls: Vec<_> = (0..65)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.stop().await })
        })
        .collect();
    for call in calls {
        assert_eq!(soon(call).await.unwrap().unwrap().process_id, 1);
    }
}

#[tokio::test]
async fn a_malformed_reply_is_an_error_for_every_call() {
    async fn check(reply: &'static str, text: &str) {
        let (client, _folder) = connected(|mut peer| async move {
            peer.request().await;
            peer.request().await;
            peer.reply(reply).await;
            // The connection stays open: the client has to give up by itself.
            let _ = peer.requests.next_line().await;
            std::future::pending::<()>().await;
        })
        .await;
        let (first, second) = soon(async { tokio::join!(client.status(), client.stop()) }).await;
        let errors = [first.unwrap_err(), second.unwrap_err()];
        for error in errors {
            assert!(
                matches!(error, CallError::Protocol(_)),
                "{reply}: {error:?}"
            );
            assert!(error.to_string().contains(text), "{reply}: {error}");
            assert!(error.to_string().len() < 500);
        }
        // Later calls fail too.
        soon(client.status()).await.unwrap_err();
    }
    check("not JSON", "cannot read").await;
    check("[]", "cannot read").await;
    check("{}", "cannot read").await;
    check("7", "cannot read").await;
    check(r#"{"jsonrpc":"1.0","id":0,"result":{}}"#, "cannot read").await;
    check(r#"{"jsonrpc":"2.0","id":0}"#, "cannot read").await;
    check(r#"{"jsonrpc":"2.0","id":77,"result":{}}"#, "cannot read").await;
    check(r#"{"jsonrpc":"2.0","id":"0","result":{}}"#, "cannot read").await;
    check(
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"that was not JSON"}}"#,
        "that was not JSON",
    )
    .await;
}

#[tokio::test]
async fn a_result_of_another_type_is_an_error_of_its_call_alone() {
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        peer.result(&request, json!({"verdict": "maybe"})).await;
        let request = peer.request().await;
        peer.result(&request, json!({"processId": 7})).await;
    })
    .await;
    let error = soon(client.verify(path("/a"))).await.unwrap_err();
    assert!(matches!(error, CallError::Protocol(_)), "{error:?}");
    assert_eq!(soon(client.stop()).await.unwrap().process_id, 7);
}

#[tokio::test]
async fn json_in_texts_of_a_result_is_not_read() {
    let (client, _folder) = connected(|mut peer| async move {
        let hidden: Value = json!({
            "$serde_json::private::RawValue": "[".repeat(100_000)
        });
        for _ in 0..2 {
            let request = peer.request().await;
            peer.result(&request, json!({"annotations": hidden})).await;
        }
    })
    .await;
    for method in ["inspect", "verify"] {
        let params = json!({"path": "/a"});
        let answer = soon(client.request(method, params)).await;
        let error = answer.expect_err("no such name is read").to_string();
        assert!(error.contains("makes JSON of a text"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_dies_is_an_error_and_no_wait() {
    let (client, _folder) = connected(|mut peer| async move {
        peer.request().await;
        peer.replies.write_all(b"{\"jsonrpc\":").await.unwrap();
    })
    .await;
    let error = soon(client.status()).await.unwrap_err();
    let CallError::Connection(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let error = soon(client.status()).await.unwrap_err();
    assert!(matches!(error, CallError::Connection(_)), "{error:?}");
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_and_the_connection_lives() {
    let (came, comes) = tokio::sync::oneshot::channel();
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        assert_eq!(request["method"], "verify");
        came.send(()).unwrap();
        // The cancel and the next call go out in either order.
        let two = [peer.request().await, peer.request().await];
        let [cancel, stop] = ["$/cancelRequest", "server/stop"]
            .map(|method| two.iter().find(|two| two["method"] == method).unwrap());
        assert_eq!(cancel["params"], json!({"id": request["id"]}));
        assert!(cancel.get("id").is_none());
        let error = json!({"code": -32800, "message": "cancelled"});
        let reply = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
        peer.reply(&reply.to_string()).await;
        peer.result(stop, json!({"processId": 7})).await;
        assert!(peer.requests.next_line().await.unwrap().is_none());
    })
    .await;
    tokio::select! {
        answer = client.verify(path("/a")) => panic!("{answer:?}"),
        came = soon(comes) => came.unwrap(),
    }
    assert_eq!(soon(client.stop()).await.unwrap().process_id, 7);
}

#[tokio::test]
async fn a_dropped_client_closes_its_connection() {
    let (sender, closed) = tokio::sync::oneshot::channel();
    let (client, _folder) = connected(|mut peer| async move {
        let line = peer.requests.next_line().await.unwrap();
        sender.send(line).unwrap();
    })
    .await;
    drop(client);
    assert_eq!(soon(closed).await.unwrap(), None);
}

#[tokio::test]
async fn params_that_no_server_takes_are_not_sent() {
    let (client, _folder) = connected(|mut peer| async move {
        peer.request().await;
        panic!("it was sent");
    })
    .await;
    let long = path(&"a".repeat(1024 * 1024));
    let error = soon(client.verify(long)).await.unwrap_err();
    assert!(matches!(error, CallError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn without_a_service_there_is_no_connection() {
    let check = async |path: &Path, kind: io::ErrorKind| match Client::connect(path).await {
        Err(CallError::Connection(error)) => assert_eq!(error.kind(), kind),
        other => panic!("{other:?}"),
    };
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    check(&socket, io::ErrorKind::NotFound).await;
    drop(UnixListener::bind(&socket).unwrap());
    check(&socket, io::ErrorKind::ConnectionRefused).await;
    let long = folder.path().join("x".repeat(200));
    check(&long, io::ErrorKind::InvalidInput).await;
}

#[tokio::test]
async fn shutdown_leaves_a_service_in_good_order() {
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        assert_eq!(request["method"], "shutdown");
        peer.result(&request, Value::Null).await;
        assert_eq!(peer.request().await["method"], "exit");
    })
    .await;
    soon(client.shutdown()).await.unwrap();
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

#[tokio::test]
async fn a_server_of_one_s_own_is_called_and_ended() {
    let script = r#"
        read -r request
        printf '%s\n' '{"jsonrpc":"2.0","id":0,"result":{"processId":42}}'
        read -r shutdown
        printf '%s\n' '{"jsonrpc":"2.0","id":1,"result":null}'
        read -r exit
        case $exit in *'"exit"'*) exit 0;; *) exit 3;; esac
    "#;
    let client = Client::spawn(shell(script)).unwrap();
    let stopped = soon(client.call::<ServerStop>(vouch_client::protocol::NoParams {})).await;
    assert_eq!(stopped.unwrap().process_id, 42);
    soon(client.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_badly_is_told_of() {
    let client = Client::spawn(shell("read -r request; exit 7")).unwrap();
    let error = soon(client.status()).await.unwrap_err();
    assert!(matches!(error, CallError::Connection(_)), "{error:?}");
    soon(client.shutdown()).await.unwrap_err();

    let missing = Client::spawn(Command::new("/no/such/vouchd")).unwrap_err();
    assert!(matches!(missing, CallError::Connection(_)), "{missing:?}");
}

#[tokio::test]
async fn a_dropped_client_leaves_no_server_of_its_own_behind() {
    let script = r#"read -r request; printf '{"jsonrpc":"2.0","id":0,"result":{"processId":%d}}\n' $$; exec sleep 600"#;
    let client = Client::spawn(shell(script)).unwrap();
    let process = soon(client.stop()).await.unwrap().process_id;
    let stat = format!("/proc/{process}/stat");
    assert!(Path::new(&stat).exists());
    drop(client);
    soon(async {
        while Path::new(&stat).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
