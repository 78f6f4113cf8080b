//! A file that its bundle signs: every check of the bundle, in one request.

use super::{Daemon, ROUNDS, row, timed};
use serde_json::json;
use std::{fs, time::Duration};
use vouch_testing::{
    forge::module,
    sigstore::{Over, Sigstore, Spec, TRUST},
};

pub(crate) fn offline() {
    let own = Sigstore::default();
    let service = Daemon::with(|folder, _| {
        fs::write(folder.join("root.json"), own.trusted_root().to_string()).unwrap();
        fs::write(folder.join("config.toml"), TRUST).unwrap();
    });
    let path = service.path("echo.wasm");
    fs::write(&path, module()).unwrap();
    let bundle = own.bundle(&Spec::workflow(Over::Bytes(module()), "acme/echo"));
    let beside = service.path("echo.wasm.sigstore.json");
    fs::write(&beside, bundle.to_string()).unwrap();
    let mut client = service.connect();
    let times = (0..10 * ROUNDS).map(|_| {
        let mut answer = json!(null);
        let time = timed(|| answer = client.call("verify", &json!({"path": path})).unwrap());
        assert_eq!(answer["verdict"], "accepted", "{answer}");
        time
    });
    let best = times.min().unwrap_or(Duration::MAX);
    row(
        "a small file and its bundle, verified offline",
        "4 ms",
        &format!("{best:.2?}"),
    );
}
