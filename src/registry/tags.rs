//! A repository's tags: OCI distribution specification, "Listing Tags".
//!
//! Registries differ in what they make of that. Some answer everything at once, whatever `n` and
//! `last` say (docker-registry 2.8); some have pages of their own, and links with words of their
//! own in them. So `last` is looked for in what comes, and a link is followed as it is, as long as
//! it leads back to the same list.

use super::{
    layout,
    link::{Next, next},
    remote::Remote,
};
use crate::{
    error::Result,
    name::{Reference, Tag},
    session::{Action, Failure, Retries, Sessions, bounded, request},
};
use reqwest::Method;
use serde::Deserialize;
use std::time::Duration;
use vouch_protocol::ErrorKind;

/// Pages of a registry that are read for one of ours, and the most bytes of one. A registry that
/// has only large pages has all of 25,000 tags in one.
const PAGES: usize = 32;
const LARGEST: usize = 4 << 20;
/// How long all of it may take.
const WAIT: Duration = Duration::from_secs(60);

/// Some of a repository's tags.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order in which the registry or layout has them.
    pub tags: Vec<Tag>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// The tags of a repository behind `last`, at most so many: at least one. The registry itself is
/// asked, since a mirror need not know all of them.
pub async fn tags(
    sessions: &Sessions,
    repository: &Reference,
    limit: usize,
    last: Option<&Tag>,
) -> Result<Page> {
    let mut listed = Listed::behind(last, limit);
    match repository {
        Reference::Registry(reference) => {
            let remote = Remote::new(sessions, reference, Action::Pull).await?;
            let list = list(&remote, &mut listed);
            let timed = tokio::time::timeout(WAIT, list).await;
            timed.unwrap_or_else(|_| {
                let what = "takes too long to list the tags";
                Err(remote.session.fault(ErrorKind::RegistryTimeout, what))
            })?;
        }
        Reference::Layout(reference) => listed.add(&layout::tags(reference).await?),
    }
    Ok(listed.page)
}

/// The tags so far.
#[derive(Debug)]
struct Listed<'a> {
    page: Page,
    limit: usize,
    last: Option<&'a Tag>,
}

impl<'a> Listed<'a> {
    fn behind(last: Option<&'a Tag>, limit: usize) -> Self {
        Self {
            page: Page::default(),
            limit,
            last,
        }
    }

    /// Adds a page of names.
    fn add(&mut self, names: &[String]) {
        let tags: Vec<Tag> = names.iter().filter_map(|name| name.parse().ok()).collect();
        // Where it does not come, they are taken to begin behind it.
        let found = tags.iter().position(|tag| Some(tag) == self.last);
        if found.is_some() {
            // Whatever came before it was asked for before.
            self.page.tags.clear();
        }
        let begin = found.map_or(0, |found| found + 1);
        for tag in tags.into_iter().skip(begin) {
            if self.is_full() {
                self.page.more = true;
                return;
            }
            self.page.tags.push(tag);
        }
    }

    fn is_full(&self) -> bool {
        self.page.tags.len() >= self.limit
    }
}

async fn list(remote: &Remote, listed: &mut Listed<'_>) -> Result<()> {
    let mut query = format!("n={}", listed.limit);
    if let Some(last) = listed.last {
        // A tag needs no escapes.
        query = format!("{query}&last={last}");
    }
    for _ in 0..PAGES {
        let (names, next) = page(remote, &query).await?;
        listed.add(&names);
        match next {
            None => return Ok(()),
            Some(_) if listed.is_full() => {
                listed.page.more = true;
                return Ok(());
            }
            Some(next) => query = next,
        }
    }
    if listed.page.tags.is_empty() {
        return Err(remote.fault("sends pages without end that have no tag in them"));
    }
    listed.page.more = true;
    Ok(())
}

#[derive(Deserialize)]
struct Names {
    /// Null where there are none: docker-registry 2.8.
    tags: Option<Vec<String>>,
}

/// One page of a registry, and the query of the next one.
async fn page(remote: &Remote, query: &str) -> Result<(Vec<String>, Option<String>)> {
    let mut retries = Retries::new(remote.session.timeouts());
    let fetched = retries.again(|| fetch(remote, query)).await;
    let (body, next) = fetched.map_err(|error| {
        let what = format!("repository {}", remote.scope.repository);
        remote.missing(&what, error)
    })?;
    let unreadable = "sent a list of tags that cannot be read";
    let names: Names =
        serde_json::from_slice(&body).map_err(|error| remote.fault(unreadable).source(error))?;
    let next = match next {
        Next::None => None,
        Next::Query(query) => Some(query),
        Next::Elsewhere => {
            return Err(remote.fault("links to the next page of its tags at another place"));
        }
    };
    Ok((names.tags.unwrap_or_default(), next))
}

async fn fetch(remote: &Remote, query: &str) -> Result<(Vec<u8>, Next), Failure> {
    const ACTION: &str = "listing the tags";
    let session = &remote.session;
    let get = || {
        let mut url = remote.url("tags/list");
        url.set_query(Some(query));
        request(Method::GET, url, [])
    };
    let response = remote.attempt(ACTION, &get).await?;
    let next = next(response.url(), response.headers());
    let over = ErrorKind::RegistryError;
    let body = bounded(session, ACTION, response, LARGEST, over).await?;
    Ok((body, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_the_last_tag() {
        let check =
            |names: &[&str], last: Option<&str>, limit, expected: &[&str], more, reason: &str| {
                let last = last.map(|last| last.parse::<Tag>().unwrap());
                let mut listed = Listed::behind(last.as_ref(), limit);
                let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
                listed.add(&names);
                let tags: Vec<_> = listed.page.tags.iter().map(Tag::as_str).collect();
                assert_eq!(
                    (tags.as_slice(), listed.page.more),
                    (expected, more),
                    "{reason}"
                );
            };
        check(&[], None, 2, &[], false, "none");
        check(&["a", "b"], None, 2, &["a", "b"], false, "all");
        check(
            &["a", "b", "c"],
            None,
            2,
            &["a", "b"],
            true,
            "a registry that ignores `n`",
        );
        check(&["a", "b", "c"], Some("b"), 2, &["c"], false, "and `last`");
        check(
            &["c", "a", "b"],
            Some("c"),
            2,
            &["a", "b"],
            false,
            "in another order",
        );
        check(
            &["c", "d"],
            Some("b"),
            2,
            &["c", "d"],
            false,
            "one that knows `last`",
        );
        check(
            &["z", "c"],
            Some("b"),
            2,
            &["z", "c"],
            false,
            "the last tag is gone meanwhile",
        );
        check(
            &["a", "no tag", "é", "\u{1b}[2J", "b"],
            None,
            9,
            &["a", "b"],
            false,
            "what is not a tag",
        );
    }
}
