//! A registry with artifacts, a service that may ask it, and a document that names them.

use super::{URI, editor, notify};
use serde_json::{Value, json};
use std::os::unix::net::UnixStream;
use vouch_testing::{
    daemon::{Daemon, push},
    folder::Folder,
    forge::{Signer, module},
    publisher::Publisher,
    registry::Registry,
    wire::Wire,
};

pub struct Scene {
    pub registry: Registry,
    pub daemon: Daemon,
    pub signer: Signer,
    pub folder: Folder,
}

impl Scene {
    /// `acme/echo` has a signed artifact under the tags 1 and 2, and one that nobody signed under 0.
    pub fn new() -> Self {
        Self::with(|config| Daemon::configured(config, &[]))
    }

    /// The same, with a service that is started so.
    pub fn with(start: impl FnOnce(&str) -> Daemon) -> Self {
        let registry = Registry::open();
        let name = registry.name();
        let daemon = start(&accepting(&name, "any"));
        let (folder, signer) = (Folder::new(), Signer::default());
        let signed = folder.write("echo.wasm", &signer.wasm(&module()));
        for tag in [1, 2] {
            let reference = format!("{name}/acme/echo:{tag}");
            push(&mut daemon.connect(), &signed, &reference).expect("it is signed");
        }
        Publisher::new(&name, "acme/echo").artifact("0", &module());
        Self {
            registry,
            daemon,
            signer,
            folder,
        }
    }

    /// A document that names a tag.
    pub fn policy(&self, tag: &str) -> String {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nspec:\n  module: registry://{}/acme/echo{tag}\n---\n",
            self.registry.name()
        )
    }

    pub fn editor(&self, capabilities: &Value) -> Wire<UnixStream> {
        editor(&self.daemon, capabilities).0
    }
}

/// A config that has such a registry asked, and accepts these signers there.
pub fn accepting(registry: &str, whom: &str) -> String {
    format!("[[trust.rule]]\nscope = '{registry}'\naccept = ['{whom}']\n")
}

/// Opens a document; answers what it is told about it.
pub fn open(wire: &mut Wire<UnixStream>, uri: &str, text: &str) -> Value {
    let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
    notify(
        wire,
        "textDocument/didOpen",
        &json!({"textDocument": document}),
    );
    diagnostics(wire)
}

pub fn close(wire: &mut Wire<UnixStream>, uri: &str) {
    notify(
        wire,
        "textDocument/didClose",
        &json!({"textDocument": {"uri": uri}}),
    );
}

/// The diagnostics that come next, and whatever else was sent before them left out.
pub fn diagnostics(wire: &mut Wire<UnixStream>) -> Value {
    loop {
        let mut said = wire.hear();
        if said["method"] == "textDocument/publishDiagnostics" {
            return said["params"].take();
        }
    }
}

/// A request about a place in the document, and its result.
pub fn ask(wire: &mut Wire<UnixStream>, method: &str, more: Value) -> Value {
    ask_of(wire, URI, method, more)
}

pub fn ask_of(wire: &mut Wire<UnixStream>, uri: &str, method: &str, more: Value) -> Value {
    let mut params = more;
    params["textDocument"] = json!({"uri": uri});
    let id = wire.request(method, &params);
    loop {
        let mut answer = wire.hear();
        // What it is told unasked comes whenever it comes.
        if answer["id"] == id {
            assert!(answer.get("error").is_none(), "{answer}");
            return answer["result"].take();
        }
    }
}
