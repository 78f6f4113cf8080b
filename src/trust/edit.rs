//! Edits of the section `[trust]` in the text of a config. Comments and layout stay.
//!
//! An edit makes one text of another and knows nothing of files. Whether the new text is a config,
//! and a policy that can be used, is for the config's own reader to say before it is written.

pub mod effect;
mod layout;
mod rule;

use super::{key, material, place::Place, section::Section, signer::Signer};
use crate::{error::Result, name::PlainHosts};
use layout::{keep_remarks, section, shaped, wrong};
use rule::{accept, is_of, leave, remove_rule, rules, scope_of};
use toml_edit::{Array, DocumentMut, Item, RawString, Table, TableLike, value};

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
    /// Removes rules. What they covered is decided by a wider rule then, or by the default.
    RemoveRules {
        /// Their scopes, in any spelling.
        scopes: Vec<String>,
    },
    /// Names a root that is not named yet.
    AddRoot {
        /// What signers call it.
        name: String,
        /// Its file, as the config says it.
        path: String,
    },
    /// Names a root no more.
    RemoveRoot {
        /// What signers call it.
        name: String,
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
        let canonical = |scope: &String| scope_of(scope, plain).map(|scope| scope.to_string());
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
                known(section(trust, "signer")?, name, IN_THE_CONFIG)?;
                for scope in scopes {
                    let scope = canonical(scope)?;
                    let rule = rules(trust).into_iter().find(|rule| is_of(*rule, &scope));
                    if !rule.is_some_and(|rule| leave(rule, name)) {
                        return Err(wrong(format!("no rule `{scope}` accepts `{name}`")));
                    }
                }
            }
            Self::RemoveRules { scopes } => {
                for scope in scopes {
                    let trust = section(file.as_item_mut(), "trust")?;
                    let removed = remove_rule(trust, &canonical(scope)?)?;
                    if let Some(removed) = removed {
                        keep_remarks(&mut file, &removed);
                    }
                }
            }
            Self::AddRoot { name, path } => {
                let trust = section(file.as_item_mut(), "trust")?;
                let roots = section(trust, "root")?;
                let inline = roots.is_inline_table();
                let not = || wrong("`trust.root` is not a section");
                let roots = roots.as_table_like_mut().ok_or_else(not)?;
                if roots.contains_key(name) {
                    return Err(wrong(format!("there is already a root `{name}`")));
                }
                let mut made = Table::new();
                made.insert("path", value(path));
                made.set_dotted(roots.is_dotted());
                roots.insert(name, shaped(made, inline));
            }
            Self::RemoveRoot { name } => {
                let trust = section(file.as_item_mut(), "trust")?;
                let roots = section(trust, "root")?.as_table_like_mut();
                let removed = roots.and_then(|roots| roots.remove(name));
                match removed {
                    Some(Item::Table(removed)) => keep_remarks(&mut file, &removed),
                    Some(_) => {}
                    None => return Err(wrong(format!("there is no root `{name}`"))),
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

/// Fails unless that is a scope, in any spelling. Blocks.
pub fn check_scope(text: &str, plain: &PlainHosts) -> Result<()> {
    scope_of(text, plain).map(drop)
}

/// The id of a signer that is named as people do: by a name of the config, a key, or the id itself.
/// Blocks.
pub fn signer_id(text: &str, section: &Section) -> Result<String> {
    if let Some(signer) = section.signer.get(text) {
        let fingerprint = signer.key_file().map(material::fingerprint).transpose()?;
        return signer.id(fingerprint).ok_or_else(|| {
            wrong(format!("`{text}` stands for more than one signer"))
                .help("Write the signer's id, as `vouch verify` shows it.")
        });
    }
    key::id(text).ok_or_else(|| {
        wrong(format!(
            "{text:?} is neither a signer in the config, an account (`A…`) nor an id"
        ))
        .help("`vouch verify` shows accounts and ids, `vouch trust list` the config's signers.")
    })
}

/// What makes sense where a signer has to be in the config already.
const IN_THE_CONFIG: &str = "";
/// What makes sense where a signer may be named anew.
const OR_NEW: &str = "Say who it is with `--account A…`, `--ssh-key LINE`, or what `vouch trust add \
                      --help` shows for bundles. ";

/// Fails unless there is a signer of that name; `help` is what else may be done then.
fn known(signers: &Item, name: &str, help: &str) -> Result<()> {
    let signers = signers.as_table_like();
    if signers.is_some_and(|signers| signers.contains_key(name)) {
        return Ok(());
    }
    let names = signers.into_iter().flat_map(TableLike::iter);
    let names: Vec<_> = names.map(|(name, _)| name).take(20).collect();
    let error = wrong(format!("there is no signer `{name}`"));
    Err(error.help(if names.is_empty() {
        format!("{help}The config names no signer yet.")
    } else {
        format!("{help}The signers that are known: {}.", names.join(", "))
    }))
}

fn add(signers: &mut Item, name: &str, signer: Option<&Signer>, revoked: bool) -> Result<()> {
    let Some(signer) = signer else {
        known(signers, name, OR_NEW)?;
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
            "`{name}` is already {}, but you gave {}",
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

/// Removes a signer from the file and from all rules.
fn remove(file: &mut DocumentMut, name: &str) -> Result<()> {
    let trust = section(file.as_item_mut(), "trust")?;
    for rule in rules(trust) {
        leave(rule, name);
    }
    let signers = section(trust, "signer")?;
    known(signers, name, IN_THE_CONFIG)?;
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
