//! `exit` on stdio ends the process, whatever its requests wait for.

use super::*;
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};
use vouch_testing::faulty::Answer;

#[test]
fn exit_does_not_wait_for_requests() {
    for (shutdown, code) in [(false, 1), (true, 0)] {
        let server = Faulty::start(|_, _| Answer::silence().stall(0));
        let folder = Folder::new();
        let home = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_vouchd"))
            .arg("--stdio")
            .env_clear()
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut say = process.stdin.take().unwrap();
        let mut send = |message: Value| say.write_all(format!("{message}\n").as_bytes()).unwrap();
        let methods = methods(&server.name(), &folder);
        for (id, (method, params)) in (0..).zip(&methods) {
            send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        }
        until("they wait", || !server.seen().is_empty());
        if shutdown {
            send(json!({"jsonrpc": "2.0", "id": 9, "method": "shutdown"}));
        }
        send(json!({"jsonrpc": "2.0", "method": "exit"}));
        let mut ended = None;
        until("it ends", || {
            ended = process.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().code(), Some(code));
        let mut said = String::new();
        process.stdout.unwrap().read_to_string(&mut said).unwrap();
        // What was under way is answered as far as it was taken; nobody is waited for.
        let cancelled = said.matches("-32800").count();
        assert_eq!(cancelled, methods.len(), "{said}");
        until("all were let go", || let_go(&server));
        assert_eq!(folder.names(), ["signed.wasm"]);
    }
}
