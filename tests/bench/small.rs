//! 10 KB on a warm session, beside the same requests sent one after the other by a bare client; and
//! one blob that ten clients push at once.

use super::{Daemon, race, row, timed};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};
use vouch_testing::{forge, proxy::Proxy, registry::Registry};

const ROUNDS: usize = 50;

/// A client on one connection, which does nothing but send and read.
struct Bare(BufReader<TcpStream>);

struct Answer {
    location: String,
    body: Vec<u8>,
}

impl Bare {
    fn to(registry: &Registry) -> Self {
        let stream = TcpStream::connect(registry.name()).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: registry\r\nAccept: {TYPE}\r\n\
             Content-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.0.get_mut().write_all(&request).unwrap();
        let (mut length, mut location) = (0, String::new());
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                match line.trim_end() {
                    "" => break,
                    _ => continue,
                }
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "location" => {
                    value
                        .trim_start_matches("http://registry")
                        .clone_into(&mut location);
                }
                _ => {}
            }
        }
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        self.0.read_exact(&mut body).unwrap();
        Answer { location, body }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn small() {
    let (registry, daemon) = (Registry::open(), Daemon::start());
    let unsigned = [forge::module(), forge::custom("fill", &[7; 10_000])].concat();
    let path = daemon.path("small.wasm");
    fs::write(&path, forge::Signer::default().wasm(&unsigned)).unwrap();
    let mut client = daemon.connect();
    let mut push = |repository: &str| {
        let reference = format!("{}/{repository}:1", registry.name());
        let params = json!({"path": path, "reference": reference});
        timed(|| drop(client.call("push", &params).unwrap()))
    };
    push("bench/first");
    // What it wrote, for the bare client to write the same.
    let mut bare = Bare::to(&registry);
    let manifest = bare.ask("GET", "/v2/bench/first/manifests/1", b"").body;
    let named: Value = serde_json::from_slice(&manifest).unwrap();
    let digests = [&named["layers"][0], &named["config"]].map(|blob| text(&blob["digest"]));
    let blobs = digests.map(|digest| {
        let target = format!("/v2/bench/first/blobs/{digest}");
        bare.ask("GET", &target, b"").body
    });
    let mut rounds = [0, 0];
    let [ours, theirs] = &mut rounds;
    let [pushed, seven] = race(
        ROUNDS,
        [
            &mut || {
                *ours += 1;
                push(&format!("bench/ours{ours}"))
            },
            &mut || {
                *theirs += 1;
                let repository = format!("/v2/bench/theirs{theirs}");
                timed(|| {
                    for digest in digests {
                        bare.ask("HEAD", &format!("{repository}/blobs/{digest}"), b"");
                    }
                    for (digest, blob) in digests.iter().zip(&blobs) {
                        let upload = format!("{repository}/blobs/uploads/");
                        let location = bare.ask("POST", &upload, b"").location;
                        bare.ask("PUT", &format!("{location}&digest={digest}"), blob);
                    }
                    bare.ask("PUT", &format!("{repository}/manifests/1"), &manifest);
                })
            },
        ],
    );
    let mut puller = daemon.connect();
    let to = daemon.path("pulled.wasm");
    let reference = format!("{}/bench/first:1", registry.name());
    let params = json!({"reference": reference, "destination": to, "overwrite": true});
    let blob = format!("/v2/bench/first/blobs/{}", digests[0]);
    let (beside, theirs) = (daemon.path("beside"), daemon.path("theirs.wasm"));
    let folder = fs::File::open(beside.parent().unwrap()).unwrap();
    let [pulled, two, kept] = race(
        ROUNDS,
        [
            &mut || timed(|| drop(puller.call("pull", &params).unwrap())),
            &mut || {
                timed(|| {
                    bare.ask("GET", "/v2/bench/first/manifests/1", b"");
                    bare.ask("GET", &blob, b"");
                })
            },
            // What a pull promises beside its requests: the file survives a power cut.
            &mut || {
                timed(|| {
                    let mut file = fs::File::create(&beside).unwrap();
                    file.write_all(&blobs[0]).unwrap();
                    file.sync_all().unwrap();
                    fs::rename(&beside, &theirs).unwrap();
                    folder.sync_all().unwrap();
                })
            },
        ],
    );
    row(
        "10 KB, warm: push, beside its 7 requests in turn",
        "<= 0.9 x",
        &format!("{:.2} x", pushed / seven),
    );
    row(
        "10 KB, warm: pull, beside its 2 requests and 2 syncs",
        "<= 1.1 x",
        &format!(
            "{:.2} x ({:.2} ms; requests {:.2} ms, writing, syncing and naming {:.2} ms)",
            pulled / (two + kept),
            pulled * 1e3,
            two * 1e3,
            kept * 1e3
        ),
    );
}

pub(crate) fn by_ten() {
    let (registry, daemon) = (Registry::open(), Daemon::start());
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let unsigned = [forge::module(), forge::custom("fill", &vec![7; 5 << 20])].concat();
    let path = daemon.path("same.wasm");
    let contents = forge::Signer::default().wasm(&unsigned);
    fs::write(&path, &contents).unwrap();
    std::thread::scope(|scope| {
        for number in 0..10 {
            let reference = format!("{}/bench/same:{number}", proxy.name());
            let params = json!({"path": path, "reference": reference});
            let mut client = daemon.connect();
            scope.spawn(move || client.call("push", &params).unwrap());
        }
    });
    let is_upload = |length: u64| length == contents.len() as u64;
    let seen = proxy.seen();
    let uploads = seen.iter().filter(|(head, _)| is_upload(head.length));
    row(
        "the same blob pushed by ten clients at once",
        "uploaded once",
        &format!("{} x", uploads.count()),
    );
}
