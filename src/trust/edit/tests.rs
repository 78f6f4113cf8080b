//! Texts before and after an edit.

use super::*;
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
    check(&removing("b", &[]), one, "there is no signer `b`");
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
