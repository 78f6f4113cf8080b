//! What is found where, in documents as people write them and as they type them.

use super::*;
use crate::name::Digest;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn digest(text: &str) -> Digest {
    text.parse().expect(text)
}

/// What `«` and `»` enclose in a text, and the text without them.
fn marked(text: &str) -> (String, Vec<(Range, String)>) {
    let clean = text.replace(['«', '»'], "");
    let places = Places::new(&clean);
    let (mut byte, mut start, mut pieces) = (0, 0, Vec::new());
    for char in text.chars() {
        match char {
            '«' => start = byte,
            '»' => pieces.push((places.range(start..byte), clean[start..byte].to_owned())),
            _ => byte += char.len_utf8(),
        }
    }
    (clean, pieces)
}

/// What a document says of one thing that it names.
fn said(found: &Found) -> String {
    let what = match &found.what {
        What::Reference(reference) => Reference::Registry(reference.clone()).to_string(),
        What::File(path) => format!("file {path}"),
        What::Malformed(_) => "malformed".to_owned(),
    };
    match found.demanded {
        None => what,
        Some(Demanded::Manifest(digest)) => format!("{what} manifest {digest}"),
        Some(Demanded::Content(digest)) => format!("{what} content {digest}"),
    }
}

/// A document in which what is enclosed by `«` and `»` is named, and means this, in order.
fn check(name: &str, text: &str, expected: &[&str]) {
    let (text, pieces) = marked(text);
    let document = read(name, &text, &PlainHosts::default()).unwrap_or_default();
    let found = document.references.iter();
    let found: Vec<_> = found
        .map(|found| (found.range, found.written.clone()))
        .collect();
    assert_eq!(found, pieces, "{text}");
    let said: Vec<_> = document.references.iter().map(said).collect();
    assert_eq!(said, expected, "{text}");
    assert!(document.whole);
}

/// wadm's manifest with this component's image.
fn wadm(image: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n    - name: echo\n      type: component\n      properties:\n        image: {image}\n        id: echo\n"
    )
}

#[test]
fn a_scalar_is_found_however_it_is_written() {
    const ECHO: &str = "ghcr.io/acme/echo:1";
    let check = |image: &str, expected: &[&str]| check("wadm.yaml", &wadm(image), expected);
    check("«ghcr.io/acme/echo:1»", &[ECHO]);
    check("   «ghcr.io/acme/echo:1»  # the echo", &[ECHO]);
    check("\"«ghcr.io/acme/echo:1»\"", &[ECHO]);
    check("\"«ghcr.io/acme/echo:1»\"   # \"quoted\"", &[ECHO]);
    check("'«ghcr.io/acme/echo:1»'  ", &[ECHO]);
    check("\"«ghcr.io\\/acme/echo:1»\"", &[ECHO]);
    check(">-\n          «ghcr.io/acme/echo:1»", &[ECHO]);
    check("|\n          «ghcr.io/acme/echo:1»\n", &[ECHO]);
    check("&echo «ghcr.io/acme/echo:1»", &[ECHO]);
    check("&echo \"«ghcr.io/acme/echo:1»\"", &[ECHO]);
    check("!!str «ghcr.io/acme/echo:1»", &[ECHO]);
    check("!!str &ghcr.io/acme/echo:1 «ghcr.io/acme/echo:1»", &[ECHO]);
    check("\n          «ghcr.io/acme/echo:1»", &[ECHO]);
    check("«oci://ghcr.io/acme/echo:1»", &[ECHO]);
    check("«file://./build/echo.wasm»", &["file ./build/echo.wasm"]);
    check("«acme/echo:1»", &["malformed"]);
    check("«oci:/etc:1»", &["malformed"]);
    for nothing in [
        "",
        "\"\"",
        "~",
        "null",
        "wasmcloud+builtin://http-server",
        "{{ .Values.image }}",
        "\"{{ .Values.registry }}/echo:1\"",
        "ghcr.io/acme/echo:${TAG}",
    ] {
        check(nothing, &[]);
    }
}

#[test]
fn a_digest_is_written_where_the_format_has_it() {
    let check = |image: &str, range: &str, text: &str| {
        let text = text.replace("A", A);
        let (written, _) = marked(&wadm(image));
        let document = read("wadm.yaml", &written, &PlainHosts::default()).expect("is read");
        let to = Resolved {
            manifest: digest(A),
            content: None,
        };
        let edit = document.references[0].pin(to);
        let (_, pieces) = marked(&wadm(range));
        let range = pieces.first().map(|(range, _)| *range);
        assert_eq!(edit, range.map(|range| Edit { range, text }), "{image}");
    };
    let at_b = format!("ghcr.io/acme/echo:1@{B}");
    let at_a = format!("ghcr.io/acme/echo:1@{A}");
    check("ghcr.io/acme/echo:1", "ghcr.io/acme/echo:1«»", "@A");
    check("\"ghcr.io/acme/echo:1\"", "\"ghcr.io/acme/echo:1«»\"", "@A");
    check(
        &at_b,
        &at_b
            .replace('@', "«@")
            .replace("bbb\n", "")
            .replace(B, &format!("{B}»")),
        "@A",
    );
    check(&at_a, &at_a, "");
    check(
        "\"ghcr.io\\/acme/echo:1\"",
        "\"«ghcr.io\\/acme/echo:1»\"",
        "ghcr.io/acme/echo:1@A",
    );
    check("file://x.wasm", "file://x.wasm", "");
}

#[test]
fn what_is_typed_is_known() {
    let check = |name: &str, text: &str, expected: Option<(&str, Option<(&str, &str)>)>| {
        let byte = text.find('|').expect("has a cursor");
        let text = text.replace('|', "");
        let places = Places::new(&text);
        let partial = at(name, &text, places.position(byte), &PlainHosts::default());
        let said = partial.as_ref().map(|partial| {
            let tag = partial.tag.as_ref().map(|tag| {
                assert_eq!(places.at(tag.range.start), Some(byte - tag.typed.len()));
                let repository = Reference::Registry(tag.repository.clone()).to_string();
                (repository, tag.typed.clone())
            });
            (partial.typed.clone(), tag)
        });
        let expected = expected.map(|(typed, tag)| {
            let tag = tag.map(|(repository, typed)| (repository.to_owned(), typed.to_owned()));
            (typed.to_owned(), tag)
        });
        assert_eq!(said, expected, "{text}");
    };
    const ECHO: &str = "ghcr.io/acme/echo";
    let wadm = |image: &str| wadm(image);
    check(
        "w.yaml",
        &wadm("ghcr.io/acme/echo:|"),
        Some(("ghcr.io/acme/echo:", Some((ECHO, "")))),
    );
    check(
        "w.yaml",
        &wadm("ghcr.io/acme/echo:0.|"),
        Some(("ghcr.io/acme/echo:0.", Some((ECHO, "0.")))),
    );
    check(
        "w.yaml",
        &wadm("ghcr.io/acme/echo:0|.1"),
        Some(("ghcr.io/acme/echo:0", Some((ECHO, "0")))),
    );
    check(
        "w.yaml",
        &wadm("oci://ghcr.io/acme/echo:|"),
        Some(("oci://ghcr.io/acme/echo:", Some((ECHO, "")))),
    );
    check(
        "w.yaml",
        &wadm("\"ghcr.io/acme/echo:|"),
        Some(("ghcr.io/acme/echo:", Some((ECHO, "")))),
    );
    check(
        "w.yaml",
        &wadm("'ghcr.io/acme/echo:|"),
        Some(("ghcr.io/acme/echo:", Some((ECHO, "")))),
    );
    check("w.yaml", &wadm("ghcr.io/ac|"), Some(("ghcr.io/ac", None)));
    check("w.yaml", &wadm("localhost:|"), Some(("localhost:", None)));
    check("w.yaml", &wadm("|"), Some(("", None)));
    check(
        "w.yaml",
        &format!("a|: 1\n---\n{}", wadm("ghcr.io/acme/echo:1")),
        None,
    );
}
