//! What Python's and Node's installers install: built, put into an empty environment and run there.

use super::source;
use rustix::process::Signal;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;
use vouch_testing::process::{Process, ended, program, run};

/// The packages that a script in `dist` makes of the programs under test, without what debuggers
/// need. Scripts write beside the programs, so each has a folder of its own.
fn packed(script: &str, folder: &Path) -> Vec<PathBuf> {
    let programs = folder.join("debug");
    fs::create_dir(&programs).unwrap();
    for name in ["vouchd", "vouch"] {
        let mut strip = Command::new("strip");
        run(strip.arg("-o").arg(programs.join(name)).arg(program(name)));
    }
    let mut build = Command::new(source().join("dist").join(script));
    let said = run(build
        .args(["dev", "--built"])
        .env("CARGO_TARGET_DIR", folder));
    said.lines().map(PathBuf::from).collect()
}

/// A program of a folder, for a user who has nothing else.
fn installed(folder: &Path, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("XDG_RUNTIME_DIR", folder)
        // Other tests may keep the machine busy.
        .env("VOUCH_START_TIMEOUT", "100")
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// `vouch` starts the service that came with it, and passes on what it says of files.
fn works(folder: &Path, programs: &Path) {
    let vouch = || installed(folder, programs.join("vouch"));
    run(installed(folder, programs.join("vouchd")).args(["demo", "--keep", "samples"]));
    let check = |file: &str, code: i32, said: &str| {
        let ran = vouch().args(["verify", file]).output().unwrap();
        let all = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{all}");
        assert!(all.starts_with(said), "{all}");
    };
    check("samples/adder.wasm", 0, "accepted");
    check("samples/unsigned.wasm", 1, "refused");
    run(vouch().arg("stop"));
}

#[test]
fn the_wheel_installs_and_works() {
    let folder = TempDir::new().unwrap();
    let wheel = packed("wheel", folder.path()).remove(0);
    let name = wheel.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("vouchd-0.1.0-py3-none-manylinux_2_"),
        "{name}"
    );

    let environment = folder.path().join("environment");
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment));
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--no-index",
        "--disable-pip-version-check",
    ]);
    run(pip.arg(&wheel));
    works(folder.path(), &environment.join("bin"));
    for page in ["man/man1/vouch.1", "bash-completion/completions/vouchd"] {
        assert!(environment.join("share").join(page).exists(), "{page}");
    }
    // What it recorded is there, and what is there it takes away again.
    let mut pip = Command::new(environment.join("bin/pip"));
    run(pip.args(["uninstall", "--quiet", "--yes", "vouchd"]));
    assert!(!environment.join("bin/vouchd").exists());
}

#[test]
fn the_npm_packages_install_and_work() {
    let folder = TempDir::new().unwrap();
    let packages = packed("npm", folder.path());
    fs::write(folder.path().join("package.json"), r#"{"name":"empty"}"#).unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--offline", "--no-audit", "--no-fund"])
        .args(&packages)
        .env("npm_config_cache", folder.path().join("cache"))
        .current_dir(folder.path());
    run(&mut npm);
    let modules = folder.path().join("node_modules");
    works(folder.path(), &modules.join(".bin"));

    // No registry is asked for anything: only what was built with it is named.
    let described = fs::read_to_string(modules.join("vouchd/package.json")).unwrap();
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    for kind in ["dependencies", "optionalDependencies", "peerDependencies"] {
        let named = described[kind].as_object().into_iter();
        for name in named.flat_map(serde_json::Map::keys) {
            assert!(modules.join(name).exists(), "{kind} names {name}");
        }
    }

    // An editor starts the program itself.
    let node = |script: &str| {
        let mut node = Command::new("node");
        run(node.args(["-p", script]).current_dir(folder.path()))
    };
    let real = node("require('vouchd').path('vouchd')");
    let real = Path::new(real.trim());
    assert!(real.starts_with(modules.join("@vouchd").canonicalize().unwrap()));
    run(Command::new(real).arg("--version"));

    // Ending the script ends the program.
    let mut served = installed(folder.path(), modules.join(".bin/vouchd"));
    served
        .args(["serve", "--socket"])
        .arg(folder.path().join("own.sock"))
        .stderr(Stdio::piped());
    let mut served = Process(served.spawn().unwrap());
    let mut lines = BufReader::new(served.0.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("own.sock")));
    served.signal(Signal::TERM);
    assert!(lines.last().is_some(), "it says why it ends");
    let status = ended(&mut served.0);
    assert!(status.success() || status.signal().is_some(), "{status}");
    assert!(!folder.path().join("own.sock").exists());

    // Elsewhere it says so.
    let other = "Object.defineProperty(process, 'arch', {value: 'mips'});\
                 try { require('vouchd').path('vouch') } catch (error) { error.message }";
    let said = node(other);
    assert!(
        said.contains("no build for this machine (linux-mips)"),
        "{said}"
    );
}
