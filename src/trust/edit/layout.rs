//! Where things stand in the text of a config, and the remarks around them: both stay.

use crate::error::{Error, Result};
use toml_edit::{Array, DocumentMut, Item, RawString, Table, TableLike, Value, value};
use vouch_protocol::ErrorKind;

pub(super) fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParams, what)
}

/// A section of another one, which is made if it is missing.
pub(super) fn section<'a>(parent: &'a mut Item, key: &str) -> Result<&'a mut Item> {
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
pub(super) fn shaped(table: Table, inline: bool) -> Item {
    if inline {
        value(table.into_inline_table())
    } else {
        Item::Table(table)
    }
}

/// Adds a value where the last one stands: in its line, or in one of its own. A remark behind the
/// last one stays behind that.
pub(super) fn push(values: &mut Array, mut added: Value) {
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

/// Replaces a rule's `accept`, and keeps the remark behind it.
pub(super) fn replace(rule: &mut dyn TableLike, mut accept: Value) {
    if let Some(old) = rule.get("accept").and_then(Item::as_value) {
        *accept.decor_mut() = old.decor().clone();
    }
    rule.insert("accept", Item::Value(accept));
}

/// What stands before a table that is removed, up to the last empty line, is not about it.
pub(super) fn keep_remarks(file: &mut DocumentMut, removed: &Table) {
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
