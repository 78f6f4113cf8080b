//! `tags`: what a repository calls its manifests, a page at a time.

use super::{request::Request, turns::Work};
use crate::{
    error::{Result, error},
    name::Tag,
    progress::Phase,
    registry,
};
use std::sync::Arc;
use vouch_protocol::{TagsParams, TagsResult};

/// How many tags are answered: at most, and where nobody says.
const MOST: u16 = 1000;
const USUAL: u16 = 100;

pub(super) async fn tags(request: Arc<Request>, params: TagsParams) -> Result<TagsResult> {
    let repository = request.reference(&params.repository)?;
    request.concerns(&repository);
    if repository.tag().is_some() || repository.digest().is_some() {
        return Err(
            error!(InvalidReference: "{repository} names one artifact, not a repository")
                .help("Leave out the tag and the digest."),
        );
    }
    let limit = params.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(error!(InvalidParams: "`limit` is 1 to {MOST}, not {limit}"));
    }
    let last: Option<Tag> = params.last.map(|last| last.parse()).transpose()?;
    let _turn = request.turn(Work::Lookup).await?;
    request.progress().enter(Phase::Asking);
    let sessions = &request.settings().sessions;
    let page = registry::tags(sessions, &repository, usize::from(limit), last.as_ref()).await?;
    Ok(TagsResult {
        repository: repository.to_string(),
        tags: page.tags.iter().map(ToString::to_string).collect(),
        more: page.more,
    })
}
