//! `inspect` and `tags` from outside: a layout, and Debian's docker-registry behind a proxy that
//! counts what is asked for, and holds back what is longer than it should be.

use serde_json::{Value, json};
use std::fs;
use vouch_testing::{
    daemon::{Daemon, kind, push},
    forge::{Signer, custom, module},
    proxy::Proxy,
    registry::Registry,
};

fn unsigned(fill: usize) -> Vec<u8> {
    let fill = custom("fill", &vec![7; fill]);
    [module(), custom("version", b"1.2.3\x1b"), fill].concat()
}

/// What the service asks for of a range.
const PART: u64 = 16 << 10;

#[test]
fn of_a_large_module_in_a_registry_little_is_read_and_nothing_is_vouched_for() {
    let registry = Registry::open();
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let service = Daemon::start();
    let mut client = service.connect();
    let path = service.path("echo.wasm");
    for (tag, fill) in [("large", 30 << 20), ("small", 1 << 10)] {
        fs::write(&path, Signer::default().wasm(&unsigned(fill))).unwrap();
        let reference = format!("{}/acme/echo:{tag}", registry.name());
        push(&mut client, &path, &reference).unwrap();
    }
    let blobs = || {
        let seen = proxy.seen();
        let blobs = seen
            .iter()
            .filter(|(head, _)| head.target.contains("/blobs/"));
        blobs.count()
    };
    let mut inspect = |tag: &str| {
        let reference = format!("{}/acme/echo:{tag}", proxy.name());
        let before = blobs();
        let answer = client.call("inspect", &json!({ "reference": reference }));
        (answer.unwrap(), blobs() - before)
    };

    // 30 MB cost two parts of 16 KiB at most: the start, and the token at the end.
    proxy.hold_after(PART);
    let (large, requests) = inspect("large");
    assert_eq!((requests, proxy.held()), (2, 0), "{large}");
    assert_eq!(large["content"], "notChecked");
    assert!(large.get("verification").is_none(), "{large}");
    assert_eq!(large["trust"]["mode"], "any");
    assert_eq!(large["artifact"]["kind"], "module");
    assert_eq!(large["metadata"]["version"], "1.2.3\u{1b}");
    assert_eq!(large["manifest"]["layer"]["mediaType"], "application/wasm");
    assert!(large["signature"]["signer"]["account"].is_string());

    proxy.hold_after(u64::MAX);
    let (small, requests) = inspect("small");
    assert_eq!(small["content"], "checked", "{small}");
    assert_eq!(small["verification"]["verdict"], "accepted");
    assert_eq!(requests, 1);

    let repository = format!("{}/acme/echo", proxy.name());
    let mut tags = |params: Value| client.call("tags", &params);
    // docker-registry 2.8 has them in its file system's order, and knows neither `n` nor `last`.
    let all = tags(json!({ "repository": repository })).unwrap();
    let order = all["tags"].as_array().unwrap();
    assert_eq!((order.len(), &all["more"]), (2, &json!(false)));
    let first = tags(json!({ "repository": repository, "limit": 1 })).unwrap();
    assert_eq!(
        (&first["tags"][0], &first["more"]),
        (&order[0], &json!(true))
    );
    let rest = json!({ "repository": repository, "limit": 1, "last": order[0] });
    let rest = tags(rest).unwrap();
    assert_eq!(
        (&rest["tags"][0], &rest["more"]),
        (&order[1], &json!(false))
    );
    let error = tags(json!({ "repository": format!("{repository}:large") })).unwrap_err();
    assert_eq!(kind(&error), "invalidReference");
}

#[test]
fn a_file_and_a_layout_are_read_whole_and_a_refused_one_is_described_too() {
    let service = Daemon::start();
    let mut client = service.connect();
    let path = service.path("echo.wasm");
    fs::write(&path, unsigned(9)).unwrap();
    let told = client.call("inspect", &json!({ "path": path })).unwrap();
    assert_eq!(
        told["verification"]["refusal"]["kind"], "unsigned",
        "{told}"
    );
    assert_eq!(told["artifact"]["kind"], "module");
    assert_eq!(told["metadata"]["version"], "1.2.3\u{1b}");
    assert!(told.get("signature").is_none() && told.get("claims").is_none());

    let signed = Signer::default().wasm(&unsigned(9));
    let mut changed = signed.clone();
    let at = changed
        .windows(5)
        .position(|bytes| bytes == b"1.2.3")
        .unwrap();
    changed[at] = b'9';
    fs::write(&path, changed).unwrap();
    let told = client.call("inspect", &json!({ "path": path })).unwrap();
    assert_eq!(
        told["verification"]["refusal"]["kind"], "hashMismatch",
        "{told}"
    );
    assert!(
        told["signature"]["signer"]["account"].is_string(),
        "its key's word, not its bytes'"
    );

    fs::write(&path, signed).unwrap();
    let layout = format!("oci:{}", service.path("layout").display());
    push(&mut client, &path, &format!("{layout}:1")).unwrap();
    let told = client.call("inspect", &json!({ "reference": format!("{layout}:1") }));
    let told = told.unwrap();
    assert_eq!(told["verification"]["verdict"], "accepted", "{told}");
    assert_eq!(
        told["manifest"]["layer"]["digest"],
        told["artifact"]["digest"]
    );
    let tags = client
        .call("tags", &json!({ "repository": layout }))
        .unwrap();
    assert_eq!(tags["tags"], json!(["1"]));
}
