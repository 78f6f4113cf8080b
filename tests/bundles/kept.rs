//! A file that is pulled together with the bundle that signs it.

use super::{
    published::{configured, over, trust},
    *,
};
use vouch_testing::{
    daemon::kind,
    forge::Signer,
    publisher::{Publisher, sha256},
    registry::Registry,
};

#[test]
fn what_is_pulled_with_its_bundle_verifies_again() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let signer = Signer::default();
    let service = configured(&own, |_| {
        let account = signer.account.public_key();
        let token = format!("[trust.signer.token]\naccount = '{account}'\n[[trust");
        let rules = trust(&registry.name()).replacen("[[trust", &token, 1);
        let rules = rules.replace("accept = ['release']", "accept = ['token', 'release']");
        format!("{rules}[[trust.rule]]\nscope = 'files'\naccept = ['release']\n")
    });
    let mut client = service.connect();
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let reference = |tag: &str| format!("{}/acme/echo:{tag}", registry.name());
    let (at, beside) = (
        service.path("echo.wasm"),
        service.path("echo.wasm.sigstore.json"),
    );
    let mut pull = |tag: &str, more: Value| {
        let mut params = json!({
            "reference": reference(tag), "destination": at, "withBundle": true,
        });
        let more = more.as_object().unwrap().clone();
        params.as_object_mut().unwrap().extend(more);
        client.call("pull", &params)
    };
    let none = || json!({});
    let manifest = publisher.artifact("file", &module());
    let over_file = own.bundle(&Spec::workflow(Over::Bytes(module()), "acme/echo"));
    publisher.bundles(&manifest, std::slice::from_ref(&over_file));
    let is_whole = || {
        assert_eq!(fs::read(&at).unwrap(), module());
        assert_eq!(
            fs::read(&beside).unwrap(),
            over_file.to_string().into_bytes()
        );
    };
    let pulled = pull("file", none()).unwrap();
    assert_eq!(pulled["bundle"], json!(beside));
    is_whole();
    let verified = service
        .connect()
        .call("verify", &json!({"path": at}))
        .unwrap();
    assert_eq!(verified["verdict"], "accepted", "{verified}");

    // What is there already is what it should be; or one of both is missing.
    pull("file", none()).unwrap();
    fs::remove_file(&beside).unwrap();
    pull("file", none()).unwrap();
    is_whole();
    fs::remove_file(&at).unwrap();
    pull("file", none()).unwrap();
    is_whole();

    // Another's bundle is not replaced unasked, and then the file does not appear either.
    fs::write(&beside, "{}").unwrap();
    for is_there in [true, false] {
        let error = pull("file", none()).unwrap_err();
        assert_eq!(kind(&error), "destinationExists", "{error}");
        assert_eq!(fs::read(&beside).unwrap(), b"{}");
        assert_eq!(at.exists(), is_there);
        let _ = fs::remove_file(&at);
    }
    pull("file", json!({"overwrite": true})).unwrap();
    is_whole();
    fs::remove_file(&beside).unwrap();
    fs::create_dir(&beside).unwrap();
    let error = pull("file", json!({"overwrite": true})).unwrap_err();
    assert_eq!(kind(&error), "notAFile", "{error}");
    fs::remove_dir(&beside).unwrap();

    // Into a folder, the file has its own name, and the bundle that name.
    let folder = service.path("folder");
    fs::create_dir(&folder).unwrap();
    let pulled = pull("file", json!({"destination": folder})).unwrap();
    assert_eq!(
        pulled["bundle"],
        json!(folder.join("echo.wasm.sigstore.json"))
    );

    // The manifest is not there any more: no file shows what was signed.
    fs::remove_file(&at).unwrap();
    let bytes = [module(), vec![0, 2, 1, b'm']].concat();
    let manifest = publisher.artifact("manifest", &bytes);
    publisher.bundles(&manifest, &[over(&own, &manifest, "acme/echo")]);
    let error = pull("manifest", none()).unwrap_err();
    assert_eq!(kind(&error), "noBundle", "{error}");
    let digest = sha256(manifest.to_string().as_bytes());
    assert!(
        error["message"].as_str().unwrap().contains(&digest),
        "{error}"
    );
    assert!(!at.exists() && !beside.exists());
    pull("manifest", json!({"withBundle": false})).unwrap();
    assert!(at.exists() && !beside.exists());
    fs::remove_file(&at).unwrap();

    // A token is in the file.
    publisher.artifact("token", &signer.wasm(&module()));
    let pulled = pull("token", none()).unwrap();
    assert_eq!(pulled["bundle"], Value::Null);
    assert!(at.exists() && !beside.exists());
    let error = pull("token", json!({"target": "x"})).unwrap_err();
    assert_eq!(kind(&error), "invalidParams", "{error}");
}
