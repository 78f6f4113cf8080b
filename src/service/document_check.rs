//! `document/check`: the references in a document, and what is known of what they name.

use super::{documents, request::Request};
use crate::{error::Result, progress::Phase};
use std::sync::Arc;
use vouch_protocol::{DocumentCheckParams, DocumentCheckResult};

pub(super) async fn check(
    request: Arc<Request>,
    params: DocumentCheckParams,
) -> Result<DocumentCheckResult> {
    let how_far = params.lookup.unwrap_or_default();
    request.progress().enter(Phase::Asking);
    let connection = request.caller().number();
    let checked = documents::check(
        request.state(),
        connection,
        &params.uri,
        params.text,
        how_far,
    );
    let Some(checked) = checked.await? else {
        return Ok(DocumentCheckResult::default());
    };
    let references = checked.references.iter();
    Ok(DocumentCheckResult {
        recognised: true,
        whole: checked.whole,
        unclear: checked.unclear,
        references: references.map(documents::Named::on_the_wire).collect(),
    })
}
