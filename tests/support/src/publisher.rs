//! Publishes as others do: an artifact that nobody here has vouched for, and what refers to it.

use ring::digest;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// `sha256:` and hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    let hex = data_encoding::HEXLOWER.encode(digest.as_ref());
    format!("sha256:{hex}")
}

/// A descriptor of bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() })
}

/// The manifest of an artifact, as tools for WebAssembly write it.
pub fn artifact(bytes: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor("application/vnd.wasm.config.v0+json", b"{}"),
        "layers": [descriptor("application/wasm", bytes)],
    })
}

/// The manifest of a bundle, as cosign 3 and GitHub write it.
pub fn referrer(subject: &Value, bundle: &Value, predicate: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "artifactType": BUNDLE,
        "config": descriptor(EMPTY, b"{}"),
        "layers": [descriptor(BUNDLE, bundle.to_string().as_bytes())],
        "subject": descriptor(IMAGE, subject.to_string().as_bytes()),
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicate,
        },
    })
}

/// An index of manifests.
pub fn index(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
}

/// A repository of a registry that is open to all.
pub struct Publisher {
    pub registry: String,
    pub repository: String,
}

impl Publisher {
    pub fn new(registry: &str, repository: &str) -> Self {
        Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
        }
    }

    pub fn blob(&self, bytes: &[u8]) {
        let begin = format!("/v2/{}/blobs/uploads/", self.repository);
        let (status, head) = self.send("POST", &begin, "", b"");
        assert_eq!(status, 202, "{head}");
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let location = lines.find(|(name, _)| name.eq_ignore_ascii_case("location"));
        let location = location.expect("a location").1.trim();
        let target = match location.strip_prefix("http://") {
            Some(rest) => &rest[rest.find('/').expect("a path")..],
            None => location,
        };
        let mark = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{mark}digest={}", sha256(bytes));
        let (status, head) = self.send("PUT", &target, "application/octet-stream", bytes);
        assert_eq!(status, 201, "{head}");
    }

    /// Under a tag, or its own digest.
    pub fn manifest(&self, name: Option<&str>, manifest: &Value) -> String {
        let text = manifest.to_string();
        let digest = sha256(text.as_bytes());
        let name = name.unwrap_or(&digest);
        let target = format!("/v2/{}/manifests/{name}", self.repository);
        let media_type = manifest["mediaType"].as_str().expect("its type");
        let (status, head) = self.send("PUT", &target, media_type, text.as_bytes());
        assert_eq!(status, 201, "{head}");
        digest
    }

    /// A manifest as others wrote it, under a tag.
    pub fn tag(&self, tag: &str, manifest: &[u8]) {
        let target = format!("/v2/{}/manifests/{tag}", self.repository);
        let (status, head) = self.send("PUT", &target, IMAGE, manifest);
        assert_eq!(status, 201, "{head}");
    }

    /// An artifact under a tag; its manifest.
    pub fn artifact(&self, tag: &str, bytes: &[u8]) -> Value {
        self.blob(b"{}");
        self.blob(bytes);
        let manifest = artifact(bytes);
        self.manifest(Some(tag), &manifest);
        manifest
    }

    /// Bundles that refer to a manifest; with the fallback tag's index, as for a registry that has no
    /// list of referrers.
    pub fn bundles(&self, subject: &Value, bundles: &[Value]) {
        let mut entries = Vec::new();
        for bundle in bundles {
            let text = bundle.to_string();
            self.blob(text.as_bytes());
            let manifest = referrer(subject, bundle, "https://sigstore.dev/cosign/sign/v1");
            self.manifest(None, &manifest);
            let mut entry = descriptor(IMAGE, manifest.to_string().as_bytes());
            entry["artifactType"] = BUNDLE.into();
            entries.push(entry);
        }
        let index = index(&entries);
        let digest = sha256(subject.to_string().as_bytes());
        self.manifest(Some(&digest.replace(':', "-")), &index);
    }

    /// What is there under a name, and its status.
    pub fn get(&self, rest: &str) -> (u16, Vec<u8>) {
        let target = format!("/v2/{}/{rest}", self.repository);
        let answer = self.exchange("GET", &target, "", b"");
        let (status, head, body) = answer;
        assert!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
        (status, body)
    }

    fn send(&self, method: &str, target: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let (status, head, _) = self.exchange(method, target, kind, body);
        (status, head)
    }

    fn exchange(
        &self,
        method: &str,
        target: &str,
        kind: &str,
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.registry).expect("it listens");
        let kind = match kind {
            "" => String::new(),
            kind => format!("content-type: {kind}\r\n"),
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             accept: {IMAGE}, {INDEX}\r\n{kind}content-length: {}\r\n\r\n",
            self.registry,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it is sent");
        stream.write_all(body).expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.expect("a head") + 4);
        let head = String::from_utf8_lossy(&answer).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), head, body)
    }
}
