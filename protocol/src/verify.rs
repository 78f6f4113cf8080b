//! `verify`: is this artifact signed?

use crate::{Check, ErrorKind, Method, ProgressToken, Reporting, Verification};
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
    /// The file's Sigstore bundle: a path or `file:` URI. Without it, what lies beside the file counts.
    pub bundle: Option<String>,
    /// Accept only this signer.
    pub signer: Option<String>,
    /// Answer every check.
    pub explain: Option<bool>,
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
    /// The manifest's digest; where a reference was asked about. With `pushTo`, the digest that the
    /// manifest of a push without annotations would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Every row of the rule and what the policy asks, each with what was found; where `explain`
    /// was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<Check>>,
}

/// What is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifySubject {
    /// The file with that absolute path or `file:` URI.
    Path(String),
    /// The same, as a push would judge it.
    Push {
        /// An absolute path or `file:` URI.
        path: String,
        /// Where it would be published.
        to: String,
    },
    /// What that reference names.
    Reference(String),
}

impl VerifyParams {
    /// Judges a file: an absolute path or `file:` URI.
    pub fn path(path: impl Into<String>) -> Self {
        VerifySubject::Path(path.into()).into()
    }

    /// Judges a file as a push to a reference would; nothing is sent, and nobody is remembered.
    pub fn push(path: impl Into<String>, to: impl Into<String>) -> Self {
        VerifySubject::Push {
            path: path.into(),
            to: to.into(),
        }
        .into()
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
            bundle: None,
            signer: None,
            explain: None,
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
    /// A reference, with `path` alone: answers whether a push to there would pass.
    #[serde(default, rename = "pushTo", skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// The file's Sigstore bundle, with `path`: an absolute path or `file:` URI. Without it, the file
    /// `path` + `.sigstore.json` counts, where there is one. With `pushTo`, one that is named has to
    /// count, as it would be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bundle: Option<String>,
    /// Accept only this signer: a name of the server's config, an account (`A…`), or a signer's
    /// `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// Answer `checks`: every row of the rule and what the policy asks, each with what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explain: Option<bool>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work_done_token: Option<ProgressToken>,
}

impl TryFrom<Members> for VerifyParams {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        if members.bundle.is_some() && members.path.is_none() {
            return Err("`bundle` goes with `path`, not with `reference`");
        }
        let subject = match (members.path, members.reference, members.destination) {
            (Some(path), None, None) => VerifySubject::Path(path),
            (Some(path), None, Some(to)) => VerifySubject::Push { path, to },
            (None, Some(reference), None) => VerifySubject::Reference(reference),
            (None, Some(_), Some(_)) => {
                return Err("`pushTo` goes with `path`, not with `reference`");
            }
            _ => return Err("`verify` takes exactly one of `path` and `reference`"),
        };
        Ok(Self {
            subject,
            bundle: members.bundle,
            signer: members.signer,
            explain: members.explain,
            work_done_token: members.work_done_token,
        })
    }
}

impl From<VerifyParams> for Members {
    fn from(params: VerifyParams) -> Self {
        let mut members = Self {
            bundle: params.bundle,
            signer: params.signer,
            explain: params.explain,
            work_done_token: params.work_done_token,
            ..Self::default()
        };
        match params.subject {
            VerifySubject::Path(path) => members.path = Some(path),
            VerifySubject::Push { path, to } => {
                members.path = Some(path);
                members.destination = Some(to);
            }
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
        check(
            r#"{"path":"/a","pushTo":"b"}"#,
            Some(VerifyParams::push("/a", "b")),
        );
        let tightened = VerifyParams {
            signer: Some("acme".into()),
            explain: Some(true),
            ..VerifyParams::path("/a")
        };
        check(
            r#"{"path":"/a","signer":"acme","explain":true}"#,
            Some(tightened),
        );
        let bundled = VerifyParams {
            bundle: Some("/b".into()),
            ..VerifyParams::path("/a")
        };
        check(r#"{"path":"/a","bundle":"/b"}"#, Some(bundled));
        check(r#"{"reference":"a","bundle":"/b"}"#, None);
        let pushed = VerifyParams {
            bundle: Some("/b".into()),
            ..VerifyParams::push("/a", "c")
        };
        check(r#"{"path":"/a","pushTo":"c","bundle":"/b"}"#, Some(pushed));
        check("{}", None);
        check(r#"{"pushTo":"b"}"#, None);
        check(r#"{"reference":"a","pushTo":"b"}"#, None);
        check(r#"{"path":"/a","reference":"b"}"#, None);
        check(r#"{"path":"/a","path":"/b"}"#, None);
        check(r#"{"path":"/a","force":true}"#, None);
    }
}
