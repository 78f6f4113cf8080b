//! Lists of tags that a registry makes up.

use super::*;
use crate::name::Tag;

const LIST: &str = "/v2/acme/echo/tags/list";

async fn listed(server: &Faulty, limit: usize, last: Option<&str>) -> Result<Page> {
    let repository = testing::reference(&format!("{}/acme/echo", server.name()));
    let last = last.map(|last| last.parse::<Tag>().unwrap());
    tags(&patient(), &repository, limit, last.as_ref()).await
}

fn names(page: &Page) -> Vec<&str> {
    page.tags.iter().map(Tag::as_str).collect()
}

fn list(tags: &Value) -> Answer {
    Answer::new(200).body(json!({ "name": "acme/echo", "tags": tags }).to_string())
}

#[tokio::test]
async fn pages_of_a_registry_s_own_are_followed() {
    let server = Faulty::start(|_, before| match before {
        0 => list(&json!(["b"])).header("link", format!("<{LIST}?cursor=1>; rel=\"next\"")),
        1 => list(&json!([])).header("link", "<?cursor=2>; rel=\"next\""),
        _ => list(&json!(["a", "c"])),
    });
    let page = listed(&server, 2, Some("z")).await.unwrap();
    assert_eq!(
        (names(&page).as_slice(), page.more),
        (&["b", "a"][..], true)
    );
    let asked: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    let expected = ["n=2&last=z", "cursor=1", "cursor=2"].map(|query| format!("{LIST}?{query}"));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_registry_that_knows_no_tags_has_none() {
    let server = Faulty::start(|_, _| list(&json!(null)));
    assert_eq!(listed(&server, 2, None).await.unwrap(), Page::default());
}

#[tokio::test]
async fn a_full_page_asks_for_no_more() {
    let server = Faulty::start(|_, _| list(&json!(["a"])).header("link", "<?last=a>"));
    let page = listed(&server, 1, None).await.unwrap();
    assert_eq!((names(&page).as_slice(), page.more), (&["a"][..], true));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_a_hostile_registry_answers_has_an_end() {
    let check = async |answer: Answer, kind: ErrorKind, requests: usize, reason: &str| {
        let server = Faulty::start(move |_, _| answer.clone());
        let error = listed(&server, 2, None).await.expect_err(reason);
        assert_eq!(error.kind(), kind, "{reason}: {error}");
        assert_eq!(server.seen().len(), requests, "{reason}");
    };
    let failed = ErrorKind::RegistryError;
    let none = || list(&json!([]));
    check(
        none().header("link", "<?x=1>"),
        failed,
        32,
        "empty pages without end",
    )
    .await;
    let elsewhere = "</v2/acme/other/tags/list?last=a>";
    check(
        none().header("link", elsewhere),
        failed,
        1,
        "another repository",
    )
    .await;
    let other = "<http://127.0.0.1:1/v2/acme/echo/tags/list?last=a>";
    check(none().header("link", other), failed, 1, "another registry").await;
    let large = vec![b' '; (4 << 20) + 1];
    check(Answer::new(200).body(large), failed, 1, "more than 4 MiB").await;
    check(Answer::new(200).body("<html>"), failed, 1, "not a list").await;
    check(
        Answer::new(200).body("{\"tags\":[1]}"),
        failed,
        1,
        "not names",
    )
    .await;
    check(
        Answer::new(404),
        ErrorKind::NotFound,
        1,
        "no such repository",
    )
    .await;
}

/// However late it is, the service does not wait for it.
#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let server = Faulty::start(|_, _| list(&json!([])).stall(3));
    let repository = testing::reference(&format!("{}/acme/echo", server.name()));
    let sessions = sessions(Config::new()).timeouts(Timeouts {
        answer: Duration::from_millis(100),
        ..waits()
    });
    let error = tags(&sessions, &repository, 2, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryTimeout, "{error}");
}

#[tokio::test]
async fn pages_without_end_that_bring_something_are_a_page() {
    let server = Faulty::start(|_, before| {
        list(&json!([format!("t{before}")])).header("link", "<?x=1>; rel=\"next\"")
    });
    let page = listed(&server, 1000, None).await.unwrap();
    assert_eq!((page.tags.len(), page.more), (32, true));
}
