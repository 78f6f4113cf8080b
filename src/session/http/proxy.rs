//! The proxies that the environment names, as curl reads them.

use crate::error::{Error, Result};
use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use std::env;
use vouch_protocol::ErrorKind;

/// Stands for a proxy that cannot be used: no name ends so (RFC 6761).
const UNUSABLE: &str = "http://unusable.invalid";

/// Which requests go to proxies that cannot be used. reqwest would send them straight on, where
/// they were not meant to go.
#[derive(Debug)]
pub(crate) struct Proxies {
    matcher: Matcher,
    /// The variables that name such proxies.
    unusable: Vec<&'static str>,
}

impl Proxies {
    /// Those of the service's environment.
    pub(crate) fn from_environment() -> Self {
        Self::of(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn of(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let mut unusable = Vec::new();
        let mut first = |names: [&'static str; 2]| {
            let found = names
                .into_iter()
                .find_map(|name| Some((name, variable(name)?)));
            match found {
                Some((name, value)) if !value.is_empty() && !is_proxy(&value) => {
                    unusable.push(name);
                    UNUSABLE.to_owned()
                }
                Some((_, value)) => value,
                None => String::new(),
            }
        };
        let matcher = Matcher::builder()
            .all(first(["ALL_PROXY", "all_proxy"]))
            .http(first(["HTTP_PROXY", "http_proxy"]))
            .https(first(["HTTPS_PROXY", "https_proxy"]))
            .no(["NO_PROXY", "no_proxy"]
                .into_iter()
                .find_map(&variable)
                .unwrap_or_default())
            .build();
        Self { matcher, unusable }
    }

    /// What is wrong with the environment, in words.
    pub(crate) fn problem(&self) -> Option<String> {
        (!self.unusable.is_empty()).then(|| {
            let names = self.unusable.join(" and ");
            // Their values may hold passwords.
            format!("the environment's {names} cannot be used as a proxy")
        })
    }

    /// Fails where a request would need a proxy that cannot be used.
    pub(crate) fn check(&self, url: &Url) -> Result<()> {
        let Some(problem) = self.problem() else {
            return Ok(());
        };
        let needed = url
            .origin()
            .ascii_serialization()
            .parse::<Uri>()
            .ok()
            .and_then(|uri| self.matcher.intercept(&uri));
        if needed.is_none_or(|proxy| proxy.uri().host() != Some("unusable.invalid")) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InsecureRegistry, problem).help(
            "Nothing was sent past it. Start the server with an `http://`, `https://` or \
             `socks5://` proxy there (`socks5h://` to have it resolve names), or unset it.",
        ))
    }
}

fn is_proxy(value: &str) -> bool {
    let parsed = if value.contains("://") {
        Url::parse(value)
    } else {
        Url::parse(&format!("http://{value}"))
    };
    parsed.is_ok_and(|url| {
        matches!(
            url.scheme(),
            "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h"
        ) && url.host_str().is_some_and(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses() {
        let check = |value: &str, expected: bool| assert_eq!(is_proxy(value), expected, "{value}");
        check("http://ann:pw@proxy.example:3128", true);
        check("proxy.example:3128", true);
        check("https://proxy.example", true);
        check("socks5://localhost:1080", true);
        check("socks5h://ann:pw@localhost", true);
        check("socks://localhost:1080/", false);
        check("http://ann:pw@[bad", false);
        check("socks9://proxy.example", false);
        check("http://", false);
        check("not a proxy", false);
    }

    #[test]
    fn only_what_needs_a_proxy_that_cannot_be_used_fails() {
        let check = |variables: &[(&str, &str)], url: &str, passes: bool, names: &str| {
            let proxies = Proxies::of(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            let url = Url::parse(url).unwrap();
            assert_eq!(proxies.check(&url).is_ok(), passes, "{variables:?} {url}");
            let problem = proxies.problem().unwrap_or_default();
            assert!(problem.contains(names), "{problem}");
            assert!(!problem.contains("pw"), "{problem}");
            assert_eq!(problem.is_empty(), names.is_empty(), "{problem}");
        };
        check(&[], "https://r.io/", true, "");
        let gnome = ("ALL_PROXY", "socks://ann:pw@localhost:1080/");
        check(&[gnome], "https://r.io/", false, "ALL_PROXY");
        check(&[gnome], "http://r.io/", false, "ALL_PROXY");
        let good = ("https_proxy", "http://proxy.example:3128");
        check(&[gnome, good], "https://r.io/", true, "ALL_PROXY");
        check(&[gnome, good], "http://r.io/", false, "ALL_PROXY");
        let no = ("NO_PROXY", "r.io,192.0.2.0/24");
        check(&[gnome, no], "https://r.io/", true, "ALL_PROXY");
        check(&[gnome, no], "https://192.0.2.7/", true, "ALL_PROXY");
        check(&[gnome, no], "https://s.io/", false, "ALL_PROXY");
        let bad = ("HTTPS_PROXY", "nonsense x");
        check(&[bad], "https://r.io/", false, "HTTPS_PROXY");
        check(&[bad], "http://r.io/", true, "HTTPS_PROXY");
        check(&[("ALL_PROXY", "")], "http://r.io/", true, "");
        check(&[("ALL_PROXY", "socks5://h:1")], "http://r.io/", true, "");
    }
}
