//! What a client is told, however fast a request goes and however slowly the client reads.

use super::*;
use crate::{progress::Progress, transport::outgoing::QUEUE};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use vouch_protocol::ProgressToken;
use vouch_testing::process::PATIENCE;

struct Heard(mpsc::Receiver<Box<Outgoing>>);

impl Heard {
    fn begin(progress: &Progress) -> (Reports, Self) {
        let (queue, heard) = mpsc::channel(QUEUE);
        let of = Reporting {
            title: "Pushing",
            token: ProgressToken::Number(7),
            progress: progress.clone(),
        };
        (Reports::new(of, &queue), Self(heard))
    }

    /// The next notification's value.
    async fn next(&mut self) -> Value {
        let next = timeout(PATIENCE, self.0.recv()).await;
        let (text, _) = next.expect("it takes too long").unwrap().into_parts();
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["jsonrpc"], "2.0");
        assert_eq!(message["method"], "$/progress");
        assert_eq!(message["params"]["token"], 7);
        message["params"]["value"].clone()
    }
}

#[tokio::test]
async fn a_request_begins_reports_what_has_changed_and_ends() {
    let progress = Progress::default();
    let (reports, mut heard) = Heard::begin(&progress);
    let (answer, answered) = oneshot::channel();
    let during = tokio::spawn(reports.during(answered));
    let begin = json!({"kind": "begin", "title": "Pushing", "cancellable": true,
        "message": "waiting", "percentage": 0, "bytes": 0});
    assert_eq!(heard.next().await, begin);
    let report = json!({"kind": "report", "message": "waiting", "bytes": 0});
    assert_eq!(heard.next().await, report);
    progress.expect(300);
    progress.advance(299);
    progress.enter(Phase::Sending);
    let mut report = heard.next().await;
    while report["bytes"] != 299 {
        report = heard.next().await;
    }
    while report["message"] != "sending" {
        report = heard.next().await;
    }
    let expected = json!({"kind": "report", "message": "sending", "percentage": 99,
        "bytes": 299, "total": 300});
    assert_eq!(report, expected);
    progress.enter(Phase::Done);
    answer.send(()).unwrap();
    // What was there to tell may have been told once more.
    let mut end = heard.next().await;
    if end["kind"] == "report" {
        end = heard.next().await;
    }
    assert_eq!(end, json!({"kind": "end", "message": "done"}));
    during.await.unwrap().unwrap();
    assert!(heard.0.recv().await.is_none(), "nothing follows the end");
}

/// The clock is the test's own: it goes on when all wait.
#[tokio::test(start_paused = true)]
async fn ten_reports_a_second_and_no_more() {
    let progress = Progress::default();
    let (reports, mut heard) = Heard::begin(&progress);
    let moving = async {
        for _ in 0..2000 {
            progress.advance(1);
            sleep(Duration::from_millis(1)).await;
        }
    };
    let hearing = async {
        let mut told = 0;
        while heard.next().await["kind"] != "end" {
            told += 1;
        }
        told
    };
    let (told, ()) = tokio::join!(hearing, reports.during(moving));
    assert!(
        (15..=21).contains(&told),
        "{told} in two seconds, and the beginning"
    );
}

/// The clock is the test's own.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_misses_reports_but_no_beginning_and_no_end() {
    let progress = Progress::default();
    let (reports, mut heard) = Heard::begin(&progress);
    let moving = async {
        for _ in 0..6 {
            progress.advance(1);
            sleep(PAUSE).await;
        }
    };
    // Nobody reads on while it goes on, and nothing is waited for.
    let (begin, ()) = tokio::join!(heard.next(), reports.during(moving));
    assert_eq!(begin["kind"], "begin");
    assert_eq!(heard.next().await["kind"], "report");
    assert_eq!(heard.next().await["kind"], "end");
    assert!(heard.0.recv().await.is_none());
}

#[tokio::test]
async fn where_there_is_no_room_a_request_waits_to_begin_and_to_end_and_reports_nothing() {
    let progress = Progress::default();
    let (reports, mut heard) = Heard::begin(&progress);
    let fill = |queue: &Queue| {
        let mark = Arc::new(());
        let text = json!({"jsonrpc": "2.0", "method": "$/progress",
            "params": {"token": 7, "value": {"kind": "other"}}})
        .to_string();
        while queue
            .try_send(Box::new(Outgoing::notification(
                text.clone(),
                Arc::clone(&mark),
            )))
            .is_ok()
        {}
    };
    let queue = reports.queue.clone();
    fill(&queue);
    let (answer, answered) = oneshot::channel();
    let (begun, beginning) = oneshot::channel();
    let mut during = pin!(reports.during(async {
        begun.send(()).unwrap();
        answered.await.unwrap();
    }));
    let mut beginning = pin!(beginning);
    assert!((&mut during).now_or_never().is_none());
    assert!((&mut beginning).now_or_never().is_none(), "it has to wait");
    heard.next().await;
    assert!((&mut during).now_or_never().is_none());
    assert!((&mut beginning).now_or_never().is_some());
    fill(&queue);
    progress.advance(1);
    let waited = timeout(3 * PAUSE, &mut during).await;
    assert!(waited.is_err());
    answer.send(()).unwrap();
    assert!(
        (&mut during).now_or_never().is_none(),
        "the end has to wait"
    );
    let mut kinds = Vec::new();
    for _ in 0..QUEUE {
        kinds.push(heard.next().await["kind"].clone());
    }
    during.await;
    kinds.push(heard.next().await["kind"].clone());
    let mut expected = vec![json!("other"); QUEUE - 1];
    expected.extend([json!("begin"), json!("end")]);
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_request_goes_on_when_nobody_listens_any_more() {
    let (reports, heard) = Heard::begin(&Progress::default());
    drop(heard);
    assert_eq!(reports.during(async { 7 }).await, 7);
}
