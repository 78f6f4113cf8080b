//! How a registry asks to be logged in to, and what a token is asked for.

use reqwest::{
    Url,
    header::{HeaderMap, WWW_AUTHENTICATE},
};

/// What a request does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Reads.
    Pull,
    /// Reads and writes.
    Push,
}

/// What a token is asked for: a repository, and for a mount another that is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The repository that the request is about.
    pub(crate) repository: String,
    action: Action,
    from: Option<String>,
}

impl Scope {
    pub(crate) fn new(repository: &str, action: Action) -> Self {
        Self {
            repository: repository.to_owned(),
            action,
            from: None,
        }
    }

    /// The same, and the right to read another repository: OCI distribution specification,
    /// "Mounting a blob from another repository".
    pub(crate) fn mounting(&self, from: &str) -> Self {
        Self {
            from: Some(from.to_owned()),
            ..self.clone()
        }
    }

    /// Whether it is wanted again and again; a mount happens once.
    pub(super) fn lasts(&self) -> bool {
        self.from.is_none()
    }

    /// As the distribution project's "Token Scope Documentation" writes them.
    pub(super) fn written(&self) -> Vec<String> {
        let actions = match self.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let from = self.from.as_ref();
        std::iter::once(format!("repository:{}:{actions}", self.repository))
            .chain(from.map(|from| format!("repository:{from}:pull")))
            .collect()
    }
}

/// How a registry asks to be logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Challenge {
    /// The challenge in a 401 that we can meet: Bearer before Basic.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let offered: Vec<_> = texts(headers).filter_map(Self::parse).collect();
        let bearer = |challenge: &&Self| matches!(challenge, Self::Bearer { .. });
        offered
            .iter()
            .find(bearer)
            .or_else(|| offered.first())
            .cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, parameters) = parameters(text)?;
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (name, value) in parameters {
            match name.as_str() {
                // What an address says of users would be sent along.
                "realm" => realm = Url::parse(&value).ok().filter(|url| !names_user(url)),
                "service" => service = Some(value),
                _ => {}
            }
        }
        realm.map(|realm| Self::Bearer { realm, service })
    }
}

fn names_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn texts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

/// Whether a refusal says that the login is known and may not do this: RFC 6750, section 3.1.
pub(super) fn lacks_scope(headers: &HeaderMap) -> bool {
    texts(headers)
        .filter_map(parameters)
        .flat_map(|(_, parameters)| parameters)
        .any(|(name, value)| name == "error" && value == "insufficient_scope")
}

/// RFC 9110, section 11.3: a scheme, then `name=value` or `name="value"`, with commas.
fn parameters(text: &str) -> Option<(&str, Vec<(String, String)>)> {
    let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if rest.is_empty() {
            return Some((scheme, found));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = parameter(after)?;
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = after;
    }
}

/// The value that a text begins with, and what comes after it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text.get(..end)?.to_owned(), text.get(end..)?));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn challenges_are_read() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let expected = expected.map(|(realm, service)| Challenge::Bearer {
                realm: Url::parse(realm).unwrap(),
                service: service.map(ToOwned::to_owned),
            });
            assert_eq!(Challenge::parse(text), expected, "{text}");
        };
        check(
            r#"Bearer realm="https://auth.io/token",service="registry, \"io\"",scope="a:b:c""#,
            Some(("https://auth.io/token", Some("registry, \"io\""))),
        );
        check(
            "bearer  service=io , REALM=https://auth.io/",
            Some(("https://auth.io/", Some("io"))),
        );
        check(
            r#"Bearer realm="https://auth.io/""#,
            Some(("https://auth.io/", None)),
        );
        check(r#"Bearer realm="/token""#, None);
        check(r#"Bearer realm="https://ann:pw@auth.io/""#, None);
        check(r#"Bearer realm="https://auth.io/"#, None);
        check(r#"Bearer realm="https://auth.io/\"#, None);
        check("Bearer realm", None);
        check("Bearer", None);
        check("Negotiate", None);
        check("", None);
        assert_eq!(
            Challenge::parse("Basic realm=\"x\""),
            Some(Challenge::Basic)
        );
        assert_eq!(Challenge::parse("basic"), Some(Challenge::Basic));
    }

    #[test]
    fn a_bearer_challenge_goes_before_basic() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=x"));
        assert_eq!(Challenge::of(&headers), Some(Challenge::Basic));
        assert!(!lacks_scope(&headers));
        let bearer = "Bearer realm=\"https://auth.io/\",error=\"insufficient_scope\"";
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
        assert!(matches!(
            Challenge::of(&headers),
            Some(Challenge::Bearer { .. })
        ));
        assert!(lacks_scope(&headers));
    }

    #[test]
    fn scopes_are_written_as_the_specification_says() {
        let check = |scope: &Scope, expected: &[&str]| assert_eq!(scope.written(), expected);
        let pull = Scope::new("acme/echo", Action::Pull);
        check(&pull, &["repository:acme/echo:pull"]);
        let push = Scope::new("acme/echo", Action::Push);
        check(&push, &["repository:acme/echo:pull,push"]);
        check(
            &push.mounting("acme/old"),
            &["repository:acme/echo:pull,push", "repository:acme/old:pull"],
        );
    }
}
