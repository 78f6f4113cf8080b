//! What holds for every policy: properties that no table can list.

use super::decisions::{keyed, made};
use super::*;
use crate::name::PlainHosts;
use proptest::prelude::*;

/// A repository with a spelling of its registry that is not the canonical one.
fn place() -> impl Strategy<Value = (String, String)> {
    let registry = prop_oneof![
        Just(("ghcr.io", "GHCR.io:443")),
        Just(("127.0.0.1:5000", "127.1:05000")),
        Just(("docker.io", "Registry-1.docker.io")),
        Just(("[::1]:5000", "[0::1]:5000")),
        Just(("quay.io:8443", "QUAY.IO:08443")),
    ];
    (registry, proptest::collection::vec("[ab]", 1..4)).prop_map(|((name, spelt), path)| {
        // The Hub alone puts what has one part into `library`.
        let path = if path.len() == 1 && name == "docker.io" {
            format!("library/{}", path[0])
        } else {
            path.join("/")
        };
        (format!("{name}/{path}"), format!("{spelt}/{path}"))
    })
}

fn scope() -> impl Strategy<Value = String> {
    let whole = place().prop_map(|(name, _)| name);
    prop_oneof![
        Just("*".to_owned()),
        Just("files".to_owned()),
        Just("ghcr.io".to_owned()),
        Just("docker.io".to_owned()),
        Just("ghcr.io/a".to_owned()),
        Just("127.0.0.1:5000".to_owned()),
        whole,
    ]
}

fn accept() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("'any'"),
        Just("'none'"),
        Just("['acme']"),
        Just("['bob']"),
        Just("['acme','bob']"),
    ]
}

/// One of the keys that tighten, as it is written behind a rule's others.
fn tightening() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just(",kinds=['module']"),
        Just(",kinds=['component','provider']"),
        Just(",subjects=['%acme']"),
        Just(",max-age='1d'"),
        Just(",imports=['wasi:*']"),
        Just(",imports=[]"),
        Just(",require=['token']"),
    ]
}

type Rules = BTreeMap<String, (&'static str, &'static str)>;

fn rules() -> impl Strategy<Value = Rules> {
    proptest::collection::btree_map(scope(), (accept(), tightening()), 0..6)
}

fn artifact() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("acme module"),
        Just("bob module env.f"),
        Just("acme component wasi:io/poll"),
        Just("eve component x:y/z"),
        Just("acme par"),
    ]
}

/// Whether it is accepted, and by what.
fn decide(rules: &Rules, at: &str, artifact: &str) -> Result<String, ErrorKind> {
    let rules: Vec<_> = rules
        .iter()
        .map(|(scope, (accept, limit))| format!("{{scope='{scope}',accept={accept}{limit}}}"))
        .collect();
    let text = keyed(&format!(
        "rule=[{}]\n[signer.acme]\naccount='$acme'\n[signer.bob]\naccount='$bob'",
        rules.join(",")
    ));
    let policy = Policy::new(toml::from_str(&text).unwrap(), &PlainHosts::default()).unwrap();
    let now = Now {
        policy: Ok(Arc::new(policy)),
        ..at_time()
    };
    let usage = match at {
        "files" => Use::Verify(None),
        at => Use::Ask(Publication::alone(testing::reference(&format!("{at}:1")))),
    };
    match judge(made(artifact), None, usage, None, &now).unwrap() {
        Ok(vouched) => {
            let Verification::Accepted { trust, .. } = vouched.verification() else {
                panic!()
            };
            Ok(format!("{:?} by {}", trust.mode, trust.rule))
        }
        Err(refused) => Err(refused.refusal.kind),
    }
}

fn at_time() -> Now {
    at(1_700_000_000 + 10 * 86_400)
}

/// Whether a scope covers a place, told by their texts alone.
fn covers(scope: &str, place: &str) -> bool {
    match scope {
        "files" => place == "files",
        "*" => place != "files",
        scope => place == scope || place.starts_with(&format!("{scope}/")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_rule_never_changes_what_it_does_not_cover(
        rules in rules(), scope in scope(), rule in (accept(), tightening()),
        place in place(), artifact in artifact(),
    ) {
        let mut more = rules.clone();
        more.insert(scope.clone(), rule);
        for place in [place.0.as_str(), "files"] {
            let before = decide(&rules, place, artifact);
            if !covers(&scope, place) {
                prop_assert_eq!(before, decide(&more, place, artifact));
            }
        }
    }

    #[test]
    fn a_tightening_key_never_accepts_more(
        mut rules in rules(), at in any::<proptest::sample::Index>(), limit in tightening(),
        place in place(), artifact in artifact(),
    ) {
        prop_assume!(!rules.is_empty());
        let scope = rules.keys().nth(at.index(rules.len())).unwrap().clone();
        // As it was without.
        rules.get_mut(&scope).unwrap().1 = "";
        let mut tightened = rules.clone();
        tightened.get_mut(&scope).unwrap().1 = limit;
        for place in [place.0.as_str(), "files"] {
            let before = decide(&rules, place, artifact);
            let after = decide(&tightened, place, artifact);
            prop_assert!(after == before || after == Err(ErrorKind::NotAllowed), "{before:?} {after:?}");
            prop_assert!(before.is_ok() || after.is_err());
        }
    }

    #[test]
    fn a_spelling_never_changes_a_decision(
        rules in rules(), place in place(), artifact in artifact(),
    ) {
        let (name, spelt) = place;
        prop_assert_eq!(decide(&rules, &name, artifact), decide(&rules, &spelt, artifact));
    }
}
