//! What may be asked for, and what follows where it is not.

use super::*;
use crate::signature::nkey;

#[test]
fn name_and_version_are_asked_for_or_the_artifacts_own_or_the_files() {
    let account = KeyPair::new_account();
    let own_name = |name: &str| {
        let name = [leb(name.len() as u32), name.into()].concat();
        custom("name", &section(0, &name))
    };
    let with = |sections: &[Vec<u8>]| [module(), sections.concat()].concat();
    let check = |path: &str, bytes: &[u8], name: Option<&str>, expected: &str| {
        let params = SignPrepareParams {
            name: name.map(Into::into),
            ..by(&account)
        };
        let claims = draft_at(path, bytes, params).unwrap().claims;
        let found = [claims.name, claims.version].map(Option::unwrap_or_default);
        assert_eq!(found.join(" "), expected);
    };
    let version = custom("version", b"1.2.3");
    let both = with(&[own_name("own"), version.clone()]);
    check("/a/file.wasm", &both, None, "own 1.2.3");
    check("/a/file.wasm", &both, Some("asked"), "asked 1.2.3");
    check("/a/file.wasm", &with(&[own_name("own.wasm")]), None, "own ");
    check("/a/file.wasm", &with(&[own_name("o\nwn")]), None, "file ");
    check("/a/file.wasm", &with(&[own_name("")]), None, "file ");
    check("/a/file.wasm", &with(&[version]), None, "file 1.2.3");
    check(
        "/a/file.wasm",
        &with(&[custom("version", b"\x1b[2J")]),
        None,
        "file ",
    );
    check("/a/file.v2.wasm", &module(), None, "file.v2 ");
    check("/a/file", &module(), None, "file ");
    check("/a/.wasm", &module(), Some("asked"), "asked ");
    let unnamed = draft_at("/a/\u{1b}.wasm", &module(), by(&account)).unwrap_err();
    assert_eq!(unnamed.kind(), ErrorKind::InvalidParams);
}

#[test]
fn what_cannot_be_signed_so_is_said_at_once() {
    let account = KeyPair::new_account();
    let archive = tar(ENTRIES);
    let check = |reason: &str, bytes: &[u8], change: &dyn Fn(&mut SignPrepareParams)| {
        let mut params = of_vendor(&account, bytes);
        change(&mut params);
        let error = draft(bytes, params).expect_err(reason);
        assert_eq!(error.kind(), ErrorKind::InvalidParams, "{reason}: {error}");
    };
    let text = |text: &str| Some(text.to_owned());
    let wasm = module();
    let module_key = KeyPair::new_module().public_key();
    let service_key = KeyPair::new_service().public_key();
    check("a module as account", &wasm, &|params| {
        params.account = module_key.clone();
    });
    check("no account", &wasm, &|params| {
        params.account = String::new();
    });
    check("a seed", &wasm, &|params| {
        params.account = account.seed().unwrap();
    });
    check("a weak account", &wasm, &|params| {
        // The identity point.
        let mut key = [0; 32];
        key[0] = 1;
        params.account = nkey::write(nkey::Of::Account, &key);
    });
    check("a name with a line break", &wasm, &|params| {
        params.name = text("a\nb");
    });
    check("a name with an escape", &wasm, &|params| {
        params.name = text("\u{1b}[2J");
    });
    check("a name that is read backwards", &wasm, &|params| {
        params.name = text("a\u{202e}b");
    });
    check("a name of spaces", &wasm, &|params| {
        params.name = text("  ");
    });
    check("no name", &wasm, &|params| params.name = text(""));
    check("a name too long", &wasm, &|params| {
        params.name = text(&"a".repeat(257));
    });
    check("a version too long", &wasm, &|params| {
        params.version = text(&"a".repeat(257));
    });
    check("a tag of nothing", &wasm, &|params| {
        params.tags = Some(vec![String::new()]);
    });
    check("too many tags", &wasm, &|params| {
        params.tags = Some(vec!["a".into(); 65]);
    });
    check("too many capabilities", &wasm, &|params| {
        params.capabilities = Some(vec!["a".into(); 65]);
    });
    check("not before its end", &wasm, &|params| {
        (params.not_before, params.expires) = (Some(NOW + 9), Some(NOW + 9));
    });
    check("over already", &wasm, &|params| params.expires = Some(NOW));
    check("milliseconds", &wasm, &|params| {
        params.expires = Some(NOW * 1000);
    });
    check("a vendor of wasm", &wasm, &|params| {
        params.vendor = text("acme");
    });
    check("a provider's subject", &wasm, &|params| {
        params.subject = text(&service_key);
    });
    check("a subject that is no key", &wasm, &|params| {
        params.subject = text("M");
    });
    check("a subject that is not a point", &wasm, &|params| {
        let mut two = [0; 32];
        two[0] = 2;
        params.subject = Some(nkey::write(nkey::Of::Module, &two));
    });
    check("a module's subject", &archive, &|params| {
        params.subject = text(&module_key);
    });
    check("no vendor", &archive, &|params| params.vendor = None);
    check("tags of an archive", &archive, &|params| {
        params.tags = Some(vec!["a".into()]);
    });
    check("capabilities of an archive", &archive, &|params| {
        params.capabilities = Some(vec!["a".into()]);
    });

    let none = draft(
        &archive,
        SignPrepareParams {
            tags: Some(vec![]),
            capabilities: Some(vec![]),
            subject: text(&service_key),
            ..of_vendor(&account, &archive)
        },
    );
    assert_eq!(none.unwrap().claims.subject, service_key);
    // What no token mends.
    let strange = [entry("a.txt", b""), archive].concat();
    let error = draft(&strange, of_vendor(&account, &strange)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MalformedArtifact);
    let (facts, description) = facts(&wasm);
    let asked = Asked::of(by(&account), NOW).unwrap();
    let error = Draft::of(&facts, description.as_ref(), Path::new("/a"), &asked, 300);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TooLarge);
}
