//! Keys of ssh-agent: the one that it has, a choice that is kept, and an agent that hangs.

use super::{at, done, file, key, run};
use crate::{service::Ran, spawn::Home, terminal::Terminal};
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use vouch_testing::{
    forge::{Signer, module},
    process::until,
};

/// A real agent, which ends with the test.
struct Agent {
    socket: PathBuf,
    process: Child,
}

impl Agent {
    fn start(home: &Home) -> Self {
        let socket = home.path("agent");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket);
        let process = agent.stdout(Stdio::null()).spawn().unwrap();
        until("the agent listens", || socket.exists());
        Self { socket, process }
    }

    fn add(&self, key: &Path) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket);
        assert!(add.status().unwrap().success());
    }

    fn vouch(&self, home: &Home, arguments: &[&str]) -> Command {
        let mut command = at(home, arguments);
        command.env("SSH_AUTH_SOCK", &self.socket);
        command
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_one_key_of_the_agent_signs_at_a_terminal_alone() {
    let home = Home::new();
    let agent = Agent::start(&home);
    agent.add(&key(&home, "ann@laptop", ""));
    file(&home, "a.wasm", &module());
    let (ran, shown) = Terminal::of(agent.vouch(&home, &["sign", "a.wasm"])).end();
    assert_eq!(ran.code, 0, "{shown}");
    assert!(
        ran.out.contains(", ann@laptop (ssh-agent)\n"),
        "{}",
        ran.out
    );
    // No key is taken unasked where nobody sees it.
    let ran = Ran::of(&mut agent.vouch(&home, &["sign", "a.wasm"]));
    assert_eq!(ran.code, 2, "{}", ran.out);
    let line = "`vouch sign --key ssh:ann@laptop a.wasm`";
    assert!(ran.err.contains(line), "{}", ran.err);
    let named = ["sign", "--key", "ssh:ann@laptop", "a.wasm"];
    done(
        &Ran::of(&mut agent.vouch(&home, &named)),
        &["its own signature"],
    );
}

#[test]
fn of_several_keys_one_is_chosen_and_kept() {
    let home = Home::new();
    let agent = Agent::start(&home);
    agent.add(&key(&home, "one", ""));
    agent.add(&key(&home, "two", ""));
    file(&home, "a.wasm", &module());
    let config = home.path(".config/vouchd/config.toml");
    let sign = |number: &str, keep: Option<&str>| {
        let mut terminal = Terminal::of(agent.vouch(&home, &["sign", "--replace", "a.wasm"]));
        terminal.answer("Which one signs? [1-2]: ", number);
        if let Some(keep) = keep {
            terminal.answer("[y/N]: ", keep);
        }
        terminal.end()
    };
    let (ran, shown) = sign("3\n", None);
    assert_eq!(ran.code, 2, "{shown}");
    assert!(shown.contains("  2  ssh:two  A"), "{shown}");
    assert!(shown.contains("no key was chosen"), "{shown}");
    let (ran, shown) = sign("1\n", Some("n\n"));
    assert_eq!(ran.code, 0, "{shown}");
    assert!(ran.out.contains(", one (ssh-agent)\n"), "{}", ran.out);
    assert!(!config.exists(), "it is not kept");
    let (ran, shown) = sign("2\n", Some("y\n"));
    assert_eq!(ran.code, 0, "{shown}");
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        "[sign]\nkey = \"ssh:two\"\n"
    );
    // From now on nobody is asked.
    let ran = Ran::of(&mut agent.vouch(&home, &["sign", "a.wasm"]));
    done(&ran, &[", two (ssh-agent)\n", "its own signature"]);
}

#[test]
fn a_single_key_of_one_s_own_is_asked_for_too() {
    let home = Home::new();
    done(&run(&home, &["keys", "new", "acme"]), &["made"]);
    file(&home, "a.wasm", &module());
    let sign = |answers: &[(&str, &str)]| {
        let mut terminal = Terminal::of(at(&home, &["sign", "a.wasm"]));
        for (question, answer) in answers {
            terminal.answer(question, answer);
        }
        terminal.end()
    };
    let (ran, shown) = sign(&[("Sign with it? [y/N]: ", "\n")]);
    assert_eq!(ran.code, 2, "{shown}");
    assert!(shown.contains("`vouch sign --key KEY a.wasm`"), "{shown}");
    assert_eq!(fs::read(home.path("a.wasm")).unwrap(), module());
    let yes = [
        ("Sign with it? [y/N]: ", "y\n"),
        ("from now on? [y/N]: ", "y\n"),
    ];
    assert_eq!(sign(&yes).0.code, 0);
    assert_eq!(sign(&[]).0.code, 0, "now it is in the config");
}

/// Reads a message of the agent's protocol, without its length.
fn heard(stream: &mut impl std::io::Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; u32::from_be_bytes(length).try_into().ok()?];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// An agent with one key, which never signs; answers what tells that it was asked to.
fn hanging(home: &Home, key: &Path) -> mpsc::Receiver<Vec<u8>> {
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let blob = public.split(' ').nth(1).unwrap();
    let blob = data_encoding::BASE64.decode(blob.as_bytes()).unwrap();
    let listener = UnixListener::bind(home.path("agent")).unwrap();
    let (asked, is_asked) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some(message) = heard(&mut stream) {
                if message == [11] {
                    let keys = [&[12, 0, 0, 0, 1][..], &string(&blob), &string(b"k")].concat();
                    stream.write_all(&string(&keys)).unwrap();
                } else {
                    let _ = asked.send(message);
                    // Until who asked has gone.
                    let _ = stream.read(&mut [0]);
                }
            }
        }
    });
    is_asked
}

fn interrupt(process: u32) {
    let mut kill = Command::new("kill");
    kill.args(["-INT", &process.to_string()]);
    assert!(kill.status().unwrap().success());
}

#[test]
fn an_interrupt_ends_the_waiting_for_an_agent() {
    let home = Home::new();
    let is_asked = hanging(&home, &key(&home, "k", ""));
    file(&home, "a.wasm", &module());
    fs::create_dir(home.path("out")).unwrap();
    let sign = ["sign", "--key", "ssh:k", "a.wasm"];
    let create = [
        "par",
        "create",
        "--vendor",
        "acme",
        "--key",
        "ssh:k",
        "--target",
        "a=a.wasm",
        "-o",
        "out/kv.par",
    ];
    for arguments in [&sign[..], &create] {
        let mut vouch = at(&home, arguments);
        let vouch = vouch
            .env("SSH_AUTH_SOCK", home.path("agent"))
            .spawn()
            .unwrap();
        let message = is_asked.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(message[0], 13, "to sign");
        interrupt(vouch.id());
        let ran = Ran::from(vouch.wait_with_output().unwrap());
        assert_eq!(ran.code, 130, "{}", ran.err);
        assert!(!ran.out.contains("signed  "), "{}", ran.out);
    }
    assert_eq!(fs::read(home.path("a.wasm")).unwrap(), module());
    let left = fs::read_dir(home.path("out")).unwrap().count();
    assert_eq!(left, 0, "nor is there an archive that nobody signed");
    // The service is as well as before.
    done(
        &run(&home, &["sign", "--key", "./k", "a.wasm"]),
        &["signed    a.wasm\n"],
    );
}

#[test]
fn who_waits_at_a_terminal_is_told_for_what() {
    let home = Home::new();
    let _asked = hanging(&home, &key(&home, "k", ""));
    file(&home, "a.wasm", &module());
    let mut vouch = at(&home, &["sign", "a.wasm"]);
    let mut terminal = Terminal::of({
        vouch.env("SSH_AUTH_SOCK", home.path("agent"));
        vouch
    });
    terminal.answer(
        "waiting for ssh-agent, which may ask for a confirmation or a touch",
        "",
    );
    interrupt(terminal.process());
    assert_eq!(terminal.end().0.code, 130);
}

#[test]
fn an_interrupt_ends_a_question() {
    let home = Home::new();
    key(&home, "k", "");
    let signed = Signer::default().wasm(&module());
    // Whose name does nothing to the terminal.
    let name = "a\u{1b}[2J.wasm";
    file(&home, name, &signed);
    let mut terminal = Terminal::of(at(&home, &["sign", "--key", "./k", name]));
    terminal.answer("on a\\u{1b}[2J.wasm? [y/N]: ", "");
    interrupt(terminal.process());
    assert_eq!(terminal.end().0.code, 130);
    assert_eq!(fs::read(home.path(name)).unwrap(), signed);
}
