//! What fuzzing reaches of docker's config: see `tests/fuzz`.

use super::{file::ConfigFile, keys::Search};
use crate::name::{PlainHosts, Registry, Repository};

/// Looks for a login in a config. Answers whether there is one, or a helper that has it.
pub fn docker_config(text: &str, registry: Registry, repository: Option<Repository>) -> bool {
    let search = Search {
        registry,
        repository,
        hosts: PlainHosts::default(),
        key: None,
    };
    let config = ConfigFile::variable("DOCKER_AUTH_CONFIG", text.to_owned());
    config
        .look_up(&search)
        .is_ok_and(|(entry, _)| entry.is_some())
}
