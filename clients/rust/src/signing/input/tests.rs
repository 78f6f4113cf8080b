//! A service that lies: what it answers, and what it was asked.

use super::*;
use crate::signing::{nkey, token::Kind};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Map, Value, json};
use vouch_protocol::{Artifact, ArtifactKind, ReplacedToken};

const NOW: u64 = 1_800_000_000;
const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;
/// A file, and its hash; of an archive each entry.
const FILE: &[u8] = b"\0asm\x01\0\0\0";
const HASH: &str = "93A44BBB96C751218E4C00D479E4C14358122A389ACCA16205B1E4D0DC5F9476";

fn file(entries: Option<&[&str]>) -> Covered {
    let bytes = match entries {
        Some(names) => {
            let entries: Vec<_> = names.iter().map(|name| (*name, FILE)).collect();
            vouch_testing::forge::tar(&entries)
        }
        None => FILE.to_vec(),
    };
    Covered::of(&*bytes).unwrap()
}

/// The file that a token of that kind is about.
fn file_of(claims: &Value) -> Covered {
    let is_archive = claims["wascap"]["target_hashes"].is_object();
    file(is_archive.then_some(&["x86_64-linux.bin", "world.wasm"]))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn account(seed: u8) -> Account {
    Account::of_key(key(seed).verifying_key().to_bytes())
}

/// The subject that belongs to a name.
fn derived(kind: Kind, name: &str) -> String {
    subject::derived(kind, &account(1), name).unwrap()
}

/// A subject of nobody's.
fn other(prefix: u8) -> String {
    nkey::encode_public(prefix, &key(9).verifying_key().to_bytes())
}

fn wasm() -> Value {
    json!({
        "jti": "x", "iat": NOW, "iss": account(1).as_str(), "sub": derived(Kind::Wasm, "echo"),
        "wascap": {"name": "echo", "hash": HASH, "prov": false},
        "wascap_revision": 3,
    })
}

fn archive() -> Value {
    json!({
        "jti": "x", "iat": NOW, "iss": account(1).as_str(), "sub": derived(Kind::Archive, "http"),
        "wascap": {
            "name": "http", "vendor": "acme",
            "target_hashes": {"x86_64-linux": HASH, "world.wasm": HASH},
        },
        "wascap_revision": 3,
    })
}

/// A token's claims with other members: `null` takes one away; those of `wascap` are merged.
fn with(mut claims: Value, changes: Value) -> Value {
    merge(claims.as_object_mut().unwrap(), changes);
    claims
}

fn merge(object: &mut Map<String, Value>, changes: Value) {
    let Value::Object(changes) = changes else {
        unreachable!("changes are an object")
    };
    for (name, value) in changes {
        match (object.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(changes)) if name == "wascap" => {
                merge(inner, Value::Object(changes));
            }
            (_, Value::Null) => {
                object.remove(&name);
            }
            (_, value) => {
                object.insert(name, value);
            }
        }
    }
}

fn encode(header: &str, payload: &str) -> String {
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}", part(header), part(payload))
}

fn input(claims: &Value) -> String {
    encode(HEADER, &claims.to_string())
}

/// A token that the key of that seed signed.
fn token(seed: u8, claims: &Value) -> String {
    let input = input(claims);
    let signature = key(seed).sign(input.as_bytes()).to_bytes();
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn answer(signing_input: String, old: Option<String>) -> SignPrepareResult {
    SignPrepareResult {
        artifact: Artifact {
            kind: ArtifactKind::Component,
            digest: "sha256:00".into(),
            size: 8,
        },
        signing_input,
        // What it says of it is not looked at.
        claims: Claims {
            name: Some("something else".into()),
            ..Claims::default()
        },
        replaces: old.map(|token| ReplacedToken {
            token: Some(token),
            signature: None,
            refusal: None,
            dropped: Vec::new(),
        }),
        warnings: Vec::new(),
    }
}

fn asked() -> SignPrepareParams {
    SignPrepareParams {
        path: "/a/echo.wasm".into(),
        account: account(1).to_string(),
        ..SignPrepareParams::default()
    }
}

fn checked(asked: &SignPrepareParams, claims: &Value, old: Option<String>) -> Result<SigningInput> {
    SigningInput::check_at(&answer(input(claims), old), asked, &file_of(claims), NOW)
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// All that can be asked for, and an answer to it.
fn everything() -> (SignPrepareParams, Value) {
    let subject = other(nkey::MODULE);
    let asked = SignPrepareParams {
        name: Some("echo".into()),
        version: Some("1.0.0".into()),
        revision: Some(-1),
        tags: Some(list(&["a", "b"])),
        capabilities: Some(list(&["wasmcloud:httpserver"])),
        subject: Some(subject.clone()),
        not_before: Some(NOW - 1),
        expires: Some(NOW + 1),
        ..asked()
    };
    let claims = with(
        wasm(),
        json!({
            "sub": subject, "nbf": NOW - 1, "exp": NOW + 1,
            "wascap": {
                "ver": "1.0.0", "rev": -1, "tags": ["a", "b"], "caps": ["wasmcloud:httpserver"],
            },
        }),
    );
    (asked, claims)
}

/// What stood in a file before: the same account's, or another's.
fn before(seed: u8) -> Value {
    with(
        wasm(),
        json!({
            "iss": account(seed).as_str(), "sub": other(nkey::MODULE), "iat": 1, "exp": 2,
            "wascap_revision": 2, "something": "new",
            "wascap": {
                "name": "old", "ver": "0.1", "rev": 7, "tags": ["a", "b"], "call_alias": "e",
                "caps": ["wasmcloud:httpserver", "wasmcloud:keyvalue"],
            },
        }),
    )
}

/// A new token that carries all of that over.
fn carried() -> Value {
    with(
        wasm(),
        json!({
            "sub": other(nkey::MODULE),
            "wascap": {
                "name": "old", "ver": "0.1", "rev": 7, "tags": ["a", "b"], "call_alias": "e",
                "caps": ["wasmcloud:httpserver", "wasmcloud:keyvalue"],
            },
        }),
    )
}

#[test]
fn what_was_asked_for_is_signed() {
    let check = |asked: &SignPrepareParams, claims: &Value, old: Option<String>| {
        let checked = checked(asked, claims, old).unwrap();
        assert_eq!(checked.as_str(), input(claims));
        assert_eq!(checked.account(), &account(1));
        assert_eq!(
            checked.claims().name.as_deref(),
            claims["wascap"]["name"].as_str()
        );
    };
    check(&asked(), &wasm(), None);
    let (all, claims) = everything();
    check(&all, &claims, None);
    check(&all, &claims, Some(token(2, &before(2))));
    // A version of the artifact's own.
    check(
        &asked(),
        &with(wasm(), json!({"wascap": {"ver": "2"}})),
        None,
    );
    let archived = SignPrepareParams {
        vendor: Some("acme".into()),
        ..asked()
    };
    check(&archived, &archive(), None);
    // What the same account signed before is carried over; some of it may be left out.
    check(&asked(), &carried(), Some(token(1, &before(1))));
    let fewer = with(
        carried(),
        json!({"wascap": {"caps": ["wasmcloud:keyvalue"], "tags": null}}),
    );
    check(&asked(), &fewer, Some(token(1, &before(1))));
    // Of another's, all but capabilities.
    let without = with(carried(), json!({"wascap": {"caps": null}}));
    check(&asked(), &without, Some(token(2, &before(2))));
    let none = SignPrepareParams {
        tags: Some(list(&[])),
        capabilities: Some(list(&[])),
        ..asked()
    };
    let without = with(carried(), json!({"wascap": {"caps": [], "tags": []}}));
    check(&none, &without, Some(token(1, &before(1))));
    let schema = json!({"wascap": {"config_schema": {"type": "object"}}});
    let old = with(archive(), schema.clone());
    check(&asked(), &with(archive(), schema), Some(token(1, &old)));
}

#[test]
fn what_is_shown_is_what_is_signed() {
    let (asked, claims) = everything();
    let old = token(2, &before(2));
    let input = checked(&asked, &claims, Some(old)).unwrap();
    let said = input.claims();
    assert_eq!(said.name.as_deref(), Some("echo"));
    assert_eq!(said.version.as_deref(), Some("1.0.0"));
    assert_eq!((said.revision, said.issued_at), (Some(-1), NOW));
    assert_eq!(
        (said.not_before, said.expires),
        (Some(NOW - 1), Some(NOW + 1))
    );
    assert_eq!(said.capabilities, ["wasmcloud:httpserver"]);
    assert_eq!(said.subject, other(nkey::MODULE));
    assert_eq!(input.replaces().unwrap().issuer, account(2).as_str());
    assert!(input.replaces_another());
    let again = checked(&asked, &claims, Some(token(1, &before(1)))).unwrap();
    assert!(!again.replaces_another());
    let signature = TokenSignature::new([0; 64]);
    let params = input.complete("/a/echo.wasm", &signature);
    assert_eq!(params.signing_input, input.as_str());
    assert_eq!(params.signature.len(), 86);
    assert_eq!((params.destination, params.overwrite), (None, None));
}

#[test]
fn lies_about_what_was_asked_for() {
    let check = |changes: Value, expected: &str| {
        let (asked, claims) = everything();
        let error = checked(&asked, &with(claims, changes.clone()), None).unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::NotAskedFor, "{changes}");
        assert!(error.message.contains(expected), "{changes}: {error}");
        assert!(error.help.is_some());
    };
    let of_wascap = |changes: Value| json!({ "wascap": changes });
    check(json!({"iss": account(2).as_str()}), "account");
    check(json!({"sub": other(nkey::SERVICE)}), "starts with `M`");
    check(json!({"sub": derived(Kind::Wasm, "echo")}), "subject");
    check(json!({"sub": account(1).as_str()}), "starts with `M`");
    check(json!({"nbf": NOW}), "start");
    check(json!({"nbf": null}), "start would be nothing");
    check(json!({"exp": NOW + 2}), "expiry");
    check(json!({"exp": null}), "expiry would be nothing");
    check(json!({"iat": NOW + AHEAD + 1}), "date");
    check(json!({"iat": NOW - OLDEST - 1}), "date");
    check(json!({"iat": u64::MAX}), "date");
    check(of_wascap(json!({"name": "echo "})), "name");
    check(of_wascap(json!({"name": null})), "name would be nothing");
    check(of_wascap(json!({"ver": "1.0.1"})), "version");
    check(of_wascap(json!({"ver": null})), "version");
    check(
        of_wascap(json!({"rev": 2})),
        "revision would be 2, but -1 was",
    );
    check(of_wascap(json!({"rev": null})), "revision");
    check(of_wascap(json!({"tags": ["a"]})), "tags");
    check(of_wascap(json!({"tags": ["b", "a"]})), "tags");
    check(of_wascap(json!({"tags": null})), "tags");
    check(
        of_wascap(json!({"caps": ["wasmcloud:httpserver", "x"]})),
        "capabilities",
    );
    check(of_wascap(json!({"caps": null})), "capabilities");
    check(of_wascap(json!({"call_alias": "e"})), "call alias");
    check(of_wascap(json!({"prov": true})), "provider");
}

#[test]
fn lies_about_what_was_there() {
    let check = |changes: Value, old: Option<String>, expected: &str| {
        let error = checked(&asked(), &with(wasm(), changes.clone()), old).unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::NotAskedFor, "{changes}");
        assert!(error.message.contains(expected), "{changes}: {error}");
    };
    let of_wascap = |changes: Value| json!({ "wascap": changes });
    let (own, another) = (token(1, &before(1)), token(2, &before(2)));
    // Nothing was there.
    check(of_wascap(json!({"tags": ["a"]})), None, "tags");
    check(
        of_wascap(json!({"caps": ["wasmcloud:httpserver"]})),
        None,
        "capabilities",
    );
    check(of_wascap(json!({"rev": 1})), None, "revision");
    check(of_wascap(json!({"call_alias": "e"})), None, "call alias");
    check(json!({"sub": other(nkey::MODULE)}), None, "subject");
    // The subject of another name, of another kind, of another account.
    check(json!({"sub": derived(Kind::Wasm, "ohce")}), None, "subject");
    let of_another = subject::derived(Kind::Wasm, &account(2), "echo").unwrap();
    check(json!({"sub": of_another}), None, "subject");
    // Something else was there.
    check(
        of_wascap(json!({"tags": ["a", "c"]})),
        Some(own.clone()),
        "tags \"c\"",
    );
    check(
        of_wascap(json!({"caps": ["admin"]})),
        Some(own.clone()),
        "capabilities",
    );
    check(of_wascap(json!({"rev": 8})), Some(own.clone()), "revision");
    check(
        of_wascap(json!({"call_alias": "f"})),
        Some(own.clone()),
        "call alias",
    );
    check(
        of_wascap(json!({"prov": true})),
        Some(own.clone()),
        "provider",
    );
    // It was there, and another granted it.
    check(
        of_wascap(json!({"caps": ["wasmcloud:httpserver"]})),
        Some(another.clone()),
        "capabilities",
    );
    // Dates are not carried over.
    check(json!({"exp": 2}), Some(own.clone()), "expiry");

    // Tokens that do not hold.
    let forged = with(before(1), json!({"wascap": {"caps": ["admin"]}}));
    let admin = || of_wascap(json!({"caps": ["admin"]}));
    check(admin(), Some(token(2, &forged)), "does not verify");
    let (_, signature) = own.rsplit_once('.').unwrap();
    check(
        admin(),
        Some(format!("{}.{signature}", input(&forged))),
        "does not verify",
    );
    check(admin(), Some(input(&forged)), "three parts");
    check(admin(), Some(format!("{own}.")), "three parts");
    check(admin(), Some(String::new()), "three parts");
    check(admin(), Some("x".repeat(1 << 20)), "longer than");
    check(admin(), Some(format!("{}.AA", input(&forged))), "64 bytes");
    let padded = own.replacen('.', "=.", 1);
    check(admin(), Some(padded), "base64url");
    // The identity as the issuer: one signature would hold for every token.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = Account::of_key(identity);
    let of_weak = with(forged, json!({"iss": weak.as_str()}));
    let constant = [&identity[..], &[0; 32]].concat();
    let constant = BASE64URL_NOPAD.encode(&constant);
    check(
        admin(),
        Some(format!("{}.{constant}", input(&of_weak))),
        "does not verify",
    );
    // A module's own key as the issuer.
    let of_module = with(before(1), json!({"iss": other(nkey::MODULE)}));
    check(admin(), Some(token(9, &of_module)), "not an account");
}

#[test]
fn lies_about_the_file() {
    let check = |covered: &Covered, claims: &Value, expected: &str| {
        let asked = SignPrepareParams {
            vendor: claims["wascap"]["vendor"].as_str().map(Into::into),
            ..asked()
        };
        let answer = answer(input(claims), None);
        let error = SigningInput::check_at(&answer, &asked, covered, NOW).unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::NotAskedFor, "{claims}");
        assert!(error.message.ends_with(expected), "{expected}: {error}");
        assert!(error.help.unwrap().contains("being written"));
    };
    let other = "0".repeat(64);
    let of_wasm = with(wasm(), json!({"wascap": {"hash": other}}));
    check(&file(None), &of_wasm, "its hash is not that of the file");
    let hashes = |hashes: Value| with(archive(), json!({"wascap": {"target_hashes": hashes}}));
    let both = file(Some(&["x86_64-linux.bin", "world.wasm"]));
    check(
        &both,
        &hashes(json!({"x86_64-linux": other, "world.wasm": HASH})),
        "its hash of \"x86_64-linux\" is not that of the file",
    );
    check(
        &both,
        &hashes(json!({"x86_64-linux": HASH, "world.wasm": other})),
        "its hash of \"world.wasm\" is not that of the file",
    );
    check(
        &both,
        &hashes(json!({"x86_64-linux": HASH, "world.wasm": HASH, "arm": HASH})),
        "it would cover \"arm\", which the file does not have",
    );
    check(
        &both,
        &hashes(json!({"x86_64-linux": HASH})),
        "it would not cover \"world.wasm\", which the file has",
    );
    check(
        &both,
        &hashes(json!({"world.wasm": HASH, "x86_64-linux.bin": HASH})),
        "it would cover \"x86_64-linux.bin\", which the file does not have",
    );
    // Of the other kind.
    check(&file(None), &archive(), "its hash is not that of the file");
    check(&both, &wasm(), "its hash is not that of the file");
}

#[test]
fn vendors_belong_to_archives() {
    let check = |asked: SignPrepareParams, claims: Value, old: Option<&Value>, expected: &str| {
        let old = old.map(|old| token(1, old));
        let error = checked(&asked, &claims, old).unwrap_err();
        assert!(error.message.contains(expected), "{claims}: {error}");
    };
    let of = |vendor: &str| SignPrepareParams {
        vendor: Some(vendor.into()),
        ..asked()
    };
    check(asked(), archive(), None, "vendor \"acme\"");
    check(of("acme2"), archive(), None, "vendor");
    check(of("acme"), wasm(), None, "vendor would be nothing");
    let other_vendor = with(archive(), json!({"wascap": {"vendor": "other"}}));
    check(asked(), archive(), Some(&other_vendor), "vendor");
    let schema = with(archive(), json!({"wascap": {"config_schema": {"a": 1}}}));
    check(of("acme"), schema.clone(), None, "schema");
    let other_schema = with(archive(), json!({"wascap": {"config_schema": {"a": 2}}}));
    check(of("acme"), schema, Some(&other_schema), "schema");
}

/// Checks why a text is not the beginning of a token.
#[track_caller]
fn check(text: impl Into<String>, expected: &str) {
    let text = text.into();
    let answer = answer(text.clone(), None);
    let error = SigningInput::check_at(&answer, &asked(), &file(None), NOW).unwrap_err();
    assert!(error.message.contains(expected), "{text}: {error}");
}

#[test]
fn what_is_not_the_beginning_of_a_token() {
    let good = wasm().to_string();
    let of = |payload: &str| encode(HEADER, payload);
    check(String::new(), "two parts");
    check("SSH", "two parts");
    check(format!("{}.", of(&good)), "base64url");
    check(token(1, &wasm()), "base64url");
    check(format!("{}=", of(&good)), "base64url");
    // Another spelling of the same bytes: bits that do not count.
    let padded = format!("{good:<width$}", width = good.len().div_ceil(3) * 3 + 1);
    let mut text = of(&padded);
    assert_eq!(text.pop(), Some('A'));
    text.push('B');
    check(text, "base64url");
    check(format!(" {}", of(&good)), "base64url");
    check("A".repeat(1 << 20), "longer than");
    for header in [
        "{}",
        r#"{"alg":"Ed25519","typ":"jwt"}"#,
        r#"{"typ":"jwt", "alg":"Ed25519"}"#,
        r#"{"typ":"jwt","alg":"none"}"#,
        r#"{"typ":"JWT","alg":"EdDSA"}"#,
        r#"{"typ":"jwt","alg":"Ed25519","kid":"1"}"#,
        "",
    ] {
        check(encode(header, &good), "a token's header");
    }
    check(of(""), "not JSON");
    check(of("null"), "not a JSON object");
    check(of("[1]"), "not a JSON object");
    check(of(&format!("{good}{good}")), "not JSON");
    check(of(&"[".repeat(100_000)), "not JSON");
    check(of(&good.replacen('{', r#"{"iss":"x","#, 1)), "name twice");
    check(
        of(&good.replacen(r#""wascap":{"#, r#""wascap":{"name":"x","#, 1)),
        "name twice",
    );
    let hidden = good.replacen(r#""wascap":{"#, r#""wascap":{"na\u006de":"x","#, 1);
    check(of(&hidden), "name twice");
    // A text that serde_json takes for the object: nothing in it would have been looked at.
    let text = json!({"$serde_json::private::RawValue": wasm()["wascap"].to_string()});
    let text = with(
        with(wasm(), json!({"wascap": null})),
        json!({"wascap": text}),
    );
    check(input(&text), "JSON of a text");
    let deep = vouch_testing::forge::hidden_depth(60);
    check(
        of(&good.replacen('{', &format!(r#"{{"x":{deep},"#), 1)),
        "JSON of a text",
    );
}

#[test]
fn claims_that_no_token_has() {
    let of_wasm = |changes| input(&with(wasm(), changes));
    for unseen in [
        "a\u{1b}[2K",
        "a\u{202e}b",
        "a\u{200b}",
        "a\nb",
        &"a".repeat(257),
    ] {
        check(of_wasm(json!({"jti": unseen})), "invisible characters");
        for name in ["name", "ver", "call_alias"] {
            check(
                of_wasm(json!({"wascap": {name: unseen}})),
                "invisible characters",
            );
        }
        check(
            of_wasm(json!({"wascap": {"tags": ["a", unseen]}})),
            "invisible characters",
        );
    }
    check(of_wasm(json!({"aud": "x"})), "unknown, \"aud\"");
    check(
        of_wasm(json!({"wascap": {"admin": true}})),
        "unknown, \"admin\"",
    );
    check(of_wasm(json!({"wascap": {"config_schema": {}}})), "unknown");
    check(of_wasm(json!({"wascap": null})), "no object `wascap`");
    check(of_wasm(json!({"wascap_revision": 2})), "revision 3");
    check(of_wasm(json!({"wascap_revision": null})), "revision 3");
    check(of_wasm(json!({"wascap_revision": "3"})), "revision 3");
    check(of_wasm(json!({"iat": null})), "claims of a token");
    check(of_wasm(json!({"iat": 1.5})), "claims of a token");
    check(of_wasm(json!({"iat": -1})), "claims of a token");
    check(of_wasm(json!({"iss": ["x"]})), "claims of a token");
    check(of_wasm(json!({"jti": null})), "claims of a token");
    check(
        of_wasm(json!({"wascap": {"rev": 1_u64 << 40}})),
        "claims of a token",
    );
    check(of_wasm(json!({"iss": "x"})), "not an account");
    check(
        of_wasm(json!({"iss": other(nkey::MODULE)})),
        "not an account",
    );
    check(of_wasm(json!({"sub": "x"})), "starts with `M`");
    check(of_wasm(json!({"wascap": {"hash": null}})), "covers");
    check(
        of_wasm(json!({"wascap": {"hash": HASH.to_lowercase()}})),
        "covers",
    );
    check(of_wasm(json!({"wascap": {"hash": ""}})), "covers");
    check(
        of_wasm(json!({"wascap": {"target_hashes": {}}})),
        "unknown, \"hash\"",
    );
    let of_archive = |changes| input(&with(archive(), changes));
    check(
        of_archive(json!({"wascap": {"target_hashes": {}}})),
        "covers",
    );
    check(
        of_archive(json!({"wascap": {"target_hashes": {"": HASH}}})),
        "covers",
    );
    check(
        of_archive(json!({"wascap": {"target_hashes": {"x": "0"}}})),
        "covers",
    );
    check(of_archive(json!({"wascap": {"vendor": null}})), "covers");
    check(
        of_archive(json!({"wascap": {"target_hashes": {"x\r": HASH}}})),
        "invisible characters",
    );
    let many: Map<_, _> = (0..257).map(|n| (n.to_string(), json!(HASH))).collect();
    check(
        of_archive(json!({"wascap": {"target_hashes": many}})),
        "covers",
    );
}

#[test]
fn what_is_repeated_is_short() {
    let long = "x".repeat(100_000);
    let claims = with(wasm(), json!({"wascap": {"tags": [long]}}));
    let error = checked(&asked(), &claims, None).unwrap_err();
    assert!(error.message.len() < 600, "{}", error.message.len());
}
