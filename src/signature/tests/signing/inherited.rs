//! What is carried over from an older token, and what is not.

use super::*;
use serde_json::json;
use vouch_protocol::ReplacedToken;

/// Claims of a draft, and what it says of the token that is replaced.
fn replacing(old: &[u8], account: &KeyPair) -> (Claims, ReplacedToken) {
    let draft = draft(old, by(account)).expect("it can be signed");
    (draft.claims, draft.replaces.expect("there is a token"))
}

#[test]
fn nothing_is_inherited_from_a_token_that_does_not_hold() {
    let (own, other) = (Signer::default(), KeyPair::new_account());
    let capability = vec!["wasmcloud:httpserver".to_owned()];
    // What holds, whatever its dates say.
    for dates in [(None, None), (Some(u64::MAX), None), (None, Some(1))] {
        let signer = Signer {
            not_before: dates.0,
            expires: dates.1,
            ..Signer::default()
        };
        let old = signer.wasm(&module());
        let (claims, replaces) = replacing(&old, &signer.account);
        assert_eq!(claims.capabilities, capability);
        assert_eq!(claims.subject, signer.module.public_key());
        assert_eq!((claims.not_before, claims.expires), (None, None));
        assert!(replaces.dropped.is_empty() && replaces.refusal.is_none());
        let token = replaces.token.expect("it holds");
        assert!(old.ends_with(token.as_bytes()));
        // Another's: all but the capabilities.
        let (claims, replaces) = replacing(&old, &other);
        assert_eq!(claims.name.as_deref(), Some("echo"));
        assert_eq!(claims.tags, ["a"]);
        assert_eq!(claims.version.as_deref(), Some("0.3.4"));
        assert_eq!(claims.subject, signer.module.public_key());
        assert_eq!(claims.capabilities, Vec::<String>::new());
        assert_eq!(replaces.dropped, capability);
        let signature = replaces.signature.expect("it holds");
        assert_eq!(
            signature.signer.names["account"],
            signer.account.public_key()
        );
    }

    let check = |reason: &str, token: &str, expected: ErrorKind| {
        let old = [module(), custom("wasmcloud_jwt", token.as_bytes())].concat();
        let (claims, replaces) = replacing(&old, &own.account);
        assert_eq!(claims.capabilities, Vec::<String>::new(), "{reason}");
        assert_eq!(claims.tags, Vec::<String>::new(), "{reason}");
        assert_eq!((claims.version, claims.revision), (None, None), "{reason}");
        assert_eq!(claims.name.as_deref(), Some("kv"), "{reason}");
        let fresh = draft(&module(), by(&own.account)).unwrap().claims;
        assert_eq!(claims.subject, fresh.subject, "{reason}");
        let refusal = replaces.refusal.expect(reason);
        assert_eq!(refusal.kind, expected, "{reason}");
        assert!(refusal.message.starts_with("/a/kv.par.gz "), "{reason}");
        let told = (replaces.token, replaces.signature, replaces.dropped);
        assert_eq!(told, (None, None, vec![]), "{reason}");
    };
    let token = own.wasm_token(&module());
    let (input, _) = token.rsplit_once('.').unwrap();
    let forged = Signer {
        account: KeyPair::from_seed(&other.seed().unwrap()).unwrap(),
        ..Signer::default()
    };
    let mut claims = own.wasm_claims(&module());
    let forged = forged.jwt(&claims.to_string());
    check(
        "signed by another than its issuer",
        &forged,
        ErrorKind::SignatureInvalid,
    );
    check(
        "no signature",
        &format!("{input}."),
        ErrorKind::SignatureInvalid,
    );
    check("not a token", "hello", ErrorKind::InvalidToken);
    check(
        "of other bytes",
        &own.wasm_token(b"other"),
        ErrorKind::HashMismatch,
    );
    claims["sub"] = KeyPair::new_account().public_key().into();
    check(
        "of an account",
        &own.jwt(&claims.to_string()),
        ErrorKind::InvalidToken,
    );
    let twice = own.wasm_claims(&module()).to_string();
    let twice = twice.replacen("\"caps\":", "\"caps\":[],\"caps\":", 1);
    check(
        "capabilities twice",
        &own.jwt(&twice),
        ErrorKind::InvalidToken,
    );
    check(
        "of an archive",
        &own.archive_token(ENTRIES),
        ErrorKind::InvalidToken,
    );
}

#[test]
fn capabilities_of_an_archive_s_old_token_keep_nobody_from_signing_it_again() {
    let signer = Signer::default();
    let mut claims = signer.archive_claims(ENTRIES);
    claims["wascap"]["caps"] = json!(["wasmcloud:keyvalue"]);
    let token = signer.jwt(&claims.to_string());
    let entry = ("claims.jwt", token.as_bytes());
    let old = tar(&[&[entry], ENTRIES].concat());
    let draft = draft(&old, by(&signer.account)).unwrap();
    assert_eq!(draft.claims.capabilities, Vec::<String>::new());
    assert!(draft.warnings[0].contains("capabilities"));
}

#[test]
fn what_another_tool_named_so_that_nobody_can_see_it_is_left_out() {
    let signer = Signer::default();
    let mut claims = signer.wasm_claims(&module());
    claims["wascap"]["name"] = "ec\u{1b}[2Jho".into();
    claims["wascap"]["call_alias"] = "\u{202e}".into();
    claims["wascap"]["caps"] = json!(vec!["x"; 65]);
    claims["wascap"]["ver"] = "1".repeat(257).into();
    let token = signer.jwt(&claims.to_string());
    let old = [module(), custom("jwt", token.as_bytes())].concat();
    let draft = draft(&old, by(&signer.account)).unwrap();
    assert_eq!(draft.claims.name.as_deref(), Some("kv"));
    assert_eq!(
        (draft.claims.call_alias, draft.claims.version),
        (None, None)
    );
    assert!(draft.claims.capabilities.is_empty());
    assert_eq!(draft.claims.tags, ["a"]);
    assert_eq!(draft.warnings.len(), 4, "{:?}", draft.warnings);
}
