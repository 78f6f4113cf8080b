//! Files that a token covers, and files of which nobody can say what it would.

use super::*;
use std::fs;
use tempfile::tempdir;
use vouch_testing::forge::{
    ENTRIES, Signer, component, custom, entry, entry_with, gzip, module, nested, section, sha256,
    tar,
};

fn of(bytes: &[u8]) -> io::Result<Covered> {
    Covered::of(bytes)
}

#[test]
fn a_module_is_covered_but_for_its_token() {
    let signer = Signer::default();
    for unsigned in [module(), component(), nested(3), module()[..8].to_vec()] {
        let expected = Covered(Hashes::Rest(sha256(&unsigned)));
        assert_eq!(of(&unsigned).unwrap(), expected);
        assert_eq!(of(&signer.wasm(&unsigned)).unwrap(), expected);
        for section in ["wasmcloud_jwt", "jwt"] {
            let token = custom(section, &vec![b'x'; 100_000]);
            let (start, end) = unsigned.split_at(8);
            let first = [start, &token, end].concat();
            assert_eq!(of(&first).unwrap(), expected, "{section}");
        }
    }
    // What is only called alike is covered; and what is larger than one piece.
    for name in ["jwt2", "", "JWT", "wasmcloud_jws"] {
        let unsigned = [module(), custom(name, &vec![7; 3 * CHUNK])].concat();
        let expected = Covered(Hashes::Rest(sha256(&unsigned)));
        assert_eq!(of(&signer.wasm(&unsigned)).unwrap(), expected, "{name}");
    }
    // A token inside a component is the service's to refuse.
    let inner = [&component()[..8], &section(1, &signer.wasm(&module()))].concat();
    assert_eq!(of(&inner).unwrap(), Covered(Hashes::Rest(sha256(&inner))));
}

#[test]
fn an_archive_is_covered_entry_by_entry() {
    let long = vec![7; 3 * CHUNK + 1];
    let more = [("a.b_c-1.bin", &long[..]), ("empty.bin", b"")];
    for entries in [ENTRIES, &more, &ENTRIES[1..]] {
        let hashes = entries.iter().map(|(name, content)| {
            let name = name.strip_suffix(".bin").unwrap_or(name);
            (name.to_owned(), sha256(content))
        });
        let expected = Covered(Hashes::Entries(hashes.collect()));
        let signed = Signer::default().archive(entries);
        for bytes in [tar(entries), signed] {
            assert_eq!(of(&bytes).unwrap(), expected);
            assert_eq!(of(&gzip(&bytes)).unwrap(), expected);
        }
    }
}

#[test]
fn what_nobody_can_make_sense_of() {
    let check = |bytes: &[u8], expected: &str| {
        let why = of(bytes).unwrap_err().to_string();
        assert!(why.contains(expected), "{expected}: {why}");
    };
    let with = |more: &[&[u8]]| [&[&module()[..]], more].concat().concat();
    let token = custom("jwt", b"x");
    check(
        &with(&[&token, &custom("wasmcloud_jwt", b"")]),
        "two tokens",
    );
    check(&with(&[&[0]]), "cut off");
    check(&with(&[&[1, 5, 0]]), "cut off");
    check(&with(&[&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]]), "cut off");
    check(&with(&[&[1, 0xff, 0xff, 0xff, 0xff, 0x1f]]), "32 bits");
    check(&with(&[&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0]]), "32 bits");
    check(&with(&[&[0, 0, 0]]), "larger than the section");
    check(&with(&[&[0, 3, 3, b'j', b'w', b't']]), "larger than the");
    check(&with(&[&[0, 4, 3, b'j', b'w']]), "cut off");
    check(b"\0asm", "cut off");

    check(b"", "no entries");
    check(b"hello", "block");
    check(&[b'x'; 512], "numeric");
    check(&[0; 1024], "no entries");
    check(&tar(&[("claims.jwt", b"x")]), "no entries");
    check(&gzip(b""), "no entries");
    check(&gzip(&tar(ENTRIES))[..40], "");
    check(b"\x1f\x8bx", "");
    check(
        &tar(&[("claims.jwt", b""), ("claims.jwt", b"")]),
        "two entries",
    );
    check(&tar(&[("a.bin", b"1"), ("a.bin", b"1")]), "two entries");
    for name in [
        "a",
        "x/a.bin",
        "./a.bin",
        ".bin",
        ".a.bin",
        "claims.bin",
        "world.bin",
        "world.wasm.bin",
        "a\n.bin",
        "a.jwt",
    ] {
        check(&tar(&[(name, b"")]), "is neither claims.jwt");
    }
    for kind in b"12345679LKxgSA" {
        let odd = entry_with("a.bin", b"", |header| header[156] = *kind);
        check(&odd, "not a plain file");
    }
    let sized = |size: u64| {
        let set = |header: &mut [u8; 512]| {
            header[124] = 0x80;
            header[128..136].copy_from_slice(&size.to_be_bytes());
        };
        entry_with("a.bin", b"", set)
    };
    check(&sized(1), "cut off");
    check(&sized(LARGEST + 1), "16 GiB");
    check(&sized(u64::MAX), "");
    let large = [entry("a.bin", b"1"), sized(LARGEST)].concat();
    check(&large, "16 GiB");
    let many: Vec<_> = (0..=MOST_ENTRIES)
        .flat_map(|number| entry(&format!("t{number}.bin"), b""))
        .collect();
    check(&many, "256 entries");
    of(&many[..MOST_ENTRIES * 512]).unwrap();
}

/// Whatever else comes, it fails in an orderly way.
#[test]
fn every_piece_and_every_changed_byte() {
    let signer = Signer::default();
    let archive = signer.archive(ENTRIES);
    for bytes in [signer.wasm(&component()), archive.clone(), gzip(&archive)] {
        for at in 0..bytes.len() {
            let _ = of(&bytes[..at]);
            let mut changed = bytes.clone();
            for value in [0xff, bytes[at] ^ 1] {
                changed[at] = value;
                let _ = of(&changed);
            }
        }
    }
}

fn waits() -> (Arc<()>, Weak<()>) {
    let waiting = Arc::new(());
    let waits = Arc::downgrade(&waiting);
    (waiting, waits)
}

#[test]
fn nothing_but_regular_files() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    let check = |path: &Path, expected: &str| {
        let (_waiting, waits) = waits();
        let why = Covered::of_file(path, waits).unwrap_err().to_string();
        assert!(why.contains(expected), "{path:?}: {why}");
    };
    check(&path, "No such file");
    check(folder.path(), "not a regular file");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    check(&path, "not a regular file");
    fs::remove_file(&path).unwrap();
    fs::File::create(&path)
        .unwrap()
        .set_len(LARGEST + 1)
        .unwrap();
    check(&path, "16 GiB");
}

#[tokio::test]
async fn it_is_read_as_long_as_somebody_waits() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    fs::write(&path, module()).unwrap();
    let covered = Covered::read(&path).await.unwrap();
    assert_eq!(covered, of(&module()).unwrap());
    let (waiting, waits) = waits();
    drop(waiting);
    let why = Covered::of_file(&path, waits).unwrap_err().to_string();
    assert!(why.contains("nobody waits"), "{why}");
    let missing = Covered::read(folder.path().join("b")).await.unwrap_err();
    assert_eq!(missing.kind, SigningErrorKind::File);
    assert!(missing.message.starts_with("cannot hash "), "{missing}");
}
