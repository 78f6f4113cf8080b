//! The policy from outside: it is asked once more at the step that cannot be undone, and callers ask
//! for more than it does.

use super::*;
use std::{
    fs,
    sync::{Mutex, mpsc},
};
use vouch_testing::{daemon::Daemon, forge::module, proxy::Proxy, registry::Registry};

/// A service, a signed file, and a proxy before a registry that holds what `holds` names until it is
/// told to go on.
struct Scene {
    daemon: Daemon,
    folder: Folder,
    path: PathBuf,
    account: String,
    proxy: Proxy,
    arrival: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
    _registry: Registry,
}

impl Scene {
    fn holding(holds: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        let registry = Registry::open();
        let (arrived, arrival) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let (arrived, gone) = (Mutex::new(arrived), Mutex::new(gone));
        let proxy = Proxy::before(&registry.name(), move |head, _| {
            if holds(&head.method, &head.target) {
                arrived.lock().unwrap().send(()).unwrap();
                gone.lock().unwrap().recv().unwrap();
            }
            None
        });
        let folder = Folder::new();
        let signer = Signer::default();
        Self {
            daemon: Daemon::logging_all("", &[]),
            path: folder.write("echo.wasm", &signer.wasm(&component())),
            account: signer.account.public_key(),
            folder,
            proxy,
            arrival,
            go,
            _registry: registry,
        }
    }

    fn reference(&self) -> String {
        format!("{}/acme/echo:1", self.proxy.name())
    }

    /// Revokes the signer while the request is held.
    fn revoke(&self) {
        self.arrival.recv().unwrap();
        let config = format!(
            "[trust.signer.acme]\naccount = '{}'\nrevoked = true\n",
            self.account
        );
        let said = self.daemon.reconfigure(&config);
        assert!(said.contains("the config was read again"), "{said}");
        self.go.send(()).unwrap();
    }
}

#[test]
fn a_signer_who_is_revoked_during_a_push_tags_nothing() {
    // The bytes are on their way when the policy changes.
    let scene = Scene::holding(|method, target| {
        matches!(method, "PUT" | "PATCH") && target.contains("/blobs/uploads/") && {
            static ONCE: std::sync::Once = std::sync::Once::new();
            let mut first = false;
            ONCE.call_once(|| first = true);
            first
        }
    });
    let mut client = scene.daemon.connect();
    client.request(
        "push",
        &json!({"path": scene.path, "reference": scene.reference()}),
    );
    scene.revoke();
    let answer = client.hear();
    assert_eq!(kind(&answer["error"]), "untrustedSigner", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("revokes as `acme`"), "{message}");
    let seen = scene.proxy.seen();
    let tagged = |method: &str, target: &str| method == "PUT" && target.contains("/manifests/");
    assert!(
        !seen
            .iter()
            .any(|(head, _)| tagged(&head.method, &head.target)),
        "{seen:?}"
    );
    let error = client
        .call("verify", &json!({"reference": scene.reference()}))
        .unwrap_err();
    assert_eq!(kind(&error), "notFound");
}

#[test]
fn a_signer_who_is_revoked_during_a_pull_leaves_no_file() {
    let scene = Scene::holding(|method, target| method == "GET" && target.contains("/blobs/"));
    let mut client = scene.daemon.connect();
    push(&mut client, &scene.path, &scene.reference()).unwrap();
    let to = scene.folder.path("pulled.wasm");
    client.request(
        "pull",
        &json!({"reference": scene.reference(), "destination": to}),
    );
    scene.revoke();
    let answer = client.hear();
    assert_eq!(kind(&answer["error"]), "untrustedSigner", "{answer}");
    assert!(!to.exists());
}

#[test]
fn callers_ask_for_one_signer_and_for_one_place() {
    let scene = Scene::holding(|_, _| false);
    let mut client = scene.daemon.connect();
    push(&mut client, &scene.path, &scene.reference()).unwrap();
    let other = Signer::default().account.public_key();
    let (name, account) = (scene.proxy.name(), &scene.account);
    scene.daemon.reconfigure(&format!(
        "[trust.signer.acme]\naccount = '{account}'\n[trust.signer.ann]\naccount = '{other}'\n\
         [[trust.rule]]\nscope = '{name}/closed'\naccept = 'ann'\n"
    ));
    let to = scene.folder.path("pulled.wasm");
    let mut pull = |signer: &str| {
        client.call(
            "pull",
            &json!({"reference": scene.reference(), "destination": to, "signer": signer}),
        )
    };
    let error = pull("acne").unwrap_err();
    assert_eq!(kind(&error), "invalidParams");
    assert_eq!(error["data"]["help"], "Did you mean `acme`?");
    for another in ["ann", &other] {
        assert_eq!(kind(&pull(another).unwrap_err()), "untrustedSigner");
        assert!(!to.exists());
    }
    for signer in ["acme", account, &format!("token:{account}")] {
        assert_eq!(pull(signer).unwrap()["verification"]["verdict"], "accepted");
        fs::remove_file(&to).unwrap();
    }

    let mut verify = |more: Value| {
        let mut params = json!({"path": scene.path, "explain": true});
        let members = more.as_object().unwrap().clone();
        params.as_object_mut().unwrap().extend(members);
        let verdict = client.call("verify", &params).unwrap();
        let checks = verdict["checks"].as_array().unwrap();
        let failed = checks.iter().filter(|check| check["outcome"] == "failed");
        let failed: Vec<_> = failed.map(|check| check["check"].clone()).collect();
        (verdict["verdict"].clone(), json!(failed))
    };
    assert_eq!(verify(json!({})), (json!("accepted"), json!([])));
    let wanted = verify(json!({"signer": "ann"}));
    assert_eq!(wanted, (json!("refused"), json!(["signer"])));
    let open = verify(json!({"pushTo": format!("{name}/open/echo:1")}));
    assert_eq!(open, (json!("accepted"), json!([])));
    let closed = verify(json!({"pushTo": format!("{name}/closed/echo:1")}));
    assert_eq!(closed, (json!("refused"), json!(["accept"])));
    let unsigned = scene.folder.write("unsigned.wasm", &module());
    let verdict = client
        .call("verify", &json!({"path": unsigned, "explain": true}))
        .unwrap();
    let token = &verdict["checks"][2];
    assert_eq!(
        (&token["row"], &token["outcome"]),
        (&json!(3), &json!("absent"))
    );
    let plain = client.call("verify", &json!({"path": unsigned})).unwrap();
    assert_eq!(plain["checks"], Value::Null);
}
