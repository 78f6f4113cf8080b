//! A table of artifacts that must be refused, one reason a row.

use super::*;
use ErrorKind::{AmbiguousToken, HashMismatch, InvalidToken, MalformedArtifact, SignatureInvalid, TooLarge, UnknownArtifact, Unsigned};
use nkeys::KeyPair;
use serde_json::{Value, json};

struct Table(Vec<(String, ErrorKind, Vec<u8>)>);

impl Table {
    fn row(&mut self, reason: &str, kind: ErrorKind, bytes: Vec<u8>) {
        self.0.push((reason.to_owned(), kind, bytes));
    }

    /// The same for a plain and a gzipped archive.
    fn archive(&mut self, reason: &str, kind: ErrorKind, bytes: Vec<u8>) {
        self.row(&format!("gzipped: {reason}"), kind, gzip(&bytes));
        self.row(reason, kind, bytes);
    }
}

fn with_token(unsigned: &[u8], token: &str) -> Vec<u8> {
    seed("token", token);
    [unsigned, &custom("wasmcloud_jwt", token.as_bytes())].concat()
}

fn archive_with(token: &[u8], entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = vec![("claims.jwt", token)];
    all.extend_from_slice(entries);
    tar(&all)
}

/// An archive whose second entry has a header that was changed.
fn archive_changed(change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let signer = Signer::default();
    let mut bytes = entry("claims.jwt", signer.archive_token(ENTRIES).as_bytes());
    bytes.extend(entry(ENTRIES[0].0, ENTRIES[0].1));
    bytes.extend(entry_with(ENTRIES[1].0, ENTRIES[1].1, change));
    bytes.extend(entry(ENTRIES[2].0, ENTRIES[2].1));
    bytes.extend([0; 1024]);
    bytes
}

/// An archive whose token's header was changed, and nothing else.
fn archive_token_changed(change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let token = Signer::default().archive_token(ENTRIES);
    [entry_with("claims.jwt", token.as_bytes(), change), tar(ENTRIES)].concat()
}

/// A signed archive with one more entry of this name and header.
fn archive_and(name: &str, content: &[u8], change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut bytes = Signer::default().archive(ENTRIES);
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(entry_with(name, content, change));
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn hostile_artifacts_are_refused_for_their_reason() {
    let mut table = Table(Vec::new());
    not_ours(&mut table);
    wasm_structure(&mut table);
    wasm_tokens(&mut table);
    tokens(&mut table);
    archives(&mut table);
    archive_headers(&mut table);
    gzip_members(&mut table);
    assert!(table.0.len() >= 90, "{} rows", table.0.len());
    let mut wrong = Vec::new();
    let unfit = look(&archive_token_changed(|header| header[108] = 0x80));
    let why = unfit.verdict.as_ref().unwrap_err().to_string();
    assert!(why.contains("\"claims.jwt\" has a number in its header that is not octal"), "{why}");
    for (reason, expected, bytes) in &table.0 {
        let examination = look(bytes);
        match &examination.verdict {
            Ok(_) => wrong.push(format!("{reason}: accepted")),
            Err(refusal) if refusal.kind != *expected => {
                wrong.push(format!("{reason}: {} instead of {expected}: {refusal}", refusal.kind));
            }
            // Refused or not, the digest is of everything.
            Err(_) if examination.digest != Some(Digest::of(bytes)) => {
                wrong.push(format!("{reason}: another digest"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn not_ours(table: &mut Table) {
    table.row("an empty file", UnknownArtifact, vec![]);
    table.row("text", UnknownArtifact, b"#!/bin/sh\necho hello\n".to_vec());
    table.row("a native binary", UnknownArtifact, [&b"\x7fELF"[..], &[0; 600]].concat());
    table.row("zeros", UnknownArtifact, vec![0; 4096]);
    table.row("half a magic number", UnknownArtifact, b"\0as".to_vec());
    table.row("a header cut off", UnknownArtifact, b"\0asm\x01\0".to_vec());
    table.row("wasm of version 2", UnknownArtifact, b"\0asm\x02\0\0\0".to_vec());
    table.row("a component of an older draft", UnknownArtifact, b"\0asm\x0c\0\x01\0".to_vec());
    table.row("WAT", UnknownArtifact, b"(module)".to_vec());
    table.archive("a tar of sources", UnknownArtifact, tar(&[("src/main.rs", b"fn main() {}")]));
    table.row("gzipped text", UnknownArtifact, gzip(b"hello"));
    table.row("an archive gzipped twice", UnknownArtifact, gzip(&gzip(&Signer::default().archive(ENTRIES))));
    table.row("a token alone", UnknownArtifact, Signer::default().wasm_token(&module()).into_bytes());
}

fn wasm_structure(table: &mut Table) {
    let signer = Signer::default();
    for (name, unsigned) in [("module", module()), ("component", component())] {
        let signed = signer.wasm(&unsigned);
        let mut row = |reason: &str, kind, bytes| table.row(&format!("{name}: {reason}"), kind, bytes);
        row("never signed", Unsigned, unsigned.clone());
        row("a header and nothing else", Unsigned, unsigned[..8].to_vec());
        row("cut off in the token", MalformedArtifact, signed[..signed.len() - 1].to_vec());
        row("cut off in a section's size", MalformedArtifact, [&signed[..], &[0, 0x80]].concat());
        row("a section id and nothing else", MalformedArtifact, [&signed[..], &[0]].concat());
        row("a section larger than the file", MalformedArtifact, [&signed[..], &[0, 9, 1, b'x']].concat());
        row("an unknown section", MalformedArtifact, [&signed[..], &section(0x7f, b"x")].concat());
        row("a name larger than its section", MalformedArtifact, [&signed[..], &[0, 2, 9, b'x']].concat());
        row("a custom section without a name", MalformedArtifact, [&signed[..], &[0, 0]].concat());
        row("a size of more than 32 bits", MalformedArtifact, [&signed[..], &[0, 0xff, 0xff, 0xff, 0xff, 0x1f]].concat());
        row("a size whose high bits are cut off by who does not look", MalformedArtifact, [&signed[..], &[0, 0x83, 0x80, 0x80, 0x80, 0x10, 1, b'x', b'y']].concat());
        row("a size of six bytes", MalformedArtifact, [&signed[..], &[0, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat());
        row("a second artifact behind it", MalformedArtifact, [&signed[..], &signed].concat());
        row("a section behind the token", HashMismatch, [&signed[..], &custom("more", b"x")].concat());
        row("a section before the token", HashMismatch, [&unsigned[..8], &custom("more", b"x"), &signed[8..]].concat());
        let mut flipped = signed.clone();
        flipped[14] ^= 1;
        let kind = if name == "module" { HashMismatch } else { MalformedArtifact };
        row("a bit flipped", kind, flipped);
        let mut dropped = unsigned.clone();
        dropped.truncate(unsigned.len() - 2);
        row("another artifact's token", HashMismatch, with_token(&[&unsigned[..], &custom("a", b"")].concat(), &signer.wasm_token(&unsigned)));
        row("a token larger than the limit", TooLarge, with_token(&unsigned, &"a".repeat((256 << 10) + 1)));
    }
    let deep = signer.wasm(&nested(101));
    table.row("components nested too deep", TooLarge, deep);
    let around = |inner: &[u8]| signer.wasm(&component_around(inner));
    table.row("a nested module of three bytes", MalformedArtifact, around(b"\0as"));
    table.row("a nested module that is a component", MalformedArtifact, around(&component()));
    table.row("a nested module of another version", MalformedArtifact, around(b"\0asm\x02\0\0\0"));
    table.row("a nested module's section past its end", MalformedArtifact, around(b"\0asm\x01\0\0\0\x01\x09\x00"));
    table.row("a nested module's size cut off", MalformedArtifact, around(b"\0asm\x01\0\0\0\x01"));
    let mut nested_in_module = module();
    nested_in_module.extend(section(14, &module()));
    table.row("a module with a section of a later specification", MalformedArtifact, signer.wasm(&nested_in_module));
}

fn wasm_tokens(table: &mut Table) {
    let signer = Signer::default();
    let signed = signer.wasm(&module());
    let token = signer.wasm_token(&signed);
    table.row("two tokens, the later signs the earlier", AmbiguousToken, with_token(&signed, &token));
    table.row("two equal tokens", AmbiguousToken, with_token(&signed, &signer.wasm_token(&module())));
    let both = [&signed[..], &custom("jwt", signer.wasm_token(&module()).as_bytes())].concat();
    table.row("a token under each name", AmbiguousToken, both);
    table.row("a token in a nested module only", AmbiguousToken, component_around(&signed));
    table.row("a token in a nested module too", AmbiguousToken, signer.wasm(&component_around(&signed)));
    let deeper = [&b"\0asm\x0d\0\x01\0"[..], &section(4, &component_around(&signed))].concat();
    table.row("a token two levels down", AmbiguousToken, signer.wasm(&deeper));
    let empty = [&module()[..], &custom("wasmcloud_jwt", b"")].concat();
    table.row("an empty token", InvalidToken, empty);
    table.row("a section of nearly the name", Unsigned, [&module()[..], &custom("wasmcloud_jwt2", b"x")].concat());
    table.row("a section of the name in capitals", Unsigned, [&module()[..], &custom("JWT", b"x")].concat());
    let lower = Signer { hash: Some(sha256(&module()).to_lowercase()), ..Signer::default() };
    table.row("a hash in lower case", HashMismatch, lower.wasm(&module()));
    for revision in [None, Some(0), Some(2)] {
        let old = Signer { revision, hash: Some("0".repeat(64)), ..Signer::default() };
        table.row(&format!("a graft with the revision {revision:?}"), HashMismatch, old.wasm(&module()));
    }
    let hashed_with_token = Signer { hash: Some(sha256(&signed)), ..Signer::default() };
    table.row("a hash of other bytes", HashMismatch, hashed_with_token.wasm(&module()));
}

fn tokens(table: &mut Table) {
    let signer = Signer::default();
    let claims = signer.wasm_claims(&module());
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims.clone();
        change(&mut claims);
        with_token(&module(), &signer.jwt(&claims.to_string()))
    };
    let raw = |payload: &str| with_token(&module(), &signer.jwt(payload));
    let header = |header: &str| Signer { header: header.into(), ..Signer::default() }.wasm(&module());
    let token = signer.wasm_token(&module());
    let of = |token: &str| with_token(&module(), token);

    table.row("no JWT", InvalidToken, of("hello"));
    table.row("two parts", InvalidToken, of(token.rsplit_once('.').unwrap().0));
    table.row("four parts", InvalidToken, of(&format!("{token}.x")));
    table.row("white space behind it", InvalidToken, of(&format!("{token}\n")));
    table.row("padded base64", InvalidToken, of(&format!("{token}==")));
    table.row("bytes that are not text", InvalidToken, [&module()[..], &custom("jwt", b"\xff\xfe")].concat());
    table.row("no signature", SignatureInvalid, of(&format!("{}.", token.rsplit_once('.').unwrap().0)));
    table.row("a signature cut short", SignatureInvalid, of(&token[..token.len() - 6]));
    table.row("a signature of zeros", SignatureInvalid, of(&format!("{}.{}", token.rsplit_once('.').unwrap().0, base64(&[0; 64]))));
    table.row("alg none", InvalidToken, header(r#"{"typ":"jwt","alg":"none"}"#));
    table.row("alg EdDSA", InvalidToken, header(r#"{"typ":"jwt","alg":"EdDSA"}"#));
    table.row("alg HS256", InvalidToken, header(r#"{"typ":"jwt","alg":"HS256"}"#));
    table.row("typ in capitals", InvalidToken, header(r#"{"typ":"JWT","alg":"Ed25519"}"#));
    table.row("no typ", InvalidToken, header(r#"{"alg":"Ed25519"}"#));
    table.row("a key in the header", InvalidToken, header(r#"{"typ":"jwt","alg":"Ed25519","jwk":{}}"#));
    table.row("alg twice", InvalidToken, header(r#"{"typ":"jwt","alg":"none","alg":"Ed25519"}"#));
    table.row("a header as a list", InvalidToken, header(r#"["jwt","Ed25519"]"#));
    let members = [("exp", Value::Null), ("jti", "x".into()), ("iat", 1.into()), ("iss", claims["iss"].clone()), ("sub", claims["sub"].clone()), ("nbf", Value::Null), ("wascap", claims["wascap"].clone()), ("wascap_revision", 3.into())];
    let list: Vec<&Value> = members.iter().map(|(_, value)| value).collect();
    table.row("claims as a list", InvalidToken, with_token(&module(), &signer.jwt(&json!(list).to_string())));
    table.row("wascap as a list", InvalidToken, {
        let mut claims = claims.clone();
        claims["wascap"] = json!(["echo", sha256(&module()), null, null, null, null, false]);
        with_token(&module(), &signer.jwt(&claims.to_string()))
    });
    table.row("a header that is a list", InvalidToken, header("[]"));

    table.row("claims that are no JSON", InvalidToken, raw("{"));
    table.row("claims that are a list", InvalidToken, raw("[]"));
    table.row("claims and more", InvalidToken, raw(&format!("{claims}{{}}")));
    table.row("claims nested without end", InvalidToken, raw(&"[".repeat(10_000)));
    let twice = claims.to_string().replacen('{', &format!(r#"{{"iss":"{}","#, KeyPair::new_account().public_key()), 1);
    table.row("iss twice", InvalidToken, raw(&twice));
    let twice = claims.to_string().replacen('{', r#"{"i\u0073s":"A","#, 1);
    table.row("iss twice, once with an escape", InvalidToken, raw(&twice));
    let twice = claims.to_string().replacen(r#""hash":"#, r#""hash":"0","hash":"#, 1);
    table.row("a hash twice", InvalidToken, raw(&twice));
    let twice = claims.to_string().replacen('{', r#"{"x":[{"a":1,"a":2}],"#, 1);
    table.row("a name twice where nobody looks", InvalidToken, raw(&twice));
    let deep = claims.to_string().replacen(r#""wascap":{"#, &format!(r#""wascap":{{"x":{},"#, hidden_depth(60)), 1);
    table.row("JSON nested without end in texts that serde_json reads", InvalidToken, raw(&deep));
    table.row(
        "no wascap",
        InvalidToken,
        changed(&|claims| {
            claims.as_object_mut().unwrap().remove("wascap");
        }),
    );
    table.row("wascap null", InvalidToken, changed(&|claims| claims["wascap"] = Value::Null));
    table.row(
        "no hash",
        InvalidToken,
        changed(&|claims| {
            claims["wascap"].as_object_mut().unwrap().remove("hash");
        }),
    );
    table.row("a hash that is a number", InvalidToken, changed(&|claims| claims["wascap"]["hash"] = 1.into()));
    table.row(
        "no issuer",
        InvalidToken,
        changed(&|claims| {
            claims.as_object_mut().unwrap().remove("iss");
        }),
    );
    table.row("an issuer that is not a key", InvalidToken, changed(&|claims| claims["iss"] = "ACME".into()));
    table.row(
        "no subject",
        InvalidToken,
        changed(&|claims| {
            claims.as_object_mut().unwrap().remove("sub");
        }),
    );
    table.row("a subject that is an account", InvalidToken, changed(&|claims| claims["sub"] = KeyPair::new_account().public_key().into()));
    table.row("a subject that is a provider", InvalidToken, changed(&|claims| claims["sub"] = KeyPair::new_service().public_key().into()));
    table.row("a subject in lower case", InvalidToken, changed(&|claims| claims["sub"] = signer.module.public_key().to_lowercase().into()));
    table.row("an expiry that is text", InvalidToken, changed(&|claims| claims["exp"] = "never".into()));
    table.row("an expiry before 1970", InvalidToken, changed(&|claims| claims["exp"] = (-1).into()));
    table.row("an expiry with a fraction", InvalidToken, changed(&|claims| claims["exp"] = json!(1e300)));
    table.row("another issuer's name", SignatureInvalid, changed(&|claims| claims["iss"] = KeyPair::new_account().public_key().into()));
    for (name, pair) in [("a user", KeyPair::new_user()), ("an operator", KeyPair::new_operator()), ("the module itself", KeyPair::new_module())] {
        let signer = Signer { account: pair, ..Signer::default() };
        table.row(&format!("signed by {name}"), InvalidToken, signer.wasm(&module()));
    }
    let provider = signer.archive_token(ENTRIES);
    table.row("a provider's token in a module", InvalidToken, of(&provider));

    let (head, rest) = token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let mut other = claims.clone();
    other["wascap"]["name"] = "bank".into();
    let forged = format!("{head}.{}.{signature}", base64(other.to_string().as_bytes()));
    table.row("claims changed after signing", SignatureInvalid, of(&forged));
    let mut malleable = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    add_order(&mut malleable[32..]);
    table.row("a scalar that is not reduced", SignatureInvalid, of(&format!("{head}.{payload}.{}", base64(&malleable))));
    for (name, point) in weak_points() {
        let issuer = account_of(&point);
        let mut weak = claims.clone();
        weak["iss"] = issuer.into();
        let mut constant = point.to_vec();
        constant.extend([0; 32]);
        let token = format!("{head}.{}.{}", base64(weak.to_string().as_bytes()), base64(&constant));
        table.row(&format!("an issuer of small order ({name})"), SignatureInvalid, of(&token));
    }
}

/// The group's order, little endian, added to a scalar: the same scalar to who does not look.
fn add_order(scalar: &mut [u8]) {
    let order = [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
    let mut carry = 0;
    for (byte, add) in scalar.iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
}

fn weak_points() -> [(&'static str, [u8; 32]); 3] {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut two = [0xff; 32];
    two[0] = 0xec;
    two[31] = 0x7f;
    [("identity", identity), ("order 2", two), ("order 4", [0; 32])]
}

/// An account's nkey of these bytes, with a right checksum: base32 of prefix, key and CRC-16.
fn account_of(point: &[u8; 32]) -> String {
    let mut bytes = vec![0];
    bytes.extend(point);
    let mut crc = 0_u16;
    for byte in &bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    bytes.extend(crc.to_le_bytes());
    let key = data_encoding::BASE32_NOPAD.encode(&bytes);
    assert!(nkeys::from_public_key(&key).is_ok(), "the forger's key is well formed");
    key
}

fn archives(table: &mut Table) {
    let signer = Signer::default();
    let token = signer.archive_token(ENTRIES);
    let good = signer.archive(ENTRIES);
    table.archive("no claims.jwt", Unsigned, tar(ENTRIES));
    table.archive("claims.jwt under another path", Unsigned, tar(&[("./claims.jwt", token.as_bytes()), ENTRIES[0], ENTRIES[1], ENTRIES[2]]));
    table.archive("an empty claims.jwt", InvalidToken, archive_with(b"", ENTRIES));
    table.archive("claims.jwt and nothing else", MalformedArtifact, tar(&[("claims.jwt", signer.archive_token(&[]).as_bytes())]));
    table.archive("a world and no target", MalformedArtifact, signer.archive(&ENTRIES[..1]));
    table.archive("two claims.jwt", AmbiguousToken, archive_and("claims.jwt", token.as_bytes(), |_| {}));
    table.archive("an entry that was not signed", HashMismatch, archive_and("riscv64-linux.bin", b"x", |_| {}));
    table.archive("an entry that is missing", HashMismatch, archive_with(token.as_bytes(), &ENTRIES[..2]));
    table.archive("a world that is missing", HashMismatch, archive_with(token.as_bytes(), &ENTRIES[1..]));
    table.archive("a world that was not signed", HashMismatch, archive_with(signer.archive_token(&ENTRIES[1..]).as_bytes(), ENTRIES));
    table.archive("targets swapped", HashMismatch, archive_with(token.as_bytes(), &[ENTRIES[0], (ENTRIES[1].0, ENTRIES[2].1), (ENTRIES[2].0, ENTRIES[1].1)]));
    table.archive("one byte more", HashMismatch, archive_with(token.as_bytes(), &[ENTRIES[0], ENTRIES[1], (ENTRIES[2].0, &[ENTRIES[2].1, b"x"].concat())]));
    table.archive("an entry twice", MalformedArtifact, archive_and(ENTRIES[1].0, ENTRIES[1].1, |_| {}));
    table.archive("an entry of another name", MalformedArtifact, archive_and("README.md", b"x", |_| {}));
    table.archive("an entry above its folder", MalformedArtifact, archive_and("../../etc/passwd.bin", b"x", |_| {}));
    table.archive("an absolute entry", MalformedArtifact, archive_and("/x.bin", b"x", |_| {}));
    table.archive("an entry named .bin", MalformedArtifact, archive_and(".bin", b"x", |_| {}));
    table.archive("an entry without a name", MalformedArtifact, archive_and("", b"x", |_| {}));
    table.archive("a second token for other readers: claims.bin", MalformedArtifact, signer.archive(&[ENTRIES[1], ("claims.bin", b"x")]));
    table.archive("a second world for other readers: world.bin", MalformedArtifact, signer.archive(&[ENTRIES[1], ("world.bin", b"x")]));
    table.archive("a target of the world's name", MalformedArtifact, signer.archive(&[ENTRIES[1], ("world.wasm.bin", b"x")]));
    table.archive("a name that is not text", MalformedArtifact, archive_and("x.bin", b"x", |header| header[0] = 0xff));
    let many: Vec<(&str, &[u8])> = (0..100).map(|_| ("claims.jwt", token.as_bytes())).collect();
    table.archive("a hundred claims.jwt", AmbiguousToken, tar(&many));
    table.archive("a module's token", InvalidToken, archive_with(signer.wasm_token(&module()).as_bytes(), ENTRIES));
    let wrong = Signer { service: KeyPair::new_module(), ..Signer::default() };
    table.archive("a subject that is a module", InvalidToken, wrong.archive(ENTRIES));
    let forged = token.rsplit_once('.').unwrap().0.to_owned() + "." + &base64(&[7; 64]);
    table.archive("a forged signature", SignatureInvalid, archive_with(forged.as_bytes(), ENTRIES));
    let lower = signer.archive_claims(ENTRIES).to_string().replace(&sha256(ENTRIES[1].1), &sha256(ENTRIES[1].1).to_lowercase());
    table.archive("hashes in lower case", HashMismatch, archive_with(signer.jwt(&lower).as_bytes(), ENTRIES));
    let full = signer.archive_claims(ENTRIES).to_string().replace("x86_64-linux", "x86_64-linux.bin");
    table.archive("targets listed under the entry's name", HashMismatch, archive_with(signer.jwt(&full).as_bytes(), ENTRIES));
    let key = format!(r#""aarch64-linux":"{}""#, sha256(ENTRIES[2].1));
    let twice = signer.archive_claims(ENTRIES).to_string().replace(&key, &format!(r#"{key},"aarch64-linux":"0""#));
    table.archive("a target listed twice", InvalidToken, archive_with(signer.jwt(&twice).as_bytes(), ENTRIES));
    table.archive("a token larger than the limit", TooLarge, archive_with(&vec![b'a'; (256 << 10) + 1], ENTRIES));
    let names: Vec<String> = (0..300).map(|number| format!("t{number}.bin")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    table.archive("too many entries", TooLarge, signer.archive(&many));

    table.archive("no end marker", MalformedArtifact, good[..good.len() - 1024].to_vec());
    table.archive("half an end marker", MalformedArtifact, good[..good.len() - 512].to_vec());
    table.archive("cut off in an end marker", MalformedArtifact, good[..good.len() - 1].to_vec());
    table.archive("cut off in an entry", MalformedArtifact, good[..good.len() - 1024 - 300].to_vec());
    table.archive("cut off in a header", MalformedArtifact, good[..700].to_vec());
    table.archive("bytes behind the end marker", MalformedArtifact, [&good[..], &[1; 512]].concat());
    table.archive("a byte in the last zeros", MalformedArtifact, [&good[..], &[0; 511], b"x"].concat());
    table.archive("an archive behind the archive", MalformedArtifact, [&good[..], &good].concat());
    let mut padded = good.clone();
    padded[512 + token.len()] = 1;
    assert!(!token.len().is_multiple_of(512));
    table.archive("padding that is not zero", MalformedArtifact, padded);
}

fn archive_headers(table: &mut Table) {
    table.archive(
        "a symbolic link",
        MalformedArtifact,
        archive_and("x.bin", b"", |header| {
            header[156] = b'2';
            header[157] = b'/';
        }),
    );
    table.archive(
        "a hard link",
        MalformedArtifact,
        archive_and("x.bin", b"", |header| {
            header[156] = b'1';
            header[157..167].copy_from_slice(b"claims.jwt");
        }),
    );
    table.archive("a folder", MalformedArtifact, archive_and("x.bin", b"", |header| header[156] = b'5'));
    table.archive("a device", MalformedArtifact, archive_and("x.bin", b"", |header| header[156] = b'3'));
    table.archive("a link with content", MalformedArtifact, archive_and("x.bin", b"content", |header| header[156] = b'1'));
    table.archive("a contiguous file", MalformedArtifact, archive_changed(|header| header[156] = b'7'));
    table.archive("a sparse file", MalformedArtifact, archive_changed(|header| header[156] = b'S'));
    table.archive("an extended header", MalformedArtifact, archive_and("x.bin", b"19 path=claims.jwt\n", |header| header[156] = b'x'));
    table.archive("a global extended header", MalformedArtifact, archive_and("x.bin", b"19 path=claims.jwt\n", |header| header[156] = b'g'));
    table.archive("a long name", MalformedArtifact, archive_and("././@LongLink", b"claims.jwt\0", |header| header[156] = b'L'));
    table.archive("a long link", MalformedArtifact, archive_and("././@LongLink", b"claims.jwt\0", |header| header[156] = b'K'));
    table.archive("a prefix", MalformedArtifact, archive_changed(|header| header[345] = b'x'));
    table.archive("bytes at the header's end", MalformedArtifact, archive_changed(|header| header[511] = 1));
    table.archive("a link's target on a file", MalformedArtifact, archive_changed(|header| header[157] = b'x'));
    table.archive("bytes behind the name's end", MalformedArtifact, archive_changed(|header| header[90] = b'x'));
    table.archive("an unknown magic", MalformedArtifact, archive_changed(|header| header[257] = b'U'));
    table.archive(
        "a size in base 256",
        MalformedArtifact,
        archive_changed(|header| {
            let size = ENTRIES[1].1.len() as u8;
            header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, size]);
        }),
    );
    table.archive("a size with a sign", MalformedArtifact, archive_changed(|header| header[124] = b'+'));
    table.archive("a checksum with a sign", MalformedArtifact, {
        let mut bytes = archive_changed(|_| {});
        let second = bytes.windows(ENTRIES[1].0.len()).position(|name| name == ENTRIES[1].0.as_bytes()).unwrap();
        bytes[second + 148] = b'+';
        bytes
    });
    for (name, at) in [("mode", 100), ("owner", 108), ("group", 116), ("time", 136), ("major number", 329), ("minor number", 337)] {
        table.archive(&format!("a {name} that is not a number"), MalformedArtifact, archive_changed(|header| header[at] = b'z'));
        table.archive(&format!("a {name} in base 256"), MalformedArtifact, archive_changed(|header| header[at] = 0x80));
    }
    // A refused header hides a token from this reader, not from others: it is not unsigned.
    for (name, at, with) in [
        ("an owner in base 256", 108, 0x80_u8),
        ("a time before 1970", 136, 0xff),
        ("a mode that is not a number", 100, b'z'),
        ("bytes behind its name", 90, b'x'),
        ("a link's target", 157, b'x'),
        ("a prefix", 345, b'x'),
        ("an unknown magic", 257, b'U'),
        ("the kind of a contiguous file", 156, b'7'),
    ] {
        table.archive(&format!("a token with {name}"), MalformedArtifact, archive_token_changed(|header| header[at] = with));
    }
    let token = Signer::default().archive_token(ENTRIES);
    for (kind, name, content) in [(b'x', "PaxHeaders/0", &b"19 path=claims.jwt\n"[..]), (b'g', "GlobalHead", b"19 path=claims.jwt\n"), (b'L', "././@LongLink", b"claims.jwt\0")] {
        let extended = entry_with(name, content, |header| header[156] = kind);
        let hidden = [extended, entry("a", token.as_bytes()), tar(ENTRIES)].concat();
        table.archive(&format!("a token named by an extension header of the kind {}", char::from(kind)), MalformedArtifact, hidden);
    }
    let other = [entry("README.md", b"x"), archive_token_changed(|header| header[108] = 0x80)].concat();
    table.archive("a file of another name, then a token with an owner in base 256", MalformedArtifact, other);
    table.archive("no size", MalformedArtifact, archive_changed(|header| header[124..136].fill(0)));
    table.archive("a size past the end", MalformedArtifact, archive_changed(|header| header[124..135].copy_from_slice(b"00077777777")));
    let mut checksum = Signer::default().archive(ENTRIES);
    let second = 512 + Signer::default().archive_token(ENTRIES).len().next_multiple_of(512);
    checksum[second + 148] ^= 1;
    table.archive("a wrong checksum", MalformedArtifact, checksum);
}

fn gzip_members(table: &mut Table) {
    let good = gzip(&Signer::default().archive(ENTRIES));
    let end = good.len();
    table.row("gzip: cut off in the trailer", MalformedArtifact, good[..end - 1].to_vec());
    table.row("gzip: cut off in the middle", MalformedArtifact, good[..end / 2].to_vec());
    table.row("gzip: a magic number and nothing else", MalformedArtifact, good[..2].to_vec());
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    table.row("gzip: a wrong CRC", MalformedArtifact, flip(end - 8));
    table.row("gzip: a wrong length", MalformedArtifact, flip(end - 4));
    table.row("gzip: a method that is not deflate", MalformedArtifact, flip(2));
    table.row("gzip: a byte behind it", MalformedArtifact, [&good[..], b"x"].concat());
    table.row("gzip: zeros behind it", MalformedArtifact, [&good[..], &[0; 512]].concat());
    table.row("gzip: a second member", MalformedArtifact, [&good[..], &gzip(b"")].concat());
    table.row("gzip: the same member again", MalformedArtifact, [&good[..], &good].concat());
    let field = |flag: u8, field: &[u8]| {
        let mut header = good[..10].to_vec();
        header[3] |= flag;
        [&header[..], field, &good[10..]].concat()
    };
    table.row("gzip: an extra field", MalformedArtifact, field(4, b"\x04\0ab\0\0"));
    table.row("gzip: a long name", MalformedArtifact, field(8, &[&[b'x'; 2000][..], &[0]].concat()));
    table.row("gzip: a long comment", MalformedArtifact, field(16, &[&[b'x'; 2000][..], &[0]].concat()));
    table.row("gzip: a reserved flag", MalformedArtifact, field(0x20, b""));
    let empty_blocks: Vec<u8> = [0, 0, 0, 0xff, 0xff].repeat(20_000);
    table.row("gzip: stored blocks of nothing", MalformedArtifact, field(0, &empty_blocks));
    let large = vec![0_u8; 80 << 20];
    table.row("gzip: a bomb", TooLarge, gzip(&Signer::default().archive(&[("x.bin", &large)])));
}

#[test]
fn limits_are_the_owner_s() {
    let signer = Signer::default();
    let check = |bytes: &[u8], limits: Limits| {
        let examination = read(bytes, 0, &limits).unwrap();
        assert_eq!(examination.verdict.unwrap_err().kind, TooLarge);
    };
    let archive = signer.archive(ENTRIES);
    let size = archive.len() as u64;
    check(&archive, Limits { artifact: size - 1, ..Limits::default() });
    check(&gzip(&archive), Limits { expanded: size - 1, ..Limits::default() });
    check(&archive, Limits { entries: 3, ..Limits::default() });
    check(&archive, Limits { token: 100, ..Limits::default() });
    check(&signer.wasm(&module()), Limits { token: 100, ..Limits::default() });
    check(&signer.wasm(&nested(3)), Limits { nesting: 3, ..Limits::default() });
    let examination = read(&archive[..], 0, &Limits { artifact: size - 1, ..Limits::default() });
    assert_eq!(examination.unwrap().digest, None, "what was not read to its end has no digest");
    let exact = Limits { artifact: size, expanded: size, entries: 4, ..Limits::default() };
    assert!(read(&archive[..], archive.len(), &exact).unwrap().verdict.is_ok());
}
