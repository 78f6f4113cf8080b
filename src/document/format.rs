//! The kinds of documents, and what one says of an artifact that it names.

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
    pub(super) fn image(at: At<'a, 't>) -> Self {
        Self {
            at,
            composed: None,
            digest: None,
        }
    }

    pub(super) fn with_digest(mut self, demands: Demands, at: Option<At<'a, 't>>) -> Self {
        self.digest = at.map(|at| (demands, at));
        self
    }
}

/// Takes what a document names.
pub(super) type Report<'r, 'a, 't> = &'r mut dyn FnMut(Named<'a, 't>);

/// Reports references that are one value each.
pub(super) fn images<'a, 't>(
    found: Report<'_, 'a, 't>,
    images: impl IntoIterator<Item = At<'a, 't>>,
) {
    images.into_iter().map(Named::image).for_each(found);
}
