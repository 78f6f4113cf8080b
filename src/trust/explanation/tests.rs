//! Verdicts, explained.

use crate::{
    artifact::{Limits, inspect},
    name::PlainHosts,
    trust::{Now, Policy, Publication, Use, judge},
};
use std::time::{Duration, UNIX_EPOCH};
use vouch_protocol::{Check, CheckOutcome};
use vouch_testing::forge::{ENTRIES, Signer, custom, entry_with, module, tar};

/// The verdict's kind and the checks, as of second 1000.
fn explained(
    bytes: &[u8],
    config: &str,
    wanted: Option<&str>,
    to: Option<&str>,
) -> (Option<&'static str>, Vec<Check>) {
    let section = toml::from_str(config).unwrap();
    let policy = Policy::new(section, &PlainHosts::default()).unwrap();
    let now = Now {
        policy: Ok(policy.into()),
        ..Now::built_in(UNIX_EPOCH + Duration::from_secs(1000))
    };
    let examined = inspect(bytes, bytes.len() as u64, &Limits::default()).unwrap();
    let usage = match to {
        Some(to) => Use::Ask(Publication::alone(crate::name::testing::reference(to))),
        None => Use::Verify(None),
    };
    match judge(examined, None, usage, wanted, &now).unwrap() {
        Ok(vouched) => (None, vouched.checks()),
        Err(refused) => (Some(refused.refusal.kind.name()), refused.checks()),
    }
}

/// What is not held, by name; all else is.
fn missed(checks: &[Check]) -> String {
    let missed = checks.iter().filter_map(|check| {
        let sign = match check.outcome {
            CheckOutcome::Held => return None,
            CheckOutcome::Failed => '!',
            CheckOutcome::Absent => '0',
            CheckOutcome::NotReached => '-',
            CheckOutcome::Warning | CheckOutcome::Unknown => '?',
        };
        Some(format!("{sign}{}", check.check))
    });
    missed.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_row_says_what_became_of_it() {
    let signed = Signer::default().wasm(&module());
    let archive = |entries: &[(&str, &[u8])]| Signer::default().archive(entries);
    let check = |bytes: &[u8], kind, expected: &str, why: &str| {
        let (found, checks) = explained(bytes, "", None, None);
        assert_eq!((found, missed(&checks).as_str()), (kind, expected), "{why}");
        assert!(checks.is_sorted_by_key(|check| check.row), "{why}");
        for check in checks {
            let looked_at = check.outcome != CheckOutcome::NotReached;
            let said = check.found.is_some_and(|found| !found.is_empty());
            assert_eq!(said, looked_at, "{why}: {}", check.check);
            assert!(
                check.wanted.is_some_and(|wanted| !wanted.is_empty()),
                "{why}"
            );
        }
    };
    check(&signed, None, "", "all holds");
    check(&archive(ENTRIES), None, "", "of an archive too");
    let rest = "-claims -signature -keys -dates";
    let nothing = format!("!artifact -form -token {rest} -hash -entries -packing -policy");
    check(b"text", Some("unknownArtifact"), &nothing, "no artifact");
    let broken = format!("!form -token {rest} -hash -policy");
    let cut = [&module()[..], b"\0\x7f"].concat();
    check(&cut, Some("malformedArtifact"), &broken, "cut short");
    let unsigned = format!("0token {rest} -hash -policy");
    check(
        &module(),
        Some("unsigned"),
        &unsigned,
        "absent is not failed",
    );
    let twice = [&signed[..], &custom("jwt", b"x")].concat();
    let ambiguous = format!("!token {rest} -hash -policy");
    check(&twice, Some("ambiguousToken"), &ambiguous, "two tokens");
    let junk = [module(), custom("jwt", b"x")].concat();
    let invalid = "!claims -signature -keys -dates -hash -policy";
    check(&junk, Some("invalidToken"), invalid, "no JWT");
    let token = |signer: &Signer| signer.wasm_token(&module());
    let (one, other) = (token(&Signer::default()), token(&Signer::default()));
    let (said, _) = one.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = custom("jwt", format!("{said}.{signature}").as_bytes());
    let forged = [module(), forged].concat();
    let invalid = "!signature -keys -dates -hash -policy";
    check(
        &forged,
        Some("signatureInvalid"),
        invalid,
        "another's signature",
    );
    let wrong_key = Signer {
        account: nkeys::KeyPair::new_user(),
        ..Signer::default()
    };
    let keys = "!keys -dates -hash -policy";
    check(
        &wrong_key.wasm(&module()),
        Some("invalidToken"),
        keys,
        "a user signs",
    );
    let dated = |expires, hash: Option<&str>| Signer {
        expires: Some(expires),
        hash: hash.map(Into::into),
        ..Signer::default()
    };
    let old = dated(1, None).wasm(&module());
    check(
        &old,
        Some("expired"),
        "!dates",
        "the rest is judged all the same",
    );
    let both = dated(1, Some("00")).wasm(&module());
    check(
        &both,
        Some("expired"),
        "!dates !hash",
        "and so is the content",
    );
    let changed = dated(2000, Some("00")).wasm(&module());
    check(&changed, Some("hashMismatch"), "!hash", "another content");
    let token = Signer::default().archive_token(ENTRIES);
    let with =
        |entries: &[(&str, &[u8])]| tar(&[&[("claims.jwt", token.as_bytes())], entries].concat());
    let missing = with(&ENTRIES[1..]);
    check(
        &missing,
        Some("hashMismatch"),
        "!entries",
        "an entry is missing",
    );
    let odd = with(&[ENTRIES, &[("x", &b"x"[..])]].concat());
    let unread = "!entries -packing";
    check(
        &odd,
        Some("malformedArtifact"),
        unread,
        "a name that is not a target's",
    );
    let mut hidden = entry_with("claims.jwt", token.as_bytes(), |_| {});
    hidden.extend(entry_with("a.bin", b"x", |header| header[345] = b'p'));
    hidden.extend([0; 1024]);
    let packing = "-entries !packing";
    check(
        &hidden,
        Some("malformedArtifact"),
        packing,
        "a prefix in a header",
    );
}

#[test]
fn the_part_that_differs_is_named() {
    let token = Signer::default().archive_token(ENTRIES);
    let with =
        |entries: &[(&str, &[u8])]| tar(&[&[("claims.jwt", token.as_bytes())], entries].concat());
    let check = |bytes: &[u8], row: &str, expected: &str| {
        let (kind, checks) = explained(bytes, "", None, None);
        assert_eq!(kind, Some("hashMismatch"));
        let found = checks.into_iter().find(|check| check.check == row);
        let found = found.unwrap().found.unwrap();
        assert!(found.contains(expected), "{found}");
    };
    let name = |entry: &str| format!("{:?}", entry.strip_suffix(".bin").unwrap_or(entry));
    let (first, bytes) = ENTRIES[0];
    let mut entries = ENTRIES.to_vec();
    entries[0].1 = b"other";
    check(
        &with(&entries),
        "entries",
        &format!("{} differs", name(first)),
    );
    let more = [ENTRIES, &[("more.bin", bytes)]].concat();
    check(&with(&more), "entries", "\"more\" was not signed");
    let gone = format!("its entry {}, which was signed, is missing", name(first));
    check(&with(&ENTRIES[1..]), "entries", &gone);
    let long = Signer {
        hash: Some("ab".repeat(1000)),
        ..Signer::default()
    };
    let said = format!("the token says {}…", "ab".repeat(32));
    check(&long.wasm(&module()), "hash", &said);
}

#[test]
fn the_policy_says_what_it_asked_and_which_rule_asks() {
    let (signer, other) = (Signer::default(), Signer::default());
    let bytes = signer.wasm(&module());
    let key = |signer: &Signer| signer.account.public_key();
    let (key, other) = (key(&signer), key(&other));
    let named = format!("[signer.acme]\naccount = '{key}'\n[signer.ann]\naccount = '{other}'\n");
    let check = |rules: &str, wanted, expected: &[&str], kind, help: &[&str]| {
        let config = format!("{named}{rules}");
        let to = Some("ghcr.io/acme/echo:1");
        let (found, checks) = explained(&bytes, &config, wanted, to);
        assert_eq!(found, kind, "{rules}");
        let row = |check: Check| {
            let rule = check
                .rule
                .map_or(String::new(), |rule| format!(" by {rule}"));
            format!(
                "{}{rule}: {:?}, {}, {}",
                check.check,
                check.outcome,
                check.found.unwrap(),
                check.wanted.unwrap()
            )
        };
        let rows: Vec<_> = checks
            .into_iter()
            .filter(|check| check.row == 11)
            .map(row)
            .collect();
        let said = rows.join("\n");
        for part in expected.iter().chain(help) {
            assert!(said.contains(part), "{rules}\n{part}\nis not in\n{said}");
        }
    };
    let acme = format!("acme ({key})");
    let ann = format!("ann ({other})");
    let first = format!("pin by default: Held, {acme}, the repository's first signer");
    check("", None, &["revoked: Held", &first], None, &[]);
    let accepted = format!("accept by ghcr.io/acme: Held, {acme}, {acme}, {ann}");
    let rule = "[[rule]]\nscope = 'ghcr.io/acme'\naccept = ['acme', 'ann']\n";
    check(rule, None, &[&accepted], None, &[]);
    let wide = format!("{rule}[[rule]]\nscope = '*'\naccept = 'none'\nkinds = ['component']\n");
    let kinds = "kinds by *: Failed, is a module, component";
    check(&wide, None, &[&accepted, kinds], Some("notAllowed"), &[]);
    let anns = "[[rule]]\nscope = 'ghcr.io'\naccept = 'ann'\n";
    let refused = format!("accept by ghcr.io: Failed, {acme}, {ann}");
    check(anns, None, &[&refused], Some("untrustedSigner"), &[]);
    let asked = format!("signer: Held, {acme}, {acme}");
    let id = format!("token:{key}");
    for wanted in ["acme", &key, &id] {
        check("", Some(wanted), &[&asked], None, &[]);
    }
    let another = format!("signer: Failed, {acme}, {ann}");
    check(
        "",
        Some("ann"),
        &[&another, &first],
        Some("untrustedSigner"),
        &[],
    );
    let revoked = format!("[signer.old]\naccount = '{key}'\nrevoked = true\n{rule}");
    let rows = ["revoked: Failed, revoked as `old`", &accepted];
    check(&revoked, None, &rows, Some("untrustedSigner"), &[]);
}

#[test]
fn a_refusal_says_who_that_would_be_and_what_would_accept_them() {
    let signer = Signer::default();
    let bytes = signer.wasm(&module());
    let key = signer.account.public_key();
    let acme = format!("[signer.acme]\naccount = '{key}'\n");
    let check = |config: &str, wanted, to, expected: &str| {
        let section = toml::from_str(config).unwrap();
        let policy = Policy::new(section, &PlainHosts::default()).unwrap();
        let now = Now {
            policy: Ok(policy.into()),
            ..Now::built_in(UNIX_EPOCH)
        };
        let examined = inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
        let usage = Use::Ask(Publication::alone(crate::name::testing::reference(to)));
        let verdict = judge(examined, None, usage, wanted, &now).unwrap();
        let help = verdict.unwrap_err().refusal.advice("").unwrap();
        assert_eq!(help, expected, "{config}");
    };
    let none = "[[rule]]\nscope = '*'\naccept = 'none'\n";
    let to = "ghcr.io/acme/echo:1";
    let stranger = format!("No signer in the config has the key {key}: find out whose it is.");
    let add = |name: &str, scope: &str| {
        format!(" To accept them here: `vouch trust add {name} --account {key} --scope {scope}`")
    };
    let here = "ghcr.io/acme/echo";
    check(none, None, to, &(stranger.clone() + &add("NAME", here)));
    let idle = "`acme` is in the config, but no rule accepts them.";
    let config = format!("{acme}{none}");
    check(&config, None, to, &(idle.to_owned() + &add("acme", here)));
    let elsewhere = format!("{config}[[rule]]\nscope = 'ghcr.io/other'\naccept = 'acme'\n");
    let under = "`acme` is accepted under ghcr.io/other, not here.";
    check(
        &elsewhere,
        None,
        to,
        &(under.to_owned() + &add("acme", here)),
    );
    // Who was accepted there stays so.
    let rule = format!("{acme}[[rule]]\nscope = 'ghcr.io/acme'\naccept = 'other'\n");
    let rule = rule
        + &format!(
            "[signer.other]\naccount = '{}'\n",
            Signer::default().account.public_key()
        );
    let too = format!(
        "`acme` is in the config, but no rule accepts them. To accept them too, wherever rule \
         `ghcr.io/acme` decides: `vouch trust add acme --account {key} --scope ghcr.io/acme`"
    );
    check(&rule, None, to, &too);
    let spaced = add("NAME", "'oci:/nowhere at all'");
    check(none, None, "oci:/nowhere at all:1", &(stranger + &spaced));
    let other = Signer::default().account.public_key();
    let ask = format!(
        "No signer in the config has that key. If you want to accept them: \
         `--signer {key}`"
    );
    check("", Some(&other), to, &ask);
}

#[test]
fn whom_a_caller_may_ask_for() {
    let key = Signer::default().account.public_key();
    let other = Signer::default().account.public_key();
    let config = format!("[signer.acme]\naccount = '{key}'\n");
    let section = toml::from_str(&config).unwrap();
    let policy = Policy::new(section, &PlainHosts::default()).unwrap();
    let check = |signer: &str, expected: Result<&str, &str>| {
        let found = match policy.check_signer(signer) {
            Ok(()) => Ok(policy.id_of(signer).unwrap()),
            Err(error) => Err(error.data().help.unwrap()),
        };
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{signer}");
    };
    let (id, of_other) = (format!("token:{key}"), format!("token:{other}"));
    check("acme", Ok(&id));
    check(&key, Ok(&id));
    check(&id, Ok(&id));
    check(&other, Ok(&of_other));
    check("acne", Err("Did you mean `acme`?"));
    let list = "`vouch trust list` shows the signers in the config.";
    check("nobody", Err(list));
    check("token:A", Err(list));
    let bundler = "sigstore:email=ann@example.org,issuer=https://example.org";
    check(bundler, Ok(bundler));
    check("sigstore:email=", Err(list));
    check("sigstore:email=ann@example.org issuer", Err(list));
    check("foo:bar", Err(list));
    check("", Err(list));
    check(&"x".repeat(10_000), Err(list));
}
