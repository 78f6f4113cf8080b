//! What is found where, in documents as people write them and as they type them.

use super::*;
use crate::name::Digest;
use vouch_testing::seeds::seed;

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
    // As the fuzz target reads it: where the cursor is, what the document is called, its text.
    seed("document", format!("{}{name}\n{text}", "\0".repeat(8)));
    let nothing = Document {
        whole: true,
        ..Document::default()
    };
    let document = read(name, &text, &PlainHosts::default()).unwrap_or(nothing);
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
    check("'«ghcr.io/acme/échö:1»'", &["malformed"]);
    check("'«it''s ''ü»'", &["malformed"]);
    check("\"«ghcr.io/ü\\\"/é:1»\"", &["malformed"]);
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
fn an_escape_hides_no_document() {
    let plain = wadm("«ghcr.io/acme/echo:1»");
    for (written, escaped) in [
        ("core.oam.dev/v1beta1", "\"core.oam\\u002edev/v1beta1\""),
        ("core.oam.dev/v1beta1", "\"core.\\\n  oam.dev/v1beta1\""),
    ] {
        let text = plain.replace(written, escaped);
        check("wadm.yaml", &text, &["ghcr.io/acme/echo:1"]);
    }
}

#[test]
fn a_digest_is_written_where_the_format_has_it() {
    let check = |image: &str, range: &str, text: &str| {
        let text = text.replace('A', A);
        let (written, _) = marked(&wadm(image));
        let document = read("wadm.yaml", &written, &PlainHosts::default()).expect("is read");
        let to = Resolved {
            manifest: digest(A),
            content: None,
        };
        let edits = document.references[0].pin(to);
        let (_, pieces) = marked(&wadm(range));
        let range = pieces.first().map(|(range, _)| *range);
        let expected: Vec<Edit> = range
            .map(|range| Edit { range, text })
            .into_iter()
            .collect();
        assert_eq!(edits, expected, "{image}");
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
    let wadm = |image: &str| wadm(image);
    let echo = "ghcr.io/acme/echo";
    check(
        "w.yaml",
        &wadm("ghcr.io/acme/echo:|"),
        Some(("ghcr.io/acme/echo:", Some((echo, "")))),
    );
    check(
        "w.yaml",
        &wadm("ghcr.io/acme/echo:0.|"),
        Some(("ghcr.io/acme/echo:0.", Some((echo, "0.")))),
    );
    check(
        "w.yaml",
        &wadm("ghcr.io/acme/echo:0|.1"),
        Some(("ghcr.io/acme/echo:0", Some((echo, "0")))),
    );
    check(
        "w.yaml",
        &wadm("oci://ghcr.io/acme/echo:|"),
        Some(("oci://ghcr.io/acme/echo:", Some((echo, "")))),
    );
    check(
        "w.yaml",
        &wadm("\"ghcr.io/acme/echo:|"),
        Some(("ghcr.io/acme/echo:", Some((echo, "")))),
    );
    check(
        "w.yaml",
        &wadm("'ghcr.io/acme/echo:|"),
        Some(("ghcr.io/acme/echo:", Some((echo, "")))),
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

#[test]
fn each_kind_of_document_names_its_artifacts() {
    let kubewarden = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nspec:\n  module: «registry://ghcr.io/kubewarden/policies/psp:v0.1.3»\n";
    check(
        "policy.yaml",
        kubewarden,
        &["ghcr.io/kubewarden/policies/psp:v0.1.3"],
    );
    let group = "apiVersion: policies.kubewarden.io/v1\nkind: AdmissionPolicyGroup\nspec:\n  policies:\n    a:\n      module: «ghcr.io/a/b:1»\n    b:\n      module: «registry://ghcr.io/a/c:1»\n";
    check("policy.yml", group, &["ghcr.io/a/b:1", "ghcr.io/a/c:1"]);
    let server = "psp:\n  url: «registry://ghcr.io/a/psp:1»\nlocal:\n  url: «file:///tmp/p.wasm»\nweb:\n  url: https://example.org/p.wasm\n";
    check(
        "/etc/policies.yml",
        server,
        &["ghcr.io/a/psp:1", "file /tmp/p.wasm"],
    );

    let deployment = "apiVersion: v1\nkind: Service\nspec:\n  image: ghcr.io/not/this:1\n---\napiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadDeployment\nspec:\n  template:\n    spec:\n      components:\n        - name: a\n          image: «ghcr.io/a/b:1»\n        - image: «ghcr.io/a/c:1»\n      service:\n        image: «ghcr.io/a/d:1»\n---\napiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Artifact\nspec:\n  image: «ghcr.io/a/e:1»\n";
    check(
        "all.yaml",
        deployment,
        &[
            "ghcr.io/a/b:1",
            "ghcr.io/a/c:1",
            "ghcr.io/a/d:1",
            "ghcr.io/a/e:1",
        ],
    );
    let json = r#"{"kind": "List", "items": [{"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "Workload", "spec": {"components": [{"image": "«ghcr.io/a/b:1»"}]}}]}"#;
    check("list.json", json, &["ghcr.io/a/b:1"]);

    let wash = format!(
        "dev:\n  service_image: «ghcr.io/a/s:1»\n  components:\n    - image: «ghcr.io/a/c:1»\n    - file: x.wasm\n  host_plugins:\n    - id: p\n      image: «ghcr.io/a/p:1»\n      expectedDigest: {A}\n"
    );
    let demanded = format!("ghcr.io/a/p:1 manifest {A}");
    check(
        "file:///x/.wash/config.yaml",
        &wash,
        &["ghcr.io/a/s:1", "ghcr.io/a/c:1", &demanded],
    );
    check("config.yaml", &wash.replace(['«', '»'], ""), &[]);

    let hex = &A["sha256:".len()..];
    let istio = format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  url: «oci://ghcr.io/a/filter:1»\n  sha256: {hex}\n"
    );
    check(
        "plugin.yaml",
        &istio,
        &[&format!("ghcr.io/a/filter:1 manifest {A}")],
    );
    let envoy = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nspec:\n  wasm:\n    - name: f\n      code:\n        type: Image\n        image:\n          url: «ghcr.io/a/filter:1»\n    - code:\n        http:\n          url: https://example.org/f.wasm\n";
    check("policy.yaml", envoy, &["ghcr.io/a/filter:1"]);
    let spin_app = "apiVersion: core.spinkube.dev/v1alpha1\nkind: SpinApp\nspec:\n  image: \"«ghcr.io/a/spin:v1»\"\n";
    check("app.yaml", spin_app, &["ghcr.io/a/spin:v1"]);
    let hyper = "{\n  \"plugins\": {\n    \"time\": {\"url\": \"«oci://ghcr.io/a/time:latest»\"},\n    \"web\": {\"url\": \"https://example.org\"},\n  }\n}\n";
    check("config.json", hyper, &["ghcr.io/a/time:latest"]);
    let hyper = "plugins:\n  time:\n    url: «oci://ghcr.io/a/time:latest»\n";
    check("mcp.yaml", hyper, &["ghcr.io/a/time:latest"]);
}

#[test]
fn each_toml_names_its_artifacts() {
    let lock = format!(
        "version = 1\n\n[[packages]]\nname = \"wasi:http\"\nregistry = \"wasi.dev\"\n\n[[packages.versions]]\nrequirement = \"=0.2.0\"\nversion = \"«0.2.0»\"\ndigest = \"{A}\"\n\n[[packages.versions]]\nrequirement = \"=0.2.1\"\nversion = '«0.2.1»'\ndigest = \"{B}\"\n\n[[packages]]\nname = \"acme:echo\"\nregistry = \"localhost:5000\"\n[[packages.versions]]\nversion = \"«1.0.0»\"\n\n[[packages]]\nname = \"nobody:knows\"\n[[packages.versions]]\nversion = \"1.0.0\"\n"
    );
    check(
        "/x/wkg.lock",
        &lock,
        &[
            &format!("ghcr.io/webassembly/wasi/http:0.2.0 content {A}"),
            &format!("ghcr.io/webassembly/wasi/http:0.2.1 content {B}"),
            "localhost:5000/acme/echo:1.0.0",
        ],
    );
    let manifest = "[package]\nname = \"x/y\"\n[dependencies]\n\"wasi:logging\" = \"«ghcr.io/webassembly/wasi-logging:1.0.0»\"\n[dependencies.components]\n\"root:component\" = \"0.1.0\"\n[dependencies.interfaces.\"wasi:x\"]\nregistry = \"ghcr.io\"\nnamespace = \"webassembly\"\npackage = \"wasi-x\"\nversion = \"«1.0.0»\"\n[dependencies.\"wasi:y\"]\nregistry = \"ghcr.io\"\nnamespace = \"w\"\npackage = \"y\"\nversion = \"^1.0\"\n";
    check(
        "wasm.toml",
        manifest,
        &[
            "ghcr.io/webassembly/wasi-logging:1.0.0",
            "ghcr.io/webassembly/wasi-x:1.0.0",
        ],
    );
    let lock = format!(
        "lockfile_version = 3\n[[components]]\nname = \"a:b\"\nversion = \"1.0.0\"\nregistry = \"«ghcr.io/a/b»\"\ndigest = \"{A}\"\n[[components.dependencies]]\nname = \"c:d\"\n[[interfaces]]\nversion = \"2.0.0\"\nregistry = \"«ghcr.io/c/d»\"\n"
    );
    check(
        "wasm.lock.toml",
        &lock,
        &[
            &format!("ghcr.io/a/b:1.0.0 manifest {A}"),
            "ghcr.io/c/d:2.0.0",
        ],
    );
    let spin = "spin_manifest_version = 2\n[component.a]\nsource = { registry = \"ttl.sh\", package = \"user:x\", version = \"«1.0.0»\" }\n[component.b]\nsource = \"b.wasm\"\n[component.c.source]\nurl = \"https://example.org/c.wasm\"\n";
    check("spin.toml", spin, &["ttl.sh/user/x:1.0.0"]);
    let old = "[[component]]\nid = \"a\"\n[component.source]\nregistry = \"ttl.sh\"\npackage = \"user:x\"\nversion = \"«1.0.0»\"\n";
    check("spin.toml", old, &["ttl.sh/user/x:1.0.0"]);
    check("Cargo.toml", old.replace(['«', '»'], "").as_str(), &[]);
}

#[test]
fn a_digest_beside_a_reference_is_moved_there() {
    let check = |name: &str, text: &str, expected: &[&str]| {
        let document = read(name, text, &PlainHosts::default()).expect("is read");
        let content = Some(digest(B));
        let edits = document.references[0].pin(Resolved {
            manifest: digest(A),
            content,
        });
        let places = Places::new(text);
        let said: Vec<_> = edits
            .iter()
            .map(|edit| {
                let piece = places.at(edit.range.start).expect("is there")
                    ..places.at(edit.range.end).expect("is there");
                format!("{} -> {}", &text[piece], edit.text)
            })
            .collect();
        assert_eq!(said, expected, "{text}");
    };
    let c = A.replace("aaaa", "cccc");
    let wkg = format!(
        "[[packages]]\nname = \"a:b\"\nregistry = \"ghcr.io\"\n[[packages.versions]]\nversion = \"1.0.0\"\ndigest = \"{c}\"\n"
    );
    check("wkg.lock", &wkg, &[&format!("{c} -> {B}")]);
    check("wkg.lock", &wkg.replace(&c, B), &[]);
    let istio = |url: &str, digest: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  sha256: {digest}\n  url: {url}\n"
        )
    };
    check(
        "p.yaml",
        &istio("oci://ghcr.io/a/b:1", &c[7..]),
        &[&format!("{} -> {}", &c[7..], &A[7..])],
    );
    check(
        "p.yaml",
        &istio("oci://ghcr.io/a/b:1", ""),
        &[&format!(" -> @{A}")],
    );
    let both = [
        format!("@{c} -> @{A}"),
        format!("{} -> {}", &c[7..], &A[7..]),
    ];
    check(
        "p.yaml",
        &istio(&format!("oci://ghcr.io/a/b:1@{c}"), &c[7..]),
        &[&both[0], &both[1]],
    );
    let wash =
        format!("dev:\n  host_plugins:\n    - image: ghcr.io/a/p:1\n      expectedDigest: {c}\n");
    check(".wash/config.yaml", &wash, &[&format!("{c} -> {A}")]);
    check(
        "spin.toml",
        "[component.a]\nsource = { registry = \"t.sh\", package = \"a:b\", version = \"1.0.0\" }\n",
        &[],
    );
}

#[test]
fn a_digest_that_is_not_known_is_not_left_as_it_was() {
    let text = format!(
        "[[packages]]\nname = \"a:b\"\nregistry = \"ghcr.io\"\n[[packages.versions]]\nversion = \"1.0.0\"\ndigest = \"{B}\"\n"
    );
    let document = read("wkg.lock", &text, &PlainHosts::default()).expect("is read");
    let unknown = Resolved {
        manifest: digest(A),
        content: None,
    };
    assert_eq!(document.references[0].pin(unknown), []);
}

#[test]
fn digests_that_contradict_each_other_are_seen() {
    let check = |own: &str, beside: &str, expected: &str| {
        let text = format!(
            "dev:\n  host_plugins:\n    - image: «ghcr.io/a/p:1{own}»\n      expectedDigest: {beside}\n"
        );
        check(".wash/config.yaml", &text, &[expected]);
    };
    let (at_a, at_b) = (format!("@{A}"), format!("@{B}"));
    check(&at_a, A, &format!("ghcr.io/a/p:1{at_a} manifest {A}"));
    check(&at_b, A, &format!("malformed manifest {A}"));
    check(&at_a, "", &format!("ghcr.io/a/p:1{at_a}"));
    check("", "sha256:00", "malformed");
}

/// Each alias has what is demanded beside it.
#[test]
fn an_alias_does_not_hide_what_is_demanded_beside_another() {
    let plugins = |digests: &[&str]| {
        let mut text = "dev:\n  host_plugins:\n    - image: &p ghcr.io/a/p:1\n".to_owned();
        for digest in digests {
            text.push_str("      expectedDigest: ");
            text.push_str(digest);
            text.push_str("\n    - image: *p\n");
        }
        let document = read(".wash/config.yaml", &text, &PlainHosts::default()).expect("is read");
        document.references.iter().map(said).collect::<Vec<_>>()
    };
    let demands = |digest| format!("ghcr.io/a/p:1 manifest {digest}");
    let none = "ghcr.io/a/p:1".to_owned();
    let all = [none.clone(), demands(A), demands(B)];
    assert_eq!(plugins(&[A, B, A]), all);
    assert_eq!(plugins(&[]), std::slice::from_ref(&none));
    assert_eq!(
        plugins(&["x", B]),
        [none, "malformed".to_owned(), demands(B)]
    );
}

/// A file with references of several kinds, in several documents, and how many.
const MANY: &str = "# of two kinds\napiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: hello\n  annotations:\n    description: 'Says hello'\nspec:\n  components:\n    - name: one\n      type: component\n      properties:\n        image: ghcr.io/acme/one:1.0.0\n      traits:\n        - type: spreadscaler\n          properties:\n            instances: 1\n    - name: two\n      type: component\n      properties:\n        image: \"ghcr.io/acme/two:2.0.0\"\n    - name: three\n      properties: {image: 'ghcr.io/acme/three:3', id: three}\n    - name: four\n      properties:\n        image: >-\n          ghcr.io/acme/four:4\n---\napiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata:\n  name: psp\nspec:\n  module: registry://ghcr.io/acme/five:v5\n  rules:\n    - apiGroups: [\"\"]\n      resources: [pods]\n      operations:\n        - CREATE\n  mutating: true\n---\napiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadDeployment\nspec:\n  template:\n    spec:\n      components:\n        - name: six\n          image: ghcr.io/acme/six:6\n        - name: seven\n          image: ghcr.io/acme/seven:7 # for now\n      service:\n        image: ghcr.io/acme/eight:8\n";

/// Cuts a text at each character, but for the lines that begin with a key of its structure: what stands behind it in its line is gone, as where
/// somebody types. Of the references in other lines this share must be found still.
fn cut(name: &str, text: &str, structure: &[&str], least: f64) {
    let plain = PlainHosts::default();
    let places = Places::new(text);
    let all = read(name, text, &plain).expect("is read").references;
    let (mut found, mut wanted, mut cuts) = (0_u32, 0_u32, 0_u32);
    for (byte, _) in text.char_indices() {
        let line = places.line_of(byte);
        let end = places.line(line).end;
        if byte > end {
            continue;
        }
        // Such a line is part of what the references below it are known by.
        let key = text[places.line(line)].trim_start_matches([' ', '-']);
        let key = key.split([':', '=']).next().unwrap_or_default().trim();
        if structure.contains(&key) {
            continue;
        }
        cuts += 1;
        let broken = format!("{}{}", &text[..byte], &text[end..]);
        let now = read(name, &broken, &plain).unwrap_or_default().references;
        let broken = Places::new(&broken);
        for one in &now {
            let piece = broken.at(one.range.start).expect("is there")
                ..broken.at(one.range.end).expect("is there");
            assert_eq!(&broken.text()[piece], one.written);
        }
        for one in all
            .iter()
            .filter(|one| one.range.start.line as usize != line)
        {
            wanted += 1;
            found += u32::from(
                now.iter()
                    .any(|other| other.range == one.range && other.written == one.written),
            );
        }
    }
    let share = f64::from(found) / f64::from(wanted);
    assert!(share >= least, "{found} of {wanted} in {cuts} cuts");
}

#[test]
fn what_is_broken_hides_little_of_the_rest() {
    let structure = [
        "apiVersion",
        "kind",
        "spec",
        "template",
        "components",
        "properties",
        "service",
    ];
    cut("many.yaml", MANY, &structure, 0.96);
    cut("many.yaml", &MANY.replace('\n', "\r\n"), &structure, 0.96);
    let package = |n| {
        format!(
            "[[packages]]\nname = \"acme:p{n}\"\nregistry = \"ghcr.io\"\n\n[[packages.versions]]\nrequirement = \"={n}.0.0\"\nversion = \"{n}.0.0\"\ndigest = \"{A}\"\n\n"
        )
    };
    let lock: Vec<_> = (1..6).map(package).collect();
    let lock = lock.concat();
    let structure = ["[[packages]]", "[[packages.versions]]", "name", "registry"];
    cut("wkg.lock", &lock, &structure, 0.96);
}

#[test]
fn what_templates_put_there_hides_nothing() {
    let chart = "{{- if .Values.enabled }}\napiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadDeployment\nmetadata:\n  name: {{ include \"x.name\" . }}\n  labels:\n    {{- include \"x.labels\" . | nindent 4 }}\nspec:\n  template:\n    spec:\n      components:\n        - name: ä{{ .Release.Name }}\n          image: «ghcr.io/a/b:1»\n        {{- range .Values.more }}\n        - image: {{ .image }}\n        {{- end }}\n        - image: \"{{ .Values.repository }}:{{ .Values.tag }}\"\n        - {image: '«ghcr.io/a/c:2»'}\n{{- end }}\n";
    check(
        "templates/app.yaml",
        chart,
        &["ghcr.io/a/b:1", "ghcr.io/a/c:2"],
    );
}

/// A document that is unclear in the line that has `†`; or where none has it, in which what `«` and `»`
/// enclose is named.
fn unclear(name: &str, text: &str) {
    let line = text.find('†').map(|byte| {
        let places = Places::new(text);
        places.position(byte).line
    });
    let (text, pieces) = marked(&text.replace('†', ""));
    seed("document", format!("{}{name}\n{text}", "\0".repeat(8)));
    let document = read(name, &text, &PlainHosts::default()).expect("is read");
    assert_eq!(
        document.unclear.map(|range| range.start.line),
        line,
        "{text}"
    );
    assert_eq!(document.whole, line.is_none(), "{text}");
    if line.is_none() {
        let found = document.references.iter();
        let found: Vec<_> = found.map(|it| (it.range, it.written.clone())).collect();
        assert_eq!(found, pieces, "{text}");
    }
}

#[test]
fn what_others_may_read_in_another_way_is_unclear() {
    const HEAD: &str = "apiVersion: core.oam.dev/v1beta1\nkind: Application\n";
    let check = |rest: &str| unclear("a.yaml", &format!("{HEAD}{rest}"));
    check("spec:\n  components:\n  - properties: {image: «ghcr.io/a/b:1»}\n");
    check("spec: {components: [{properties: {\n†image: ghcr.io/a/b:1}}]}\n");
    check("x: †'y\nz'\nspec:\n  components:\n  - properties: {image: «ghcr.io/a/b:1»}\n");
    check("x: # †\u{85}spec: {components: [{properties: {image: ghcr.io/a/b:1}}]}\n");
    check("x: 1 #†\u{2028}y: 2\n");
    check("x: †!!binary Z2hjci5pby9hL2I6MQ==\n");
    check(
        "---\rapiVersion: core.oam.dev/v1beta1\rkind: Application\rspec:\r  components:\r  - properties: {image: «ghcr.io/a/b:1»}\r---\rx: 1\r",
    );
    unclear("wkg.lock", "[[packages]]\nname = \"a:b\"\n†= 1\n");
    unclear("wkg.lock", "version = 1\n");
}

#[test]
fn json_is_clear_however_it_is_indented() {
    let json = "{\n\t\"plugins\": {\n\t\t\"a\": {\n\t\t\t\"url\":\t\"«oci://ghcr.io/a/b:1»\"\n\t\t}\n\t}\n}\n";
    unclear("a.json", json);
    unclear("a.json", &json.replace(['\n', '\t'], ""));
}

#[test]
fn a_chart_begins_with_a_licence() {
    const DOCUMENT: &str = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec: {components: [{properties: {image: «ghcr.io/a/b:1»}}]}\n";
    const LICENCE: &str = "{{- /*\nCopyright: us\nSPDX-License-Identifier: APACHE-2.0\n*/}}\n";
    let check = |head: &str| unclear("a.yaml", &format!("{head}{DOCUMENT}"));
    check(LICENCE);
    check(&format!("# Ours\n\n---\n{LICENCE}\n{LICENCE}"));
    // Where something is open already, it may be a part of that.
    check(&format!("x: †'y\nz'\n{LICENCE}"));
}

#[test]
fn an_escape_makes_no_document_of_a_text() {
    let check = |text: &str, expected: bool| {
        let read = read("a.yaml", text, &PlainHosts::default());
        assert_eq!(read.is_some(), expected, "{text}");
    };
    check("data: {run.sh: \"a \\\n  b\"}\n{{ .x }}\n", false);
    check("x: \"a\\/b \\u0041\"\n", false);
    check(
        "apiVersion: \"core.oam\\x2edev/v1beta1\"\nkind: Application\n",
        true,
    );
    check(
        "apiVersion: \"core.\\\n  oam.dev/v1beta1\"\nkind: Application\n",
        true,
    );
}

#[test]
fn templates_hide_nothing_from_who_knows_none() {
    const HEAD: &str = "apiVersion: core.oam.dev/v1beta1\nkind: Application\n";
    const SPEC: &str = "spec: {components: [{properties: {image: «ghcr.io/a/b:1»}}]}\n";
    let check = |rest: &str| unclear("a.yaml", &format!("{HEAD}{rest}"));
    // It is YAML: what is in a comment or a text is there.
    check(&format!("# {{{{\n{SPEC}# }}}}\n"));
    check(&format!("x: '{{{{'\n{SPEC}y: '}}}}'\n"));
    unclear(
        "a.json",
        "{\"x\": \"{{ \", \"plugins\": {\"a\": {\"url\": \"«oci://ghcr.io/a/b:1»\"}}, \"y\": \" }}\"}",
    );
    // It is not, for this reader alone.
    check(
        "x:\n  †'y\nz'\n# {{\nspec:\n# }}\n  components: [{properties: {image: ghcr.io/a/b:1}}]\n",
    );
    check(&format!("x: †'y\nz'\n# {{{{\n{SPEC}# }}}}\n"));
    check("spec: {components: [{properties: {image:\n# {{\n†ghcr.io/a/b:1\n# }}\n}}]}\n");
    // What a chart has.
    let chart = |template: &str, is_clear: bool| {
        let mark = if is_clear { "" } else { "†" };
        check(&format!("{mark}{template}\n{SPEC}"));
    };
    chart("{{- if .Values.enabled }}\n{{- end }}", true);
    chart("{{/* Note: written by hand. */}}", true);
    chart(
        "{{- /*\n  Licensed, see https://example.org/license\n*/ -}}",
        true,
    );
    chart(
        "{{- include \"x\" (dict\n  \"a\" .Values.a\n  \"b\" \"b\") -}}",
        true,
    );
    chart("{{- $x := printf \"%s:%s\" .a .b }}", true);
    chart("{{- fail \"a: b\" }}", false);
}

#[test]
fn what_lists_list_is_read() {
    let item = |head: &str| {
        format!(
            "{{{head} \"spec\": {{\"components\": [{{\"properties\": {{\"image\": \"«ghcr.io/a/b:1»\"}}}}]}}}}"
        )
    };
    let own = "\"apiVersion\": \"core.oam.dev/v1beta1\", \"kind\": \"Application\",";
    let check = |head: &str, items: &str, expected: &[&str]| {
        let text = format!("{{{head} \"items\": [{items}]}}");
        check("list.json", &text, expected);
    };
    let echo: &[&str] = &["ghcr.io/a/b:1"];
    let of = "\"apiVersion\": \"core.oam.dev/v1beta1\", \"kind\": \"ApplicationList\",";
    check(
        "\"apiVersion\": \"v1\", \"kind\": \"List\",",
        &item(own),
        echo,
    );
    check(of, &item(own), echo);
    check(of, &item(""), echo);
    check(of, &item("\"kind\": \"\", "), echo);
    check("\"kind\": \"Anything\",", &item(own), echo);
    let nested = format!("{{{of} \"items\": [{}]}}", item(""));
    check("\"kind\": \"List\",", &nested, echo);
    let other = item("\"apiVersion\": \"v1\", \"kind\": \"Pod\",").replace(['«', '»'], "");
    check(of, &other, &[]);
    let itself = "kind: List\nitems: &a [*a]\nx: core.oam.dev/\n";
    assert!(
        read("a.yaml", itself, &PlainHosts::default()).is_some_and(|it| it.references.is_empty())
    );
}

#[test]
fn a_name_given_twice_is_one_place() {
    let aliases = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nx: &echo «ghcr.io/a/b:1»\nbase: &base\n  image: '«ghcr.io/a/c:1»'\nspec:\n  components:\n    - properties: {image: *echo}\n    - properties: {image: *echo}\n    - properties: *base\n    - properties:\n        <<: *base\n";
    check("w.yaml", aliases, &["ghcr.io/a/b:1", "ghcr.io/a/c:1"]);
    let marked = "\u{feff}apiVersion: core.oam.dev/v1beta1\r\nkind: Application\r\nspec: # 𝄞\r\n  components:\r\n  - {name: 𝄞, properties: {image: «ghcr.io/a/b:1»}}\r\n...\r\n%YAML 1.2\r\n---\r\napiVersion: policies.kubewarden.io/v1\r\nkind: AdmissionPolicy\r\nspec:\r\n  module: «ghcr.io/a/c:1»\r\n";
    check("w.yaml", marked, &["ghcr.io/a/b:1", "ghcr.io/a/c:1"]);
}

/// A text of so many bytes and no more.
fn filled(head: &str, piece: &str, tail: &str) -> String {
    let times = (LONGEST - head.len() - tail.len()) / piece.len();
    format!("{head}{}{tail}", piece.repeat(times))
}

#[test]
fn hostile_texts_cost_no_more_than_their_length() {
    const HEAD: &str = "apiVersion: core.oam.dev/v1beta1\nkind: Application\n";
    let check = |name: &str, text: &str, why: &str| {
        yaml::READ.set(0);
        let document = read(name, text, &PlainHosts::default()).unwrap_or_default();
        assert!(document.references.len() <= MOST, "{why}");
        assert!(
            yaml::READ.get() <= 7 * text.len() + 2 * 1024 * 1024,
            "{why}: {}",
            yaml::READ.get()
        );
    };
    let components = format!("{HEAD}spec:\n  components:\n");
    check(
        "a.yaml",
        &filled(&format!("{HEAD}a: &a [x]\nspec: ["), "*a,", "]\n"),
        "aliases",
    );
    check(
        "a.yaml",
        &filled(
            &format!("{HEAD}a: &a {{image: ghcr.io/a/b:1}}\nspec: {{components: ["),
            "{properties: *a},",
            "]}\n",
        ),
        "one place many times",
    );
    check(
        "a.yaml",
        &filled(&format!("{HEAD}spec: &s\n  <<: ["), "*s,", "]\n"),
        "what merges itself",
    );
    check(
        "a.yaml",
        &filled(&components, "  - properties: {image: ghcr.io/a/b:1}\n", ""),
        "references",
    );
    check("a.yaml", &filled(HEAD, "[", ""), "depth in flow");
    check(
        "a.yaml",
        &filled(&format!("{HEAD}a:\n  "), "- ", "x\n"),
        "depth in blocks",
    );
    check(
        "a.yaml",
        &filled(HEAD, "a: b: c\n", ""),
        "an error in each line",
    );
    check(
        "a.yaml",
        &filled(HEAD, "---\na: b: c\n", ""),
        "an error in each document",
    );
    check("a.yaml", &filled(HEAD, "{{", "}}"), "templates that begin");
    check("a.yaml", &filled(HEAD, "{{x}}", ""), "templates");
    check(
        "a.yaml",
        &filled(HEAD, "{{'a: b'}}: c: d\n", ""),
        "templates that may hide something, and an error in each line",
    );
    check(
        "a.yaml",
        &filled(&format!("{HEAD}a: \""), "\\\n", ""),
        "a quote that nothing ends",
    );
    check(
        "a.yaml",
        &filled(&format!("{HEAD}a: "), "&a ", ""),
        "anchors",
    );
    check("a.yaml", &filled(HEAD, "? a\n", ""), "keys");
    check("a.yaml", &filled(HEAD, "𝄞: 𝄞\n", ""), "wide characters");
    check(
        "a.json",
        &filled("{\"plugins\": {\"a\": {\"url\": \"oci://", "a", "\"}}}"),
        "a long value",
    );
    check("wkg.lock", &filled("", "[", ""), "depth in TOML");
    check(
        "wkg.lock",
        &filled("a = ", "[", ""),
        "depth of arrays in TOML",
    );
    check(
        "wkg.lock",
        &filled("", "a.", "a = 1"),
        "a key of many parts",
    );
    check(
        "wkg.lock",
        &filled("", "]\n", ""),
        "an error in each line of TOML",
    );
    check("wkg.lock", &filled("", "a = 1\n", ""), "one key many times");
    check("wkg.lock", &filled("", "[[packages]]\n", ""), "tables");
    let long = format!(
        "{}\n",
        filled(&components, "  - properties: {image: ghcr.io/a/b:1}\n", "")
    );
    let document =
        read("a.yaml", &format!("{long}{long}"), &PlainHosts::default()).expect("is read");
    assert!(!document.whole, "longer than is read");
}
