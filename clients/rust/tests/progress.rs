//! What callers see of what a server tells.

use crate::peer::{connected, soon};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{sync::oneshot, time::timeout};
use vouch_client::protocol::{PullParams, PushParams, Verification, VerifyParams, WorkDone};

fn path(path: &str) -> VerifyParams {
    VerifyParams::path(path)
}

/// What a server tells of the request.
fn told(request: &Value, value: &Value) -> String {
    let params = json!({"token": request["params"]["workDoneToken"], "value": value});
    json!({"jsonrpc": "2.0", "method": "$/progress", "params": params}).to_string()
}

fn begin() -> Value {
    json!({"kind": "begin", "title": "Verifying", "cancellable": true, "percentage": 0, "bytes": 0})
}

#[tokio::test]
async fn calls_side_by_side_are_each_told_of_themselves() {
    let (client, _folder) = connected(|mut peer| async move {
        let [one, other] = [peer.request().await, peer.request().await];
        assert_ne!(
            one["params"]["workDoneToken"],
            other["params"]["workDoneToken"]
        );
        for request in [&other, &one] {
            peer.reply(&told(request, &begin())).await;
        }
        for (request, bytes) in [(&one, 1), (&other, 2), (&one, 3)] {
            let report = json!({"kind": "report", "bytes": bytes, "total": 10, "added": "later"});
            peer.reply(&told(request, &report)).await;
        }
        // Of no call, or of a kind that is not known.
        peer.reply(&told(&json!({}), &begin())).await;
        peer.reply(&told(&one, &json!({"kind": "later"}))).await;
        for (request, word) in [(&one, "done"), (&other, "refused")] {
            let end = json!({"kind": "end", "message": word});
            peer.reply(&told(request, &end)).await;
            let result = json!({"verdict": "refused",
                "refusal": {"kind": "unsigned", "message": word}});
            peer.result(request, result).await;
        }
    })
    .await;
    let call = async |odd: bool, word: &str| {
        let mut kinds = Vec::new();
        let verified = client.verify_with_progress(path("/a.wasm"), |value| match value {
            WorkDone::Begin { title, .. } => {
                assert_eq!(title, "Verifying");
                kinds.push("begin");
            }
            WorkDone::Report { bytes, .. } => {
                assert_eq!(bytes % 2 == 1, odd);
                kinds.push("report");
            }
            WorkDone::End { message } => {
                assert_eq!(message.as_deref(), Some(word));
                kinds.push("end");
            }
        });
        let Verification::Refused { refusal, .. } = soon(verified).await.unwrap().verification
        else {
            panic!("it was refused");
        };
        assert_eq!(refusal.message, word);
        // Of two reports, the first may have been passed over.
        kinds.dedup();
        assert_eq!(kinds, ["begin", "report", "end"]);
    };
    tokio::join!(call(true, "done"), call(false, "refused"));
}

#[tokio::test]
async fn who_looks_late_sees_the_beginning_the_latest_and_the_end() {
    let (sent, all) = oneshot::channel();
    let (client, _folder) = connected(|mut peer| async move {
        let request = peer.request().await;
        peer.reply(&told(&request, &begin())).await;
        for bytes in 0..10_000 {
            let report = json!({"kind": "report", "bytes": bytes, "total": 10_000});
            peer.reply(&told(&request, &report)).await;
        }
        peer.reply(&told(&request, &json!({"kind": "end"}))).await;
        // Another call is answered, though nobody has looked at this one.
        let other = peer.request().await;
        peer.result(&other, json!(1)).await;
        sent.send(()).unwrap();
        peer.result(&request, json!(2)).await;
    })
    .await;
    let mut values = Vec::new();
    let mut slow =
        Box::pin(client.request_with_progress("push", Value::Null, |value| values.push(value)));
    // Only begun, and not looked at again until all was told.
    let begun = timeout(Duration::ZERO, &mut slow).await;
    assert!(begun.is_err());
    let other = soon(client.request("other", Value::Null)).await.unwrap();
    assert_eq!(other, 1);
    soon(all).await.unwrap();
    assert_eq!(soon(slow).await.unwrap(), 2);
    let last = WorkDone::Report {
        message: None,
        percentage: None,
        bytes: 9_999,
        total: Some(10_000),
    };
    assert!(matches!(values[0], WorkDone::Begin { .. }), "{values:?}");
    assert_eq!(values[1..], [last, WorkDone::End { message: None }]);
}

#[tokio::test]
async fn a_push_and_a_pull_tell_too() {
    let (client, _folder) = connected(|mut peer| async move {
        for method in ["push", "pull"] {
            let request = peer.request().await;
            assert_eq!(request["method"], method);
            peer.reply(&told(&request, &begin())).await;
            peer.reply(&told(&request, &json!({"kind": "end"}))).await;
            // Not what either answers.
            peer.result(&request, json!({})).await;
        }
    })
    .await;
    let mut values = Vec::new();
    let mut note = |value| values.push(value);
    let pushed = client.push_with_progress(PushParams::default(), &mut note);
    assert!(soon(pushed).await.is_err());
    let pulled = client.pull_with_progress(PullParams::default(), &mut note);
    assert!(soon(pulled).await.is_err());
    let ended = values
        .iter()
        .filter(|it| matches!(it, WorkDone::End { .. }));
    assert_eq!((values.len(), ended.count()), (4, 2), "{values:?}");
}
