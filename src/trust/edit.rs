//! Edits of the section `[trust]` in the text of a config. Comments and layout stay.
//!
//! An edit makes one text of another and knows nothing of files. Whether the new text is a config,
//! and a policy that can be used, is for the config's own reader to say before it is written.

use super::{
    place::{Place, Scope},
    section::{Mode, Section, Signer},
};
use crate::{
    error::{Error, Result},
    name::PlainHosts,
};
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value, value,
};
use vouch_protocol::ErrorKind;

/// A change of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Names a signer, unless the name is known, and accepts them under scopes.
    Add {
        /// What rules call the signer.
        name: String,
        /// Who that is. A known name needs none, and must have the same key.
        signer: Option<Signer>,
        /// Whether nothing that they signed is accepted any more.
        revoked: bool,
        /// The scopes, in any spelling.
        scopes: Vec<String>,
    },
    /// Accepts a signer no more: under scopes or, if there are none, at all.
    Remove {
        /// What rules call the signer.
        name: String,
        /// The scopes, in any spelling.
        scopes: Vec<String>,
    },
}

impl Edit {
    /// The text of a config after this change.
    pub fn apply(&self, text: &str, plain: &PlainHosts) -> Result<String> {
        let mut file: DocumentMut = text
            .parse()
            .map_err(|error| wrong(format!("the config is not TOML: {error}")))?;
        // Remarks in a file without keys stand behind all keys, and belong before them.
        let head = file.as_table().is_empty().then(|| file.trailing().clone());
        let canonical = |scope: &String| {
            let scope = Scope::read(scope, plain).map_err(wrong);
            scope.map(|scope| scope.to_string())
        };
        match self {
            Self::Add {
                name,
                signer,
                revoked,
                scopes,
            } => {
                let trust = section(file.as_item_mut(), "trust")?;
                add(section(trust, "signer")?, name, signer.as_ref(), *revoked)?;
                for scope in scopes {
                    accept(trust, &canonical(scope)?, name)?;
                }
            }
            Self::Remove { name, scopes } if scopes.is_empty() => remove(&mut file, name)?,
            Self::Remove { name, scopes } => {
                let trust = section(file.as_item_mut(), "trust")?;
                known(section(trust, "signer")?, name)?;
                for scope in scopes {
                    let scope = canonical(scope)?;
                    let rule = rules(trust).into_iter().find(|rule| is_of(*rule, &scope));
                    if !rule.is_some_and(|rule| leave(rule, name)) {
                        return Err(wrong(format!("no rule `{scope}` accepts `{name}`")));
                    }
                }
            }
        }
        let edited = file.to_string();
        Ok(match head.as_ref().and_then(RawString::as_str) {
            Some(head) if !head.trim().is_empty() => {
                let body = edited.strip_suffix(head).unwrap_or(&edited);
                format!("{}\n\n{body}", head.trim_end())
            }
            _ => edited,
        })
    }
}

/// The one name of a repository or image layout, as pins have it. Blocks.
pub fn repository(text: &str, plain: &PlainHosts) -> Result<String> {
    Ok(Place::of(&plain.reference(text)?)?.to_string())
}

/// The id of a signer that is named as people do: by a name of the config, a key, or the id itself.
pub fn signer_id(text: &str, section: &Section) -> Result<String> {
    if let Some(signer) = section.signer.get(text) {
        return Ok(signer.id());
    }
    if text.contains(':') {
        return Ok(text.to_owned());
    }
    let signer = Signer::written(Some(text.to_owned()), None);
    let signer = signer.map_err(|_| {
        wrong(format!(
            "{text:?} is neither a signer of the config nor an account nkey (`A…`)"
        ))
    })?;
    Ok(signer.id())
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParams, what)
}

/// A section of another one, which is made if it is missing.
fn section<'a>(parent: &'a mut Item, key: &str) -> Result<&'a mut Item> {
    let inline = parent.is_inline_table();
    let not = || wrong(format!("`{key}` does not stand in a section"));
    let table = parent.as_table_like_mut().ok_or_else(not)?;
    if !table.contains_key(key) {
        let mut made = Table::new();
        made.set_implicit(true);
        made.set_dotted(table.is_dotted());
        table.insert(key, shaped(made, inline));
    }
    table.get_mut(key).ok_or_else(not)
}

/// A table, as its surroundings are written.
fn shaped(table: Table, inline: bool) -> Item {
    if inline {
        value(table.into_inline_table())
    } else {
        Item::Table(table)
    }
}

/// Fails unless there is a signer of that name.
fn known(signers: &Item, name: &str) -> Result<()> {
    let signers = signers.as_table_like();
    if signers.is_some_and(|signers| signers.contains_key(name)) {
        return Ok(());
    }
    let names = signers.into_iter().flat_map(TableLike::iter);
    let names: Vec<_> = names.map(|(name, _)| name).take(20).collect();
    let error = wrong(format!("there is no signer `{name}`"));
    Err(error.help(if names.is_empty() {
        "The config names no signer yet: say who it is with `--account A…` or `--ssh-key LINE`."
            .to_owned()
    } else {
        format!(
            "Say who it is with `--account A…` or `--ssh-key LINE`. The signers that are known: {}.",
            names.join(", ")
        )
    }))
}

fn add(signers: &mut Item, name: &str, signer: Option<&Signer>, revoked: bool) -> Result<()> {
    let Some(signer) = signer else {
        known(signers, name)?;
        if revoked {
            revoke(signers, name);
        }
        return Ok(());
    };
    let inline = signers.is_inline_table();
    let Some(table) = signers.as_table_like_mut() else {
        return Err(wrong("`trust.signer` is not a section"));
    };
    let Some(old) = table.get(name) else {
        let mut made = Table::new();
        let (key, text) = signer.as_written();
        made.insert(key, value(text));
        if revoked {
            made.insert("revoked", value(true));
        }
        made.set_dotted(table.is_dotted());
        table.insert(name, shaped(made, inline));
        return Ok(());
    };
    let text = |key: &str| Some(old.get(key)?.as_str()?.to_owned());
    let old = Signer::written(text("account"), text("ssh-key")).map_err(wrong)?;
    if old.account != signer.account {
        let message = format!(
            "`{name}` is {} already, and you said {}",
            old.account, signer.account
        );
        return Err(wrong(message).help(format!(
            "Another key is another signer: give it another name. To replace the old one, \
             `vouch trust remove {name}` first."
        )));
    }
    if revoked {
        revoke(signers, name);
    }
    Ok(())
}

fn revoke(signers: &mut Item, name: &str) {
    let signer = signers.get_mut(name).and_then(Item::as_table_like_mut);
    if let Some(signer) = signer {
        signer.insert("revoked", value(true));
    }
}

/// The rules, however they are written.
fn rules(trust: &mut Item) -> Vec<&mut dyn TableLike> {
    match trust.get_mut("rule") {
        Some(Item::ArrayOfTables(tables)) => tables
            .iter_mut()
            .map(|table| table as &mut dyn TableLike)
            .collect(),
        Some(Item::Value(Value::Array(values))) => values
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .map(|table| table as &mut dyn TableLike)
            .collect(),
        _ => Vec::new(),
    }
}

fn is_of(rule: &dyn TableLike, scope: &str) -> bool {
    rule.get("scope").and_then(Item::as_str) == Some(scope)
}

/// Lets a scope's rule accept a signer; makes the rule if it is missing.
fn accept(trust: &mut Item, scope: &str, name: &str) -> Result<()> {
    if let Some(rule) = rules(trust).into_iter().find(|rule| is_of(*rule, scope)) {
        return join(rule, scope, name);
    }
    let names = value(Array::from_iter([name]));
    let inline = trust.is_inline_table();
    let not = || wrong("`trust` is not a section");
    let trust = trust.as_table_like_mut().ok_or_else(not)?;
    let as_values = inline || trust.is_dotted();
    if !trust.contains_key("rule") {
        let none = if as_values {
            value(Array::new())
        } else {
            Item::ArrayOfTables(ArrayOfTables::new())
        };
        trust.insert("rule", none);
    }
    match trust.get_mut("rule").ok_or_else(not)? {
        Item::ArrayOfTables(tables) => {
            let mut rule = Table::new();
            rule.insert("scope", value(scope));
            rule.insert("accept", names);
            tables.push(rule);
        }
        Item::Value(Value::Array(values)) => {
            let mut rule = InlineTable::new();
            rule.insert("scope", scope.into());
            if let Item::Value(names) = names {
                rule.insert("accept", names);
            }
            push(values, rule.into());
        }
        _ => return Err(wrong("`trust.rule` is not a list of rules")),
    }
    Ok(())
}

/// Adds a value where the last one stands: in its line, or in one of its own. A remark behind the
/// last one stays behind that.
fn push(values: &mut Array, mut added: Value) {
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).map(ToOwned::to_owned);
    let end = text(Some(values.trailing())).unwrap_or_default();
    let index = values.len().saturating_sub(1);
    let lines = values.get_mut(index).and_then(|last| {
        let before = text(last.decor().prefix())?;
        let (_, indent) = before.rsplit_once('\n')?;
        let end = text(last.decor().suffix()).unwrap_or_default() + &end;
        let (remark, end) = end.rsplit_once('\n')?;
        last.decor_mut().set_suffix("");
        Some((format!("{remark}\n{indent}"), format!("\n{end}")))
    });
    if let Some((before, end)) = lines {
        added.decor_mut().set_prefix(before);
        values.push_formatted(added);
        values.set_trailing(end);
    } else {
        values.push(added);
    }
}

/// The names in a rule's `accept`.
fn accepted(accept: Option<&Item>) -> Vec<String> {
    match accept {
        Some(Item::Value(Value::String(name))) => vec![name.value().clone()],
        Some(Item::Value(Value::Array(names))) => {
            let names = names.iter().filter_map(Value::as_str);
            names.map(ToOwned::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Adds a signer to a rule's `accept`.
fn join(rule: &mut dyn TableLike, scope: &str, name: &str) -> Result<()> {
    let mut names = accepted(rule.get("accept"));
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    match names.first().and_then(|name| Mode::of_name(name)) {
        None | Some(Mode::None) => {}
        Some(mode @ (Mode::Any | Mode::Pinned)) => {
            let message = format!(
                "the rule `{scope}` accepts `{}`, which stands alone",
                mode.name()
            );
            return Err(wrong(message).help(format!(
                "If only `{name}` is to be accepted there from now on, write \
                 `accept = [\"{name}\"]` in that rule."
            )));
        }
    }
    if let Some(Item::Value(Value::Array(array))) = rule.get_mut("accept")
        && names.iter().all(|name| Mode::of_name(name).is_none())
    {
        push(array, name.into());
        return Ok(());
    }
    names.retain(|name| Mode::of_name(name).is_none());
    names.push(name.to_owned());
    replace(rule, Array::from_iter(names).into());
    Ok(())
}

/// Takes a signer out of a rule's `accept`, and answers whether it was in there. A rule without
/// signers goes on to keep others out: it accepts nobody.
fn leave(rule: &mut dyn TableLike, name: &str) -> bool {
    let names = accepted(rule.get("accept"));
    let Some(index) = names.iter().position(|known| known == name) else {
        return false;
    };
    match rule.get_mut("accept") {
        Some(Item::Value(Value::Array(array))) if names.len() > 1 => {
            let removed = array.remove(index);
            if index == 0
                && let (Some(first), Some(before)) = (array.get_mut(0), removed.decor().prefix())
            {
                first.decor_mut().set_prefix(before.clone());
            }
        }
        _ => replace(rule, Mode::None.name().into()),
    }
    true
}

/// Replaces a rule's `accept`, and keeps the remark behind it.
fn replace(rule: &mut dyn TableLike, mut accept: Value) {
    if let Some(old) = rule.get("accept").and_then(Item::as_value) {
        *accept.decor_mut() = old.decor().clone();
    }
    rule.insert("accept", Item::Value(accept));
}

/// Removes a signer from the file and from all rules.
fn remove(file: &mut DocumentMut, name: &str) -> Result<()> {
    let trust = section(file.as_item_mut(), "trust")?;
    for rule in rules(trust) {
        leave(rule, name);
    }
    let signers = section(trust, "signer")?;
    known(signers, name)?;
    let Some(signers) = signers.as_table_like_mut() else {
        return Ok(());
    };
    if let Some(Item::Table(removed)) = signers.remove(name) {
        keep_remarks(file, &removed);
    }
    Ok(())
}

/// What stands before a table that is removed, up to the last empty line, is not about it.
fn keep_remarks(file: &mut DocumentMut, removed: &Table) {
    let before = removed.decor().prefix().and_then(RawString::as_str);
    let Some((kept, _)) = before.and_then(|before| before.rsplit_once("\n\n")) else {
        return;
    };
    let Some(position) = removed.position().filter(|_| kept.contains('#')) else {
        return;
    };
    let next = next_header(file.as_item(), position);
    if let Some(next) = next.and_then(|next| table_at(file.as_item_mut(), next)) {
        let own = next.decor().prefix().and_then(RawString::as_str);
        let text = format!("{kept}\n{}", own.unwrap_or_default());
        next.decor_mut().set_prefix(text);
    } else {
        let own = file.trailing().as_str().unwrap_or_default();
        let text = format!("{kept}\n{own}");
        file.set_trailing(text);
    }
}

/// Which header comes first behind a position.
fn next_header(item: &Item, position: isize) -> Option<isize> {
    let own = |table: &Table| table.position().filter(|at| *at > position);
    match item {
        Item::Table(table) => {
            let below = table
                .iter()
                .filter_map(|(_, item)| next_header(item, position));
            below.chain(own(table)).min()
        }
        Item::ArrayOfTables(tables) => tables.iter().filter_map(own).min(),
        _ => None,
    }
}

fn table_at(item: &mut Item, position: isize) -> Option<&mut Table> {
    match item {
        Item::Table(table) => {
            if table.position() == Some(position) {
                return Some(table);
            }
            let mut below = table.iter_mut();
            below.find_map(|(_, item)| table_at(item, position))
        }
        Item::ArrayOfTables(tables) => {
            let mut tables = tables.iter_mut();
            tables.find(|table| table.position() == Some(position))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::key::account_of;

    fn key(seed: u8) -> String {
        account_of(&[seed; 32])
    }

    fn signer(seed: u8) -> Signer {
        Signer::written(Some(key(seed)), None).unwrap()
    }

    fn adding(name: &str, seed: Option<u8>, scopes: &[&str]) -> Edit {
        Edit::Add {
            name: name.into(),
            signer: seed.map(signer),
            revoked: false,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
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
            "`acme` is A1 already, and you said A2",
        );
        check(
            &adding("b", None, &["*"]),
            one,
            "there is no signer `b` Say who",
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
}
