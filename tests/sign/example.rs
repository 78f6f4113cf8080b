//! The client that the specification writes out in Python, taken from its page: it signs with a real
//! ssh-agent, and derives the subjects that stand there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{ENTRIES, module, tar},
    process::{run, until},
};

fn specification() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/README.md")).unwrap()
}

/// The block of code below a heading.
fn block(page: &str, heading: &str) -> String {
    let (_, chapter) = page.split_once(heading).expect("the page has the heading");
    let (_, code) = chapter.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    code.to_owned()
}

struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    /// One with that many keys.
    fn with(folder: &Folder, keys: usize) -> Self {
        let socket = folder.path(&format!("agent{keys}"));
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket);
        let process = agent.stdout(Stdio::null()).spawn().unwrap();
        let agent = Self { process, socket };
        until("the agent listens", || agent.socket.exists());
        for number in 0..keys {
            let key = folder.path(&format!("key{keys}{number}"));
            let mut keygen = Command::new("ssh-keygen");
            run(keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key));
            let mut add = Command::new("ssh-add");
            run(add.arg("-q").arg(&key).env("SSH_AUTH_SOCK", &agent.socket));
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_client_of_the_specification_signs() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let script = folder.write(
        "sign.py",
        block(&specification(), "### In Python").as_bytes(),
    );
    let sign = |agent: &Agent, arguments: &[&Path]| -> Output {
        let mut python = Command::new("python3");
        python
            .arg(&script)
            .args(arguments)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .env("VOUCHD_SOCKET", daemon.socket());
        python.output().expect("python3 is installed")
    };
    let agent = Agent::with(&folder, 1);
    let wasm = folder.write("a.wasm", &module());
    let archive = folder.write("kv.par", &tar(ENTRIES));
    for arguments in [&[&*wasm][..], &[&*archive, Path::new("acme")]] {
        let signed = sign(&agent, arguments);
        let said = String::from_utf8_lossy(&signed.stderr);
        assert!(signed.status.success(), "{said}");
        let params = serde_json::json!({ "path": arguments[0] });
        let verified = daemon.connect().call("verify", &params).unwrap();
        assert_eq!(verified["verdict"], "accepted");
        let digest = verified["artifact"]["digest"].as_str().unwrap();
        let said = String::from_utf8_lossy(&signed.stdout);
        assert!(said.contains(&format!("signed {digest}\n")), "{said}");
    }
    let fails = |agent: &Agent, says: &str| {
        let before = fs::read(&wasm).unwrap();
        let signed = sign(agent, &[&wasm]);
        let said = String::from_utf8_lossy(&signed.stderr);
        assert!(!signed.status.success() && said.contains(says), "{said}");
        assert_eq!(fs::read(&wasm).unwrap(), before);
    };
    fails(&agent, "this example replaces none");
    fails(&Agent::with(&folder, 2), "ssh-agent has 2 Ed25519 keys");
}

#[test]
fn it_derives_the_subjects_that_stand_there() {
    let page = specification();
    let code = block(&page, "### In Python");
    let (functions, _) = code.split_once("# The server\n").unwrap();
    let (_, table) = page
        .split_once("| account | name | subject |\n|---|---|---|\n")
        .unwrap();
    let (mut account, mut calls, mut expected) = (String::new(), String::new(), String::new());
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let quoted = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
        // Or the same.
        account = quoted(cells[1]).unwrap_or(account);
        let (name, subject) = (quoted(cells[2]).unwrap(), quoted(cells[3]).unwrap());
        let archive = if subject.starts_with('V') {
            "True"
        } else {
            "False"
        };
        calls +=
            &format!("print(derived({archive}, base64.b32decode('{account}')[1:33], '{name}'))\n");
        expected += &format!("{subject}\n");
    }
    assert_eq!(expected.lines().count(), 5);
    let folder = Folder::new();
    let script = folder.write("vectors.py", format!("{functions}\n{calls}").as_bytes());
    let derived = run(Command::new("python3").arg(script));
    assert_eq!(derived, expected);
}
