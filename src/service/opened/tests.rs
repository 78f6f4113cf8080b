use super::*;
use futures_util::FutureExt;
use serde_json::{Value, json};

fn opened() -> Opened {
    Opened::new(EditorCapabilities::default(), Room::of_all())
}

fn open(opened: &Opened, uri: &str, text: &str) -> Option<Begun> {
    let item =
        json!({"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}});
    opened.open(serde_json::from_value(item).unwrap())
}

fn change(opened: &Opened, uri: &str, version: i64, changes: &Value) {
    let params =
        json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": changes});
    opened.change(serde_json::from_value(params).unwrap());
}

fn text(opened: &Opened, uri: &str) -> Option<String> {
    opened.get(uri)?.text.ok().map(|text| text.to_string())
}

fn close(opened: &Opened, uri: &str) {
    let params = json!({"textDocument": {"uri": uri}});
    opened.close(&serde_json::from_value(params).unwrap());
}

#[test]
fn a_text_is_what_was_sent_last() {
    let opened = opened();
    let begun = open(&opened, "file:///a", "ab\ncd").unwrap();
    let insert = json!([
        {"range": {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 1}}, "rangeLength": 1, "text": "x"},
        {"range": {"start": {"line": 0, "character": 2}, "end": {"line": 1, "character": 0}}, "text": ""},
    ]);
    let before = opened.get("file:///a").unwrap();
    // Versions jump.
    change(&opened, "file:///a", 9, &insert);
    assert_eq!(text(&opened, "file:///a").as_deref(), Some("abxd"));
    // Who has looked before has what stood there then.
    assert_eq!(
        before.text.map(|it| it.to_string()).as_deref(),
        Ok("ab\ncd")
    );
    assert_eq!(begun.latest.borrow().version, Some(9));
    change(&opened, "file:///a", 10, &json!([{"text": "new"}]));
    assert_eq!(text(&opened, "file:///a").as_deref(), Some("new"));
    // Another is not open.
    change(&opened, "file:///b", 1, &json!([{"text": "new"}]));
    assert_eq!(text(&opened, "file:///b"), None);
    close(&opened, "file:///a");
    assert!(opened.get("file:///a").is_none());
    assert!(begun.latest.has_changed().is_err(), "it has ended");
}

#[test]
fn what_is_too_long_is_not_kept_until_it_fits() {
    let opened = opened();
    let long = "x".repeat(text::LONGEST + 1);
    let begun = open(&opened, "a", &long);
    assert!(begun.is_some());
    assert_eq!(text(&opened, "a"), None);
    let at = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}});
    change(&opened, "a", 2, &json!([{"range": at, "text": "y"}]));
    assert_eq!(text(&opened, "a"), None);
    change(
        &opened,
        "a",
        3,
        &json!([{"text": "short"}, {"range": at, "text": "a "}]),
    );
    assert_eq!(text(&opened, "a").as_deref(), Some("a short"));
    change(&opened, "a", 4, &json!([{"range": at, "text": long}]));
    assert_eq!(text(&opened, "a"), None);
}

#[test]
fn an_editor_has_so_much_open_and_gets_room_back() {
    let opened = opened();
    let most = "x".repeat(text::LONGEST);
    let begun: Vec<_> = (0..17)
        .map(|at| open(&opened, &format!("{at}"), &most))
        .collect();
    assert!(begun.iter().all(Option::is_some));
    assert!(text(&opened, "15").is_some());
    assert_eq!(text(&opened, "16"), None, "there is no room");
    close(&opened, "3");
    assert!(open(&opened, "16", &most).is_some());
    assert!(text(&opened, "16").is_some());
    opened.close_all();
    let many = (0..=MOST).filter(|at| open(&opened, &format!("{at}"), "").is_some());
    assert_eq!(many.count(), MOST);
    assert!(open(&opened, &"x".repeat(LONGEST_NAME + 1), "").is_none());
}

#[tokio::test]
async fn what_is_told_is_of_the_latest_version() {
    let opened = opened();
    let mut unsent = opened.unsent().unwrap();
    assert!(opened.unsent().is_none());
    let _begun = open(&opened, "a", "1");
    let old = opened.get("a").unwrap();
    assert!(opened.tell_of("a", &old, "m", &json!({"of": 1})).await);
    change(&opened, "a", 2, &json!([{"text": "2"}]));
    assert!(!opened.tell_of("a", &old, "m", &json!({"of": 1})).await);
    opened.tell_of_closed("a", "m", &json!({})).await;
    close(&opened, "a");
    assert!(!opened.tell_of("a", &old, "m", &json!({})).await);
    opened.tell_of_closed("a", "m", &json!({"of": 3})).await;
    opened.ask("r").await;
    drop(opened);
    let mut said = Vec::new();
    while let Some((text, _room)) = unsent.recv().await {
        said.push(serde_json::from_str::<Value>(&text).unwrap());
    }
    assert_eq!(
        said[0],
        json!({"jsonrpc": "2.0", "method": "m", "params": {"of": 1}})
    );
    assert_eq!(said[1]["params"], json!({"of": 3}));
    assert_eq!(said[2]["method"], "r");
    assert!(said[2]["id"].is_string() && said[2].get("params").is_none());
    assert_eq!(said.len(), 3);
}

#[test]
fn a_text_is_lost_with_a_change_of_it_until_it_is_sent_whole() {
    let opened = opened();
    let begun = open(&opened, "a", "ab").unwrap();
    open(&opened, "b", "cd").unwrap();
    let insert = json!([{
        "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
        "text": "x",
    }]);
    opened.lose(Some(&["a".to_owned()]));
    assert!(begun.latest.has_changed().unwrap(), "what was said is void");
    change(&opened, "a", 3, &insert);
    assert_eq!(text(&opened, "a"), None, "it would stand elsewhere");
    assert_eq!(text(&opened, "b").as_deref(), Some("cd"), "another");
    change(&opened, "a", 4, &json!([{"text": "new"}]));
    assert_eq!(text(&opened, "a").as_deref(), Some("new"));
    opened.lose(None);
    assert_eq!((text(&opened, "a"), text(&opened, "b")), (None, None));
}

#[test]
fn it_is_known_whether_a_text_that_is_lost_may_name_artifacts() {
    let opened = opened();
    let check = |uri: &str, text: &str, may_name: bool| {
        open(&opened, uri, text);
        opened.lose(Some(&[uri.to_owned()]));
        let lost = opened.get(uri).unwrap().text.unwrap_err();
        assert_eq!(lost.may_name, may_name, "{uri}");
        opened.lose(None);
        assert_eq!(opened.get(uri).unwrap().text.unwrap_err(), lost, "again");
        let long = format!("{text}{}", " ".repeat(text::LONGEST + 1));
        change(&opened, uri, 2, &json!([{"text": long}]));
        let lost = opened.get(uri).unwrap().text.unwrap_err();
        assert_eq!(lost.may_name, may_name, "{uri}, too long");
    };
    check("a.yaml", "apiVersion: core.oam.dev/v1", true);
    check("a.yaml", "a: b", false);
    check("a.txt", "apiVersion: core.oam.dev/v1", false);
    check("wkg.lock", "", true);
    let begun = opened.open_lost("file:///b.yaml".into()).unwrap();
    assert!(begun.latest.borrow().text.as_ref().unwrap_err().may_name);
    assert!(opened.open_lost("x".repeat(LONGEST_NAME + 1)).is_none());
}

#[tokio::test]
async fn what_waits_to_be_sent_is_bounded_in_bytes() {
    let opened = opened();
    let mut unsent = opened.unsent().unwrap();
    let long = "x".repeat(UNSENT / 2);
    let longest = "x".repeat(3 * UNSENT);
    // One that is longer than all that may wait waits alone.
    opened.tell("m", &longest).await;
    let tell = opened.tell("m", &long);
    tokio::pin!(tell);
    assert!(tell.as_mut().now_or_never().is_none());
    // It has room once that is written, not once it is taken.
    let first = unsent.recv().await.unwrap();
    assert!(tell.as_mut().now_or_never().is_none());
    drop(first);
    assert!(tell.as_mut().now_or_never().is_some());
    // Who waits when the editor goes does not wait for ever.
    let tell = opened.tell("m", &longest);
    tokio::pin!(tell);
    assert!(tell.as_mut().now_or_never().is_none());
    drop(unsent);
    assert!(tell.as_mut().now_or_never().is_some());
}
