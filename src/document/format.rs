//! Which documents are read, and where each names artifacts: a kind of document is a row. A file's
//! name and its content decide; what an editor says of its language does not.

use super::tree::At;

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Kubewarden's policies, and groups of them.
    Kubewarden,
    /// wadm's `Application` (wasmCloud 1).
    Wadm,
    /// The workloads of wasmCloud 2.
    WasmCloud,
    /// wash's config.
    Wash,
    /// `wkg.lock`.
    WkgLock,
    /// `wasm.toml`.
    WasmToml,
    /// `wasm.lock.toml`.
    WasmLock,
    /// `spin.toml`.
    Spin,
    /// SpinKube's `SpinApp`.
    SpinKube,
    /// Istio's `WasmPlugin`.
    Istio,
    /// Envoy Gateway's `EnvoyExtensionPolicy`.
    EnvoyGateway,
    /// hyper-mcp's config.
    HyperMcp,
}

impl Format {
    /// Its name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubewarden => "kubewarden",
            Self::Wadm => "wadm",
            Self::WasmCloud => "wasmcloud",
            Self::Wash => "wash",
            Self::WkgLock => "wkg.lock",
            Self::WasmToml => "wasm.toml",
            Self::WasmLock => "wasm.lock.toml",
            Self::Spin => "spin.toml",
            Self::SpinKube => "spinkube",
            Self::Istio => "istio",
            Self::EnvoyGateway => "envoy-gateway",
            Self::HyperMcp => "hyper-mcp",
        }
    }
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// JSON too.
    Yaml,
    Toml,
}

/// Where a document names an artifact.
pub(super) struct Named<'a, 't> {
    /// What is shown as the place.
    pub(super) at: At<'a, 't>,
    /// The reference, where it is made of several values and not that of the place alone.
    pub(super) composed: Option<String>,
    /// A digest that is demanded beside it.
    pub(super) digest: Option<(Demands, At<'a, 't>)>,
}

/// What a digest beside a reference is of, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demands {
    /// The manifest.
    Manifest,
    /// The manifest, without `sha256:`.
    ManifestHex,
    /// The artifact, which is the manifest's layer.
    Content,
}

impl<'a, 't> Named<'a, 't> {
    /// A reference that is one value.
    fn image(at: At<'a, 't>) -> Self {
        Self {
            at,
            composed: None,
            digest: None,
        }
    }

    fn with_digest(mut self, demands: Demands, at: Option<At<'a, 't>>) -> Self {
        self.digest = at.map(|at| (demands, at));
        self
    }
}

type Report<'r, 'a, 't> = &'r mut dyn FnMut(Named<'a, 't>);

/// A row of the table of documents.
pub(super) struct Row {
    pub(super) format: Format,
    syntax: Syntax,
    /// What the file's path ends with, in whole parts; any file of that syntax, if there is none.
    files: &'static [&'static str],
    /// What stands in each such text: most files have nothing of the kind, and need not be parsed.
    mark: &'static str,
    /// Of a resource, as Kubernetes has them: what its `kind` may be, if `apiVersion` begins with
    /// the mark.
    kinds: &'static [&'static str],
    read: for<'r, 'a, 't> fn(At<'a, 't>, Report<'r, 'a, 't>),
}

const ANY: &[&str] = &[];

/// The table.
const ROWS: &[Row] = &[
    Row {
        format: Format::Kubewarden,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "policies.kubewarden.io/",
        kinds: &[
            "AdmissionPolicy",
            "ClusterAdmissionPolicy",
            "AdmissionPolicyGroup",
            "ClusterAdmissionPolicyGroup",
        ],
        read: kubewarden,
    },
    Row {
        format: Format::Kubewarden,
        syntax: Syntax::Yaml,
        files: &["policies.yml", "policies.yaml"],
        mark: "registry://",
        kinds: ANY,
        read: policy_server,
    },
    Row {
        format: Format::Wadm,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "core.oam.dev/",
        kinds: &["Application"],
        read: wadm,
    },
    Row {
        format: Format::WasmCloud,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "runtime.wasmcloud.dev/",
        kinds: &[
            "Artifact",
            "Workload",
            "WorkloadDeployment",
            "WorkloadReplicaSet",
        ],
        read: wasmcloud,
    },
    Row {
        format: Format::Wash,
        syntax: Syntax::Yaml,
        files: &[
            ".wash/config.yaml",
            ".wash/config.yml",
            ".wash/config.json",
            "wash/config.yaml",
        ],
        mark: "",
        kinds: ANY,
        read: wash,
    },
    Row {
        format: Format::SpinKube,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "core.spin",
        kinds: &["SpinApp"],
        read: |document, found| images(found, document.all(["spec", "image"])),
    },
    Row {
        format: Format::Istio,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "extensions.istio.io/",
        kinds: &["WasmPlugin"],
        read: |document, found| proxy(document.all(["spec"]), found),
    },
    Row {
        format: Format::EnvoyGateway,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "gateway.envoyproxy.io/",
        kinds: &["EnvoyExtensionPolicy"],
        read: envoy,
    },
    Row {
        format: Format::HyperMcp,
        syntax: Syntax::Yaml,
        files: ANY,
        mark: "oci://",
        kinds: ANY,
        read: hyper_mcp,
    },
    Row {
        format: Format::WkgLock,
        syntax: Syntax::Toml,
        files: &["wkg.lock"],
        mark: "",
        kinds: ANY,
        read: wkg_lock,
    },
    Row {
        format: Format::WasmToml,
        syntax: Syntax::Toml,
        files: &["wasm.toml"],
        mark: "",
        kinds: ANY,
        read: wasm_toml,
    },
    Row {
        format: Format::WasmLock,
        syntax: Syntax::Toml,
        files: &["wasm.lock.toml", "wasm.lock"],
        mark: "",
        kinds: ANY,
        read: wasm_lock,
    },
    Row {
        format: Format::Spin,
        syntax: Syntax::Toml,
        files: &["spin.toml"],
        mark: "",
        kinds: ANY,
        read: spin,
    },
];

/// The rows that a file of that name, with that text, may be of.
pub(super) fn rows(name: &str, text: &str) -> Vec<&'static Row> {
    let name = name.replace('\\', "/");
    let ends = |file: &&str| {
        let before = name.strip_suffix(file);
        before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let is_yaml = [".yaml", ".yml", ".json"]
        .iter()
        .any(|end| name.ends_with(end));
    let fits = |row: &&Row| match row.files {
        [] => is_yaml,
        files => files.iter().any(ends),
    };
    // An escape may stand for any part of a mark; a reader that undoes it decides then.
    let marked = |row: &&Row| text.contains(row.mark) || text.contains('\\');
    ROWS.iter().filter(fits).filter(marked).collect()
}

impl Row {
    /// How its documents are written.
    pub(super) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// What a document names, if it is of this row.
    pub(super) fn read<'a, 't>(&self, document: At<'a, 't>, found: Report<'_, 'a, 't>) {
        if self.kinds.is_empty() {
            return (self.read)(document, found);
        }
        if document.text_of("kind") == Some("List") {
            for item in document.get("items").into_iter().flat_map(At::each) {
                self.read_resource(item, found);
            }
        }
        self.read_resource(document, found);
    }

    fn read_resource<'a, 't>(&self, document: At<'a, 't>, found: Report<'_, 'a, 't>) {
        let kind = document.text_of("kind").unwrap_or_default();
        let version = document.text_of("apiVersion").unwrap_or_default();
        if self.kinds.contains(&kind) && version.starts_with(self.mark) {
            (self.read)(document, found);
        }
    }
}

fn images<'a, 't>(found: Report<'_, 'a, 't>, images: impl IntoIterator<Item = At<'a, 't>>) {
    images.into_iter().map(Named::image).for_each(found);
}

fn kubewarden<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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
fn policy_server<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    for (_, policy) in document.entries() {
        images(found, policy.all(["url"]));
        let members = policy.all(["policies"]).into_iter().flat_map(At::entries);
        images(
            found,
            members.flat_map(|(_, policy)| policy.all(["module"])),
        );
    }
}

fn wadm<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
    let components = document
        .all(["spec", "components"])
        .into_iter()
        .flat_map(At::each);
    images(
        found,
        components.flat_map(|component| component.all(["properties", "image"])),
    );
}

fn wasmcloud<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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

fn wash<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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
fn proxy<'a, 't>(extensions: Vec<At<'a, 't>>, found: Report<'_, 'a, 't>) {
    for extension in extensions {
        let digest = extension.get("sha256");
        for url in extension.all(["url"]) {
            found(Named::image(url).with_digest(Demands::ManifestHex, digest));
        }
    }
}

fn envoy<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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

fn hyper_mcp<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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

fn wkg_lock<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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

fn wasm_toml<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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

fn wasm_lock<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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

fn spin<'a, 't>(document: At<'a, 't>, found: Report<'_, 'a, 't>) {
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
