//! How a registry asks to be logged in to: RFC 9110, section 11.
//!
//! `http-auth` reads the grammar. What it does not take, and registries send, is written so that it
//! does: bytes beyond ASCII, more than one space, values that should be quoted and are not.

use http_auth::parser::ChallengeParser;
use percent_encoding::{AsciiSet, percent_decode_str, percent_encode};
use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};

/// The most of each that is read: headers, bytes of one, challenges in one.
const HEADERS: usize = 8;
const BYTES: usize = 8 << 10;
const CHALLENGES: usize = 16;
/// The longest realm and the longest service, in bytes: they are remembered for many repositories.
const LONGEST: usize = 1024;

/// How a registry asks to be logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A user's name and password: RFC 7617.
    Basic,
    /// An access token: the distribution project's "Token Authentication Specification".
    Bearer {
        /// Who gives it.
        realm: Url,
        /// What the realm knows the registry by.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge in an answer that we can meet: of several, Bearer before Basic.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut met: Vec<_> = offered(headers)
            .filter_map(|offered| Self::met(&offered))
            .collect();
        met.sort_by_key(|challenge| *challenge == Self::Basic);
        met.into_iter().next()
    }

    fn met(offered: &Offered) -> Option<Self> {
        if offered.scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !offered.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let realm = Url::parse(offered.parameter("realm")?).ok()?;
        // What an address says of users would be sent along.
        let names_user = !realm.username().is_empty() || realm.password().is_some();
        let service = offered.parameter("service").map(ToOwned::to_owned);
        let longest = service.as_ref().map_or(0, String::len);
        let too_long = longest.max(realm.as_str().len()) > LONGEST;
        (!names_user && !too_long).then_some(Self::Bearer { realm, service })
    }
}

/// Whether a refusal says that the login is known and may not do this: RFC 6750, section 3.1.
pub(crate) fn lacks_scope(headers: &HeaderMap) -> bool {
    offered(headers).any(|offered| offered.parameter("error") == Some("insufficient_scope"))
}

/// A challenge as it was sent.
struct Offered {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offered {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.parameters.iter();
        named
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = Offered> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .take(HEADERS)
        .map(HeaderValue::as_bytes)
        .filter(|value| value.len() <= BYTES)
        .flat_map(read)
}

/// The challenges of one header, up to where it stops to be one.
fn read(header: &[u8]) -> Vec<Offered> {
    let header = tidy(header);
    ChallengeParser::new(&header)
        .map_while(Result::ok)
        .take(CHALLENGES)
        .map(|challenge| Offered {
            scheme: challenge.scheme.to_owned(),
            parameters: challenge
                .params
                .iter()
                .map(|(name, value)| ((*name).to_owned(), original(&value.to_unescaped())))
                .collect(),
        })
        .collect()
}

/// What is escaped for the parser, and [`original`] again afterwards: all beyond ASCII, and what
/// marks an escape.
const ESCAPED: &AsciiSet = &AsciiSet::EMPTY.add(b'%');

fn original(escaped: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(escaped).collect();
    // Latin-1 where it is not UTF-8.
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

/// The same header, with single spaces and all values quoted.
fn tidy(header: &[u8]) -> String {
    let escaped = percent_encode(header, ESCAPED).to_string();
    let mut tidy = String::with_capacity(escaped.len() + 16);
    let mut rest = escaped.trim().chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' => {
                if !tidy.ends_with([' ', '=']) {
                    tidy.push(' ');
                }
            }
            '"' => {
                tidy.push('"');
                while let Some(c) = rest.next() {
                    tidy.push(c);
                    match c {
                        '"' => break,
                        '\\' => tidy.extend(rest.next()),
                        _ => {}
                    }
                }
            }
            '=' => {
                // "Bad" white space around it: RFC 9110, section 5.6.3.
                tidy.truncate(tidy.trim_end().len());
                tidy.push('=');
                while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
                if rest.peek() != Some(&'"') {
                    tidy.push('"');
                    while let Some(c) = rest.next_if(|c| !matches!(c, ' ' | '\t' | ',')) {
                        if matches!(c, '"' | '\\') {
                            tidy.push('\\');
                        }
                        tidy.push(c);
                    }
                    tidy.push('"');
                }
            }
            c => tidy.push(c),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vouch_testing::seeds::seed;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        seed("challenge", values.join(&b'\n'));
        let value = |bytes: &&[u8]| HeaderValue::from_bytes(bytes).expect("a header");
        let values = values.iter().map(value);
        values.map(|value| (WWW_AUTHENTICATE, value)).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    }

    #[test]
    fn challenges_are_read() {
        let check = |text: &[u8], expected: Option<(&str, Option<&str>)>, reason: &str| {
            let expected = expected.map(|(realm, service)| Challenge::Bearer {
                realm: Url::parse(realm).unwrap(),
                service: service.map(ToOwned::to_owned),
            });
            let shown = String::from_utf8_lossy(text);
            assert_eq!(
                Challenge::of(&headers(&[text])),
                expected,
                "{reason}: {shown}"
            );
        };
        let io = Some(("https://auth.io/", None));
        check(
            br#"Bearer realm="https://auth.io/token",service="registry, \"io\"",scope="a:b:c""#,
            Some(("https://auth.io/token", Some("registry, \"io\""))),
            "quoted commas and quotes",
        );
        check(
            b"bearer  service=io , REALM=https://auth.io/",
            Some(("https://auth.io/", Some("io"))),
            "no quotes, more spaces, other case",
        );
        check(br#"Bearer realm="https://auth.io/""#, io, "no service");
        check(
            br#"Bearer realm = "https://auth.io/""#,
            io,
            "spaces round `=`",
        );
        check(b"Bearer realm =\thttps://auth.io/ ", io, "tabs");
        check(
            br#"Negotiate, Bearer realm="https://auth.io/""#,
            io,
            "an unknown one first",
        );
        check(
            br#"Negotiate YII==, Bearer realm="https://auth.io/""#,
            io,
            "with a token68",
        );
        check(
            br#"Bearer realm="https://auth.io/", Negotiate"#,
            io,
            "an unknown one behind",
        );
        check(
            br#"Basic realm="x", Bearer realm="https://auth.io/""#,
            io,
            "Basic first",
        );
        check(
            br#"Bearer realm="https://auth.io/", Basic realm="x""#,
            io,
            "Basic behind",
        );
        check(
            br#",, Bearer realm="https://auth.io/",,"#,
            io,
            "empty members",
        );
        check(
            br#"Digest realm="x", nonce="a,b=c", Bearer realm="https://auth.io/""#,
            io,
            "another's parameters",
        );
        check(
            "Bearer realm=\"https://auth.io/tök%20en\",service=\"Käse 5%\"".as_bytes(),
            Some(("https://auth.io/t%C3%B6k%20en", Some("Käse 5%"))),
            "UTF-8",
        );
        check(
            b"Bearer realm=\"https://auth.io/t\xf6ken\",service=\"K\xe4se\"",
            Some(("https://auth.io/t%C3%B6ken", Some("Käse"))),
            "Latin-1",
        );
        check(br#"Bearer realm="/token""#, None, "a relative realm");
        check(br#"Bearer realm="https://ann:pw@auth.io/""#, None, "a user");
        check(br#"Bearer realm="https://auth.io/"#, None, "an open quote");
        check(
            br#"Bearer realm="https://auth.io/\"#,
            None,
            "an open escape",
        );
        check(b"Bearer realm", None, "no value");
        check(b"Bearer", None, "no realm");
        check(b"Negotiate", None, "nothing that we know");
        check(b"", None, "nothing");
        check(&[b'a'; BYTES + 1], None, "too long");
        let long = "x".repeat(LONGEST);
        let realm = format!("Bearer realm=\"https://auth.io/{long}\"");
        check(realm.as_bytes(), None, "a realm that is too long");
        let service = format!("Bearer realm=\"https://auth.io/\",service=\"{long}x\"");
        check(service.as_bytes(), None, "a service that is too long");
    }

    #[test]
    fn a_bearer_challenge_goes_before_basic() {
        let basic: &[u8] = b"Basic realm=x";
        let bearer: &[u8] = b"Bearer realm=\"https://auth.io/\",error=\"insufficient_scope\"";
        let of = |values: &[&[u8]]| Challenge::of(&headers(values));
        assert_eq!(of(&[b"Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(of(&[b"basic"]), Some(Challenge::Basic));
        assert_eq!(of(&[basic]), Some(Challenge::Basic));
        assert_eq!(of(&[b"Bearer realm=x, Basic"]), Some(Challenge::Basic));
        let is_bearer = |values: &[&[u8]]| matches!(of(values), Some(Challenge::Bearer { .. }));
        assert!(is_bearer(&[basic, bearer]) && is_bearer(&[bearer, basic]));
        assert!(lacks_scope(&headers(&[basic, bearer])));
        assert!(!lacks_scope(&headers(&[basic])));
    }

    #[test]
    fn what_is_read_is_bounded() {
        let many = "Basic, ".repeat(1000);
        assert_eq!(read(many.as_bytes()).len(), CHALLENGES);
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_challenge_panics(text in "(Bearer|Basic|x)[ =,\"\\\\a-c%\u{e4}]{0,60}") {
            let _ = read(text.as_bytes());
        }
    }
}
