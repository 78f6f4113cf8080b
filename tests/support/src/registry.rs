//! Real registries, started on a free port of the loopback address and killed with their guard.

use crate::process::{self, PATIENCE};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
};

/// Debian's docker-registry.
pub struct Registry {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

pub const USERNAME: &str = "ann";
pub const PASSWORD: &str = "s:ecret";

impl Registry {
    /// Plain HTTP, open to all.
    pub fn open() -> Self {
        Self::start(&|_| String::new())
    }

    /// Plain HTTP; wants [`USERNAME`] and [`PASSWORD`].
    pub fn with_login() -> Self {
        Self::start(&|folder| {
            let passwords = folder.join("htpasswd");
            run("htpasswd", &["-Bbc", text(&passwords), USERNAME, PASSWORD]);
            format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                text(&passwords)
            )
        })
    }

    /// HTTPS, with a certificate of the authority in [`Self::ca`].
    pub fn with_tls() -> Self {
        Self::start(&tls)
    }

    /// Plain HTTP; wants the tokens of a server: `auth` is its section of the configuration.
    pub fn with_tokens(auth: &str) -> Self {
        Self::start(&|_| auth.to_owned())
    }

    /// The same over HTTPS.
    pub fn with_tls_and_tokens(auth: &str) -> Self {
        Self::start(&|folder| tls(folder) + auth)
    }

    /// HTTPS, and only for those who show a certificate of its authority: see [`Self::client`].
    pub fn with_client_certificates() -> Self {
        Self::start(&|folder| mutual(folder, &folder.join("ca.pem")))
    }

    /// The same with the authority of another one. `auth` is a section of the configuration.
    pub fn with_client_certificates_of(other: &Self, auth: &str) -> Self {
        Self::start(&|folder| mutual(folder, &other.ca()) + auth)
    }

    /// `more` is further configuration; it may begin with more of the section `http`.
    fn start(more: &dyn Fn(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("config.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http:\n  addr: 127.0.0.1:0\n{}",
                text(&folder.path().join("storage")),
                more(folder.path()),
            ),
        )
        .expect("a config file");
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry must be installed");
        let log = process.stderr.take().expect("it was piped");
        let (sender, receiver) = mpsc::channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        std::thread::spawn(move || {
            // Read to its end, so that the registry never waits for us.
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let address: String = rest
                        .chars()
                        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':'))
                        .collect();
                    let _ = sender.send(address);
                }
                written.lock().expect("nobody panics with it").push(line);
            }
        });
        // Its access log.
        let (access, written) = (process.stdout.take(), Arc::clone(&lines));
        std::thread::spawn(move || {
            let access = BufReader::new(access.expect("it was piped"));
            for line in access.lines().map_while(Result::ok) {
                written.lock().expect("nobody panics with it").push(line);
            }
        });
        let address = receiver
            .recv_timeout(PATIENCE)
            .expect("docker-registry says where it listens");
        Self {
            process,
            folder,
            address: address.parse().expect("an address and a port"),
            log: lines,
        }
    }

    /// Host and port.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// How many lines of its log have all of these in them.
    pub fn logged(&self, parts: &[&str]) -> usize {
        let log = self.log.lock().expect("nobody panics with it");
        let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
        log.iter().filter(has_all).count()
    }

    /// The certificate of its authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A client's certificate of its authority, and the key of that.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        let path = |name: &str| self.folder.path().join(name);
        if !path("client.pem").exists() {
            issue(self.folder.path(), "client", "extendedKeyUsage=clientAuth");
        }
        (path("client.pem"), path("client.key"))
    }

    /// A docker config that holds its login.
    pub fn docker_config(&self) -> PathBuf {
        let path = self.folder.path().join("config.json");
        let login = serde_json::json!({"username": USERNAME, "password": PASSWORD});
        let config = serde_json::json!({"auths": {self.name(): login}});
        let mut file = fs::File::create(&path).expect("a config file");
        file.write_all(config.to_string().as_bytes())
            .expect("it is written");
        path
    }

    /// Files that it stores below a folder of that name.
    pub fn stored(&self, name: &str) -> usize {
        fn count(folder: &Path, name: &str, within: bool) -> usize {
            let Ok(entries) = fs::read_dir(folder) else {
                return 0;
            };
            entries
                .flatten()
                .map(|entry| match entry.file_type() {
                    Ok(kind) if kind.is_dir() => {
                        let within = within || entry.file_name() == name;
                        count(&entry.path(), name, within)
                    }
                    _ => usize::from(within),
                })
                .sum()
        }
        count(&self.folder.path().join("storage"), name, false)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes an authority and a certificate, and configures them.
fn tls(folder: &Path) -> String {
    let path = |name: &str| text(&folder.join(name)).to_owned();
    let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
    let mut authority = vec!["req", "-x509", "-days", "2"];
    authority.extend(NEW_KEY);
    authority.extend(["/CN=test authority", "-keyout", &ca_key, "-out", &ca]);
    run("openssl", &authority);
    issue(
        folder,
        "server",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
    );
    let (certificate, key) = (path("server.pem"), path("server.key"));
    format!("  tls: {{certificate: {certificate}, key: {key}}}\n")
}

/// The same, for clients with a certificate of that authority.
fn mutual(folder: &Path, authority: &Path) -> String {
    let tls = tls(folder);
    let tls = tls.trim_end().trim_end_matches('}');
    format!("{tls}, clientcas: [{}]}}\n", text(authority))
}

const NEW_KEY: [&str; 4] = ["-newkey", "rsa:2048", "-nodes", "-subj"];

/// Makes a certificate of that folder's authority, and a key.
fn issue(folder: &Path, name: &str, extension: &str) {
    let path = |name: &str| text(&folder.join(name)).to_owned();
    let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.pem")));
    let (request, extensions) = (path("request"), path("extensions"));
    let mut asking = vec!["req"];
    asking.extend(NEW_KEY);
    asking.extend(["/CN=localhost", "-keyout", &key, "-out", &request]);
    run("openssl", &asking);
    fs::write(&extensions, extension).unwrap();
    let signing = [
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        &request,
        "-extfile",
        &extensions,
    ];
    let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
    let authority = [
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-out",
        &certificate,
    ];
    run("openssl", &[&signing[..], &authority].concat());
}

fn run(program: &str, arguments: &[&str]) {
    process::run(Command::new(program).args(arguments));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A registry that lists what refers to a manifest: `ferro-oci-server`. It keeps all in its memory.
pub struct Referring {
    process: Child,
    name: String,
}

impl Referring {
    pub fn start() -> Self {
        let mut process = Command::new("ferro-oci-server")
            // Without it, it listens to everybody.
            .env("FERRO_OCI_LISTEN", "127.0.0.1:0")
            .env_remove("FERRO_OCI_STORAGE_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ferro-oci-server must be installed: tests/run does");
        let log = process.stdout.take().expect("it was piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let listens = lines.any(|line| line.contains("listening"));
        assert!(listens, "ferro-oci-server says when it listens");
        // Read to its end, so that it never waits for us.
        std::thread::spawn(move || lines.count());
        let name = format!("127.0.0.1:{}", listening(process.id()));
        Self { process, name }
    }

    /// Host and port.
    pub fn name(&self) -> String {
        self.name.clone()
    }
}

impl Drop for Referring {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port on which a process listens, which it does not tell.
fn listening(process: u32) -> u16 {
    let handles = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    let sockets: Vec<String> = handles
        .flatten()
        .filter_map(|handle| fs::read_link(handle.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.strip_prefix("socket:[")?.to_owned();
            Some(link.trim_end_matches(']').to_owned())
        })
        .collect();
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).expect("it runs");
    let ports = table.lines().skip(1).filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, "0A", _, _, _, _, _, socket, ..] = words.as_slice() else {
            return None;
        };
        let is_ours = sockets.iter().any(|ours| ours == socket);
        let (_, port) = local.split_once(':')?;
        u16::from_str_radix(port, 16).ok().filter(|_| is_ours)
    });
    ports.into_iter().next().expect("it listens")
}
