//! What docker and podman file logins under, and what helpers know registries by.

use crate::name::{PlainHosts, Registry, Repository};

/// What docker has filed Docker Hub's login under since its first version.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What a login is looked for.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) registry: Registry,
    /// Where it matters which: podman files logins for namespaces too, docker does not.
    pub(super) repository: Option<Repository>,
    pub(super) hosts: PlainHosts,
    /// Only what is filed under this key.
    pub(super) key: Option<String>,
}

impl Search {
    /// How well a key fits; nothing where it is another's. The longest namespace fits best
    /// (containers-auth.json(5)), and of several keys for the same the one that docker writes.
    pub(super) fn fit(&self, key: &str) -> Option<(usize, bool)> {
        if let Some(wanted) = &self.key {
            return (wanted == key).then_some((0, true));
        }
        let bare = ["https://", "http://"]
            .iter()
            .find_map(|scheme| key.strip_prefix(scheme))
            .unwrap_or(key);
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        if self.hosts.registry(host).ok()? != self.registry {
            return None;
        }
        let path = path.trim_end_matches('/');
        let name = self.repository.as_ref().map(Repository::as_str);
        let within = name
            .and_then(|name| name.strip_prefix(path))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match path {
            path if within && !path.is_empty() => Some((1 + path.matches('/').count(), true)),
            "" | "v1" | "v2" => Some((0, key == self.written())),
            _ => None,
        }
    }

    /// What a helper knows the registry by, whose login is filed under a key or under none.
    pub(super) fn server<'a>(&'a self, key: Option<&'a str>) -> &'a str {
        match key {
            Some(key) if !self.registry.is_docker_hub() || self.namespaced(key) => key,
            _ => self.written(),
        }
    }

    /// What docker writes as the key.
    fn written(&self) -> &str {
        if self.registry.is_docker_hub() {
            DOCKER_HUB
        } else {
            self.registry.as_str()
        }
    }

    fn namespaced(&self, key: &str) -> bool {
        let all = Self {
            key: None,
            ..self.clone()
        };
        all.fit(key).is_some_and(|(parts, _)| parts > 0)
    }
}
