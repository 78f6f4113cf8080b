//! What a connection may cost: answers that nobody reads, long messages, and how many may connect.

use super::*;

fn call(id: u64, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method})
}

/// Whether the service goes on, however much is asked of it by another client.
async fn goes_on(service: &Arc<Service>) -> bool {
    let mut other = Talk::with(service, &Terms::default());
    for id in 0..100 {
        other.ask(id, "server/status").await;
        if other.outcome().await.1 != "ok" {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn while_answers_are_not_read_nothing_more_is() {
    let long = json!([call(1, "test/megabyte"), call(2, "test/megabyte")]);
    let mixed = |id| json!([call(1, "test/megabyte"), call(id, "test/wait")]);
    let check = async |messages: &[Value], why: &str| {
        let mut talk = Talk::begin();
        for message in messages {
            talk.say(message).await;
        }
        talk.ask(9, "server/stop").await;
        assert!(goes_on(&talk.service).await, "{why}");
        talk
    };
    let long = [long.clone(), long.clone(), long];
    let mut talk = check(&long, "answers that are there").await;
    for _ in long {
        assert_eq!(talk.hear().await.as_array().unwrap().len(), 2);
    }
    talk.expect(9, "ok").await;

    // Of these nothing can be written; a client that goes is noticed all the same.
    let talk = check(&[mixed(3), mixed(4)], "parts of answers").await;
    talk.end().await;
}

#[tokio::test]
async fn an_answer_longer_than_what_may_wait_is_given() {
    let mut talk = Talk::begin();
    let batch: Vec<_> = (0..10).map(|id| call(id, "test/megabyte")).collect();
    talk.say(&json!(batch)).await;
    let replies = talk.hear().await;
    for (id, reply) in replies.as_array().unwrap().iter().enumerate() {
        assert_eq!(reply["id"], id);
        let kind = reply["error"]["data"]["kind"].as_str();
        assert_eq!(kind, (id >= 7).then_some("responseTooLarge"));
    }
}

#[tokio::test]
async fn long_answers_to_batches_share_their_room() {
    let terms = Terms {
        answers: Room::of(3 << 20, Duration::from_secs(60)),
        ..Terms::default()
    };
    let service = Arc::new(Service::new(Config::default(), None));
    let batch = json!([
        call(1, "test/megabyte"),
        call(2, "test/megabyte"),
        call(3, "server/status"),
    ]);
    let mut talk = Talk::with(&service, &terms);
    // The room is free again once an answer was read.
    for _ in 0..2 {
        talk.say(&batch).await;
        let replies = talk.hear().await;
        let kinds = [0, 1, 2].map(|entry| replies[entry]["error"]["data"]["kind"].clone());
        assert_eq!(kinds, [Value::Null, json!("busy"), Value::Null]);
    }
    let mut http = Talk::with(&service, &terms);
    http.write(&post(&batch.to_string())).await;
    within(async {
        while terms.answers.charge().cover(2 << 20).is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    http.end().await;
    within(async {
        while terms.answers.charge().cover(2 << 20).is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn long_messages_share_their_room() {
    let terms = Terms {
        room: Room::of(1 << 20, Duration::from_secs(60)),
        ..Terms::default()
    };
    let service = Arc::new(Service::new(Config::default(), None));
    let begun = format!("{{\"x\":\"{}", "x".repeat(600 << 10));
    let mut first = Talk::with(&service, &terms);
    first.write(&begun).await;
    within(async {
        while terms.room.charge().cover(20 << 10).is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let mut second = Talk::with(&service, &terms);
    let _ = within(second.stream.write_all(begun.as_bytes())).await;
    let refused = second.hear().await;
    assert_eq!(refused["error"]["data"]["kind"], "busy");
    assert_eq!(refused["id"], Value::Null);
    within(second.connection).await.unwrap();

    let mut small = Talk::with(&service, &terms);
    small.ask(1, "server/status").await;
    small.expect(1, "ok").await;
    let mut http = Talk::with(&service, &terms);
    let body = format!("{begun}\"}}");
    let _ = within(http.stream.write_all(post(&body).as_bytes())).await;
    let mut status = String::new();
    within(http.stream.read_line(&mut status)).await.unwrap();
    assert!(status.starts_with("HTTP/1.1 503 "), "{status}");

    first.write("\"}\n").await;
    let answer = first.hear().await;
    assert_eq!(answer["error"]["data"]["kind"], "invalidRequest");
    let mut third = Talk::with(&service, &terms);
    third.write(&format!("{begun}\"}}\n")).await;
    let answer = third.hear().await;
    assert_eq!(
        answer["error"]["data"]["kind"], "invalidRequest",
        "room is free again"
    );
}

#[tokio::test]
async fn who_announces_http_must_say_what_it_wants() {
    let service = Arc::new(Service::new(Config::default(), None));
    let terms = Terms {
        patience: Patience {
            silent: Duration::from_millis(20),
            ..Patience::default()
        },
        ..Terms::default()
    };
    let answered = post(r#"{"jsonrpc":"2.0","method":"initialized"}"#);
    for said in ["POST / HTTP/1.1\r\nHost: ", &answered] {
        let mut talk = Talk::with(&service, &terms);
        talk.write(said).await;
        within(talk.connection).await.unwrap();
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vouchd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let service = Arc::new(Service::new(Config::default(), None));
    let serving = serve_with(
        Patience::default(),
        2,
        listener,
        None,
        Arc::clone(&service),
        std::future::pending(),
    );
    let connect = async || {
        let mut talk = Talk::begin();
        talk.stream = BufReader::new(UnixStream::connect(&path).await.unwrap());
        talk
    };
    let clients = async {
        let mut first = connect().await;
        first.ask(1, "server/status").await;
        first.expect(1, "ok").await;
        let _second = connect().await;
        let mut third = connect().await;
        let refused = third.hear().await;
        assert_eq!(refused["error"]["data"]["kind"], "busy");
        assert_eq!(refused["id"], Value::Null);
        assert_eq!(within(third.stream.read(&mut [0])).await.unwrap(), 0);
        first.ask(2, "server/status").await;
        first.expect(2, "ok").await;
        drop(first);
        // Whether the first one's end was noticed yet shows only here.
        within(async {
            loop {
                let mut next = connect().await;
                let _ = next.stream.write_all(b"{}\n").await;
                let answer = next.hear().await;
                if answer["error"]["data"]["kind"] == "invalidRequest" {
                    break;
                }
            }
        })
        .await;
    };
    tokio::select! {
        () = serving => panic!("it goes on"),
        () = clients => {}
    }
}

#[tokio::test]
async fn what_is_told_waits_for_its_reader_and_for_nobody_else() {
    let mut talk = Talk::begin();
    // More than a socket holds: nothing behind it is written until it is read.
    talk.ask(0, "test/megabyte").await;
    let many = 1..=40;
    for id in many.clone() {
        let params = json!({"path": "/nonexistent/a.wasm", "workDoneToken": id});
        talk.say(&json!({"jsonrpc": "2.0", "id": id, "method": "verify", "params": params}))
            .await;
    }
    assert!(goes_on(&talk.service).await);
    assert_eq!(talk.hear().await["id"], 0);
    let mut heard = vec![Vec::new(); 41];
    while heard.iter().map(Vec::len).sum::<usize>() < 3 * 40 {
        let message = talk.hear().await;
        let value = &message["params"]["value"];
        let (of, what) = match value["kind"].as_str() {
            Some("report") => continue,
            Some(kind) => (&message["params"]["token"], kind),
            None => (&message["id"], "answer"),
        };
        heard[usize::try_from(of.as_u64().unwrap()).unwrap()].push(what.to_owned());
    }
    for id in many {
        assert_eq!(heard[id], ["begin", "end", "answer"], "{id}");
    }
    talk.end().await;
}
