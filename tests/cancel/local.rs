//! Stuck on this machine.

use super::*;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::{fs, io::Write};

/// A module of nothing but custom sections of zeros, which take no space: it is read for seconds.
pub(super) fn endless(folder: &Folder) -> PathBuf {
    const SECTION: u64 = 0xffff_fff0;
    let path = folder.path("endless.wasm");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"\0asm\x01\0\0\0").unwrap();
    let mut length = 8;
    for _ in 0..4 {
        use std::io::Seek;
        file.seek(std::io::SeekFrom::Start(length)).unwrap();
        // Section 0 and its length in LEB128; a name of no bytes follows.
        file.write_all(&[0, 0xf0, 0xff, 0xff, 0xff, 0x0f]).unwrap();
        length += 6 + SECTION;
    }
    file.set_len(length).unwrap();
    path
}

#[test]
fn a_file_that_is_read_and_hashed() {
    for method in ["verify", "push", "sign/prepare", "sign/complete"] {
        check(|| {
            let folder = Folder::new();
            let path = endless(&folder);
            let mut params = json!({"path": path});
            match method {
                // Nobody listens there, and nobody is asked.
                "push" => params["reference"] = json!("127.0.0.1:1/acme/echo:1"),
                "sign/prepare" => {
                    let account = Signer::default().account.public_key();
                    params["account"] = json!(account);
                }
                // What it writes has no name yet.
                "sign/complete" => {
                    let token = Signer::default().wasm_token(&module());
                    let (input, signature) = token.rsplit_once('.').unwrap();
                    params["signingInput"] = json!(input);
                    params["signature"] = json!(signature);
                }
                _ => {}
            }
            Scene {
                daemon: Daemon::configured("[limits]\nartifact = 34359738368\n", &[]),
                folder,
                method,
                params,
                stuck: Box::new(|requests| requests[0]["bytes"].as_u64() > Some(0)),
                released: Box::new(|| true),
            }
        });
    }
}

#[test]
fn a_layout_that_another_writer_holds() {
    check(|| {
        let folder = Folder::new();
        let path = signed(&folder, 1000);
        let size = fs::metadata(&path).unwrap().len();
        let layout = folder.path("layout");
        fs::create_dir(&layout).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let held = rustix::fs::open(&layout, flags, Mode::empty()).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        Scene {
            daemon: Daemon::start(),
            folder,
            method: "push",
            params: json!({"path": path, "reference": format!("oci:{}:1", layout.display())}),
            stuck: Box::new(move |requests| requests[0]["bytes"] == size),
            released: Box::new(move || {
                // The lock is still the other's, and nothing was written.
                let _ = &held;
                fs::read_dir(&layout).unwrap().next().is_none()
            }),
        }
    });
}
