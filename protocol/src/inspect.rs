//! `inspect`: all that is known of an artifact, and who says so.

use crate::{
    Artifact, Claims, ErrorKind, Method, ProgressToken, Refusal, Reporting, Signature, Trust,
    Verification,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tells what an artifact is, what it holds, who signed it, and what the policy says. It answers a
/// result for artifacts that are refused too, and an error only if it could not look.
pub enum Inspect {}

impl Method for Inspect {
    const NAME: &'static str = "inspect";
    const SUMMARY: &'static str = "Tells all that is known of an artifact, and who says so. Takes either `path` or `reference`.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::REGISTRY,
        ErrorKind::PUBLISHED,
        ErrorKind::FILES,
        &[
            ErrorKind::TooLarge,
            ErrorKind::ContentModified,
            ErrorKind::PolicyUnusable,
        ],
    ];
    const PROGRESS: Option<Reporting<InspectParams>> = Some(Reporting {
        title: "Inspecting",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = InspectParams;
    type Result = InspectResult;
}

/// Params of [`Inspect`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "Members", into = "Members")]
pub struct InspectParams {
    /// What is looked at.
    pub subject: InspectSubject,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    pub work_done_token: Option<ProgressToken>,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InspectSubject {
    /// The file with that absolute path or `file:` URI.
    Path(String),
    /// What that reference names.
    Reference(String),
}

impl From<InspectSubject> for InspectParams {
    fn from(subject: InspectSubject) -> Self {
        Self {
            subject,
            work_done_token: None,
        }
    }
}

#[cfg(feature = "schemars")]
fn one_of_two(schema: &mut schemars::Schema) {
    crate::openrpc::one_of(schema, &[&["path"], &["reference"]]);
}

/// Params of `inspect`: exactly one of `path` and `reference`.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "InspectParams", transform = one_of_two)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Members {
    /// An absolute path or `file:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// A reference to a registry or layout. No more of what it names is read than is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work_done_token: Option<ProgressToken>,
}

impl TryFrom<Members> for InspectParams {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let subject = match (members.path, members.reference) {
            (Some(path), None) => InspectSubject::Path(path),
            (None, Some(reference)) => InspectSubject::Reference(reference),
            _ => return Err("`inspect` takes exactly one of `path` and `reference`"),
        };
        Ok(Self {
            subject,
            work_done_token: members.work_done_token,
        })
    }
}

impl From<InspectParams> for Members {
    fn from(params: InspectParams) -> Self {
        let (path, reference) = match params.subject {
            InspectSubject::Path(path) => (Some(path), None),
            InspectSubject::Reference(reference) => (None, Some(reference)),
        };
        Self {
            path,
            reference,
            work_done_token: params.work_done_token,
        }
    }
}

/// Result of [`Inspect`]. Three parties speak in it. What this server read and compared itself:
/// `artifact` and `targets` where `content` is `checked`, and `verification`. What the signer said,
/// with a signature that holds: `signature` and `claims`. And what anybody may have written:
/// `imports`, `exports` and `metadata` are the artifact's own words, which are what was signed only
/// where the verdict is `accepted`; `manifest` holds the words of whoever pushed it, which no
/// signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InspectResult {
    /// What came of it.
    #[serde(flatten)]
    pub content: Content,
    /// The artifact, as far as it was recognised. Where `content` is `notChecked`, its digest and
    /// size are the manifest's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The signature that verifies with its signer's own key, also where the artifact is refused.
    /// It says nothing of the contents unless the verdict is `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// What the token says, where that signature is a token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// What that signature's signer says of how it was built, where a bundle of theirs does. They
    /// say so; nobody checked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// What the outermost module or component imports, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<Names>,
    /// What the outermost module or component exports, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exports: Option<Names>,
    /// What a module or component says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The targets of a provider archive, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// The manifest; where a reference was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
}

/// How much was read, and what the policy says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "content", rename_all = "camelCase")]
// One per request: a box would cost more in use than it saves.
#[allow(clippy::large_enum_variant)]
pub enum Content {
    /// Everything was read, hashed and judged.
    Checked {
        /// The verdict, as `verify` gives it.
        verification: Verification,
    },
    /// Only the heads of its sections and its token were read, and nothing was hashed. Nobody
    /// vouches for the bytes: only `verify` can accept them.
    NotChecked {
        /// Why it would be refused already, whatever the bytes are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusal: Option<Refusal>,
        /// Why the signer would be trusted, if the bytes are what was signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trust: Option<Trust>,
    },
}

/// Names that an artifact lists: all of them, or why they are omitted. Never a partial list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Names {
    /// All of them.
    Read {
        /// The names: `wasi:http/types@0.2.0`; of what a core module imports, `module.name`.
        names: Vec<String>,
    },
    /// They could not be read whole, or are too many to show.
    Unread {
        /// Why.
        why: String,
    },
}

/// What an artifact says of itself in custom sections of its outermost level. These are its own
/// words, and nobody checked them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its name, from its `name` or `component-name` section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors: Option<String>,
    /// Its licences, an SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licenses: Option<String>,
    /// Where its source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where to read about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The revision of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What made it: languages, tools, SDKs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub producers: Vec<Producer>,
    /// Sections of these that are there but omitted, by name, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
}

/// Something that helped to make an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// What it is called.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// What a signer says of how an artifact was built: SLSA's provenance, version 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What built it, as a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// What the parameters mean, as a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_type: Option<String>,
    /// What the build was given, by names with dots between their parts (`workflow.ref`); at most
    /// 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// What it was built from, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// How much of that is omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
}

/// Something that an artifact was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by their algorithms (`gitCommit`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
}

/// A target of a provider archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// For example `x86_64-linux`.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// The manifest of a published artifact. All but its digest are the words of whoever pushed it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The reference with the manifest's digest: it always names this manifest.
    pub reference: String,
    /// SHA-256 of the manifest.
    pub digest: String,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it says the artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its config.
    pub config: Descriptor,
    /// Its one layer: the artifact.
    pub layer: Descriptor,
    /// Its annotations. Those past 64 KiB of them are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How many annotations are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations_left_out: Option<u64>,
}

/// What a manifest names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is said to be.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}
