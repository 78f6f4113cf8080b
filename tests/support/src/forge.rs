//! Makes artifacts, rightly signed and wrongly: what a signer does, what a forger tries.

use data_encoding::{BASE64URL_NOPAD, HEXUPPER};
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::io::Write;

pub const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

/// Signs as wascap does, with every part open to change.
pub struct Signer {
    pub account: KeyPair,
    pub module: KeyPair,
    pub service: KeyPair,
    pub section: &'static str,
    pub header: String,
    pub not_before: Option<u64>,
    pub expires: Option<u64>,
    /// Instead of the right hash.
    pub hash: Option<String>,
    pub revision: Option<u32>,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            account: KeyPair::new_account(),
            module: KeyPair::new_module(),
            service: KeyPair::new_service(),
            section: "wasmcloud_jwt",
            header: HEADER.into(),
            not_before: None,
            expires: None,
            hash: None,
            revision: Some(3),
        }
    }
}

impl Signer {
    pub fn jwt(&self, payload: &str) -> String {
        let signed = format!(
            "{}.{}",
            base64(self.header.as_bytes()),
            base64(payload.as_bytes())
        );
        let signature = self
            .account
            .sign(signed.as_bytes())
            .expect("an own key signs");
        format!("{signed}.{}", base64(&signature))
    }

    fn claims(&self, subject: &KeyPair, wascap: Value) -> Value {
        let mut claims = json!({
            "jti": "an-id", "iat": 1_700_000_000,
            "iss": self.account.public_key(), "sub": subject.public_key(), "wascap": wascap,
        });
        let mut set = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                claims[name] = value.into();
            }
        };
        set("nbf", self.not_before);
        set("exp", self.expires);
        set("wascap_revision", self.revision.map(u64::from));
        claims
    }

    pub fn wasm_claims(&self, unsigned: &[u8]) -> Value {
        let hash = self.hash.clone().unwrap_or_else(|| sha256(unsigned));
        self.claims(
            &self.module,
            json!({ "name": "echo", "hash": hash, "tags": ["a"],
            "rev": 4, "ver": "0.3.4", "caps": ["wasmcloud:httpserver"] }),
        )
    }

    pub fn wasm_token(&self, unsigned: &[u8]) -> String {
        self.jwt(&self.wasm_claims(unsigned).to_string())
    }

    /// A module or component with its token as the last section.
    pub fn wasm(&self, unsigned: &[u8]) -> Vec<u8> {
        let token = custom(self.section, self.wasm_token(unsigned).as_bytes());
        [unsigned, &token].concat()
    }

    pub fn archive_claims(&self, entries: &[(&str, &[u8])]) -> Value {
        let hashes: serde_json::Map<String, Value> = entries
            .iter()
            .map(|(name, bytes)| {
                (
                    name.strip_suffix(".bin").unwrap_or(name).to_owned(),
                    sha256(bytes).into(),
                )
            })
            .collect();
        self.claims(
            &self.service,
            json!({ "name": "kv", "vendor": "acme", "target_hashes": hashes,
            "rev": 1, "ver": "0.1.0" }),
        )
    }

    pub fn archive_token(&self, entries: &[(&str, &[u8])]) -> String {
        self.jwt(&self.archive_claims(entries).to_string())
    }

    /// A provider archive with its token as the first entry.
    pub fn archive(&self, entries: &[(&str, &[u8])]) -> Vec<u8> {
        let token = self.archive_token(entries);
        let mut all = vec![("claims.jwt", token.as_bytes())];
        all.extend_from_slice(entries);
        tar(&all)
    }
}

pub fn base64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

pub fn sha256(bytes: &[u8]) -> String {
    HEXUPPER.encode(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

pub fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn length(bytes: &[u8]) -> Vec<u8> {
    leb(u32::try_from(bytes.len()).expect("fixtures are small"))
}

pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &length(content), content].concat()
}

pub fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(
        0,
        &[&length(name.as_bytes())[..], name.as_bytes(), content].concat(),
    )
}

/// A core module that exports a function which adds two numbers.
pub fn module() -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend(section(1, &[1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]));
    bytes.extend(section(3, &[1, 0]));
    bytes.extend(section(7, b"\x01\x03add\0\0"));
    bytes.extend(section(10, &[1, 7, 0, 0x20, 0, 0x20, 1, 0x6a, 0x0b]));
    bytes.extend(custom("producers", b"\0"));
    bytes
}

/// A component around that module.
pub fn component() -> Vec<u8> {
    component_around(&module())
}

pub fn component_around(module: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend(section(1, module));
    bytes.extend(custom("component-name", b"\0"));
    bytes
}

/// A component within a component, and so on.
pub fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(component(), |inner, _| {
        [&b"\0asm\x0d\0\x01\0"[..], &section(4, &inner)].concat()
    })
}

pub const ENTRIES: &[(&str, &[u8])] = &[
    ("world.wasm", b"\0asm\x0d\0\x01\0"),
    ("x86_64-linux.bin", b"\x7fELF for one machine"),
    ("aarch64-linux.bin", b"\x7fELF for another machine, and a little longer than a block would be if it were not for this"),
];

pub fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in entries {
        bytes.extend(entry(name, content));
    }
    bytes.extend([0; 1024]);
    bytes
}

pub fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    entry_with(name, content, |_| {})
}

/// An entry whose header was changed before its checksum was made.
pub fn entry_with(name: &str, content: &[u8], change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    change(header.as_mut_bytes());
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// JSON in a text that `serde_json` takes for JSON, in a text of the same kind, and so on: each text
/// counts its depth from zero.
pub fn hidden_depth(texts: usize) -> String {
    let (open, close) = ("[".repeat(120), "]".repeat(120));
    (0..texts).fold(format!("{open}{close}"), |json, _| {
        let text = json.replace('\\', r"\u005c").replace('"', r"\u0022");
        format!(r#"{open}{{"$serde_json::private::RawValue":"{text}"}}{close}"#)
    })
}
