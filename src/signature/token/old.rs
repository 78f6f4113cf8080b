//! The token that an artifact has already, and what is carried over from it where it holds.

use super::{
    asked::{all_fit, fits},
    jwt::{self, Parts},
    signed,
};
use crate::{
    artifact::{Covered, Facts, Refusal},
    signature::Signed,
};
use serde::Deserialize;
use serde_json::Value;
use std::{path::Path, sync::Arc};
use vouch_protocol::{Claims, ReplacedToken};

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Old {
    /// As it stands there, and whose it is, or why it does not hold.
    token: Option<(String, Result<Arc<Signed>, Refusal>)>,
    /// What it says, where it holds, as far as it can be signed again.
    pub(super) claims: Claims,
    /// What a provider's links are configured with.
    pub(super) schema: Option<Value>,
}

impl Old {
    pub(super) fn of(facts: &Facts, warnings: &mut Vec<String>) -> Self {
        let (Some(token), Some(signed)) = (&facts.token, signed(facts)) else {
            return Self::default();
        };
        let signed = signed.and_then(|signed| signed.covers().map(|()| signed));
        let text = String::from_utf8_lossy(token.bytes()).into_owned();
        let mut old = Self::default();
        if let Ok(signed) = &signed {
            old.claims = signed.claims().cloned().unwrap_or_default();
            old.schema = schema(token.bytes());
            // What another tool signed may be such as would not be signed here.
            let mut left = |what: &str| {
                warnings.push(format!(
                    "its old token's {what} cannot be signed here: not carried over"
                ));
            };
            let of_archive = matches!(facts.covered, Covered::Entries(_));
            let claims = &mut old.claims;
            let texts = [
                ("name", &mut claims.name),
                ("version", &mut claims.version),
                ("vendor", &mut claims.vendor),
                ("call alias", &mut claims.call_alias),
            ];
            for (what, text) in texts {
                if text.as_deref().is_some_and(|text| !fits(text)) {
                    *text = None;
                    left(what);
                }
            }
            let lists = [
                ("tags", &mut claims.tags),
                ("capabilities", &mut claims.capabilities),
            ];
            for (what, list) in lists {
                // An archive's grant nothing, whoever wrote them.
                if !all_fit(list) || of_archive && !list.is_empty() {
                    list.clear();
                    left(what);
                }
            }
        }
        old.token = Some((text, signed));
        old
    }

    /// What clients see of it; `path` is the artifact's.
    pub(super) fn replaced(&self, path: &Path, dropped: Vec<String>) -> Option<ReplacedToken> {
        let (token, signed) = self.token.as_ref()?;
        let signature = signed.as_ref().ok().map(|signed| signed.on_the_wire());
        let refusal = signed.as_ref().err().cloned();
        Some(ReplacedToken {
            token: signed.is_ok().then(|| token.clone()),
            signature,
            refusal: refusal.map(|refusal| refusal.on_the_wire(&path.display().to_string())),
            dropped,
        })
    }
}

/// What a provider's links are configured with, which its token alone says.
fn schema(token: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Claimed {
        wascap: Schema,
    }
    #[derive(Deserialize)]
    struct Schema {
        config_schema: Option<Value>,
    }
    let parts = Parts::of(token).ok()?;
    let claimed: Claimed = jwt::parse(&parts.payload, "claims").ok()?;
    claimed.wascap.config_schema
}
