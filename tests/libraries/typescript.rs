//! The library in TypeScript: its own checks, and its package as others install it.

use crate::life::Service;
use serde_json::json;
use std::{fs, path::PathBuf, process::Command, sync::Once};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, module},
    process::{program, run},
    registry::Registry,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/typescript")
}

/// Installs what it is built with, and builds it; once.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        run(&mut Command::new(folder().join("prepare")));
    });
}

pub fn driver() -> Command {
    let mut node = Command::new("node");
    node.arg(folder().join("build/test/driver.js"));
    node
}

/// Its checks beside the scenarios.
pub const CHECKS: &[(&str, fn())] = &[
    ("its_types_and_its_style_are_strict", || npm("check")),
    ("its_types_are_those_of_the_document", || npm("fresh")),
    ("its_own_tests_pass", || npm("test")),
    ("it_says_no_registry_s_address", no_address),
    ("a_plugin_host_embeds_it", embedded),
    ("it_is_packed_and_its_first_minute_is_as_written", packed),
];

fn npm(script: &str) {
    prepare();
    let mut npm = Command::new("npm");
    let output = npm
        .args(["run", "--silent", script])
        .current_dir(folder())
        .output();
    let output = output.expect("npm is installed");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

fn no_address() {
    let lock = fs::read_to_string(folder().join("package-lock.json")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    for (name, package) in lock["packages"].as_object().unwrap() {
        assert!(package.get("resolved").is_none(), "{name}");
        assert!(
            name.is_empty() || package["integrity"].is_string(),
            "{name}"
        );
    }
}

fn node(script: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(folder().join("build").join(script));
    node
}

fn embedded() {
    prepare();
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let bytes = Signer::default().wasm(&module());
    let path = folder.write("plugin.wasm", &bytes);
    let reference = format!("{}/acme/plugin:1", registry.name());
    let push = json!({"path": path, "reference": reference});
    daemon.connect().call("push", &push).unwrap();
    let plugins = folder.path("plugins");
    let host = |reference: &str| {
        let mut host = node("examples/plugin-host.js");
        host.arg(reference)
            .arg(&plugins)
            .env("VOUCHD_SOCKET", daemon.socket());
        host.output().unwrap()
    };
    let loaded = host(&reference);
    let said = String::from_utf8_lossy(&loaded.stderr);
    assert!(loaded.status.success(), "{said}");
    let said = String::from_utf8_lossy(&loaded.stdout);
    let words: Vec<_> = said.split_whitespace().collect();
    assert!(words[0].starts_with("sha256:"), "{said}");
    assert_eq!(fs::read(words[1]).unwrap(), bytes);
    // The second time it is there already.
    assert_eq!(host(&reference).stdout, loaded.stdout);

    let unsigned = folder.write("unsigned.wasm", &module());
    let refused = host(unsigned.to_str().unwrap());
    assert!(!refused.status.success());
    let absent = host(&format!("{}/acme/absent:1", registry.name()));
    let said = String::from_utf8_lossy(&absent.stderr);
    assert!(
        !absent.status.success() && said.contains("absent"),
        "{said}"
    );
    assert_eq!(fs::read_dir(&plugins).unwrap().count(), 1);
}

/// Packed, installed into an empty folder, and used as its README says.
fn packed() {
    prepare();
    let place = Folder::new();
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--pack-destination"])
        .arg(place.root())
        .current_dir(folder());
    let name = run(&mut pack);
    let package = place.path(name.trim());
    let home = place.path("home");
    fs::create_dir(&home).unwrap();
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let block = |language: &str| {
        let (_, rest) = readme
            .split_once(&format!("```{language}\n"))
            .expect("there is one");
        rest.split_once("```").unwrap().0.to_owned()
    };
    // The one thing that is not as written: the package is the one that was just packed.
    let shell = block("sh").replace("path/to/clients/typescript", package.to_str().unwrap());
    assert!(shell.contains(package.to_str().unwrap()), "{shell}");
    fs::write(home.join("first.mjs"), block("js")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let programs = program("vouchd").parent().unwrap().to_owned();
    // It stays for half an hour otherwise.
    let socket = home.join("vouchd/vouchd.sock");
    let _service = Service(&socket);
    let mut minute = Command::new("sh");
    minute
        .args(["-ec", &shell])
        .current_dir(&home)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("XDG_RUNTIME_DIR", &home)
        .env("XDG_STATE_HOME", &home)
        .env_remove("VOUCHD_SOCKET")
        .env_remove("VOUCHD")
        .env("VOUCHD_CONFIG", home.join("config.toml"));
    fs::write(home.join("config.toml"), "").unwrap();
    let said = run(&mut minute);
    assert!(said.contains("accepted sha256:"), "{said}");

    // In CommonJS, too; and its types are there.
    let mut require = Command::new("node");
    require
        .args([
            "-e",
            "console.log(typeof require('vouch-client').Client.connect)",
        ])
        .current_dir(&home);
    assert_eq!(run(&mut require).trim(), "function");
    fs::write(
        home.join("typed.ts"),
        "import { Client, isAccepted } from \"vouch-client\";\n\
         const client = await Client.connect();\n\
         const verified = await client.verify({ path: \"/a\" });\n\
         const account: string | undefined = isAccepted(verified) ? verified.signature.signer.id : undefined;\n\
         console.log(account);\n",
    )
    .unwrap();
    let mut tsc = Command::new(folder().join("node_modules/.bin/tsc"));
    tsc.args([
        "--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--types", "node",
    ])
    .arg("--typeRoots")
    .arg(folder().join("node_modules/@types"))
    .arg("typed.ts")
    .current_dir(&home);
    fs::write(home.join("package.json"), r#"{"type":"module"}"#).unwrap();
    run(&mut tsc);
}
