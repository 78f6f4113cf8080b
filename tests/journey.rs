//! A person's first minutes with the extension for VS Code, in code-server and Chromium, against a real
//! registry.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use vouch_testing::{
    daemon::{Daemon, push},
    folder::Folder,
    forge::{Signer, gzip, module},
    process::{program, run, without_environment},
    publisher::Publisher,
    registry::Registry,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/vscode")
}

/// The package, built after its types and its style were checked.
fn extension() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        run(&mut Command::new(folder().join("prepare")))
            .trim()
            .into()
    })
}

#[test]
fn a_person_s_first_minutes() {
    let vsix = extension();
    let mut prepare = Command::new(folder().join("prepare"));
    let code_server = run(prepare.arg("code-server"));
    let mut build = Command::new("npm");
    run(build
        .args(["run", "--silent", "build:tests"])
        .current_dir(folder()));

    let (registry, acme) = (Registry::open(), Signer::default());
    let name = registry.name();
    let account = acme.account.public_key();
    let config = format!(
        "[trust.signer.acme]\naccount = '{account}'\n\
         [[trust.rule]]\nscope = '{name}'\naccept = ['acme']\n\
         [[trust.rule]]\nscope = 'files'\naccept = ['acme']\n"
    );
    let daemon = Daemon::configured(&config, &[]);
    // Deep enough for nothing that the editor keeps to lie in the folder that it opens.
    let scratch = Folder::new();
    let (work, place) = (scratch.path("echo"), scratch.path("editor"));
    fs::create_dir(&work).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(work.join("echo.wasm"), acme.wasm(&module())).unwrap();
    let archive = gzip(&acme.archive(&[("x86_64-linux.bin", b"\x7fELF")]));
    fs::write(work.join("kv.par.gz"), archive).unwrap();
    fs::write(work.join("unsigned.wasm"), module()).unwrap();
    push(
        &mut daemon.connect(),
        &work.join("echo.wasm"),
        &format!("{name}/acme/echo:0.1.0"),
    )
    .unwrap();
    Publisher::new(&name, "acme/limits").artifact("0.2.0", &module());
    let policy = |policy: &str, module: &str| {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\n\
             metadata:\n  name: {policy}\nspec:\n  module: registry://{name}/acme/{module}\n"
        )
    };
    let both = [
        policy("echo", "echo:0.1.0"),
        policy("limits", "limits:0.2.0"),
    ];
    fs::write(work.join("policy.yaml"), both.join("---\n")).unwrap();
    let key = scratch.write("key", acme.account.seed().unwrap().as_bytes());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    let programs = program("vouchd").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let mut journey = Command::new("node");
    without_environment(&mut journey);
    journey
        .arg(folder().join("build/journey.mjs"))
        .arg(code_server.trim())
        .args([vsix, &work, &place])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("HOME", &place)
        .env("XDG_CONFIG_HOME", place.join("config"))
        .env("XDG_DATA_HOME", place.join("share"))
        .env("XDG_CACHE_HOME", place.join("cache"))
        .env("XDG_RUNTIME_DIR", &place)
        .env("VOUCHD_SOCKET", daemon.socket())
        .env("VOUCHD_CONFIG", daemon.config())
        .env("VOUCH_KEY_FILE", &key)
        .env("SERVICE", daemon.process_id().to_string());
    let output = journey.output().unwrap();
    // It was killed, and another one has its place: that one ends with its socket's folder, at once.
    let mut stop = Command::new(program("vouch"));
    without_environment(&mut stop);
    let _ = stop
        .args(["stop", "--no-spawn"])
        .env("VOUCHD_SOCKET", daemon.socket())
        .output();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    if let Some(kept) = std::env::var_os("VOUCH_SCREENSHOTS") {
        for shot in ["screenshot", "hover", "verify", "sign", "failed"] {
            let shot = format!("{shot}.png");
            let _ = fs::copy(place.join(&shot), Path::new(&kept).join(shot));
        }
    }
    assert!(output.status.success(), "{said}\n{wrong}");
    for seen in [
        "echo.wasm ✓",
        "kv.par.gz ✓",
        "unsigned.wasm ✗",
        "a diagnostic",
        "hover",
        "verify",
        "unsigned.wasm ✓",
        "died, and is there again",
        "absent",
        "too old",
        "a trusted folder's settings name no program",
        "nothing of a folder that is not trusted is run",
    ] {
        assert!(said.contains(&format!("seen: {seen}\n")), "{seen}: {said}");
    }
}
