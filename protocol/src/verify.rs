//! `verify`: is this artifact signed?

use crate::{ErrorKind, Method, ProgressToken, Reporting, Verification};
use serde::{Deserialize, Serialize};

/// Judges an artifact by the signature rule. It answers a result whether it accepts or refuses,
/// and an error only if it could not look.
pub enum Verify {}

impl Method for Verify {
    const NAME: &'static str = "verify";
    const SUMMARY: &'static str =
        "Judges an artifact by the signature rule. Takes either `path` or `reference`.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::REGISTRY,
        ErrorKind::PUBLISHED,
        ErrorKind::FILES,
        // A manifest may be too large to be looked at.
        &[
            ErrorKind::TooLarge,
            ErrorKind::ContentModified,
            ErrorKind::PolicyUnusable,
        ],
    ];
    const PROGRESS: Option<Reporting<VerifyParams>> = Some(Reporting {
        title: "Verifying",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = VerifyParams;
    type Result = VerifyResult;
}

/// Params of [`Verify`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "Members", into = "Members")]
pub struct VerifyParams {
    /// What is judged.
    pub subject: VerifySubject,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    pub work_done_token: Option<ProgressToken>,
}

/// What [`Verify`] found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct VerifyResult {
    /// The verdict.
    #[serde(flatten)]
    pub verification: Verification,
    /// The reference with the manifest's digest; where a reference was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The manifest's digest; where a reference was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifySubject {
    /// The file with that absolute path or `file:` URI.
    Path(String),
    /// What that reference names.
    Reference(String),
}

impl VerifyParams {
    /// Judges a file: an absolute path or `file:` URI.
    pub fn path(path: impl Into<String>) -> Self {
        VerifySubject::Path(path.into()).into()
    }

    /// Judges what a reference names.
    pub fn reference(reference: impl Into<String>) -> Self {
        VerifySubject::Reference(reference.into()).into()
    }
}

impl From<VerifySubject> for VerifyParams {
    fn from(subject: VerifySubject) -> Self {
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

/// Params of `verify`: exactly one of `path` and `reference`.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "VerifyParams", transform = one_of_two)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Members {
    /// An absolute path or `file:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// A reference to a registry or layout. What it names is read, judged and thrown away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work_done_token: Option<ProgressToken>,
}

impl TryFrom<Members> for VerifyParams {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let subject = match (members.path, members.reference) {
            (Some(path), None) => VerifySubject::Path(path),
            (None, Some(reference)) => VerifySubject::Reference(reference),
            _ => return Err("`verify` takes exactly one of `path` and `reference`"),
        };
        Ok(Self {
            subject,
            work_done_token: members.work_done_token,
        })
    }
}

impl From<VerifyParams> for Members {
    fn from(params: VerifyParams) -> Self {
        let mut members = Self {
            work_done_token: params.work_done_token,
            ..Self::default()
        };
        match params.subject {
            VerifySubject::Path(path) => members.path = Some(path),
            VerifySubject::Reference(reference) => members.reference = Some(reference),
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_path_and_reference() {
        let check = |wire: &str, expected: Option<VerifyParams>| {
            let read = serde_json::from_str::<VerifyParams>(wire).ok();
            assert_eq!(read, expected, "{wire}");
            if let Some(params) = read {
                let written = serde_json::to_string(&params).expect("it is JSON");
                let again: VerifyParams = serde_json::from_str(&written).expect(&written);
                assert_eq!(again, params);
            }
        };
        check(r#"{"path":"/a"}"#, Some(VerifyParams::path("/a")));
        check(
            r#"{"path":null,"reference":"b"}"#,
            Some(VerifyParams::reference("b")),
        );
        check("{}", None);
        check(r#"{"path":"/a","reference":"b"}"#, None);
        check(r#"{"path":"/a","path":"/b"}"#, None);
        check(r#"{"path":"/a","force":true}"#, None);
    }
}
