//! Edits of the section `[trust]` in the text of a config. Comments and layout stay.
//!
//! An edit makes one text of another and knows nothing of files. Whether the new text is a config,
//! and a policy that can be used, is for the config's own reader to say before it is written.

mod layout;

use super::{
    key,
    place::{Place, Scope},
    section::{Mode, Section},
    signer::Signer,
};
use crate::{
    error::{Error, Result},
    name::PlainHosts,
};
use layout::{keep_remarks, push, replace};
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
        return signer.id(None).ok_or_else(|| {
            wrong(format!("`{text}` is known by a key in a file"))
                .help("Write the signer's id, as `vouch verify` shows it.")
        });
    }
    if text.contains(':') {
        return Ok(text.to_owned());
    }
    let account = key::account(text).map_err(|_| {
        wrong(format!(
            "{text:?} is neither a signer of the config nor an account nkey (`A…`)"
        ))
    })?;
    Ok(format!("token:{account}"))
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
        "The config names no signer yet: say who it is with `--account A…`, `--ssh-key LINE`, or \
         what `vouch trust add --help` shows for bundles."
            .to_owned()
    } else {
        format!(
            "Say who it is with `--account A…`, `--ssh-key LINE`, or what `vouch trust add --help` \
             shows for bundles. The signers that are known: {}.",
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
        let mut made = written(signer)?;
        if revoked {
            made.insert("revoked", value(true));
        }
        made.set_dotted(table.is_dotted());
        table.insert(name, shaped(made, inline));
        return Ok(());
    };
    let old = read(old)?;
    if !old.is_same(signer) {
        let message = format!(
            "`{name}` is {} already, and you said {}",
            old.described(),
            signer.described()
        );
        return Err(wrong(message).help(format!(
            "Another one needs another name. To replace the old one, `vouch trust remove {name}` \
             first."
        )));
    }
    if revoked {
        revoke(signers, name);
    }
    Ok(())
}

/// A signer's section, as it is written.
fn written(signer: &Signer) -> Result<Table> {
    let failed = |error| wrong(format!("the signer cannot be written: {error}"));
    let members = serde_json::to_value(signer).map_err(failed)?;
    let mut table = Table::new();
    for (key, member) in members.as_object().into_iter().flatten() {
        let member = match member {
            serde_json::Value::String(text) => value(text),
            serde_json::Value::Bool(it) => value(*it),
            serde_json::Value::Array(texts) => {
                let texts = texts.iter().filter_map(serde_json::Value::as_str);
                value(texts.collect::<Array>())
            }
            _ => continue,
        };
        table.insert(key, member);
    }
    Ok(table)
}

/// The signer in a section.
fn read(section: &Item) -> Result<Signer> {
    let table = section.clone().into_table();
    let table = table.map_err(|_| wrong("a signer does not stand in a section"))?;
    let text = DocumentMut::from(table).to_string();
    toml::from_str(&text).map_err(|error| wrong(format!("a signer cannot be read: {error}")))
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

#[cfg(test)]
mod tests;
