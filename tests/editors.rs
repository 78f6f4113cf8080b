//! People's sessions in real editors, without a screen: a folder is opened, a reference in it is
//! refused, looked at, pinned; the artifact is signed and pushed, and accepted. Each editor runs the
//! client that is in `clients`, by a script in `editors`.

use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, module},
    process::{program, without_environment},
    publisher::Publisher,
    registry::Registry,
};

struct Scene {
    registry: Registry,
    daemon: Daemon,
    folder: Folder,
    signer: Signer,
}

fn workspace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

impl Scene {
    /// A registry with artifacts that nobody signed, and a folder with one of them and a manifest that
    /// names it.
    fn new() -> Self {
        let registry = Registry::open();
        let name = registry.name();
        let config = format!("[[trust.rule]]\nscope = '{name}'\naccept = ['any']\n");
        let daemon = Daemon::configured(&config, &[]);
        Publisher::new(&name, "acme/echo").artifact("0.1.0", &module());
        Publisher::new(&name, "acme/unsigned").artifact("1", &module());
        let (folder, signer) = (Folder::new(), Signer::default());
        folder.write("echo.wasm", &module());
        folder.write("policy.yaml", policy(&registry, "0.1.0").as_bytes());
        let seed = signer.account.seed().expect("it has one");
        let key = folder.write("key", seed.as_bytes());
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("it is ours");
        Self {
            registry,
            daemon,
            folder,
            signer,
        }
    }

    /// Runs an editor in the folder.
    fn run(&self, mut editor: Command) -> Output {
        without_environment(&mut editor);
        let programs = program("vouch");
        let programs = programs.parent().expect("it is in a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        editor
            .current_dir(self.folder.root())
            .env("PATH", format!("{programs}:{path}"))
            .env("HOME", self.daemon.folder.root())
            .env("XDG_RUNTIME_DIR", self.daemon.folder.root())
            .env("VOUCHD_CONFIG", self.daemon.config())
            .env("VOUCHD_SOCKET", self.daemon.socket())
            .env("VOUCH_KEY_FILE", self.folder.path("key"))
            .env("REGISTRY", self.registry.name())
            .env("ACCOUNT", self.signer.account.public_key())
            .env("TERM", "dumb")
            .output()
            .expect("the editor is installed: see tests/run")
    }

    /// What the session has to leave behind.
    fn is_done(&self, output: &Output) {
        let said = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("DONE"),
            "{said}\n{stderr}\n{}",
            self.daemon.read("stderr")
        );
        let mut client = self.daemon.connect();
        let mut verify = |subject| client.call("verify", &subject).expect("it answers");
        for name in ["echo.wasm", "pulled.wasm"] {
            let verified = verify(json!({"path": self.folder.path(name)}));
            assert_eq!(verified["verdict"], "accepted", "{name}: {verified}");
        }
        // The manifest names what was pushed, by its digest.
        let text = fs::read_to_string(self.folder.path("policy.yaml")).expect("it is saved");
        let start = policy(&self.registry, "0.1.0@sha256:");
        let rest = text.strip_prefix(start.trim_end());
        let digest = rest.unwrap_or_else(|| panic!("{text}")).trim();
        let reference = format!("{}/acme/echo@sha256:{digest}", self.registry.name());
        let verified = verify(json!({"reference": reference}));
        assert_eq!(verified["verdict"], "accepted", "{verified}");
    }
}

fn policy(registry: &Registry, tag: &str) -> String {
    format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nspec:\n  module: registry://{}/acme/echo:{tag}\n",
        registry.name()
    )
}

#[test]
fn neovim_is_a_client() {
    let scene = Scene::new();
    // Its help is indexed where that may be written.
    let help = scene.folder.path("doc");
    fs::create_dir(&help).expect("a folder");
    fs::copy(
        workspace("clients/neovim/doc/vouch.txt"),
        help.join("vouch.txt"),
    )
    .expect("a copy");
    let mut nvim = Command::new(workspace("target/neovim/bin/nvim"));
    nvim.args(["--clean", "--headless", "--cmd"])
        .arg(format!(
            "set runtimepath^={}",
            workspace("clients/neovim").display()
        ))
        .arg("-S")
        .arg(workspace("tests/editors/session.lua"))
        .arg("policy.yaml")
        .env("SCRATCH_DOC", &help);
    scene.is_done(&scene.run(nvim));
}

#[test]
fn the_lua_is_clean() {
    let mut luacheck = Command::new("luacheck");
    luacheck
        .args(["--no-color", "."])
        .current_dir(workspace("clients/neovim"));
    let output = luacheck.output().expect("lua-check is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

/// Emacs with Debian's packages, and nobody's own settings.
fn emacs(script: &str) -> Command {
    let mut emacs = Command::new("emacs");
    emacs
        .args(["--batch", "--load"])
        .arg(workspace("tests/editors").join(script))
        .env("CLIENT", workspace("clients/emacs"));
    emacs
}

#[test]
fn emacs_is_a_client() {
    let scene = Scene::new();
    scene.is_done(&scene.run(emacs("session.el")));
}

#[test]
fn the_lisp_is_clean() {
    let home = Folder::new();
    let mut emacs = emacs("lint.el");
    emacs
        .arg(workspace("clients/emacs/vouch.el"))
        .env("HOME", home.root())
        .env("TMPDIR", home.root());
    let output = emacs.output().expect("emacs is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{stderr}");
}
