//! Where resources and configs name images, as they call them: a reference is one value.

use super::{
    format::{Demands, Named, Report, images},
    tree::At,
};

pub(super) fn kubewarden<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    images(found, document.all(["spec", "module"]));
    let members = document
        .all(["spec", "policies"])
        .into_iter()
        .flat_map(At::entries);
    images(
        found,
        members.flat_map(|(_, policy)| policy.all(["module"])),
    );
}

/// The list that Kubewarden's policy server reads.
pub(super) fn policy_server<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    for (_, policy) in document.entries() {
        images(found, policy.all(["url"]));
        let members = policy.all(["policies"]).into_iter().flat_map(At::entries);
        images(
            found,
            members.flat_map(|(_, policy)| policy.all(["module"])),
        );
    }
}

pub(super) fn wadm<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    let components = document
        .all(["spec", "components"])
        .into_iter()
        .flat_map(At::each);
    images(
        found,
        components.flat_map(|component| component.all(["properties", "image"])),
    );
}

pub(super) fn wasmcloud<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    // A workload has itself what a deployment has in its template.
    let templates = document.all(["spec", "template", "spec"]);
    for spec in document.all(["spec"]).into_iter().chain(templates) {
        let components = spec.all(["components"]).into_iter().flat_map(At::each);
        images(
            found,
            components.flat_map(|component| component.all(["image"])),
        );
        images(found, spec.all(["service", "image"]));
    }
    if document.text_of("kind") == Some("Artifact") {
        images(found, document.all(["spec", "image"]));
    }
}

pub(super) fn wash<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    let components = document
        .all(["dev", "components"])
        .into_iter()
        .flat_map(At::each);
    images(
        found,
        components.flat_map(|component| component.all(["image"])),
    );
    images(found, document.all(["dev", "service_image"]));
    let lists = [
        ["dev", "host_plugins"],
        ["dev", "hostPlugins"],
        ["host", "hostPlugins"],
    ];
    for plugin in lists
        .into_iter()
        .flat_map(|path| document.all(path))
        .flat_map(At::each)
    {
        let digest = plugin.get("expectedDigest");
        for image in plugin.all(["image"]) {
            found(Named::image(image).with_digest(Demands::Manifest, digest));
        }
    }
}

/// What proxies have in common: Envoy Gateway took it from Istio. Of an image, both compare `sha256`
/// with the digest of its manifest, and not with that of the module in it.
pub(super) fn proxy<'a, 't>(extensions: Vec<At<'a, 't>>, found: Report<'_, 'a, 't>) {
    for extension in extensions {
        let digest = extension.get("sha256");
        for url in extension.all(["url"]) {
            found(Named::image(url).with_digest(Demands::ManifestHex, digest));
        }
    }
}

pub(super) fn envoy<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    let extensions = document
        .all(["spec", "wasm"])
        .into_iter()
        .flat_map(At::each);
    proxy(
        extensions
            .flat_map(|extension| extension.all(["code", "image"]))
            .collect(),
        found,
    );
}

pub(super) fn hyper_mcp<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    // Others have plugins with addresses too.
    let is_ours = |url: &At<'_, '_>| {
        let url = url.text().unwrap_or_default();
        url.starts_with("oci://") || url.starts_with("file://")
    };
    let plugins = document.all(["plugins"]).into_iter().flat_map(At::entries);
    images(
        found,
        plugins
            .flat_map(|(_, plugin)| plugin.all(["url"]))
            .filter(is_ours),
    );
}
