//! `vouch par`: archives that are made and signed in one step, and read by wasmCloud's own code.

use super::{done, fails, file, key, run};
use crate::spawn::Home;
use provider_archive::ProviderArchive;
use std::{fs, path::Path};
use vouch_testing::forge::{ENTRIES, component, module, tar};

/// A user's folder with a key, two binaries and a world.
fn home() -> Home {
    let home = Home::new();
    key(&home, "k", "");
    file(&home, "kv-x86", &vec![7; 300_000]);
    file(&home, "kv-arm", b"\x7fELF for another machine");
    file(&home, "wit.wasm", &component());
    home
}

fn create(home: &Home, more: &[&str]) -> crate::service::Ran {
    let usual = [
        "par",
        "create",
        "--key",
        "./k",
        "--vendor",
        "acme",
        "--target",
        "x86_64-linux=kv-x86",
    ];
    run(home, &[&usual[..], more].concat())
}

/// All names in the user's folder.
fn names(home: &Home) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(home.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// What wasmCloud's own code finds in an archive.
fn read(path: &Path) -> ProviderArchive {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .unwrap()
        .block_on(ProviderArchive::try_load_file(path))
        .unwrap()
}

#[test]
fn wasmcloud_reads_what_is_made() {
    let home = home();
    for output in ["kv.par", "kv.par.gz"] {
        let more = [
            "-o",
            output,
            "--target",
            "aarch64-linux=kv-arm",
            "--wit",
            "wit.wasm",
            "--version",
            "0.3.0",
            "--revision",
            "4",
        ];
        let made = create(&home, &more);
        let says = [
            format!("signed    {output}\n"),
            "aarch64-linux, x86_64-linux\n".into(),
        ];
        done(
            &made,
            &[
                &says[0],
                &says[1],
                "provider      kv 0.3.0\n",
                "vendor        acme\n",
            ],
        );
        let path = home.path(output);
        let is_gzipped = fs::read(&path).unwrap().starts_with(&[0x1f, 0x8b]);
        assert_eq!(is_gzipped, output == "kv.par.gz");
        let archive = read(&path);
        let mut targets = archive.targets();
        targets.sort();
        assert_eq!(targets, ["aarch64-linux", "x86_64-linux"]);
        assert_eq!(
            archive.target_bytes("x86_64-linux").unwrap(),
            vec![7; 300_000]
        );
        assert_eq!(archive.wit_world().unwrap(), component());
        let claims = archive.claims().unwrap();
        assert_eq!(claims.name(), "kv");
        let metadata = claims.metadata.unwrap();
        assert_eq!((metadata.vendor.as_str(), metadata.rev), ("acme", Some(4)));
        assert_eq!(metadata.ver.as_deref(), Some("0.3.0"));

        let list = run(&home, &["par", "list", output]);
        done(
            &list,
            &[
                "accepted",
                "signed by",
                "x86_64-linux  sha256:",
                "  292.9 KiB\n",
            ],
        );
    }
    // The same binaries make the same subject, and the same archive but for the token.
    let subject = |name: &str| read(&home.path(name)).claims().unwrap().subject;
    assert_eq!(subject("kv.par"), subject("kv.par.gz"));
}

#[test]
fn nothing_unsigned_has_the_archive_s_name() {
    let home = home();
    let before = names(&home);
    let check = |more: &[&str], code: i32, says: &[&str]| {
        fails(&create(&home, more), code, says);
        let mut now = names(&home);
        now.retain(|name| !matches!(name.as_str(), "vouchd" | "state"));
        assert_eq!(now, before, "{more:?}");
    };
    check(
        &["-o", "kv.par", "--target", "a=absent"],
        2,
        &["absent: No such file"],
    );
    check(
        &["-o", "kv.par", "--target", "a=."],
        2,
        &[".: it is not a regular file"],
    );
    check(&["-o", "kv.par", "--wit", "kv-arm"], 2, &["wasm-tools"]);
    check(
        &["-o", "absent/kv.par"],
        2,
        &[
            "cannot write to absent: No such file or directory (os error 2)\n",
            "`mkdir -p absent`",
        ],
    );
    check(&["-o", "kv.tar"], 64, &["*.par.gz"]);
    check(
        &["-o", "kv.par", "--target", "x86_64-linux=kv-arm"],
        64,
        &["given twice"],
    );
    check(
        &["-o", "kv.par", "--target", "claims=kv-arm"],
        64,
        &["cannot be called"],
    );
    check(&["-o", "kv.par", "--subject", "M"], 2, &[]);
    check(
        &[
            "-o",
            "kv.par",
            "--passphrase-file",
            "absent",
            "--key",
            "./absent",
        ],
        64,
        &["--key"],
    );
    let locked = key(&home, "locked", "hunter2");
    let before = names(&home);
    let line = [
        "par", "create", "-o", "kv.par", "--vendor", "acme", "--target", "a=kv-arm", "--key",
    ];
    let ran = run(&home, &[&line[..], &["./locked"]].concat());
    fails(
        &ran,
        2,
        &["`vouch par create --passphrase-file FILE -o kv.par"],
    );
    assert_eq!(names(&home), before, "{}", locked.display());
}

#[test]
fn an_archive_that_exists_is_replaced_only_where_that_is_meant() {
    let home = home();
    file(&home, "kv.par", b"precious");
    fails(
        &create(&home, &["-o", "kv.par"]),
        2,
        &["kv.par already exists", "--overwrite"],
    );
    assert_eq!(fs::read(home.path("kv.par")).unwrap(), b"precious");
    done(
        &create(&home, &["-o", "kv.par", "-f", "--name", "other", "-q"]),
        &[],
    );
    assert_eq!(read(&home.path("kv.par")).claims().unwrap().name(), "other");
}

#[test]
fn a_list_says_what_an_archive_is_not() {
    let home = home();
    file(&home, "unsigned.par", &tar(ENTRIES));
    let ran = run(&home, &["par", "list", "unsigned.par"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    for says in [
        "is not signed",
        "`vouch sign unsigned.par`",
        "x86_64-linux  sha256:",
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    file(&home, "a.wasm", &module());
    fails(
        &run(&home, &["par", "list", "a.wasm"]),
        2,
        &["a.wasm is a module, not a provider archive"],
    );
    fails(
        &run(&home, &["par", "list", "absent.par"]),
        2,
        &["absent.par"],
    );
}
