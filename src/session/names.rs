//! What registries are called: by people, by docker and by podman.

use crate::error::{Error, Result};
use reqwest::Url;
use vouch_protocol::ErrorKind;

/// What all names of Docker Hub become.
pub(super) const DOCKER_HUB: &str = "docker.io";
/// Where Docker Hub's API answers; `docker.io` itself is a web site.
pub(super) const DOCKER_API: &str = "registry-1.docker.io";

/// One name for each registry: Docker Hub has several.
pub(super) fn canonical_name(registry: &str) -> String {
    let name = registry.to_ascii_lowercase();
    match name.as_str() {
        "index.docker.io" | DOCKER_API => DOCKER_HUB.to_owned(),
        _ => name,
    }
}

/// The root of a registry's addresses.
pub(super) fn base_url(registry: &str, plain: bool) -> Result<Url> {
    let scheme = if plain { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{registry}/"))
        .ok()
        .filter(|url| {
            url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidReference,
                format!("{registry:?} is no registry's address"),
            )
        })
}

/// The keys that docker files logins for a registry under.
pub(super) fn aliases(registry: &str) -> Vec<String> {
    if registry == DOCKER_HUB {
        return [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "https://registry-1.docker.io",
            "https://index.docker.io",
            "https://index.docker.io/v2/",
            "https://registry-1.docker.io/v2/",
        ]
        .map(str::to_owned)
        .to_vec();
    }
    ["", "https://", "http://"]
        .into_iter()
        .flat_map(|scheme| {
            ["", "/", "/v1/", "/v2/", "/v1", "/v2"]
                .into_iter()
                .map(move |path| format!("{scheme}{registry}{path}"))
        })
        .collect()
}

/// The keys that podman files logins for a repository under, the longest namespace first:
/// containers-auth.json(5).
pub(super) fn namespaces(registry: &str, repository: &str) -> Vec<String> {
    let hosts: &[&str] = match registry {
        DOCKER_HUB => &["docker.io", "index.docker.io", "registry-1.docker.io"],
        other => &[other],
    };
    let mut keys = Vec::new();
    for name in hosts {
        let mut rest = repository;
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
    let docker_hub = aliases(DOCKER_HUB).iter().any(|alias| alias == key);
    if docker_hub {
        "https://index.docker.io/v1/".to_owned()
    } else {
        key.to_owned()
    }
}
