//! Names, right and wrong, and that each place has one.

use super::{testing::reference, *};
use crate::error::{Error, Result};
use proptest::prelude::*;
use std::path::Path;
use vouch_protocol::ErrorKind;
use vouch_testing::seeds::seed;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Parses as it is without a config.
fn parsed(text: &str) -> Result<Reference> {
    PlainHosts::default().reference(text)
}

fn registry(text: &str) -> Result<Registry> {
    PlainHosts::default().registry(text)
}

#[test]
fn what_is_written_is_what_is_meant() {
    let check = |text: &str| {
        seed("reference", text);
        assert_eq!(reference(text).to_string(), text);
    };
    check("ghcr.io/acme/echo:0.3.4");
    check("ghcr.io/acme/echo");
    check("localhost/echo:1");
    check("127.0.0.1:5000/a/b/c:1");
    check("registry.example/echo:V1");
    check(&format!("ghcr.io/acme/echo@sha256:{HEX}"));
    check(&format!("ghcr.io/acme/echo:1@sha256:{HEX}"));
    check("[::1]:5000/echo:1");
    check("127.0.0.1:5000/a__b/c.d/e---f:v1.0_x-y");
    check("oci:/tmp/layout:1");
    check("oci:/tmp/lay:out/x");
    check(&format!("oci:/tmp/layout:1@sha256:{HEX}"));
}

#[test]
fn what_is_not_a_reference_is_refused() {
    let check = |text: &str, why: &str| {
        seed("reference", text);
        let error = parsed(text).expect_err(why);
        assert_eq!(error.kind(), ErrorKind::InvalidReference, "{why}");
    };
    check("", "nothing");
    check("echo:1", "no registry");
    check("acme/echo:1", "docker would send it to a default");
    check("ghcr.io/", "no repository");
    check("ghcr.io//echo:1", "an empty part");
    check("ghcr.io/a..b:1", "two dots");
    check("ghcr.io/a___b:1", "three underscores");
    check("ghcr.io/-a:1", "a part that starts with a dash");
    check("-ghcr.io/a:1", "a host that starts with a dash");
    check("ghcr.io:/a:1", "an empty port");
    check("ghcr.io:0/a:1", "a port that nothing listens on");
    check("ghcr.io:65536/a:1", "a port past the last");
    check("ghcr.io:+80/a:1", "a port with a sign");
    check("256.0.0.1/a:1", "an address past the last");
    check("1.2.3.4.5/a:1", "an address of five parts");
    check("[::1/a:1", "half an address");
    check("[::1]x/a:1", "an address and more");
    check("[1.2.3.4]/a:1", "an IPv4 address in brackets");
    check("ann@ghcr.io/a:1", "a user");
    check("ghcr.io/a:é", "a tag of other letters");
    check(&format!("ghcr.io/a:{}", "x".repeat(129)), "a long tag");
    check(
        &format!("ghcr.io/{}:1", "x".repeat(256)),
        "a long repository",
    );
    check("ghcr.io/Acme/Echo:1", "repositories are lower case");
    check("ghcr.io/acme/../etc:1", "a path");
    check("https://ghcr.io/acme/echo:1", "a URL");
    check("ghcr.io/acme/echo:", "an empty tag");
    check("ghcr.io/acme/echo:a b", "white space");
    check("ghcr.io/acme/echo@sha256:00", "a short digest");
    check("ghcr.io/acme/echo@md5:00", "another algorithm");
    check("oci:relative/layout:1", "a relative layout");
    check("oci://relative/layout:1", "a URL");
    check("oci:///tmp/layout:1", "a URL of a path");
    check("oci:", "nothing behind it");
    check("oci:/tmp/layout:", "an empty tag");
    check("oci:/tmp/layout:a b", "white space in a tag");
    check("oci:/tmp/lay\0out:1", "a NUL");
    check(&"a".repeat(6 * 1024), "too long");
}

#[test]
fn two_meanings_are_spelt_out() {
    let check = |text: &str, registry: &str, layout: &str| {
        let error = parsed(text).expect_err(text);
        let help = error.data().help.expect("it helps");
        assert!(help.contains(&format!("`{registry}`")), "{help}");
        assert!(help.contains(layout), "{help}");
    };
    let meant = "ghcr.io/acme/echo:1";
    check(
        "oci://ghcr.io/acme/echo:1",
        meant,
        "`oci:/ghcr.io/acme/echo:1`",
    );
    check(
        "oci:ghcr.io/acme/echo:1",
        meant,
        "`oci:/path/to/layout:tag`",
    );
}

#[test]
fn a_registry_has_one_name() {
    let check = |text: &str, expected: Option<&str>| {
        let registry = registry(text).ok();
        assert_eq!(
            registry.as_ref().map(Registry::as_str),
            expected,
            "{text:?}"
        );
    };
    for text in [
        "127.0.0.1:5000",
        "127.1:5000",
        "0x7f.1:5000",
        "0177.0.0.1:5000",
        "2130706433:5000",
        "127.0.0.1:05000",
    ] {
        check(text, Some("127.0.0.1:5000"));
    }
    check("LOCALHOST:5000", Some("localhost:5000"));
    check("[::0:1]", Some("[::1]"));
    check("[::FFFF:127.0.0.1]", Some("[::ffff:7f00:1]"));
    check("Registry.example:5000", Some("registry.example:5000"));
    check("ghcr.io:443", Some("ghcr.io"));
    check("192.0.2.1:443", Some("192.0.2.1"));
    check("ghcr.io:80", Some("ghcr.io:80"));
    // Plain HTTP is the default there, at port 80.
    check("localhost:443", Some("localhost:443"));
    check("127.1:443", Some("127.0.0.1:443"));
    check("[::1]:443", Some("[::1]:443"));
    // Without its port it could be the first part of a repository.
    check("registry:443", Some("registry:443"));
    let mirror: HostPort = "registry".parse().unwrap();
    assert_eq!(PlainHosts::default().name(&mirror).as_str(), "registry:443");
    let plain = PlainHosts::new([mirror.clone()]);
    assert_eq!(plain.name(&mirror).as_str(), "registry:80");
    check("registry", None);
    check("2130706433", None);
    for text in [
        "Docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "registry.hub.docker.com",
        "index.docker.io:443",
    ] {
        check(text, Some("docker.io"));
    }
    check("docker.io:5000", Some("docker.io:5000"));
    check("registry.example/acme", None);
    check("ann@registry.example", None);
    check("registry.example:99999", None);
    check("", None);
}

#[test]
fn under_plain_http_the_port_tells_places_apart() {
    let plain = PlainHosts::new(
        ["plain.example", "kept.example:443", "other.example:5000"]
            .map(|name| name.parse().expect(name)),
    );
    let check = |text: &str, expected: &str| {
        assert_eq!(plain.registry(text).expect(text).as_str(), expected);
        let text = format!("{text}/acme/echo:1");
        let expected = format!("{expected}/acme/echo:1");
        assert_eq!(plain.reference(&text).expect(&text).to_string(), expected);
        let again = plain.reference(&expected).expect(&expected);
        assert_eq!(again.to_string(), expected);
    };
    check("plain.example", "plain.example");
    check("Plain.example:443", "plain.example:443");
    check("kept.example:443", "kept.example:443");
    check("kept.example:80", "kept.example:80");
    check("other.example:443", "other.example");
    check("tls.example:443", "tls.example");
}

#[test]
fn docker_hub_has_one_name_and_an_address() {
    for text in [
        "docker.io/echo:1",
        "index.docker.io/library/echo:1",
        "registry-1.docker.io/echo:1",
    ] {
        assert_eq!(reference(text).to_string(), "docker.io/library/echo:1");
    }
    let check = |text: &str, address: &str| {
        assert_eq!(registry(text).expect(text).address(), address);
    };
    check("index.docker.io", "registry-1.docker.io");
    check("ghcr.io", "ghcr.io");
}

#[test]
fn a_layout_s_path_ends_where_its_tag_begins() {
    let digest = Digest::of(b"");
    let check = |text: &str, path: &str, tag: Option<&str>, digest: Option<Digest>| {
        let Reference::Layout(layout) = reference(text) else {
            panic!("{text} is a layout");
        };
        let found = (layout.path.as_path(), layout.tag.as_ref().map(Tag::as_str));
        assert_eq!(found, (Path::new(path), tag), "{text}");
        assert_eq!(layout.digest, digest, "{text}");
        let printed = Reference::Layout(layout.clone()).to_string();
        assert_eq!(reference(&printed), Reference::Layout(layout), "{printed}");
    };
    check("oci:/a", "/a", None, None);
    check("oci:/a:b", "/a", Some("b"), None);
    check("oci:/a:b/", "/a:b", None, None);
    check("oci:/a:b:c", "/a:b", Some("c"), None);
    check("oci:/a:b/:c", "/a:b", Some("c"), None);
    check("oci:/a:b/c", "/a:b/c", None, None);
    check("oci:/a@b:c", "/a@b", Some("c"), None);
    check(&format!("oci:/a:b@{digest}"), "/a", Some("b"), Some(digest));
    check(&format!("oci:/a:b/@{digest}"), "/a:b", None, Some(digest));
    check("oci:/a@sha256:b/", "/a@sha256:b", None, None);
    check("oci:/a@sha256:b/:c", "/a@sha256:b", Some("c"), None);
    check("oci:/a:1@sha256/:b", "/a:1@sha256", Some("b"), None);
    // Without the `/` the tag would be read as a digest.
    check(
        &format!("oci:/a@sha256/:{HEX}"),
        "/a@sha256",
        Some(HEX),
        None,
    );
    check("oci:/a@sha256", "/a@sha256", None, None);
    check("oci:/", "/", None, None);
    // Spellings of one path.
    check("oci:/a//b/./c/:d", "/a/b/c", Some("d"), None);
}

#[test]
fn a_moving_reference_needs_to_be_allowed() {
    let check = |text: &str, pinned: bool| {
        let reference = reference(text);
        assert_eq!(reference.clone().pinned(false).is_ok(), pinned, "{text}");
        assert!(reference.pinned(true).is_ok());
    };
    check("ghcr.io/acme/echo", false);
    check("ghcr.io/acme/echo:latest", false);
    check("oci:/tmp/layout", false);
    check("ghcr.io/acme/echo:1", true);
    check(&format!("ghcr.io/acme/echo@sha256:{HEX}"), true);
    check(&format!("ghcr.io/acme/echo:latest@sha256:{HEX}"), true);
}

#[test]
fn nothing_is_published_where_signatures_are_looked_for() {
    let check = |tag: &str, expected: Option<&str>| {
        for text in [
            format!("ghcr.io/acme/echo:{tag}"),
            format!("ghcr.io/acme/echo:{tag}@sha256:{HEX}"),
            format!("oci:/tmp/layout:{tag}"),
        ] {
            let refused = reference(&text).destination().err();
            let kind = refused.as_ref().map(Error::kind);
            assert_eq!(
                kind,
                expected.map(|_| ErrorKind::InvalidReference),
                "{text}"
            );
            if let (Some(refused), Some(expected)) = (refused, expected) {
                assert!(refused.message().contains(expected), "{refused}");
                assert!(refused.data().help.is_some());
            }
        }
    };
    let of = format!("signs sha256:{HEX}: ");
    for suffix in ["", ".sig", ".att", ".sbom"] {
        check(&format!("sha256-{HEX}{suffix}"), Some(&of));
    }
    // Of a longer digest, the first 64 digits.
    check(&format!("sha512-{HEX}"), Some("signs sha512:"));
    check(
        &format!("sha256-{}", HEX.to_uppercase()),
        Some("signs sha256:"),
    );
    for tag in ["1", "latest", "sha256-0123", "sha256", HEX] {
        check(tag, None);
    }
    for (before, behind) in [
        ("", "."),
        ("", "0"),
        ("", ".sigs"),
        ("", ".sig.1"),
        ("", "-1"),
        ("v", ""),
    ] {
        check(&format!("{before}sha256-{HEX}{behind}"), None);
    }
    check(&format!("sha1-{HEX}"), None);
    check(&format!("sha256-{}", "g".repeat(64)), None);
    // A digest alone is not a tag.
    reference(&format!("ghcr.io/acme/echo@sha256:{HEX}"))
        .destination()
        .unwrap();
}

#[test]
fn what_may_be_a_password_is_not_shown() {
    let check = |text: &str, expected: &str| assert_eq!(without_secrets(text), expected);
    check("ghcr.io/acme/Echo:1", "ghcr.io/acme/Echo:1");
    check("ghcr.io/Echo@sha256:ab", "ghcr.io/Echo@sha256:ab");
    check("https://ann:pass@ghcr.io/x", "…@ghcr.io/x");
    check("ann:p@ss/word@ghcr.io/x@sha256:ab", "…@ghcr.io/x@sha256:ab");
    check("https://ghcr.io/x?sig=pass@word", "https://ghcr.io/x?…");
    check("oci:a@b?c", "oci:a@b?c");
    check(&"é".repeat(200), &"é".repeat(100));
    for text in ["https://ann:pass@ghcr.io/x", "oci://ann:pass@ghcr.io/x"] {
        let error = parsed(text).expect_err(text);
        let help = error.data().help.unwrap_or_default();
        assert!(
            !format!("{error} {help}").contains("pass"),
            "{error} {help}"
        );
    }
}

#[test]
fn texts_are_cut_between_characters() {
    let check = |text: &str, longest, expected| {
        assert_eq!(shortened(text, longest), expected);
    };
    check("", 3, "");
    check("abc", 3, "abc");
    check("abcd", 3, "abc");
    check("ab\u{fc}", 3, "ab");
    check("\u{1f600}", 3, "");
}

/// A host, in one of its spellings.
fn host() -> impl Strategy<Value = String> {
    let numbers = [
        "127.1",
        "0x7f.0.0.1",
        "127.0.0.1",
        "010.0.0.1",
        "1.2.3.4",
        "[::1]",
        "[::0:1]",
    ];
    prop_oneof![
        prop::sample::select(numbers.to_vec()).prop_map(ToOwned::to_owned),
        "(index\\.|registry-1\\.)?[dD]ocker\\.io",
        "[a-zA-Z0-9]{1,4}(-[a-z0-9]{1,3})?(\\.[a-zA-Z]{1,3}){0,2}",
    ]
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,300}") {
        let _ = parsed(&text);
        let _ = registry(&text);
        let _ = text.parse::<Digest>();
    }

    #[test]
    fn a_digest_prints_as_it_was(bytes in any::<[u8; 32]>()) {
        let digest = Digest::new(bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>().expect("it printed it"), digest);
    }

    #[test]
    fn what_parses_prints_as_it_was(text in "(oci:/|[a-z]{1,3}(\\.[a-z]{1,2})?(:443|:80)?/)?[a-z.:/@]{0,40}(@sha256/?)?(:[a-z]{1,3})?(@sha256:[a-z]?)?/?", digest in any::<Option<[u8; 32]>>()) {
        if let Ok(reference) = parsed(&text) {
            let reference = match digest {
                Some(digest) => reference.with_digest(Digest::new(digest)),
                None => reference,
            };
            let again = parsed(&reference.to_string()).expect("it printed it");
            prop_assert_eq!(again, reference);
        }
    }

    /// Under every config: what a name prints is its name, and case, zeros and TLS's port change
    /// nothing but where the config says so.
    #[test]
    fn every_spelling_of_a_place_is_one_name(
        host in host(),
        port in prop::option::of(prop_oneof![Just(443_u16), Just(80), 1_u16..]),
        zeros in "0{0,3}",
        plain in any::<bool>(),
    ) {
        let with = |zeros: &str| match port {
            Some(port) => format!("{host}:{zeros}{port}"),
            None => host.clone(),
        };
        let text = with("");
        let hosts = PlainHosts::new(plain.then(|| host.parse().ok()).flatten());
        if let Ok(registry) = hosts.registry(&text) {
            let again = hosts.registry(registry.as_str()).expect("it printed it");
            prop_assert_eq!(&again, &registry);
            for spelling in [with(&zeros), text.to_ascii_lowercase(), text.to_ascii_uppercase()] {
                prop_assert_eq!(&hosts.registry(&spelling).expect("another spelling"), &registry);
            }
        }
    }

    /// What we take, the reference implementation takes, and means the same by it.
    #[test]
    fn we_read_what_others_read(
        text in "[a-zA-Z0-9.-]{1,8}(:[0-9]{1,4})?(/[a-z0-9._-]{1,6}){1,3}(:[a-zA-Z0-9._-]{1,5})?"
    ) {
        let theirs = oci_distribution::Reference::try_from(text.as_str());
        let first = text.split('/').next().unwrap_or_default();
        match parsed(&text) {
            Ok(Reference::Registry(ours)) => {
                let theirs = theirs.expect("they take it too");
                let registry = registry(theirs.registry()).expect("it is a registry");
                prop_assert_eq!(registry, ours.registry);
                prop_assert_eq!(theirs.repository(), ours.repository.as_str());
                let tag = ours.tag.as_ref().map_or("latest", Tag::as_str);
                prop_assert_eq!(theirs.tag(), Some(tag));
            }
            // They know neither what a port may be nor which numbers are not addresses.
            _ => prop_assert!(theirs.is_err() || registry(first).is_err(), "{text} is theirs alone"),
        }
    }
}
