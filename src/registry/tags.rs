//! A repository's tags: OCI distribution specification, "Listing Tags".
//!
//! Registries differ in what they make of that. Some answer everything at once, whatever `n` and
//! `last` say (docker-registry 2.8); some have pages of their own, and links with words of their
//! own in them. So `last` is looked for in what comes, and a link is followed as it is, as long as
//! it leads back to the same list.

use super::{layout, remote::Remote};
use crate::{
    error::Result,
    name::{Reference, Tag},
    session::{Action, Failure, Retries, Sessions, bounded, request},
};
use reqwest::{
    Method, Url,
    header::{HeaderMap, LINK},
};
use serde::Deserialize;
use std::time::Duration;
use vouch_protocol::ErrorKind;

/// Pages of a registry that are read for one of ours, and the most bytes of one. A registry that
/// has only large pages has all of 25,000 tags in one.
const PAGES: usize = 32;
const LARGEST: usize = 4 << 20;
/// The longest link that is followed, in bytes.
const LONGEST_LINK: usize = 4 << 10;
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

/// What follows a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    None,
    /// The same list with another query.
    Query(String),
    /// Another list, maybe another registry's: it is not followed.
    Elsewhere,
}

/// The link to the next page: RFC 8288, section 3, as far as registries write it.
pub(super) fn next(page: &Url, headers: &HeaderMap) -> Next {
    let links = headers.get_all(LINK).iter();
    let mut links = links.filter_map(|value| {
        value
            .to_str()
            .ok()?
            .trim()
            .strip_prefix('<')?
            .split_once('>')
    });
    let Some((link, _)) = links.find(|(_, rest)| is_next(rest)) else {
        return Next::None;
    };
    if link.len() > LONGEST_LINK {
        return Next::Elsewhere;
    }
    match page.join(link) {
        Ok(url) if url.origin() == page.origin() && url.path() == page.path() => {
            let query = url.query().filter(|query| !query.is_empty());
            query.map_or(Next::None, |query| Next::Query(query.to_owned()))
        }
        _ => Next::Elsewhere,
    }
}

/// Whether a link's parameters say `rel="next"`. A registry's only link without them is that too.
fn is_next(parameters: &str) -> bool {
    let mut relations = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("rel").then_some(value)
    });
    relations.next().is_none_or(|relation| {
        let relation = relation.split(',').next().unwrap_or_default();
        relation
            .trim()
            .trim_matches('"')
            .eq_ignore_ascii_case("next")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_link_leads_back_to_the_same_list_or_nowhere() {
        let page = Url::parse("https://ghcr.io/v2/acme/echo/tags/list?n=2").unwrap();
        let check = |link: &str, expected: Next, reason: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, HeaderValue::from_str(link).unwrap());
            assert_eq!(next(&page, &headers), expected, "{reason}");
        };
        let query = |text: &str| Next::Query(text.to_owned());
        check(
            "</v2/acme/echo/tags/list?n=2&last=b>; rel=\"next\"",
            query("n=2&last=b"),
            "as specified",
        );
        check(
            "<https://ghcr.io/v2/acme/echo/tags/list?last=b>; rel=next",
            query("last=b"),
            "absolute",
        );
        check(
            "<?next_page=gAAA%3D%3D>; rel=\"next\"",
            query("next_page=gAAA%3D%3D"),
            "a query alone, with words of its own",
        );
        check(
            "</v2/acme/echo/tags/list?last=b>",
            query("last=b"),
            "without a relation",
        );
        check(
            "</v2/acme/echo/tags/list?last=a>; rel=\"prev\"",
            Next::None,
            "the page before",
        );
        check(
            "</v2/acme/echo/tags/list>; rel=\"next\"",
            Next::None,
            "the first page again",
        );
        check(
            "</v2/acme/other/tags/list?last=b>; rel=\"next\"",
            Next::Elsewhere,
            "another repository",
        );
        check(
            "</v2/acme/echo/../other/tags/list?last=b>",
            Next::Elsewhere,
            "the same, hidden",
        );
        check(
            "<https://evil.example/v2/acme/echo/tags/list?last=b>",
            Next::Elsewhere,
            "another host",
        );
        check(
            "<http://ghcr.io/v2/acme/echo/tags/list?last=b>",
            Next::Elsewhere,
            "without TLS",
        );
        check(
            "<//ghcr.io:444/v2/acme/echo/tags/list?last=b>",
            Next::Elsewhere,
            "another port",
        );
        check(
            &format!("<?last={}>", "b".repeat(5000)),
            Next::Elsewhere,
            "longer than any cursor",
        );
        check("nonsense", Next::None, "not a link");
        assert_eq!(next(&page, &HeaderMap::new()), Next::None, "no link");
    }

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
