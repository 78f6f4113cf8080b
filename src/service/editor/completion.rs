//! Completion of tags: what the repository has that is being typed, where it may be asked.

use super::{
    super::{look_up::Look, opened::Version, request::Request, turns::Work},
    wire::{Completion, Completions},
    words::Form,
};
use crate::{document, error::Result, name::Reference, registry};
use std::sync::Arc;
use vouch_protocol::{Lookup, Position, Range, TextEdit};

/// The most tags that are offered.
const MOST: usize = 500;
/// 12: a value.
const VALUE: u8 = 12;

pub(super) async fn complete(
    request: &Arc<Request>,
    uri: String,
    version: Version,
    position: Position,
) -> Result<Completions> {
    let Ok(text) = version.text else {
        return Ok(Completions::default());
    };
    let look = Look::new(request.state(), request.caller().number(), Lookup::Allowed);
    let cursor = document::Position {
        line: position.line,
        character: position.character,
    };
    let partial = request
        .examine(Work::Local, move |request| {
            let plain = request.settings().sessions.plain_hosts();
            Ok(document::at(&uri, &text.to_string(), cursor, plain))
        })
        .await?;
    let Some(tag) = partial.and_then(|partial| partial.tag) else {
        return Ok(Completions::default());
    };
    // Nothing is offered of a registry that may not be asked.
    if look.may_ask(&tag.repository).await.is_err() {
        return Ok(Completions::default());
    }
    let repository = Reference::Registry(tag.repository);
    request.concerns(&repository);
    let _turn = request.turn(Work::Lookup).await?;
    let sessions = &request.settings().sessions;
    let page = registry::tags(sessions, &repository, MOST, None).await?;
    let place = |place: document::Position| Position {
        line: place.line,
        character: place.character,
    };
    let range = Range {
        start: place(tag.range.start),
        end: place(tag.range.end),
    };
    let tags = page.tags.iter().map(ToString::to_string);
    let fitting = tags.filter(|it| it.starts_with(&tag.typed));
    let items = fitting.enumerate().map(|(at, name)| Completion {
        label: Form::Plain.word(&name),
        kind: VALUE,
        // As the registry has them.
        sort_text: format!("{at:04}"),
        text_edit: TextEdit {
            range,
            new_text: name,
        },
    });
    Ok(Completions {
        is_incomplete: page.more,
        items: items.collect(),
    })
}
