//! `vouchd demo`: the main job in a few seconds, on real parts. A service of its own on a private
//! socket, a client on that socket, an image layout; what is printed is what went over the wire.
//!
//! It works in a temporary folder and leaves nothing behind, whether it succeeds or fails.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::{
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use wascap::jwt::{Claims, Component};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs the demo and prints it to `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("vouchd-demo-").tempdir()?;
    let path = |name: &str| folder.path().join(name);
    for (name, bytes) in samples()? {
        fs::write(path(name), bytes)?;
    }

    let socket = path("vouchd.sock");
    writeln!(out, "A service starts on a private socket:\n")?;
    writeln!(out, "  $ vouchd serve --socket {}\n", socket.display())?;
    let mut service = Service::start(&socket)?;
    let mut client = Client::connect(&mut service, &socket)?;

    writeln!(out, "A client connects. Each message is one line of JSON.")?;
    let layout = format!("oci:{}:0.1.0", path("layout").display());
    let pulled = path("pulled.wasm");

    say(
        out,
        "Is this component signed? Yes: a fresh key signed it a moment ago.",
    )?;
    let verified = client.call(out, "verify", json!({ "path": path("adder.wasm") }))?;
    expect(
        verified.pointer("/result/verdict") == Some(&json!("accepted")),
        "it was not accepted",
    )?;

    say(
        out,
        "Push it, here to an image layout on disk. A registry works the same way.",
    )?;
    let pushed = client.call(
        out,
        "push",
        json!({ "path": path("adder.wasm"), "reference": layout }),
    )?;
    expect(pushed.get("result").is_some(), "it was not pushed")?;

    say(
        out,
        "Pull it back. The file gets its name only once it was verified.",
    )?;
    let answer = client.call(
        out,
        "pull",
        json!({ "reference": layout, "destination": pulled }),
    )?;
    expect(answer.get("result").is_some(), "it was not pulled")?;
    expect(
        fs::read(&pulled)? == fs::read(path("adder.wasm"))?,
        "the pulled file differs",
    )?;
    writeln!(out, "  The pulled file is the pushed one, byte for byte.")?;

    for (name, kind, story) in [
        (
            "unsigned.wasm",
            "unsigned",
            "The same component, but nobody signed it.",
        ),
        (
            "tampered.wasm",
            "hashMismatch",
            "The signed one, but one byte was changed afterwards.",
        ),
        (
            "forged.wasm",
            "signatureInvalid",
            "Another one, with a token that somebody made up.",
        ),
    ] {
        say(out, story)?;
        let params = json!({ "path": path(name), "reference": layout.replace("0.1.0", "0.2.0") });
        let answer = client.call(out, "push", params)?;
        expect(
            answer.pointer("/error/data/kind") == Some(&json!(kind)),
            "it was not refused",
        )?;
    }
    let index: Value = serde_json::from_slice(&fs::read(path("layout").join("index.json"))?)?;
    let manifests = index["manifests"].as_array().map_or(0, Vec::len);
    expect(manifests == 1, "something else was published")?;
    writeln!(
        out,
        "\nThe layout still holds one manifest: none of the three left a trace."
    )?;

    say(
        out,
        "Enough. The service stops, and the folder of this demo goes away.",
    )?;
    client.call(out, "server/stop", json!({}))?;
    service.wait()?;
    folder.close()?;
    Ok(())
}

/// Writes what the demo works on to a folder, which is made where it does not exist, and says what
/// it wrote. Samples of an earlier demo are replaced, and nothing else.
pub(crate) fn keep(folder: &Path, out: &mut dyn Write) -> Result<()> {
    fs::create_dir_all(folder)?;
    let samples = samples()?;
    let paths = samples.each_ref().map(|(name, _)| folder.join(name));
    if let Some(path) = paths.iter().find(|path| path.exists() && !is_sample(path)) {
        let path = path.display();
        return Err(format!("{path} exists and is not a sample; name another folder").into());
    }
    for (path, (_, bytes)) in paths.iter().zip(samples) {
        fs::write(path, bytes)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// Whether a file is what an earlier demo wrote: all samples begin alike.
fn is_sample(path: &Path) -> bool {
    let mut begin = Vec::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(COMPONENT.len() as u64).read_to_end(&mut begin));
    read.is_ok() && (begin == COMPONENT || begin == tamper(COMPONENT))
}

/// A signed component, the same unsigned and with a byte changed, and one with a forged token.
fn samples() -> Result<[(&'static str, Vec<u8>); 4]> {
    let account = KeyPair::new_account();
    let signed = sign(COMPONENT, &account)?;
    let tampered = tamper(&signed);
    Ok([
        ("adder.wasm", signed),
        ("unsigned.wasm", COMPONENT.to_vec()),
        ("tampered.wasm", tampered),
        ("forged.wasm", forge(&account)?),
    ])
}

fn say(out: &mut dyn Write, what: &str) -> io::Result<()> {
    writeln!(out, "\n{what}\n")
}

fn expect(holds: bool, otherwise: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// The service as a process of its own; killed where the demo fails.
struct Service(Child);

impl Service {
    fn start(socket: &Path) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--log", "warn", "serve", "--socket"])
            .arg(socket)
            .env_remove("VOUCHD_CONFIG")
            .env_remove("LISTEN_FDS")
            .env("XDG_CONFIG_HOME", socket.with_extension("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn wait(&mut self) -> Result<()> {
        expect(self.0.wait()?.success(), "the service failed")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Client {
    reader: BufReader<UnixStream>,
    last_id: u64,
}

impl Client {
    fn connect(service: &mut Service, socket: &PathBuf) -> Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                    return Ok(Self {
                        reader: BufReader::new(stream),
                        last_id: 0,
                    });
                }
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => expect(service.0.try_wait()?.is_none(), "the service ended at once")?,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a request and prints it, and what a user would see of the answer.
    fn call(&mut self, out: &mut dyn Write, method: &str, params: Value) -> Result<Value> {
        self.last_id += 1;
        let mut request = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method });
        if params != json!({}) {
            request["params"] = params;
        }
        writeln!(out, "  -> {request}")?;
        writeln!(self.reader.get_mut(), "{request}")?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line)?;
        writeln!(out, "  <- {}", readable(&answer, 5))?;
        Ok(answer)
    }
}

/// JSON with line breaks only where a line would be too long.
fn readable(value: &Value, indent: usize) -> String {
    let compact = value.to_string();
    let (open, close, members): (char, char, Vec<String>) = match value {
        _ if compact.len() + indent <= 100 => return compact,
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}: {}", json!(name), readable(value, indent + 2))
            };
            ('{', '}', members.iter().map(member).collect())
        }
        Value::Array(list) => (
            '[',
            ']',
            list.iter()
                .map(|value| readable(value, indent + 2))
                .collect(),
        ),
        _ => return compact,
    };
    let margin = " ".repeat(indent);
    let lines = members.join(&format!(",\n{margin}  "));
    format!("{open}\n{margin}  {lines}\n{margin}{close}")
}

/// A component that exports a function which adds two numbers, as encoders write it: a module with
/// the function `add`, an instance of it, and the function lifted to `add(a: u32, b: u32) -> u32`.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\
    \x01\x29\0asm\x01\0\0\0\x01\x07\x01\x60\x02\x7f\x7f\x01\x7f\x03\x02\x01\0\
    \x07\x07\x01\x03add\0\0\x0a\x09\x01\x07\0\x20\0\x20\x01\x6a\x0b\
    \x02\x04\x01\0\0\0\
    \x06\x09\x01\0\0\x01\0\x03add\
    \x07\x0b\x01\x40\x02\x01ay\x01by\0y\
    \x08\x06\x01\0\0\0\0\0\
    \x0b\x09\x01\0\x03add\x01\0\0";

/// Signs as wash does: the token holds the hash of the file without it.
fn sign(unsigned: &[u8], account: &KeyPair) -> Result<Vec<u8>> {
    let mut claims = Claims::<Component>::new(
        "adder".into(),
        account.public_key(),
        KeyPair::new_module().public_key(),
        Some(vec!["demo".into()]),
        false,
        Some(1),
        Some("0.1.0".into()),
        None,
    );
    if let Some(metadata) = &mut claims.metadata {
        metadata.module_hash = vouchd::name::Digest::of(unsigned).upper_hex();
    }
    let token = claims.encode(account).map_err(|error| error.to_string())?;
    Ok(embed(unsigned, &token))
}

/// Appends a token as a custom section: its number, its length, its name with a length, the token.
fn embed(unsigned: &[u8], token: &str) -> Vec<u8> {
    const NAME: &str = "\x0dwasmcloud_jwt";
    let mut signed = [unsigned, &[0]].concat();
    // LEB128: seven bits a byte, the lowest first.
    let mut length = NAME.len() + token.len();
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            signed.push(low & 0x7f);
            break;
        }
        signed.push(low | 0x80);
    }
    signed.extend_from_slice(NAME.as_bytes());
    signed.extend_from_slice(token.as_bytes());
    signed
}

/// Turns the addition into a subtraction.
fn tamper(signed: &[u8]) -> Vec<u8> {
    const LOCAL_GET_1_I32_ADD: [u8; 3] = [0x20, 1, 0x6a];
    const I32_SUB: u8 = 0x6b;
    let mut tampered = signed.to_vec();
    let at = signed
        .windows(3)
        .position(|bytes| bytes == LOCAL_GET_1_I32_ADD);
    if let Some(opcode) = at.and_then(|at| tampered.get_mut(at + 2)) {
        *opcode = I32_SUB;
    }
    tampered
}

/// Claims in the name of an account, without its key.
fn forge(account: &KeyPair) -> Result<Vec<u8>> {
    let somebody = KeyPair::new_account();
    let claims = json!({
        "jti": "forged", "iat": 1_700_000_000, "iss": account.public_key(),
        "sub": KeyPair::new_module().public_key(),
        "wascap": { "name": "adder", "hash": vouchd::name::Digest::of(COMPONENT).upper_hex() },
        "wascap_revision": 3,
    });
    let part = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
    let head = part(json!({ "typ": "jwt", "alg": "Ed25519" }).to_string());
    let text = format!("{head}.{}", part(claims.to_string()));
    let signature = somebody
        .sign(text.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(embed(
        COMPONENT,
        &format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)),
    ))
}
