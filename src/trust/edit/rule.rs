//! The rules in the text of a config: who is accepted in a scope.

use super::layout::{push, replace, wrong};
use crate::{
    error::Result,
    name::PlainHosts,
    trust::{place::Scope, section::Mode},
};
use toml_edit::{Array, ArrayOfTables, InlineTable, Item, Table, TableLike, Value, value};

/// A scope, in any spelling. Blocks.
pub(super) fn scope_of(text: &str, plain: &PlainHosts) -> Result<Scope> {
    Scope::read(text, plain).map_err(wrong)
}

/// The rules, however they are written.
pub(super) fn rules(trust: &mut Item) -> Vec<&mut dyn TableLike> {
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

pub(super) fn is_of(rule: &dyn TableLike, scope: &str) -> bool {
    rule.get("scope").and_then(Item::as_str) == Some(scope)
}

/// Lets a scope's rule accept a signer; makes the rule if it is missing.
pub(super) fn accept(trust: &mut Item, scope: &str, name: &str) -> Result<()> {
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

/// Removes a scope's rule, and answers its section, where it has one.
pub(super) fn remove_rule(trust: &mut Item, scope: &str) -> Result<Option<Table>> {
    let mut scopes = rules(trust);
    let Some(index) = scopes.iter_mut().position(|rule| is_of(*rule, scope)) else {
        let error = wrong(format!("there is no rule `{scope}`"));
        return Err(error.help("`vouch trust list` shows all."));
    };
    let (removed, is_last) = match trust.get_mut("rule") {
        Some(Item::ArrayOfTables(tables)) => {
            let removed = tables.get(index).cloned();
            tables.remove(index);
            (removed, tables.is_empty())
        }
        Some(Item::Value(Value::Array(values))) => {
            values.remove(index);
            (None, values.is_empty())
        }
        _ => (None, false),
    };
    if let Some(trust) = trust.as_table_like_mut().filter(|_| is_last) {
        trust.remove("rule");
    }
    Ok(removed)
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
pub(super) fn leave(rule: &mut dyn TableLike, name: &str) -> bool {
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
