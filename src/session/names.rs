//! What registries are called: by people, by docker and by podman.

use crate::{
    error::{Error, Result},
    name::{Registry, Repository},
};
use reqwest::Url;
use vouch_protocol::ErrorKind;

/// The root of a registry's addresses.
pub(super) fn base_url(registry: &Registry, plain: bool) -> Result<Url> {
    let scheme = if plain { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{}/", registry.address())).map_err(|error| {
        let message = format!("{registry} has no address");
        Error::new(ErrorKind::Internal, message).source(error)
    })
}

/// The keys that docker files logins for a registry under.
pub(super) fn aliases(registry: &Registry) -> Vec<String> {
    // What docker itself writes comes first.
    let index = registry.is_docker_hub().then(|| DOCKER_HUB.to_owned());
    let spellings = registry.spellings().into_iter().flat_map(locations);
    index.into_iter().chain(spellings).collect()
}

/// The key that docker files logins to Docker Hub under.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

fn locations(name: &str) -> impl Iterator<Item = String> {
    ["", "https://", "http://"]
        .into_iter()
        .flat_map(move |scheme| {
            ["", "/", "/v1/", "/v2/", "/v1", "/v2"]
                .into_iter()
                .map(move |path| format!("{scheme}{name}{path}"))
        })
}

/// The keys that podman files logins for a repository under, the longest namespace first:
/// containers-auth.json(5).
pub(super) fn namespaces(registry: &Registry, repository: &Repository) -> Vec<String> {
    let mut keys = Vec::new();
    for name in registry.spellings() {
        let mut rest = repository.as_str();
        while !rest.is_empty() {
            keys.push(format!("{name}/{rest}"));
            rest = rest.rsplit_once('/').map_or("", |(before, _)| before);
        }
    }
    // Whatever the host is called, more parts are more.
    keys.sort_by_key(|key| std::cmp::Reverse(key.matches('/').count()));
    keys.extend(aliases(registry));
    keys
}

/// What a helper knows a registry by.
pub(super) fn server(key: &str) -> String {
    let name = key.split_once("://").map_or(key, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or_default();
    let docker_hub = name
        .parse()
        .is_ok_and(|registry: Registry| registry.is_docker_hub());
    if docker_hub { DOCKER_HUB } else { key }.to_owned()
}
