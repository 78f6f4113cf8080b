//! Signing inputs that are not ours, and those that do not fit the file.

use super::*;
use serde_json::{Value, json};

#[test]
fn what_is_not_a_signing_input_of_ours_is_refused() {
    let signer = Signer::default();
    let account = &signer.account;
    let draft = draft(&module(), by(account)).unwrap();
    let input = draft.signing_input;
    let (header, payload) = input.split_once('.').unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap();
    let raw = |payload: &str| format!("{header}.{}", BASE64URL_NOPAD.encode(payload.as_bytes()));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims.clone();
        change(&mut claims);
        raw(&claims.to_string())
    };
    let check = |reason: &str, input: &str, expected: ErrorKind| {
        let error = seal(input, account).expect_err(reason);
        assert_eq!(error.kind(), expected, "{reason}: {error}");
    };
    seal(&input, account).unwrap();
    seal(&changed(&|_| ()), account).unwrap();
    let (form, signature) = (ErrorKind::InvalidToken, ErrorKind::SignatureInvalid);
    check("nothing", "", form);
    check("one part", header, form);
    check("three parts", &format!("{input}.e30"), form);
    check("white space", &format!("{input}\n"), form);
    check("padding", &format!("{input}=="), form);
    let other = |header: &str| format!("{}.{payload}", BASE64URL_NOPAD.encode(header.as_bytes()));
    check(
        "another algorithm",
        &other(r#"{"typ":"jwt","alg":"none"}"#),
        form,
    );
    check(
        "a header in another order",
        &other(r#"{"alg":"Ed25519","typ":"jwt"}"#),
        form,
    );
    check(
        "a header with a space",
        &other(r#"{"typ":"jwt", "alg":"Ed25519"}"#),
        form,
    );
    check("claims that are a list", &raw("[]"), form);
    check("claims that are not JSON", &raw("{"), form);
    let twice = claims.to_string().replacen('{', r#"{"iss":"A","#, 1);
    check("a name twice", &raw(&twice), form);
    let twice = claims
        .to_string()
        .replacen(r#""name":"#, r#""n\u0061me":"x","name":"#, 1);
    check(
        "a name twice below, once with an escape",
        &raw(&twice),
        form,
    );
    check(
        "a claim of another's",
        &changed(&|claims| claims["admin"] = true.into()),
        form,
    );
    check(
        "the same below",
        &changed(&|claims| claims["wascap"]["prov"] = true.into()),
        form,
    );
    check(
        "another revision",
        &changed(&|claims| claims["wascap_revision"] = 2.into()),
        form,
    );
    check(
        "no wascap",
        &changed(&|claims| claims["wascap"] = Value::Null),
        form,
    );
    check(
        "a hash and targets",
        &changed(&|claims| claims["wascap"]["target_hashes"] = json!({})),
        form,
    );
    check(
        "neither",
        &changed(&|claims| {
            claims["wascap"].as_object_mut().unwrap().remove("hash");
        }),
        form,
    );
    check(
        "a provider's subject",
        &changed(&|claims| claims["sub"] = signer.service.public_key().into()),
        form,
    );
    check(
        "an issuer that is not a key",
        &changed(&|claims| claims["iss"] = "ACME".into()),
        form,
    );
    let another = KeyPair::new_account().public_key();
    check(
        "another account's",
        &changed(&|claims| claims["iss"] = another.clone().into()),
        signature,
    );

    // What was changed after it was signed, or signed by another, or not at all.
    let sealed = |input: &str, signature: &[u8]| {
        let signature = BASE64URL_NOPAD.encode(signature);
        Sealed::of(input, &signature, 256 << 10)
            .map(drop)
            .map_err(|error| error.kind())
    };
    let valid = account.sign(input.as_bytes()).unwrap();
    assert_eq!(sealed(&input, &valid), Ok(()));
    let caps = changed(&|claims| claims["wascap"]["caps"] = json!(["wasmcloud:keyvalue"]));
    assert_eq!(sealed(&caps, &valid), Err(signature));
    assert_eq!(sealed(&input, &valid[..63]), Err(signature));
    assert_eq!(sealed(&input, &[&valid[..], &[0]].concat()), Err(signature));
    assert_eq!(sealed(&input, &[]), Err(signature));
    assert_eq!(
        sealed(
            &input,
            &KeyPair::new_account().sign(input.as_bytes()).unwrap()
        ),
        Err(signature)
    );
    // The last character of 64 bytes has two bits to spare.
    let mut spare = BASE64URL_NOPAD.encode(&valid);
    let last = spare.pop().unwrap();
    spare.push(if last == 'A' {
        'B'
    } else {
        char::from(last as u8 + 1)
    });
    let error = Sealed::of(&input, &spare, 256 << 10).unwrap_err();
    assert!([form, signature].contains(&error.kind()), "{error}");
    let error = Sealed::of(&input, &BASE64URL_NOPAD.encode(&valid), input.len()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn claims_that_do_not_fit_the_file_are_found_out() {
    let account = KeyPair::new_account();
    let check = |of: &[u8], into: &[u8], expected: ErrorKind| {
        let draft = draft(of, of_vendor(&account, of)).unwrap();
        let sealed = seal(&draft.signing_input, &account).unwrap();
        let refusal = look(&put(into, sealed.bytes())).verdict.unwrap_err();
        assert_eq!(refusal.kind, expected, "{refusal}");
    };
    let more = [module(), custom("more", b"")].concat();
    let signed_more = Signer::default().wasm(&more);
    let other = tar(&[("x86_64-linux.bin", b"other")]);
    check(&module(), &more, ErrorKind::HashMismatch);
    check(&module(), &signed_more, ErrorKind::HashMismatch);
    check(&module(), &component(), ErrorKind::HashMismatch);
    check(&module(), &tar(ENTRIES), ErrorKind::InvalidToken);
    check(&tar(ENTRIES), &module(), ErrorKind::InvalidToken);
    check(&tar(ENTRIES), &other, ErrorKind::HashMismatch);
    check(&gzip(&tar(ENTRIES)), &gzip(&other), ErrorKind::HashMismatch);
    // Only one token is replaced.
    let (signer, token) = (Signer::default(), Signer::default().wasm_token(&module()));
    let twice = [signer.wasm(&module()), custom("jwt", token.as_bytes())].concat();
    check(&module(), &twice, ErrorKind::AmbiguousToken);
    check(
        &module(),
        &component_around(&signer.wasm(&module())),
        ErrorKind::AmbiguousToken,
    );
    let twice = [
        entry("claims.jwt", b"x"),
        entry("claims.jwt", b"y"),
        tar(ENTRIES),
    ]
    .concat();
    check(&tar(ENTRIES), &twice, ErrorKind::AmbiguousToken);
    check(&tar(ENTRIES), &gzip(&twice), ErrorKind::AmbiguousToken);
    // Nothing is cut off or healed on the way.
    let cut = &module()[..module().len() - 1];
    check(&module(), cut, ErrorKind::MalformedArtifact);
    check(
        &module(),
        b"\0asm\x01\0\0\0\0",
        ErrorKind::MalformedArtifact,
    );
    check(&module(), b"\0asm", ErrorKind::UnknownArtifact);
    check(&module(), b"hello", ErrorKind::MalformedArtifact);
    let archive = tar(ENTRIES);
    check(
        &archive,
        &archive[..archive.len() - 512],
        ErrorKind::MalformedArtifact,
    );
    check(
        &archive,
        &[&archive[..], b"more"].concat(),
        ErrorKind::MalformedArtifact,
    );
    let mut broken = gzip(&archive);
    let last = broken.len() - 6;
    broken[last] ^= 1;
    let broken_end = replaced(&broken[..], 0, b"", &Limits::default(), |stream| {
        io::copy(stream, &mut io::sink())
    });
    assert!(broken_end.is_err());
    let trailing = [gzip(&archive), gzip(&archive)].concat();
    let trailing = replaced(&trailing[..], 0, b"", &Limits::default(), |stream| {
        io::copy(stream, &mut io::sink())
    });
    let refusal = trailing.unwrap_err().downcast::<Refusal>().unwrap();
    assert_eq!(refusal.kind, ErrorKind::MalformedArtifact);
}
