//! The whole config: each module's section in one.

use super::{
    problem::Problem,
    sections::{Idle, Log},
    settings::{Origin, Setting},
};
use crate::{artifact, error::Error, session, trust};
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
            match value.as_object() {
                None => settings.push(self.setting(name.clone(), value)),
                Some(registries) if name == "registry" => {
                    for (registry, section) in registries {
                        for (key, value) in section.as_object().into_iter().flatten() {
                            let key = of_registry(registry, key);
                            if self.lines.contains_key(&key) {
                                settings.push(self.setting(key, value));
                            }
                        }
                    }
                }
                Some(section) => {
                    for (key, value) in section {
                        settings.push(self.setting(format!("{name}.{key}"), value));
                    }
                }
            }
        }
        settings
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

fn is_default(section: &trust::Section) -> bool {
    *section == trust::Section::default()
}

/// A key of a registry's section, as it is written.
pub(super) fn of_registry(registry: &str, key: &str) -> String {
    format!("registry.{registry:?}.{key}")
}
