//! The link to the next page of a list: RFC 8288, as far as registries write it.

use reqwest::{
    Url,
    header::{HeaderMap, LINK},
};

/// The longest link that is followed, in bytes.
const LONGEST_LINK: usize = 4 << 10;

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
}
