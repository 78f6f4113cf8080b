//! What a pull makes of a disk: file systems that fail or know less, and things that are in the way.

use serde_json::json;
use std::{fs, os::unix::fs::FileTypeExt};
use vouch_testing::{
    daemon::{Daemon, kind},
    folder::Folder,
    forge::{Signer, module},
};

/// A layout with an artifact in it: the reference, and the artifact's bytes.
fn published(folder: &Folder) -> (String, Vec<u8>) {
    let bytes = Signer::default().wasm(&module());
    let path = folder.write("echo.wasm", &bytes);
    let reference = format!("oci:{}:1", folder.path("layout").display());
    let params = json!({"path": path, "reference": reference});
    let pushed = Daemon::start().connect().call("push", &params);
    pushed.expect("it is pushed");
    (reference, bytes)
}

#[test]
fn a_folder_that_cannot_be_synced_is_used_or_said() {
    let source = Folder::new();
    let (reference, bytes) = published(&source);
    let check = |error: &str, fails: bool| {
        let (folder, told) = (Folder::new(), Folder::new());
        let told = told.path("told");
        let daemon = Daemon::failing("fsync", error, folder.root(), &told);
        let path = folder.path("echo.wasm");
        let params = json!({"reference": reference, "destination": path});
        let answer = daemon.connect().call("pull", &params);
        // It is there in any case.
        assert_eq!(fs::read(&path).unwrap(), bytes, "{error}");
        let told = fs::read_to_string(told).unwrap();
        assert!(told.contains("(INJECTED)"), "{error}: {told}");
        match answer {
            Ok(answer) => {
                assert!(!fails, "{error}");
                assert_eq!(answer["path"], path.to_str().unwrap());
            }
            Err(answer) => {
                assert!(fails, "{error}: {answer}");
                assert_eq!(kind(&answer), "io");
                let message = answer["message"].as_str().unwrap();
                assert!(message.contains("may not survive a power cut"), "{message}");
            }
        }
    };
    check("EINVAL", false);
    check("EBADF", false);
    check("EOPNOTSUPP", false);
    check("EIO", true);
}

#[test]
fn a_pipe_is_never_replaced() {
    let folder = Folder::new();
    let (reference, bytes) = published(&folder);
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let path = folder.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    for overwrite in [false, true] {
        let params = json!({"reference": reference, "destination": path, "overwrite": overwrite});
        let error = client.call("pull", &params).unwrap_err();
        assert_eq!(kind(&error), "notAFile", "{error}");
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_fifo());
    }
    // Of a link, the link itself.
    let link = folder.path("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let params = json!({"reference": reference, "destination": link, "overwrite": true});
    client.call("pull", &params).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_file());
    assert_eq!(fs::read(&link).unwrap(), bytes);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn every_method_reads_a_uri_as_it_is() {
    let folder = Folder::new();
    let (reference, bytes) = published(&folder);
    fs::create_dir(folder.path("c#")).unwrap();
    fs::write(folder.path("c"), "other").unwrap();
    fs::write(folder.path("c#/a?b.wasm"), &bytes).unwrap();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let root = folder.root().display();
    let right = format!("file://{root}/c%23/a%3Fb.wasm");
    let to = format!("oci:{}:2", folder.path("layout").display());
    for wrong in [
        format!("file://{root}/c#/a%3Fb.wasm"),
        format!("file://{root}/c%23/a?b.wasm"),
    ] {
        for (method, params) in [
            ("verify", json!({"path": wrong})),
            ("push", json!({"path": wrong, "reference": to})),
            (
                "pull",
                json!({"reference": reference, "destination": wrong}),
            ),
        ] {
            let error = client.call(method, &params).unwrap_err();
            assert_eq!(kind(&error), "invalidPath", "{method}: {error}");
            let help = error["data"]["help"].as_str().unwrap();
            assert!(help.contains(&right), "{method}: {help}");
        }
    }
    let verdict = client.call("verify", &json!({"path": right})).unwrap();
    assert_eq!(verdict["verdict"], "accepted");
}
