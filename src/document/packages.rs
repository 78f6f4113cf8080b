//! Where lock files and manifests name packages: a reference is made of a registry, a name and a
//! version.

use super::{
    format::{Demands, Named, Report},
    tree::At,
};

/// A package's place, as wkg finds it: its namespace and name are the repository, behind what the
/// registry's own page says comes before. Of the two registries that wkg knows by itself that is
/// written here; of others it would have to be asked, and they are taken as they are.
fn package(registry: &str, name: &str, version: &str) -> Option<String> {
    let (namespace, name) = name.split_once(':')?;
    let registry = match registry {
        "wasi.dev" => "ghcr.io/webassembly",
        "bytecodealliance.org" => "ghcr.io/bytecodealliance",
        other => other,
    };
    Some(format!("{registry}/{namespace}/{name}:{version}"))
}

pub(super) fn wkg_lock<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    // wkg reads both names.
    let lists = ["packages", "package"]
        .into_iter()
        .filter_map(|key| document.get(key));
    for locked in lists.flat_map(At::each) {
        let Some(name) = locked.text_of("name") else {
            continue;
        };
        // What wkg takes for these namespaces where the lock file names no registry.
        let default = match name.split_once(':') {
            Some(("wasi", _)) => "wasi.dev",
            Some(("ba", _)) => "bytecodealliance.org",
            _ => "",
        };
        let registry = locked.text_of("registry").unwrap_or(default);
        let lists = ["versions", "version"]
            .into_iter()
            .filter_map(|key| locked.get(key));
        for version in lists.flat_map(At::each) {
            let Some(at) = version.get("version") else {
                continue;
            };
            let Some(number) = at.text().filter(|_| !registry.is_empty()) else {
                continue;
            };
            found(Named {
                at,
                composed: package(registry, name, number),
                digest: version
                    .get("digest")
                    .map(|digest| (Demands::Content, digest)),
            });
        }
    }
}

pub(super) fn wasm_toml<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    let Some(dependencies) = document.get("dependencies") else {
        return;
    };
    let groups = ["components", "interfaces"]
        .into_iter()
        .filter_map(|key| dependencies.get(key));
    for (_, dependency) in groups.chain([dependencies]).flat_map(At::entries) {
        // A version alone says nothing of where.
        if dependency.text().is_some_and(|text| text.contains('/')) {
            found(Named::image(dependency));
        }
        let parts = ["registry", "namespace", "package", "version"].map(|key| dependency.get(key));
        let [
            Some(registry),
            Some(namespace),
            Some(package),
            Some(version),
        ] = parts
        else {
            continue;
        };
        let parts = [registry, namespace, package, version].map(At::text);
        let [Some(registry), Some(namespace), Some(package), Some(number)] = parts else {
            continue;
        };
        if is_one_version(number) {
            found(Named {
                at: version,
                composed: Some(format!("{registry}/{namespace}/{package}:{number}")),
                digest: None,
            });
        }
    }
}

pub(super) fn wasm_lock<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    // The first version of the format had one list.
    let lists = ["components", "interfaces", "package"]
        .into_iter()
        .filter_map(|key| document.get(key));
    for locked in lists.flat_map(At::each) {
        let (Some(registry), Some(version)) = (locked.get("registry"), locked.text_of("version"))
        else {
            continue;
        };
        let Some(place) = registry.text() else {
            continue;
        };
        found(Named {
            at: registry,
            composed: Some(format!("{place}:{version}")),
            digest: locked
                .get("digest")
                .map(|digest| (Demands::Manifest, digest)),
        });
    }
}

pub(super) fn spin<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    let Some(components) = document.get("component") else {
        return;
    };
    // A table of components; in the format's first version, a list.
    let components = components
        .entries()
        .map(|(_, component)| component)
        .chain(components.each());
    for source in components.filter_map(|component| component.get("source")) {
        let parts = ["registry", "package"].map(|key| source.text_of(key));
        let ([Some(registry), Some(name)], Some(at)) = (parts, source.get("version")) else {
            continue;
        };
        let Some(version) = at.text() else { continue };
        found(Named {
            at,
            composed: package(registry, name, version),
            digest: None,
        });
    }
}

/// Whether a version is one, and not a range of them.
fn is_one_version(text: &str) -> bool {
    text == "latest"
        || text.split('.').count() >= 3 && text.starts_with(|first: char| first.is_ascii_digit())
}
