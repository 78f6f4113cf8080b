//! Which documents are read: a kind of document is a row. A file's name and its content decide; what
//! an editor says of its language does not.

use super::{
    format::{Format, Report, images},
    packages::{spin, wasm_lock, wasm_toml, wkg_lock},
    resources::{envoy, hyper_mcp, kubewarden, policy_server, proxy, wadm, wash, wasmcloud},
    tree::At,
};
use vouch_protocol::unescaped;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// JSON too.
    Yaml,
    Toml,
}

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
    // What is base64 may say anything; a reader that decodes it decides then.
    let may_be_any = text.contains(":binary") || text.contains("!!binary");
    let unescaped = text.contains('\\').then(|| unescaped(text));
    let has_mark = |mark: &str| {
        text.contains(mark) || unescaped.as_ref().is_some_and(|text| text.contains(mark))
    };
    let marked = |row: &&Row| may_be_any || has_mark(row.mark);
    ROWS.iter().filter(fits).filter(marked).collect()
}

/// How deep lists of resources may lie in each other: as deep as a tree is.
const LISTS: usize = 64;

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
        self.read_resource(document, ("", ""), LISTS, found);
    }

    /// Reads a resource, and what it lists: for kubectl whatever has `items` is a list, and an item that
    /// does not say its kind and version has the list's own, without `List`.
    fn read_resource<'a, 't>(
        &self,
        resource: At<'a, 't>,
        listed: (&'a str, &'a str),
        depth: usize,
        found: Report<'_, 'a, 't>,
    ) {
        let own = resource.text_of("kind").zip(resource.text_of("apiVersion"));
        let own = own.filter(|(kind, version)| !kind.is_empty() && !version.is_empty());
        let (kind, version) = own.unwrap_or(listed);
        if self.kinds.contains(&kind) && version.starts_with(self.mark) {
            (self.read)(resource, found);
        }
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let listed = (kind.strip_suffix("List").unwrap_or(kind), version);
        for item in resource.all(["items"]).into_iter().flat_map(At::each) {
            self.read_resource(item, listed, depth, found);
        }
    }
}
