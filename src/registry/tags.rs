//! A repository's tags: OCI distribution specification, "Listing Tags".
//!
//! Registries differ in what they make of that. Some answer everything at once, whatever `n` and
//! `last` say (docker-registry 2.8); some have pages of their own, and links with words of their
//! own in them. So `last` is looked for in what comes, and a link is followed as it is, as long as
//! it leads back to the same list.

use super::{
    layout,
    link::{Next, next},
    memory::{Charge, Memory},
    remote::Remote,
};
use crate::{
    error::Result,
    name::{Reference, Tag},
    session::{Action, Failure, Retries, Sessions, bounded, request},
};
use reqwest::Method;
use serde::{
    Deserialize, Deserializer as _,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{fmt, sync::Arc, time::Duration};
use tokio::task::spawn_blocking;
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
            let timed = tokio::time::timeout(WAIT, list(&remote, listed)).await;
            timed.unwrap_or_else(|_| {
                let what = "takes too long to list the tags";
                Err(remote.session.fault(ErrorKind::RegistryTimeout, what))
            })
        }
        Reference::Layout(reference) => {
            let mut found = false;
            for name in layout::tags(reference).await? {
                listed.put(&name, &mut found);
            }
            Ok(listed.page)
        }
    }
}

/// The tags so far.
#[derive(Debug)]
struct Listed {
    page: Page,
    limit: usize,
    last: Option<Tag>,
}

impl Listed {
    fn behind(last: Option<&Tag>, limit: usize) -> Self {
        Self {
            page: Page::default(),
            limit,
            last: last.cloned(),
        }
    }

    /// Adds a page of names, of which no more are kept than are wanted.
    fn add(&mut self, page: &[u8]) -> serde_json::Result<()> {
        let page: Names<'_> = serde_json::from_slice(page)?;
        let Some(names) = page.tags else {
            return Ok(());
        };
        let adding = Adding {
            listed: self,
            found: false,
        };
        serde_json::Deserializer::from_str(names.get()).deserialize_seq(adding)
    }

    /// Adds the next name of a page. Where the last tag does not come, the page is taken to begin
    /// behind it; `found` says whether it came.
    fn put(&mut self, name: &str, found: &mut bool) {
        let Ok(tag) = name.parse::<Tag>() else {
            return;
        };
        if !*found && Some(&tag) == self.last.as_ref() {
            // Whatever came before it was asked for before.
            *found = true;
            self.page = Page::default();
        } else if self.is_full() {
            self.page.more = true;
        } else {
            self.page.tags.push(tag);
        }
    }

    fn is_full(&self) -> bool {
        self.page.tags.len() >= self.limit
    }
}

async fn list(remote: &Remote, mut listed: Listed) -> Result<Page> {
    let memory = Memory::at(remote.session.registry());
    let mut query = format!("n={}", listed.limit);
    if let Some(last) = &listed.last {
        // A tag needs no escapes.
        query = format!("{query}&last={last}");
    }
    for _ in 0..PAGES {
        let (page, next, _charge) = page(remote, &query, &memory).await?;
        // A page may have a million names: they hold up nobody else.
        let read = spawn_blocking(move || listed.add(&page).map(|()| listed));
        let unreadable = "sent a list of tags that cannot be read";
        listed = (read.await?).map_err(|error| remote.fault(unreadable).source(error))?;
        match next {
            None => return Ok(listed.page),
            Some(_) if listed.is_full() => {
                listed.page.more = true;
                return Ok(listed.page);
            }
            Some(next) => query = next,
        }
    }
    if listed.page.tags.is_empty() {
        return Err(remote.fault("sends pages without end that have no tag in them"));
    }
    listed.page.more = true;
    Ok(listed.page)
}

#[derive(Deserialize)]
struct Names<'a> {
    /// Null where there are none: docker-registry 2.8.
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
}

/// A page's names, one after the other.
struct Adding<'a> {
    listed: &'a mut Listed,
    found: bool,
}

impl<'de> Visitor<'de> for Adding<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> std::result::Result<(), A::Error> {
        while let Some(name) = list.next_element::<String>()? {
            self.listed.put(&name, &mut self.found);
        }
        Ok(())
    }
}

/// One page of a registry, the query of the next one, and what it takes.
async fn page(
    remote: &Remote,
    query: &str,
    memory: &Arc<Memory>,
) -> Result<(Vec<u8>, Option<String>, Charge)> {
    let mut retries = Retries::new(remote.session.timeouts());
    let fetched = retries.again(|| fetch(remote, query, memory)).await;
    let (body, next, charge) = fetched.map_err(|error| {
        let what = format!("repository {}", remote.scope.repository);
        remote.missing(&what, error)
    })?;
    let next = match next {
        Next::None => None,
        Next::Query(query) => Some(query),
        Next::Elsewhere => {
            return Err(remote.fault("links to the next page of its tags at another place"));
        }
    };
    Ok((body, next, charge))
}

async fn fetch(
    remote: &Remote,
    query: &str,
    memory: &Arc<Memory>,
) -> Result<(Vec<u8>, Next, Charge), Failure> {
    const ACTION: &str = "listing the tags";
    let session = &remote.session;
    let get = || {
        let mut url = remote.url("tags/list");
        url.set_query(Some(query));
        request(Method::GET, url, [])
    };
    let response = remote.attempt(ACTION, &get).await?;
    let next = next(response.url(), response.headers());
    let size = response.content_length().map(usize::try_from);
    let size = size.and_then(Result::ok).unwrap_or(LARGEST).min(LARGEST);
    let charge = memory.charge(size).await?;
    let over = ErrorKind::RegistryError;
    let body = bounded(session, ACTION, response, LARGEST, over).await?;
    Ok((body, next, charge))
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
                let page = serde_json::json!({"tags": names}).to_string();
                listed.add(page.as_bytes()).unwrap();
                let tags: Vec<_> = listed.page.tags.iter().map(Tag::as_str).collect();
                assert_eq!(
                    (tags.as_slice(), listed.page.more),
                    (expected, more),
                    "{reason}"
                );
            };
        let mut none = Listed::behind(None, 2);
        none.add(br#"{"tags":null}"#).unwrap();
        assert!(none.add(br#"{"tags":7}"#).is_err());
        assert_eq!(none.page, Page::default());
        check(&[], None, 2, &[], false, "none");
        check(
            &["a", "b", "c", "d"],
            Some("c"),
            2,
            &["d"],
            false,
            "full before it came",
        );
        check(
            &["a", "b", "b", "c"],
            Some("b"),
            9,
            &["b", "c"],
            false,
            "there twice",
        );
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
