//! The file of pins: what is in it holds, whatever becomes of the disk, of others, and of us.

use super::decisions::{keyed, made, policy};
use super::*;
use crate::trust::store::Lock;
use std::{
    fmt, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    thread,
};
use vouch_protocol::{Trust, TrustMode};
use vouch_testing::forge::custom;

const ECHO: &str = "ghcr.io/acme/echo:1";

fn stored(pins: Pins) -> Now {
    Now {
        pins,
        ..at(1_700_000_000)
    }
}

fn usage<F>(reference: &str, examined: &Examined<F>) -> Use {
    let from = testing::reference(reference);
    Use::Pull(Published {
        place: Place::of(&from).unwrap(),
        from,
        manifest: Digest::of(b"manifest"),
        layer: Layer {
            digest: examined.digest().unwrap(),
            size: examined.size(),
        },
    })
}

/// A pull of what is at its destination already: judged twice, and pinned.
fn pull(reference: &str, artifact: &str, pins: &Pins) -> Result<Trust> {
    let now = stored(pins.clone());
    let examined = made(artifact);
    let usage = usage(reference, &examined);
    let vouched = judge(examined, None, usage, None, &now)?;
    let vouched = vouched.map_err(|refused| refused.error("it"))?;
    Ok(trust(vouched.stands(&now)?))
}

fn verify(reference: &str, artifact: &str, pins: &Pins) -> Result<Trust> {
    let examined = made(artifact);
    let Use::Pull(published) = usage(reference, &examined) else {
        panic!()
    };
    let usage = Use::Verify(Some(published));
    let verdict = judge(examined, None, usage, None, &stored(pins.clone()))?;
    let vouched = verdict.map_err(|refused| refused.error("it"))?;
    Ok(trust(vouched.verification()))
}

fn trust(verification: Verification) -> Trust {
    match verification {
        Verification::Accepted { trust, .. } => trust,
        Verification::Refused { refusal, .. } => panic!("{refusal:?}"),
    }
}

fn scene() -> (tempfile::TempDir, PathBuf, Pins) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state/vouchd");
    let pins = Pins::new(state.clone());
    (folder, state, pins)
}

fn file(state: &Path) -> String {
    let text = fs::read_to_string(state.join("signers")).unwrap();
    vouch_testing::seeds::seed("pins", &text);
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn kind<T: fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_first_use_makes_the_folder_and_pins() {
    let (_folder, state, pins) = scene();
    let first = verify(ECHO, "bob module", &pins).unwrap();
    assert_eq!(
        (first.mode, first.remembered),
        (TrustMode::FirstUse, Some(false))
    );
    assert!(!state.parent().unwrap().exists(), "`verify` never pins");
    let first = pull(ECHO, "acme module", &pins).unwrap();
    assert_eq!(
        (first.mode, first.remembered),
        (TrustMode::FirstUse, Some(true))
    );
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("signers")), 0o600);
    let line = keyed("ghcr.io/acme/echo token:$acme 2023-11-14T22:13:20Z %acme 4");
    assert_eq!(file(&state).lines().last(), Some(line.as_str()));
    let again = pull("GHCR.io:443/acme/echo:2", "acme module", &pins).unwrap();
    assert_eq!(
        (again.mode, again.since),
        (TrustMode::Pinned, Some(1_700_000_000))
    );
    // Whoever was seen first by a look alone is as strange as any other.
    assert_eq!(
        kind(verify(ECHO, "bob module", &pins)),
        ErrorKind::SignerChanged
    );
    assert_eq!(
        kind(pull(ECHO, "bob module", &pins)),
        ErrorKind::SignerChanged
    );
    assert_eq!(file(&state).lines().count(), 2, "{}", file(&state));
}

#[test]
fn what_came_last_is_remembered() {
    let (_folder, state, pins) = scene();
    pull(ECHO, "acme module rev=5", &pins).unwrap();
    let before = file(&state);
    verify(ECHO, "acme module rev=9", &pins).unwrap();
    assert_eq!(file(&state), before, "`verify` compares only");
    let lower = pull(ECHO, "acme module", &pins).unwrap();
    assert!(lower.warnings[0].contains("its revision is 4"), "{lower:?}");
    assert!(file(&state).trim_end().ends_with(" 4"));
    let same = pull(ECHO, "acme module", &pins).unwrap();
    assert_eq!(same.warnings, [""; 0]);
}

#[test]
fn whoever_signed_what_got_no_name_is_not_pinned() {
    let (folder, state, pins) = scene();
    let path = folder.path().join("a.wasm");
    let now = || stored(pins.clone());
    let signer = Signer::default();
    let vouched = |revision: u64| {
        let mut claims = signer.wasm_claims(&module());
        claims["wascap"]["rev"] = revision.into();
        let token = signer.jwt(&claims.to_string());
        let bytes = [module(), custom(signer.section, token.as_bytes())].concat();
        let file: Unnamed = Destination::at(&path).unwrap().create().unwrap();
        let size = bytes.len() as u64;
        let examined = artifact::receive(&bytes[..], size, file, &Limits::default()).unwrap();
        let usage = usage(ECHO, &examined);
        judge(examined, None, usage, None, &now()).unwrap().unwrap()
    };
    let is_pinned = || !pins.all().unwrap().is_empty();
    // The last step fails: another has taken the name right before.
    let taken = |revision| {
        let taken = || {
            fs::write(&path, "theirs").unwrap();
            now()
        };
        let placed = vouched(revision).place("".as_ref(), false, taken);
        assert_eq!(kind(placed), ErrorKind::DestinationExists);
        fs::remove_file(&path).unwrap();
    };
    taken(1);
    assert!(!is_pinned());
    let fails = || Error::new(ErrorKind::DiskFull, "the disk is full");
    let placed = vouched(1).place_with("".as_ref(), false, now, || Err(fails()));
    assert_eq!(kind(placed), ErrorKind::DiskFull);
    assert!(!is_pinned());
    let blobs = Destination::at(folder.path()).unwrap();
    for _ in 0..2 {
        let stored = vouched(1).store(&blobs, now, || Err(fails()));
        assert_eq!(kind(stored), ErrorKind::DiskFull);
        assert!(!is_pinned(), "the second time its blob is there already");
    }
    // What came last is what was pulled last.
    vouched(1).place("".as_ref(), false, now).unwrap();
    fs::remove_file(&path).unwrap();
    let before = file(&state);
    assert!(before.trim_end().ends_with(" 1"), "{before}");
    taken(2);
    assert_eq!(file(&state), before);
    vouched(2).place("".as_ref(), false, now).unwrap();
    assert!(file(&state).trim_end().ends_with(" 2"));
}

#[test]
fn others_lines_stay() {
    let (_folder, state, pins) = scene();
    fs::create_dir_all(&state).unwrap();
    let foreign = "# a comment\n\nquay.io/x sigstore:https%3A//a%20b - - - new fields\n";
    fs::write(state.join("signers"), foreign).unwrap();
    pull(ECHO, "acme module", &pins).unwrap();
    let text = file(&state);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("# a comment"));
    assert_eq!(lines.next(), Some(""));
    let other = lines.next().unwrap();
    assert!(
        other.starts_with("quay.io/x sigstore:https:") && other.ends_with(" new fields"),
        "{other}"
    );
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("ghcr.io/acme/echo token:A")
    );
}

/// Folders can have any name: each is a line, and one place.
#[test]
fn odd_names_are_pinned() {
    let (folder, state, pins) = scene();
    let root = folder.path().canonicalize().unwrap();
    let policy = Arc::new(policy("default='pinned'"));
    let names = [
        "a b",
        "a\nb",
        "a%20b",
        "a\u{a0}b",
        "a\u{202e}b",
        "#a",
        "a:b",
        "a@sha256:b",
        "\u{1b}[2J",
    ];
    for name in names {
        fs::create_dir(root.join(name)).unwrap();
        let now = Now {
            policy: Ok(Arc::clone(&policy)),
            ..stored(pins.clone())
        };
        let pull = |artifact: &str| {
            let examined = made(artifact);
            let usage = usage(&format!("oci:{}/{name}/:1", root.display()), &examined);
            let vouched = judge(examined, None, usage, None, &now)?;
            let vouched = vouched.map_err(|refused| refused.error("it"))?;
            Ok(trust(vouched.stands(&now)?))
        };
        assert_eq!(
            pull("acme module").unwrap().mode,
            TrustMode::FirstUse,
            "{name:?}"
        );
        assert_eq!(
            pull("acme module").unwrap().mode,
            TrustMode::Pinned,
            "{name:?}"
        );
        assert_eq!(
            kind(pull("bob module")),
            ErrorKind::SignerChanged,
            "{name:?}"
        );
    }
    assert_eq!(
        file(&state).lines().count(),
        1 + names.len(),
        "{}",
        file(&state)
    );
}

/// What is wrong with the store, and the command that mends it: nothing is judged by it until then.
#[test]
fn what_nobody_can_believe_is_not_believed() {
    let check = |prepare: &dyn Fn(&Path), says: &str, help: &str, why: &str| {
        let (_folder, state, pins) = scene();
        pull(ECHO, "acme module", &pins).unwrap();
        prepare(&state);
        for result in [
            pull(ECHO, "acme module", &pins),
            verify(ECHO, "acme module", &pins),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PolicyUnusable, "{why}: {error}");
            assert!(error.message().contains(says), "{why}: {error}");
            let said = error.data().help.unwrap();
            let path = state.display().to_string();
            assert!(said.contains(&help.replace('$', &path)), "{why}: {said}");
        }
        // Where no pins are asked for, nobody looks.
        verify("localhost:1/x:1", "acme module", &pins).unwrap();
    };
    let chmod =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let pins = |state: &Path| state.join("signers");
    let replace = |state: &Path, text: &[u8]| fs::write(pins(state), text).unwrap();
    check(
        &|state| chmod(&pins(state), 0o620),
        "others than its owner",
        "`chmod go-w $/signers`",
        "its group can write it",
    );
    check(
        &|state| chmod(&pins(state), 0o602),
        "others than its owner",
        "`chmod go-w $/signers`",
        "all can write it",
    );
    check(
        &|state| chmod(state, 0o770),
        "others than its owner",
        "`chmod go-w $`",
        "its group can swap it",
    );
    check(
        &|state| chmod(state, 0o777),
        "others than its owner",
        "`chmod go-w $`",
        "all can swap it",
    );
    check(
        &|state| {
            fs::rename(pins(state), state.join("elsewhere")).unwrap();
            symlink("elsewhere", pins(state)).unwrap();
        },
        "symbolic link",
        "realpath $/signers",
        "a link",
    );
    let dangling = |state: &Path| {
        fs::remove_file(pins(state)).unwrap();
        symlink("/absent", pins(state)).unwrap();
    };
    check(&dangling, "symbolic link", "realpath", "a link to nowhere");
    let folder = |state: &Path| {
        fs::remove_file(pins(state)).unwrap();
        fs::create_dir(pins(state)).unwrap();
    };
    check(
        &folder,
        "not a regular file",
        "`mv $/signers $/signers.old`",
        "a folder in its place",
    );
    let pipe = |state: &Path| {
        fs::remove_file(pins(state)).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, pins(state), mode).unwrap();
    };
    check(
        &pipe,
        "not a regular file",
        "`mv $/signers",
        "a pipe in its place",
    );
    let flat = |state: &Path| {
        fs::remove_dir_all(state).unwrap();
        fs::write(state, "").unwrap();
    };
    check(
        &flat,
        "not a folder",
        "`mv $ $.old`",
        "a file in the folder's place",
    );
    check(
        &|state| replace(state, &vec![b'#'; (32 << 20) + 1]),
        "32 MiB",
        "vouch trust forget",
        "a long file",
    );
    check(
        &|state| replace(state, b"# \xff\n"),
        "cannot be read",
        "`mv $/signers",
        "not text",
    );
    check(
        &|state| replace(state, b"# ok\nghcr.io/acme/echo\n"),
        "a line 2 that",
        "`sed -i 2d $/signers`",
        "a line cut short",
    );
    for hostile in [
        " x token:A",
        "x  2023",
        "\tx\ttoken:A",
        "x\ttoken:A",
        "%zz token:A",
        "%+1 token:A",
        "%f token:A",
        "%ff token:A",
        "x %",
        "\u{feff}#",
        "<<<<<<<",
    ] {
        let line = format!("{hostile}\n");
        check(
            &|state| replace(state, line.as_bytes()),
            "a line 1 that",
            "sed -i 1d",
            hostile,
        );
    }
    // What is read is believed of its owner and of root alone; only root can make it somebody's.
    if rustix::process::geteuid().is_root() {
        let give = |path: &Path| std::os::unix::fs::chown(path, Some(1234), None).unwrap();
        check(
            &|state| give(&pins(state)),
            "belongs to user 1234",
            "sudo chown 0 $/signers",
            "another's",
        );
        check(
            &|state| give(state),
            "belongs to user 1234",
            "sudo chown 0 $",
            "in another's folder",
        );
    }
}

/// A lock that nobody can open is no reason to forget what is pinned, or to pin without it.
#[test]
fn the_lock_is_in_the_way_or_held() {
    let (_folder, state, pins) = scene();
    pull(ECHO, "acme module", &pins).unwrap();
    let lock = state.join("signers.lock");
    let check = |says: &str| {
        let error = pull("ghcr.io/new:1", "acme module", &pins).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyUnusable, "{error}");
        assert!(error.message().contains(says), "{error}");
        let help = error.data().help.unwrap();
        assert!(
            help.contains(&format!("rm -r {}", lock.display())),
            "{help}"
        );
        assert!(!file(&state).contains("ghcr.io/new"));
        verify(ECHO, "acme module", &pins).unwrap();
    };
    fs::remove_file(&lock).unwrap();
    symlink("/absent", &lock).unwrap();
    check("symbolic links");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    check("directory");
    fs::remove_dir(&lock).unwrap();

    let Lock::Held(held) = pins.lock().unwrap() else {
        panic!()
    };
    let waiting = {
        let pins = pins.clone();
        thread::spawn(move || pull("ghcr.io/new:1", "acme module", &pins))
    };
    // It reads what is there without it.
    verify(ECHO, "acme module", &pins).unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.kind().retryable());
    assert!(!file(&state).contains("ghcr.io/new"));
    drop(held);
    pull("ghcr.io/new:1", "acme module", &pins).unwrap();
}

#[test]
fn two_that_pin_at_once_lose_nothing() {
    let (_folder, state, pins) = scene();
    let pullers = (0..8).map(|puller| {
        let pins = pins.clone();
        thread::spawn(move || {
            for number in 0..10 {
                pull(
                    &format!("ghcr.io/p{puller}/n{number}:1"),
                    "acme module",
                    &pins,
                )
                .unwrap();
            }
        })
    });
    for puller in pullers.collect::<Vec<_>>() {
        puller.join().unwrap();
    }
    assert_eq!(file(&state).lines().count(), 81);
}

/// Of two first uses one wins; the other is refused, though nothing was pinned when it was judged.
#[test]
fn of_two_first_uses_one_wins() {
    let (_folder, _, pins) = scene();
    let now = stored(pins);
    let judged = |artifact: &str| {
        let examined = made(artifact);
        let usage = usage(ECHO, &examined);
        judge(examined, None, usage, None, &now).unwrap().unwrap()
    };
    let (one, other, same) = (
        judged("acme module"),
        judged("bob module"),
        judged("acme module"),
    );
    assert_eq!(trust(one.stands(&now).unwrap()).remembered, Some(true));
    assert_eq!(kind(other.stands(&now)), ErrorKind::SignerChanged);
    assert_eq!(trust(same.stands(&now).unwrap()).mode, TrustMode::Pinned);
}

/// Where nothing can be kept, nothing is remembered, and the verdict says so.
#[test]
fn a_place_that_cannot_be_made_remembers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for pins in [
        Pins::nowhere(),
        Pins::new("/dev/null/state/vouchd".into()),
        Pins::new(folder.path().join("file/state/vouchd")),
    ] {
        for artifact in ["acme module", "bob module"] {
            let first = pull(ECHO, artifact, &pins).unwrap();
            assert_eq!(
                (first.mode, first.remembered),
                (TrustMode::FirstUse, Some(false))
            );
            assert!(first.warnings[0].contains("nothing compared"), "{first:?}");
        }
    }
}

/// A crash while pinning leaves one file or the other: what it left half written is swept.
#[test]
fn what_a_crash_left_is_no_obstacle() {
    let (_folder, state, pins) = scene();
    pull(ECHO, "acme module", &pins).unwrap();
    let new = state.join("signers.new");
    let check = |prepare: &dyn Fn(), number: usize| {
        prepare();
        pull(&format!("ghcr.io/new{number}:1"), "acme module", &pins).unwrap();
        assert!(new.symlink_metadata().is_err());
        assert_eq!(file(&state).lines().count(), 2 + number);
    };
    check(&|| fs::write(&new, "ghcr.io/acme/echo tok").unwrap(), 1);
    let target = state.join("target");
    check(&|| symlink(&target, &new).unwrap(), 2);
    assert!(!target.exists(), "no link is followed");
}
