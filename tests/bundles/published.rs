//! Bundles beside what is published: in a registry that lists what refers to a manifest, in one that
//! does not, and in a layout.

use super::*;
use std::path::Path;
use vouch_testing::{
    daemon::{kind, pull},
    forge::{Signer, component},
    proxy::Proxy,
    publisher::{Publisher, artifact, descriptor, referrer, sha256},
    registry::{Referring, Registry},
    sigstore::COSIGN,
};

/// As `acme/echo` signs a release, in the repository `acme/echo` of a registry.
pub(super) fn trust(registry: &str) -> String {
    let signer = TRUST.split("[[trust.rule]]").next().unwrap();
    format!("{signer}\n[[trust.rule]]\nscope = '{registry}/acme'\naccept = ['release']\n")
}

/// A service that trusts that workflow in those registries' `acme`.
pub(super) fn service(own: &Sigstore, registry: &str) -> Daemon {
    configured(own, |_| trust(registry))
}

pub(super) fn configured(own: &Sigstore, config: impl FnOnce(&Path) -> String) -> Daemon {
    Daemon::with(|folder, _| {
        let root = own.trusted_root().to_string();
        fs::write(folder.join("root.json"), root).unwrap();
        fs::write(folder.join("config.toml"), config(folder)).unwrap();
    })
}

fn hex(manifest: &Value) -> String {
    sha256(manifest.to_string().as_bytes()).split_off("sha256:".len())
}

/// A bundle over a manifest.
pub(super) fn over(own: &Sigstore, manifest: &Value, repository: &str) -> Value {
    own.bundle(&Spec::workflow(
        statement(&hex(manifest), COSIGN),
        repository,
    ))
}

/// How many requests follow.
fn requests(proxy: &Proxy, of: impl FnOnce()) -> usize {
    let before = proxy.seen().len();
    of();
    proxy.seen().len() - before
}

/// The requests of a pull that needs none for bundles, and those that one bundle costs.
fn found(registry: &str, most: usize) {
    let own = Sigstore::default();
    let proxy = Proxy::before(registry, |_, _| None);
    let name = proxy.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let publisher = Publisher::new(registry, "acme/echo");
    let reference = |tag: &str| format!("{name}/acme/echo:{tag}");
    let at = service.path("pulled.wasm");

    let good = publisher.artifact("good", &module());
    publisher.bundles(&good, &[over(&own, &good, "acme/echo")]);
    let asked = requests(&proxy, || {
        let pulled = pull(&mut client, &at, &reference("good")).unwrap();
        let verification = &pulled["verification"];
        assert_eq!(verification["signature"]["method"], "sigstore", "{pulled}");
        assert_eq!(verification["trust"]["signer"], "release");
        assert_eq!(fs::read(&at).unwrap(), module());
    });
    assert_eq!(asked, 2 + most);
    let params = json!({"reference": reference("good"), "explain": true});
    let verified = client.call("verify", &params).unwrap();
    assert_eq!(verified["verdict"], "accepted", "{verified}");
    assert_eq!(verified["digest"], sha256(good.to_string().as_bytes()));
    let subject = format!("sha256:{}", hex(&good));
    assert_eq!(verified["signature"]["subject"], subject);
    let inspected = client.call("inspect", &json!({"reference": reference("good")}));
    assert_eq!(inspected.unwrap()["signature"]["method"], "sigstore");

    fs::remove_file(&at).unwrap();
    let mut refused = |tag: &str, expected: &str| {
        let error = pull(&mut client, &at, &reference(tag)).unwrap_err();
        assert_eq!(kind(&error), expected, "{tag}: {error}");
        assert!(!at.exists(), "{tag}");
        let params = json!({"reference": reference(tag)});
        let verified = client.call("verify", &params).unwrap();
        assert_eq!(verified["refusal"]["kind"], expected, "{tag}: {verified}");
        error["message"].as_str().unwrap().to_owned()
    };
    publisher.artifact("unsigned", &component());
    refused("unsigned", "unsigned");
    let bytes = [module(), vec![0, 2, 1, b'x']].concat();
    let stranger = publisher.artifact("stranger", &bytes);
    publisher.bundles(&stranger, &[over(&own, &stranger, "mallory/echo")]);
    let said = refused("stranger", "untrustedSigner");
    assert!(said.contains("github.com/mallory/echo"), "{said}");
    let bytes = [module(), vec![0, 2, 1, b'y']].concat();
    let sibling = publisher.artifact("sibling", &bytes);
    publisher.bundles(&sibling, &[over(&own, &good, "acme/echo")]);
    refused("sibling", "signatureUnrelated");

    // One that is good suffices, whoever attached others.
    let bytes = [module(), vec![0, 2, 1, b'z']].concat();
    let several = publisher.artifact("several", &bytes);
    let bundles = [
        over(&own, &several, "mallory/echo"),
        over(&own, &good, "acme/echo"),
        json!({}),
        own.bundle(&Spec::workflow(Over::Bytes(bytes), "acme/echo")),
    ];
    publisher.bundles(&several, &bundles);
    pull(&mut client, &at, &reference("several")).unwrap();
}

#[test]
fn a_registry_that_lists_what_refers_to_a_manifest() {
    found(&Referring::start().name(), 3);
}

#[test]
fn a_registry_that_does_not_has_a_tag_instead() {
    found(&Registry::open().name(), 4);
}

#[test]
fn what_a_token_signs_costs_nothing_more_unless_a_rule_asks() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let name = proxy.name();
    let service = service(&own, &name);
    let mut client = service.connect();
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let signer = Signer::default();
    let bytes = signer.wasm(&module());
    let manifest = publisher.artifact("1", &bytes);
    let reference = format!("{name}/acme/echo:1");
    let at = service.path("pulled.wasm");
    let mut rules = |accept: &str, more: &str, expected: Result<&str, &str>, asked: usize| {
        let trust = trust(&name);
        let trust = trust.replace("accept = ['release']", accept);
        let account = signer.account.public_key();
        let token = format!("[trust.signer.token]\naccount = '{account}'\n");
        let said = service.reconfigure(&trust.replacen("[[trust", &format!("{token}[[trust"), 1));
        assert!(!said.contains("ERROR"), "{said}");
        let said = service.reconfigure(&format!("{}{more}\n", service.read("config.toml")));
        assert!(!said.contains("ERROR"), "{said}");
        let counted = requests(&proxy, || {
            let pulled = pull(&mut client, &at, &reference);
            match expected {
                Ok(method) => {
                    let pulled = pulled.unwrap();
                    let signature = &pulled["verification"]["signature"];
                    assert_eq!(signature["method"], method, "{accept}");
                }
                Err(expected) => {
                    let error = pulled.unwrap_err();
                    assert_eq!(kind(&error), expected, "{accept}: {error}");
                }
            }
        });
        assert_eq!(counted, asked, "{accept}");
    };
    let both = "accept = ['token', 'release']";
    let require = "require = ['token', 'sigstore']";
    rules(both, "", Ok("token"), 2);
    rules("accept = ['release']", "", Err("untrustedSigner"), 5);
    rules(both, require, Err("notAllowed"), 5);
    publisher.bundles(&manifest, &[over(&own, &manifest, "acme/echo")]);
    rules(both, "", Ok("token"), 2);
    rules("accept = ['release']", "", Ok("sigstore"), 6);
    rules(both, require, Ok("token"), 6);
}

#[test]
fn no_bundle_heals_a_token() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let service = service(&own, &registry.name());
    let mut client = service.connect();
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let mut bytes = Signer::default().wasm(&module());
    bytes.extend([0, 2, 1, b'x']);
    let manifest = publisher.artifact("1", &bytes);
    publisher.bundles(&manifest, &[over(&own, &manifest, "acme/echo")]);
    let reference = format!("{}/acme/echo:1", registry.name());
    let error = pull(&mut client, &service.path("x.wasm"), &reference).unwrap_err();
    assert_eq!(kind(&error), "hashMismatch", "{error}");
}

#[test]
fn a_layout_keeps_bundles_beside_what_they_sign() {
    let own = Sigstore::default();
    let place = |folder: &Path| format!("oci:{}", folder.join("layout").display());
    let service = configured(&own, |folder| {
        trust("x").replace("x/acme", &place(&fs::canonicalize(folder).unwrap()))
    });
    let folder = service.path("layout");
    let place = format!("oci:{}", folder.display());

    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = sha256(bytes).split_off("sha256:".len());
        fs::write(blobs.join(digest), bytes).unwrap();
    };
    let manifest = artifact(&module());
    let bundle = over(&own, &manifest, "acme/echo");
    let beside = referrer(&manifest, &bundle, COSIGN);
    let image = "application/vnd.oci.image.manifest.v1+json";
    for text in [&manifest, &beside, &bundle] {
        put(text.to_string().as_bytes());
    }
    put(&module());
    put(b"{}");
    let mut tagged = descriptor(image, manifest.to_string().as_bytes());
    tagged["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    let mut client = service.connect();
    let at = service.path("pulled.wasm");
    let mut check = |entries: Value, expected: Option<&str>| {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        fs::write(folder.join("index.json"), index.to_string()).unwrap();
        fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        let pulled = pull(&mut client, &at, &format!("{place}:1"));
        assert_eq!(pulled.as_ref().err().map(kind), expected, "{pulled:?}");
    };
    check(json!([tagged]), Some("unsigned"));
    let other = descriptor(image, beside.to_string().as_bytes());
    check(json!([tagged, other]), None);
}
