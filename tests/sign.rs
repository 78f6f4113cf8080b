//! Signing from outside: a client with an account's key, in two steps. In place or elsewhere, all
//! of it or nothing.

mod example;
mod faults;

use nkeys::KeyPair;
use serde_json::{Value, json};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};
use vouch_testing::{
    daemon::{Daemon, kind, push},
    folder::Folder,
    forge::{ENTRIES, Signer, base64, component, custom, gzip, module, tar},
    wire::Wire,
};

/// What `sign/prepare` answers, and the params that `sign/complete` wants.
fn prepare(client: &mut Wire, path: &Path, account: &KeyPair) -> (Value, Value) {
    let mut params = json!({"path": path, "account": account.public_key()});
    if path.to_string_lossy().contains(".par") {
        params["vendor"] = "acme".into();
    }
    let prepared = client.call("sign/prepare", &params).unwrap();
    let input = prepared["signingInput"].as_str().unwrap();
    let signature = base64(&account.sign(input.as_bytes()).unwrap());
    let complete = json!({"path": path, "signingInput": input, "signature": signature});
    (prepared, complete)
}

fn sign(client: &mut Wire, path: &Path, account: &KeyPair) -> Result<Value, Value> {
    let (_, complete) = prepare(client, path, account);
    client.call("sign/complete", &complete)
}

#[test]
fn what_was_just_built_is_signed_in_place_and_pushed() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let account = KeyPair::new_account();
    let artifacts = [
        ("module.wasm", module(), "module"),
        ("component.wasm", component(), "component"),
        ("kv.par", tar(ENTRIES), "provider"),
        ("kv.par.gz", gzip(&tar(ENTRIES)), "provider"),
    ];
    for (number, (name, bytes, kind)) in artifacts.into_iter().enumerate() {
        let path = folder.write(name, &bytes);
        let layout = format!("oci:{}:{number}", folder.path("layout").display());
        let refused = push(&mut client, &path, &layout).unwrap_err();
        let help = refused["data"]["help"].as_str().unwrap();
        let command = format!("`vouch sign {}`", path.display());
        assert!(help.contains(&command), "{help}");

        let (prepared, complete) = prepare(&mut client, &path, &account);
        assert_eq!(prepared["artifact"]["kind"], kind);
        assert_eq!(prepared["artifact"]["size"], bytes.len());
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is written yet");
        let signed = client.call("sign/complete", &complete).unwrap();
        assert_eq!(signed["path"], path.to_str().unwrap());
        assert_eq!(signed["claims"], prepared["claims"]);
        assert_eq!(
            signed["signature"]["signer"]["account"],
            account.public_key()
        );
        let verified = client.call("verify", &json!({ "path": path })).unwrap();
        for member in ["artifact", "claims", "signature"] {
            assert_eq!(verified[member], signed[member], "{name} {member}");
        }
        push(&mut client, &path, &layout).unwrap();

        // Again, by another account.
        let other = KeyPair::new_account();
        let (prepared, complete) = prepare(&mut client, &path, &other);
        let replaces = &prepared["replaces"];
        assert_eq!(replaces["signature"], signed["signature"]);
        assert_eq!(prepared["claims"]["subject"], signed["claims"]["subject"]);
        let signed = client.call("sign/complete", &complete).unwrap();
        assert_eq!(signed["signature"]["signer"]["account"], other.public_key());
    }
    let names = [
        "component.wasm",
        "kv.par",
        "kv.par.gz",
        "layout",
        "module.wasm",
    ];
    assert_eq!(folder.names(), names);
}

#[test]
fn a_file_that_changed_since_is_left_as_it_is() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let account = KeyPair::new_account();
    for (name, old, new) in [
        (
            "echo.wasm",
            module(),
            [module(), custom("more", b"")].concat(),
        ),
        ("kv.par", tar(ENTRIES), tar(&ENTRIES[..2])),
        ("kv.par.gz", gzip(&tar(ENTRIES)), gzip(&tar(&ENTRIES[..2]))),
    ] {
        let path = folder.write(name, &old);
        let (_, complete) = prepare(&mut client, &path, &account);
        fs::write(&path, &new).unwrap();
        let refused = client.call("sign/complete", &complete).unwrap_err();
        assert_eq!(kind(&refused), "hashMismatch", "{refused}");
        assert_eq!(fs::read(&path).unwrap(), new);
        // Signed by another in between: only the token differs, and that one is replaced.
        fs::write(&path, &old).unwrap();
        sign(&mut client, &path, &KeyPair::new_account()).unwrap();
        let signed = client.call("sign/complete", &complete).unwrap();
        assert_eq!(signed["claims"]["issuer"], account.public_key());
        fs::remove_file(&path).unwrap();
    }
    assert!(folder.names().is_empty());
}

#[test]
fn links_stay_links() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let account = KeyPair::new_account();
    fs::create_dir(folder.path("deps")).unwrap();
    let path = folder.write("echo.wasm", &module());
    fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
    let hard = folder.path("deps/echo.wasm");
    fs::hard_link(&path, &hard).unwrap();
    let link = folder.path("link.wasm");
    symlink("deps/../echo.wasm", &link).unwrap();

    let signed = sign(&mut client, &link, &account).unwrap();
    assert_eq!(signed["path"], path.to_str().unwrap());
    assert_eq!(
        fs::read_link(&link).unwrap(),
        Path::new("deps/../echo.wasm")
    );
    assert_eq!(fs::read(&hard).unwrap(), module(), "as cargo has it");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o750);
    let verified = client.call("verify", &json!({ "path": link })).unwrap();
    assert_eq!(verified["verdict"], "accepted");
    assert_eq!(fs::metadata(&hard).unwrap().nlink(), 1);
}

#[test]
fn a_destination_is_as_that_of_a_pull_unless_it_is_the_file_itself() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let account = KeyPair::new_account();
    let path = folder.write("echo.wasm", &module());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(folder.path("out")).unwrap();
    let link = folder.path("link.wasm");
    symlink("echo.wasm", &link).unwrap();
    let (_, complete) = prepare(&mut client, &path, &account);
    let mut to = |destination: &Path, overwrite: bool| {
        let mut params = complete.clone();
        params["destination"] = json!(destination);
        params["overwrite"] = json!(overwrite);
        let answer = client.call("sign/complete", &params);
        answer
            .map(|answer| answer["path"].as_str().unwrap().to_owned())
            .map_err(|error| kind(&error).to_owned())
    };
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let plain = mode(&folder.write("plain", b""));
    let refused = |kind: &str| Err(kind.to_owned());
    let shown = |path: &Path| Ok(path.display().to_string());

    let new = folder.path("new.wasm");
    assert_eq!(to(&new, false), shown(&new));
    assert_eq!(mode(&new), plain, "a new file has the usual mode");
    assert_eq!(to(&new, false), refused("destinationExists"));
    assert_eq!(to(&new, true), shown(&new));
    assert_eq!(
        to(&folder.path("out"), false),
        shown(&folder.path("out/echo.wasm"))
    );
    assert_eq!(
        to(&folder.path("out/"), false),
        refused("destinationExists")
    );
    assert_eq!(
        to(&folder.path("absent/echo.wasm"), false),
        refused("fileNotFound")
    );
    assert_eq!(to(Path::new("echo.wasm"), false), refused("invalidPath"));
    assert_eq!(fs::read(&path).unwrap(), module(), "the file itself stays");

    // A link to it is replaced, as a pull would; it is not the file.
    assert_eq!(to(&link, false), refused("destinationExists"));
    assert_eq!(to(&link, true), shown(&link));
    assert!(fs::symlink_metadata(&link).unwrap().is_file());
    assert_eq!(fs::read(&path).unwrap(), module());

    // The file itself, by whatever name: in place, with all that it has.
    for same in [
        path.clone(),
        folder.root().to_owned(),
        folder.path("out/../echo.wasm"),
    ] {
        assert_eq!(to(&same, false), refused("destinationExists"));
        assert_eq!(to(&same, true), shown(&path));
        assert_eq!(mode(&path), 0o600);
        fs::write(&path, module()).unwrap();
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(to(&path, true), refused("permissionDenied"));
    assert_eq!(
        to(&folder.path("readable.wasm"), false),
        shown(&folder.path("readable.wasm"))
    );
}

#[test]
fn what_may_not_be_written_is_not_replaced() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let path = folder.write("it's echo.wasm", &module());
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let refused = sign(&mut client, &path, &KeyPair::new_account()).unwrap_err();
    assert_eq!(kind(&refused), "permissionDenied");
    let help = refused["data"]["help"].as_str().unwrap();
    let command = format!(
        r"`chmod u+w '{}/it'\''s echo.wasm'`",
        folder.root().display()
    );
    assert!(help.contains(&command), "{help}");
    assert_eq!(fs::read(&path).unwrap(), module());
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn what_cannot_be_signed_is_refused_with_what_to_do() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let signer = Signer::default();
    let mut check = |name: &str, bytes: &[u8], expected: &str, help: &str| {
        let path = folder.write(name, bytes);
        let params = json!({"path": path, "account": signer.account.public_key()});
        let refused = client.call("sign/prepare", &params).unwrap_err();
        assert_eq!(kind(&refused), expected, "{refused}");
        let said = refused["data"]["help"].as_str().unwrap();
        assert!(said.contains(help), "{said}");
        assert!(
            !refused.to_string().contains("wasmcloud:httpserver"),
            "{refused}"
        );
    };
    let signed = signer.wasm(&module());
    let twice = [
        &signed[..],
        &custom("jwt", signer.wasm_token(&signed).as_bytes()),
    ]
    .concat();
    let strip = "wasm-tools strip --delete '^(wasmcloud_)?jwt$' /";
    check("twice.wasm", &twice, "ambiguousToken", strip);
    let nested = vouch_testing::forge::component_around(&signed);
    check("nested.wasm", &nested, "ambiguousToken", strip);
    let twice = [
        vouch_testing::forge::entry("claims.jwt", b"x"),
        signer.archive(ENTRIES),
    ];
    check(
        "twice.par",
        &twice.concat(),
        "ambiguousToken",
        "vouch par create",
    );
    check("a.txt", b"hello", "unknownArtifact", "");
    check(
        "cut.wasm",
        &signed[..signed.len() - 1],
        "malformedArtifact",
        "",
    );
    check("kv.par", &tar(ENTRIES), "invalidParams", "--vendor");
    // Another's key is in nobody's way here: whoever signs needs no policy.
    let params = json!({"path": folder.path("absent"), "account": signer.account.public_key()});
    let refused = client.call("sign/prepare", &params).unwrap_err();
    assert_eq!(kind(&refused), "fileNotFound");
}

#[test]
fn dates_and_trust_are_for_who_uses_it() {
    let none =
        "[trust]\ndefault = \"none\"\n[[trust.rule]]\nscope = \"files\"\naccept = \"none\"\n";
    let daemon = Daemon::configured(none, &[]);
    let mut client = daemon.connect();
    let folder = Folder::new();
    let path = folder.write("echo.wasm", &module());
    let account = KeyPair::new_account();
    let signed = sign(&mut client, &path, &account).unwrap();
    let verified = client.call("verify", &json!({ "path": path })).unwrap();
    assert_eq!(verified["refusal"]["kind"], "untrustedSigner");
    let params = json!({
        "path": path, "account": account.public_key(), "notBefore": 4_000_000_000_u64});
    let prepared = client.call("sign/prepare", &params).unwrap();
    let input = prepared["signingInput"].as_str().unwrap();
    let signature = base64(&account.sign(input.as_bytes()).unwrap());
    let complete = json!({"path": path, "signingInput": input, "signature": signature});
    let later = client.call("sign/complete", &complete).unwrap();
    assert_eq!(later["claims"]["subject"], signed["claims"]["subject"]);
    let verified = client.call("verify", &json!({ "path": path })).unwrap();
    assert_eq!(verified["refusal"]["kind"], "notYetValid");
    let help = verified["refusal"]["help"].as_str().unwrap();
    assert!(
        help.contains(&format!("`vouch sign {}`", path.display())),
        "{help}"
    );
}
