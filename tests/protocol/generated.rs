//! Clients that others generate from `openrpc.json`.

use std::{env, path::Path, process::Command};

#[test]
fn generated_clients_compile_and_read_what_a_later_server_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), Into::into);
    let script = root.join("tests/protocol/generated/check");
    let checked = Command::new(script)
        .arg(target.join("generated-clients"))
        .output();
    let checked = checked.expect("it runs");
    let said = [checked.stdout, checked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(checked.status.success(), "{said}");
}
