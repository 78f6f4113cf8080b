//! Texts before and after an edit.

use super::{effect::check_remembered, *};
use crate::trust::key::account_of;

fn key(seed: u8) -> String {
    account_of(&[seed; 32])
}

fn signer(seed: u8) -> Signer {
    toml::from_str(&format!("account = '{}'", key(seed))).unwrap()
}

fn adding(name: &str, seed: Option<u8>, scopes: &[&str]) -> Edit {
    Edit::Add {
        name: name.into(),
        signer: seed.map(signer),
        revoked: false,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

fn adding_as(name: &str, signer: &str) -> Edit {
    Edit::Add {
        name: name.into(),
        signer: Some(toml::from_str(signer).unwrap()),
        revoked: false,
        scopes: Vec::new(),
    }
}

fn removing(name: &str, scopes: &[&str]) -> Edit {
    Edit::Remove {
        name: name.into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

fn removing_rules(scopes: &[&str]) -> Edit {
    Edit::RemoveRules {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

/// `A1` and `A2` stand for keys.
fn edited(edit: &Edit, text: &str) -> Result<String> {
    let (one, two) = (key(1), key(2));
    let text = text.replace("A1", &one).replace("A2", &two);
    let text = edit.apply(&text, &PlainHosts::default())?;
    Ok(text.replace(&one, "A1").replace(&two, "A2"))
}

#[test]
fn edits_keep_all_else() {
    let check = |edit: &Edit, before: &str, after: &str| {
        assert_eq!(edited(edit, before).unwrap(), after, "{edit:?} of {before}");
    };
    let added = "[trust.signer.acme]\naccount = \"A1\"\n\n[[trust.rule]]\nscope = \"ghcr.io/acme\"\naccept = [\"acme\"]\n";
    let acme = adding("acme", Some(1), &["ghcr.io/acme"]);
    check(&acme, "", added);
    check(
        &acme,
        "# mine\n# all of it\n",
        &format!("# mine\n# all of it\n\n{added}"),
    );
    check(
        &acme,
        "[idle]\ntimeout = '1h' # one\n# end\n",
        &format!("[idle]\ntimeout = '1h' # one\n\n{added}# end\n"),
    );
    // Twice is once.
    check(&acme, added, added);
    let path = "github.com/acme/echo/.github/workflows/release.yml";
    let signer = format!("workflow = \"{path}\"\nrefs = [\"refs/tags/*\", \"refs/heads/main\"]\n");
    let written = format!("[trust.signer.release]\n{signer}");
    let release = adding_as("release", &signer);
    check(&release, "", &written);
    check(&release, &written, &written);
    let ann = "email = \"ann@example.org\"\nissuer = \"https://accounts.google.com\"\n";
    let both = format!("{written}\n[trust.signer.ann]\n{ann}");
    check(&adding_as("ann", ann), &written, &both);
    // Another spelling of a scope is the same.
    check(&adding("acme", None, &["GHCR.io:443/acme"]), added, added);
    // A second signer joins the first.
    check(
        &adding("b", Some(2), &["ghcr.io/acme"]),
        "[trust.signer.acme]\naccount = \"A1\"\n# the rule\n[[trust.rule]]\nscope = \"ghcr.io/acme\" # here\naccept = [\"acme\"] # who\nkinds = ['module']\n",
        "[trust.signer.acme]\naccount = \"A1\"\n\n[trust.signer.b]\naccount = \"A2\"\n# the rule\n[[trust.rule]]\nscope = \"ghcr.io/acme\" # here\naccept = [\"acme\", \"b\"] # who\nkinds = ['module']\n",
    );
    let rule = |accept: &str| {
        format!(
            "[trust.signer]\nacme.account = \"A1\"\nb.account = \"A2\"\n[[trust.rule]]\nscope = \"*\"\naccept = {accept} # who\n"
        )
    };
    let check_rule =
        |edit: &Edit, before: &str, after: &str| check(edit, &rule(before), &rule(after));
    let b = adding("b", None, &["*"]);
    check_rule(&b, "\"acme\"", "[\"acme\", \"b\"]");
    check_rule(&b, "\"none\"", "[\"b\"]");
    check_rule(&b, "[\"none\"]", "[\"b\"]");
    check_rule(
        &b,
        "[\n  \"acme\", # a\n]",
        "[\n  \"acme\", # a\n  \"b\",\n]",
    );
    check_rule(&b, "[\n  \"acme\" # a\n]", "[\n  \"acme\", # a\n  \"b\"\n]");
    check_rule(&removing("b", &["*"]), "[\"acme\", \"b\"]", "[\"acme\"]");
    check_rule(&removing("acme", &["*"]), "[\"acme\", \"b\"]", "[\"b\"]");
    // Whoever is left out stays out.
    check_rule(&removing("acme", &["*"]), "[\"acme\"]", "\"none\"");
    check_rule(&removing("acme", &["*"]), "\"acme\"", "\"none\"");
    // As the owner writes.
    check(
        &adding("b", Some(2), &["*"]),
        "trust = {signer = {acme = {account = \"A1\"}}, rule = []}\n",
        "trust = {signer = {acme = {account = \"A1\"}, b = { account = \"A2\" } }, rule = [{ scope = \"*\", accept = [\"b\"] }]}\n",
    );
    check(
        &adding("b", Some(2), &["files"]),
        "trust.default = \"none\"\ntrust.signer.acme.account = \"A1\"\n",
        "trust.default = \"none\"\ntrust.signer.acme.account = \"A1\"\ntrust.signer.b.account = \"A2\"\ntrust.rule = [{ scope = \"files\", accept = [\"b\"] }]\n",
    );
    let two = "# the config\n\n# acme's\n[trust.signer.acme]\naccount = \"A1\"\n\n# b's\n[trust.signer.b]\naccount = \"A2\"\n";
    check(
        &removing("acme", &[]),
        two,
        "# the config\n\n# b's\n[trust.signer.b]\naccount = \"A2\"\n",
    );
    check(
        &removing("b", &[]),
        two,
        "# the config\n\n# acme's\n[trust.signer.acme]\naccount = \"A1\"\n",
    );
    let revoking = Edit::Add {
        name: "b".into(),
        signer: None,
        revoked: true,
        scopes: Vec::new(),
    };
    check(
        &revoking,
        two,
        &two.replace("\"A2\"\n", "\"A2\"\nrevoked = true\n"),
    );
}

#[test]
fn a_rule_goes_with_what_it_says() {
    let check = |scopes: &[&str], before: &str, after: &str| {
        let edit = removing_rules(scopes);
        assert_eq!(
            edited(&edit, before).unwrap(),
            after,
            "{scopes:?} of {before}"
        );
    };
    let signer = "[trust.signer.acme]\naccount = \"A1\"\n";
    let files = "\n# files\n[[trust.rule]]\nscope = \"files\"\naccept = \"none\"\n";
    let acme = "\n[[trust.rule]]\nscope = \"ghcr.io/acme\"\naccept = [\"acme\"]\n";
    check(
        &["files"],
        &format!("{signer}{files}{acme}"),
        &format!("{signer}{acme}"),
    );
    check(
        &["GHCR.io:443/acme"],
        &format!("{signer}{files}{acme}"),
        &format!("{signer}{files}"),
    );
    check(
        &["files", "ghcr.io/acme"],
        &format!("{signer}{files}{acme}"),
        signer,
    );
    check(
        &["*"],
        "trust.rule = [{ scope = \"*\", accept = \"none\" }, { scope = \"files\", accept = \"any\" }]\n",
        "trust.rule = [ { scope = \"files\", accept = \"any\" }]\n",
    );
    check(
        &["*"],
        "trust.rule = [{ scope = \"*\", accept = \"none\" }]\n",
        "",
    );
    let error = edited(&removing_rules(&["*"]), signer).unwrap_err();
    assert!(
        error.to_string().contains("there is no rule `*`"),
        "{error}"
    );
}

/// What a policy says beside the two signers `acme` and `b`, of whom the latter is revoked.
fn policy(rules: &str) -> Section {
    let text = format!(
        "{rules}\n[signer.acme]\naccount = '{}'\n[signer.b]\naccount = '{}'\nrevoked = true",
        key(1),
        key(2)
    );
    toml::from_str(&text).unwrap()
}

#[test]
fn whom_a_change_keeps_out_or_lets_in_is_said() {
    let check = |edit: &Edit, rules: &str, expected: &[&str]| {
        let warnings = edit.warnings(&policy(rules), &PlainHosts::default());
        assert_eq!(warnings.unwrap(), expected, "{edit:?} of {rules}");
    };
    let adding = |scope| adding("dave", None, &[scope]);
    let acme = "rule=[{scope='ghcr.io/acme',accept=['acme']}]";
    let instead =
        ". To add dave to that rule instead: the same command with `--scope ghcr.io/acme`";
    let only = "ghcr.io/acme/a/b was covered by the rule `ghcr.io/acme`, which accepts acme: from now \
                on, only dave is accepted there";
    check(
        &adding("GHCR.io/acme/a/b"),
        acme,
        &[&format!("{only}{instead}")],
    );
    for (scope, rules) in [
        // It joins the others, stands above them, or beside; nobody was accepted; or they were.
        ("ghcr.io/acme", acme),
        ("ghcr.io", acme),
        ("ghcr.io/acmes", acme),
        ("files", "rule=[{scope='*',accept=['acme']}]"),
        ("ghcr.io/acme", "rule=[{scope='*',accept='none'}]"),
        ("ghcr.io/acme", "rule=[{scope='*',accept=['dave']}]"),
        ("ghcr.io/acme", ""),
    ] {
        check(&adding(scope), rules, &[]);
    }
    let any = "q.io was covered by the rule `*`, which accepts any signer of a token: from now on, \
               only dave is accepted there";
    check(&adding("q.io"), "rule=[{scope='*',accept='any'}]", &[any]);
    let both = "q.io was covered by the rule `*`, which accepts acme, dave: from now on, only dave is \
                accepted there";
    check(
        &adding("q.io"),
        "rule=[{scope='*',accept=['acme','dave']}]",
        &[both],
    );

    let empty = "the rule `ghcr.io/acme` accepts nobody then. To remove the rule, too: `vouch trust \
                 remove --scope ghcr.io/acme`";
    check(&removing("acme", &[]), acme, &[empty]);
    check(&removing("acme", &["ghcr.io/acme"]), acme, &[empty]);
    let two = "rule=[{scope='*',accept=['acme','b']},{scope='q.io',accept=['acme']}]";
    check(&removing("acme", &["*"]), two, &[]);
    let revoked = "`b` is revoked: without this entry, what they signed can be accepted again";
    check(&removing("b", &[]), acme, &[revoked]);
    check(&removing("b", &["ghcr.io/acme"]), acme, &[]);

    // Rules that go together do not decide for each other.
    let first = "the first signer of a repository is remembered";
    let inner = format!("without the rule `q.io/a`, {first}");
    let outer = format!("without the rule `q.io`, {first}");
    check(
        &removing_rules(&["q.io/a", "q.io"]),
        "rule=[{scope='q.io',accept=['acme']},{scope='q.io/a',accept=['b']}]",
        &[&inner, &outer],
    );

    let check = |scope: &str, rules: &str, expected: &str| {
        let expected = format!("without the rule `{scope}`, {expected}");
        check(&removing_rules(&[scope]), rules, &[&expected]);
    };
    let any = "any signer of a token is accepted there";
    check("files", "default='none'", any);
    check("oci:/no/such", "", any);
    check("localhost:5000", "", any);
    check("q.io", "default='any'", any);
    check("q.io", "", "the first signer of a repository is remembered");
    check("q.io", "default='none'", "nobody is accepted there");
    check(
        "ghcr.io/acme/a",
        acme,
        "the rule `ghcr.io/acme` decides there, which accepts acme",
    );
}

#[test]
fn nobody_is_remembered_where_that_says_nothing() {
    let check = |repository: &str, signer: &str, rules: &str, expected: Result<(), &[&str]>| {
        let plain = PlainHosts::default();
        let checked = check_remembered(repository, signer, &policy(rules), &plain);
        let said = checked.map_err(|error| {
            let help = error.data().help.unwrap_or_default();
            format!("{error} {help}").replace(&key(1), "A1")
        });
        match (said, expected) {
            (Ok(()), Ok(())) => {}
            (Err(said), Err(parts)) if parts.iter().all(|part| said.contains(part)) => {}
            (said, expected) => panic!("{repository} {signer} {rules}: {said:?}, not {expected:?}"),
        }
    };
    let (echo, one) = ("ghcr.io/acme/echo", key(1));
    let email = "sigstore:email=ann@example.org,issuer=https://example.org";
    check(echo, &one, "", Ok(()));
    check(echo, "acme", "default='pinned'", Ok(()));
    check(echo, email, "default='pinned'", Ok(()));
    check(
        echo,
        &one,
        "rule=[{scope='ghcr.io',accept='pinned'}]",
        Ok(()),
    );
    let acme = "rule=[{scope='ghcr.io/acme',accept=['acme']}]";
    check(
        echo,
        &one,
        acme,
        Err(&[
            "ghcr.io/acme/echo does not go by who is remembered: the rule `ghcr.io/acme` decides",
            "`vouch trust add NAME --account A1 --scope ghcr.io/acme`",
        ]),
    );
    check(
        echo,
        "acme",
        acme,
        Err(&["`vouch trust add acme --scope ghcr.io/acme`"]),
    );
    let none = "rule=[{scope='*',accept='none'}]";
    check(
        echo,
        "acme",
        none,
        Err(&["accepts nobody", "--scope ghcr.io/acme/echo`"]),
    );
    check(
        echo,
        "acme",
        "default='none'",
        Err(&["nobody is accepted there"]),
    );
    check(
        "localhost:5000/a/b",
        "acme",
        "",
        Err(&["any signer of a token is accepted there"]),
    );
    check(
        echo,
        email,
        "",
        Err(&["bundles are not accepted", "trust add NAME --scope"]),
    );
}

#[test]
fn what_an_edit_cannot_mean_is_refused() {
    let check = |edit: &Edit, text: &str, says: &str| {
        let error = edited(edit, text).unwrap_err();
        let said = format!("{error} {}", error.data().help.unwrap_or_default());
        let said = said.replace(&key(1), "A1").replace(&key(2), "A2");
        assert!(said.contains(says), "{edit:?} of {text}: {said}");
    };
    let one = "[trust.signer.acme]\naccount = \"A1\"\n";
    check(
        &adding("acme", Some(2), &[]),
        one,
        "`acme` is already A1, but you gave A2",
    );
    check(
        &adding("b", None, &["*"]),
        one,
        "there is no signer `b` Say who",
    );
    let workflow = |refs: &str| {
        let path = "github.com/acme/echo/.github/workflows/release.yml";
        let signer = format!("workflow = '{path}'\nrefs = ['{refs}']\n");
        (
            adding_as("w", &signer),
            format!("[trust.signer.w]\n{signer}"),
        )
    };
    let (tags, written) = workflow("refs/tags/*");
    let other = workflow("*").0;
    check(&other, &written, "at refs/tags/*, but you gave");
    check(
        &tags,
        "[trust.signer.w]\naccount = \"A1\"\n",
        "`w` is already A1",
    );
    check(&adding("b", None, &["*"]), one, "known: acme");
    check(
        &removing("b", &[]),
        one,
        "there is no signer `b` The signers that are known: acme.",
    );
    check(&removing("acme", &["*"]), one, "no rule `*` accepts `acme`");
    let pinned = format!("{one}[[trust.rule]]\nscope = '*'\naccept = 'pinned'\n");
    check(
        &adding("acme", None, &["*"]),
        &pinned,
        "accepts `pinned`, which stands alone",
    );
    check(&adding("acme", None, &["ghcr.io/a:1"]), one, "names a tag");
    check(&adding("acme", None, &["oci:x"]), one, "absolute path");
    check(
        &adding("acme", None, &[]),
        "trust = 1",
        "does not stand in a section",
    );
    check(&adding("acme", None, &[]), "trust", "is not TOML");
}
