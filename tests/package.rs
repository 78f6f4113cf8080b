//! The packages, and the files for service managers: built, looked at, installed in a folder and
//! started from there.

mod installers;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;
use vouch_testing::process::{Process, run, until};

fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The package, of the programs that are tested.
fn package() -> PathBuf {
    let vouchd = Path::new(env!("CARGO_BIN_EXE_vouchd"));
    let vouch = vouchd.with_file_name("vouch");
    assert!(vouch.exists(), "run `cargo build --workspace` first");
    let folder = vouchd.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        profile => profile,
    };
    let mut build = Command::new(source().join("dist/deb"));
    build.args([profile, "--built"]);
    let path = run(build.env("CARGO_TARGET_DIR", folder.parent().unwrap()));
    PathBuf::from(path.trim())
}

/// A folder with the package installed, and a user's folders.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn with(package: &Path) -> Self {
        let machine = Self {
            folder: TempDir::new().unwrap(),
        };
        fs::create_dir(machine.path("run")).unwrap();
        if is_root() {
            for folder in ["root/var/lib/dpkg/updates", "root/var/lib/dpkg/info"] {
                fs::create_dir_all(machine.path(folder)).unwrap();
            }
            fs::write(machine.path("root/var/lib/dpkg/status"), "").unwrap();
            machine.dpkg(&["--install".as_ref(), package.as_os_str()]);
        } else {
            // Others may not give files to root, as installing does.
            let mut unpack = Command::new("dpkg-deb");
            run(unpack.arg("-x").arg(package).arg(machine.path("root")));
        }
        machine
    }

    fn dpkg(&self, arguments: &[&OsStr]) {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", self.path("root").display()))
            // What it depends on is on this machine, and not in that folder.
            .args(["--force-depends", "--log=/dev/null"])
            // Its tools, which it wants to see, are not on everybody's path.
            .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
            .args(arguments);
        run(&mut dpkg);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn installed(&self, name: &str) -> PathBuf {
        self.path("root").join(name)
    }

    /// A program that was installed, for a user who has nothing else.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.installed("usr/bin").join(name));
        self.user(&mut command);
        command
    }

    fn user(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("XDG_RUNTIME_DIR", self.path("run"))
            // Other tests may keep the machine busy.
            .env("VOUCH_START_TIMEOUT", "100")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
    }

    /// The process that serves the usual socket.
    fn process(&self) -> u32 {
        let said = run(self.program("vouch").args(["--json", "status"]));
        let status: serde_json::Value = serde_json::from_str(&said).unwrap();
        status["processId"].as_u64().unwrap().try_into().unwrap()
    }

    /// A signed file is accepted, and an unsigned one is not.
    fn judges(&self, how: &[&str]) {
        let vouch = |file: &str| {
            let mut vouch = self.program("vouch");
            let ran = vouch.args(how).arg("verify").arg(file).output().unwrap();
            let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
            (ran.status.code(), said)
        };
        let (code, said) = vouch("samples/adder.wasm");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.starts_with("accepted"), "{said}");
        let (code, said) = vouch("samples/unsigned.wasm");
        assert_eq!(code, Some(1), "{said}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A service that is left is one that a test did not come to stop.
        let _ = self.program("vouch").arg("stop").output();
    }
}

/// The settings of a unit: `Section.Key`, each at most once but for what may be repeated.
fn unit(path: &Path) -> BTreeMap<String, String> {
    let mut section = String::new();
    let mut found = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            let twice = found.insert(format!("{section}.{key}"), value.to_owned());
            assert_eq!(twice, None, "{line}");
        }
    }
    found
}

#[test]
fn the_package_installs_and_what_it_installs_works() {
    let package = package();
    let control = run(Command::new("dpkg-deb").arg("-I").arg(&package));
    for line in [
        "Package: vouchd",
        "Depends: libc6",
        "Maintainer: vouchd maintainers",
    ] {
        assert!(control.contains(line), "{control}");
    }
    let synopsis = control
        .lines()
        .find_map(|line| line.trim().strip_prefix("Description: "));
    assert_eq!(
        synopsis,
        Some(env!("CARGO_PKG_DESCRIPTION")),
        "it is one line"
    );

    let machine = Machine::with(&package);
    has_its_files(&machine);
    let samples = machine.path("samples");
    run(machine
        .program("vouchd")
        .args(["demo", "--keep"])
        .arg(samples));

    // `vouch` starts the service that was installed beside it.
    machine.judges(&[]);
    let process = machine.process();
    let program = fs::read_link(format!("/proc/{process}/exe")).unwrap();
    let installed = machine.installed("usr/bin/vouchd").canonicalize().unwrap();
    assert_eq!(program, installed);
    run(machine.program("vouch").arg("stop"));
    until("it is gone", || {
        !Path::new(&format!("/proc/{process}")).exists()
    });

    by_its_socket(&machine);

    if is_root() {
        machine.dpkg(&["--remove".as_ref(), "vouchd".as_ref()]);
        assert!(!machine.installed("usr").exists(), "nothing is left");
    }
}

fn has_its_files(machine: &Machine) {
    let check = |path: &str, mode: u32| {
        let found = fs::metadata(machine.installed(path));
        let found = found.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{path}");
        assert_ne!(found.len(), 0, "{path}");
    };
    check("usr/bin/vouchd", 0o755);
    check("usr/bin/vouch", 0o755);
    for program in ["vouchd", "vouch"] {
        check(
            &format!("usr/share/bash-completion/completions/{program}"),
            0o644,
        );
        check(
            &format!("usr/share/zsh/vendor-completions/_{program}"),
            0o644,
        );
        check(
            &format!("usr/share/fish/vendor_completions.d/{program}.fish"),
            0o644,
        );
    }
    for file in [
        "README.md",
        "CHANGELOG.md",
        "copyright",
        "config.toml",
        "protocol/README.md",
        "protocol/openrpc.json",
    ] {
        check(&format!("usr/share/doc/vouchd/{file}"), 0o644);
    }
    check("usr/lib/systemd/user/vouchd.socket", 0o644);
    check("usr/lib/systemd/user/vouchd.service", 0o644);
    for page in [
        "vouchd.1",
        "vouchd-serve.1",
        "vouch.1",
        "vouch-sign.1",
        "vouch-par-create.1",
    ] {
        let mut man = Command::new("man");
        man.arg("-M").arg(machine.installed("usr/share/man"));
        man.env("LC_ALL", "C.UTF-8");
        let shown = run(man.arg(page.trim_end_matches(".1")));
        assert!(shown.contains("SYNOPSIS"), "{page}");
    }
}

/// The service as systemd starts it, with the settings of the units.
fn by_its_socket(machine: &Machine) {
    let units = machine.installed("usr/lib/systemd/user");
    let socket = unit(&units.join("vouchd.socket"));
    let service = unit(&units.join("vouchd.service"));
    assert_eq!(socket["Socket.SocketMode"], "0600");
    assert_eq!(socket["Socket.DirectoryMode"], "0700");
    assert_eq!(service["Service.Type"], "notify");
    for hides in [
        "ProtectHome",
        "ProtectSystem",
        "PrivateTmp",
        "ReadOnlyPaths",
    ] {
        assert!(
            !service.contains_key(&format!("Service.{hides}")),
            "{hides}"
        );
    }
    let runtime = machine.path("run");
    let path = socket["Socket.ListenStream"].replace("%t", runtime.to_str().unwrap());
    let mut words = service["Service.ExecStart"].split(' ');
    let program = words.next().unwrap().trim_start_matches('/');
    // What systemd does for the unit.
    let folder = Path::new(&path).parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    let _ = fs::remove_file(&path);
    let mut activate = Command::new("systemd-socket-activate");
    machine.user(&mut activate);
    activate
        .args(["-l", &path])
        .arg(machine.installed(program))
        .args(words)
        .stderr(Stdio::null());
    let mut service = Process(activate.spawn().unwrap());
    until("the socket is there", || Path::new(&path).exists());
    machine.judges(&["--no-spawn"]);
    assert_eq!(machine.process(), service.0.id());
    run(machine.program("vouch").arg("stop"));
    until("it ends", || service.0.try_wait().unwrap().is_some());
}

#[test]
fn systemd_understands_the_units() {
    let folder = TempDir::new().unwrap();
    for name in ["vouchd.socket", "vouchd.service"] {
        let text = fs::read_to_string(source().join("dist/systemd").join(name)).unwrap();
        // It looks whether the program is there.
        let text = text.replace("/usr/bin/vouchd", env!("CARGO_BIN_EXE_vouchd"));
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut analyze = Command::new("systemd-analyze");
    analyze
        .args([
            "--user",
            "--man=no",
            "verify",
            "vouchd.socket",
            "vouchd.service",
        ])
        .current_dir(folder.path())
        .env("XDG_RUNTIME_DIR", folder.path());
    let ran = analyze.output().unwrap();
    // What it does not know, it says and ignores.
    let said = String::from_utf8(ran.stderr).unwrap();
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("vouchd"))
        .collect();
    assert!(ran.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_property_list_for_launchd_is_one() {
    let script =
        "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let mut python = Command::new("python3");
    python
        .args(["-c", script])
        .arg(source().join("dist/launchd/vouchd.plist"));
    let list: serde_json::Value = serde_json::from_str(&run(&mut python)).unwrap();
    assert_eq!(list["ProgramArguments"][1], "serve");
    assert_eq!(list["KeepAlive"]["SuccessfulExit"], false);
    assert_eq!(list["Label"], "vouchd");
}
