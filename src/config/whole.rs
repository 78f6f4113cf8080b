//! The whole config: each module's section in one.

use super::{
    problem::Problem,
    sections::{Idle, Log, Sign},
    settings::{Origin, Setting},
};
use crate::{
    artifact,
    error::Error,
    name::{Digest, PlainHosts},
    session, trust,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// What the owner of the service decides. A section that is left out has its defaults.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "The config file of vouchd"))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The socket to listen on, unless the command line or `VOUCHD_SOCKET` names one.
    pub socket: Option<PathBuf>,
    /// When a service that nobody uses ends by itself.
    pub idle: Idle,
    /// What is logged, and where.
    pub log: Log,
    /// With which key `vouch` signs. The service itself reads no key.
    #[serde(skip_serializing_if = "is_default")]
    pub sign: Sign,
    /// How much an artifact may cost.
    pub limits: artifact::Limits,
    /// Whose signatures are accepted, and where.
    #[serde(skip_serializing_if = "is_default")]
    pub trust: trust::Section,
    /// Settings for single registries: `[registry."host:port"]`.
    #[serde(skip_deserializing)]
    #[cfg_attr(test, schemars(skip))]
    pub registry: session::Config,
    /// Settings for single registries: `[registry."host:port"]`.
    #[serde(rename = "registry", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sections: BTreeMap<String, session::RegistryConfig>,
    /// What the section `[trust]` means, where it makes sense.
    #[serde(skip)]
    pub(super) policy: trust::Policy,
    /// What is wrong with the section `[trust]`.
    #[serde(skip)]
    pub(super) distrust: Vec<Problem>,
    /// The file that it was read from, if there was one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// That file's digest.
    #[serde(skip)]
    pub digest: Option<Digest>,
    /// The lines of the file in which its keys stand.
    #[serde(skip)]
    pub(super) lines: BTreeMap<String, usize>,
    /// Who says what holds, where that is not the file.
    #[serde(skip)]
    pub(super) origins: BTreeMap<&'static str, Origin>,
}

impl Config {
    /// What is wrong with the section `[trust]`, and with the files that the config names. Blocks.
    pub fn problems(&self) -> Vec<Problem> {
        let files = self.registry.iter().flat_map(|(name, section)| {
            let problem = move |(key, error): (&str, Error)| {
                self.problem(&of_registry(name.as_str(), key), &error)
            };
            section.problems().into_iter().map(problem)
        });
        self.distrust.iter().cloned().chain(files).collect()
    }

    /// What the names of registries mean under this config.
    pub fn plain_hosts(&self) -> PlainHosts {
        session::plain_hosts(&self.registry)
    }

    /// A problem with the value of a key, as far as it stands in a file.
    pub fn problem(&self, key: &str, error: &Error) -> Problem {
        Problem {
            path: self.path.clone(),
            line: self.lines.get(key).copied(),
            column: None,
            what: error.message().to_owned(),
            help: error.data().help,
        }
    }

    /// What says something else in another config, and counts only after a restart.
    pub fn waits(&self, other: &Self) -> Vec<&'static str> {
        let (log, others) = (&self.log, &other.log);
        [
            ("socket", self.socket != other.socket),
            ("log.format", log.format != others.format),
            ("log.file", log.file != others.file),
            ("log.size", log.size != others.size),
            ("log.keep", log.keep != others.keep),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }

    /// All that it says, and the defaults where it says nothing. Of a registry only what is said:
    /// its defaults depend on its address.
    pub fn settings(&self) -> Vec<Setting> {
        // All of it can be written as JSON, except paths that are not UTF-8.
        let all = serde_json::to_value(self).unwrap_or_default();
        let mut settings = Vec::new();
        for (name, value) in all.as_object().into_iter().flatten() {
            self.flatten(name.clone(), value, &mut settings);
        }
        settings
    }

    /// The settings in a value: those of a table with its own values first, as TOML needs it, and
    /// those of each table of a list.
    fn flatten(&self, key: String, value: &Value, settings: &mut Vec<Setting>) {
        let is_list = |values: &Vec<Value>| values.first().is_some_and(Value::is_object);
        if let Some(tables) = value.as_array().filter(|values| is_list(values)) {
            for (index, table) in tables.iter().enumerate() {
                self.flatten(format!("{key}[{index}]"), table, settings);
            }
            return;
        }
        let Some(table) = value.as_object() else {
            if !key.starts_with("registry.") || self.lines.contains_key(&key) {
                settings.push(self.setting(key, value));
            }
            return;
        };
        let holds_tables =
            |value: &Value| value.is_object() || value.as_array().is_some_and(is_list);
        for tables in [false, true] {
            for (name, value) in table {
                if holds_tables(value) == tables {
                    let below = match &*key {
                        "registry" | "trust.signer" | "trust.root" => quoted(&key, name),
                        _ => format!("{key}.{name}"),
                    };
                    self.flatten(below, value, settings);
                }
            }
        }
    }

    fn setting(&self, key: String, value: &Value) -> Setting {
        let elsewhere = self.origins.get(&*key).cloned();
        let origin = match (elsewhere, self.lines.get(&key), &self.path) {
            (Some(origin), ..) => origin,
            (None, Some(line), Some(path)) => Origin::File {
                path: path.clone(),
                line: *line,
            },
            _ => Origin::Default,
        };
        Setting {
            key,
            value: value.clone(),
            origin,
        }
    }

    /// Notes that what holds for a key is said elsewhere than in the file.
    pub fn set_origin(&mut self, key: &'static str, origin: Origin) {
        self.origins.insert(key, origin);
    }
}

fn is_default<S: Default + PartialEq>(section: &S) -> bool {
    *section == S::default()
}

/// A key of a registry's section, as it is written.
pub(super) fn of_registry(registry: &str, key: &str) -> String {
    format!("{}.{key}", quoted("registry", registry))
}

/// A section with a name that may have dots in it.
pub(super) fn quoted(section: &str, name: &str) -> String {
    format!("{section}.{name:?}")
}
