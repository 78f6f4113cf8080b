//! What is known of what a document names.

use super::super::{
    documents::{self, Named},
    state::State,
};
use crate::{artifact::Imports, error::Result};
use ropey::Rope;
use std::sync::Arc;
use vouch_protocol::{
    ArtifactKind, DocumentReference, Judgement, Lookup, Position, Range, Verification,
};

/// What is known of a document.
pub(super) struct Seen {
    pub(super) references: Vec<DocumentReference>,
    /// Whether all of it was looked at.
    pub(super) whole: bool,
    /// Where it is first not well formed.
    pub(super) unclear: Option<Range>,
}

/// What is known of all references of a document. Fails where it could not be looked at.
pub(super) async fn check(
    state: &Arc<State>,
    connection: u64,
    uri: &str,
    text: Rope,
    how_far: Lookup,
) -> Result<Seen> {
    let checked = documents::check(state, connection, uri, text, how_far).await?;
    let (references, whole) = match &checked {
        Some(checked) => (checked.references.as_slice(), checked.whole),
        // A document of no kind that names anything.
        None => (&[][..], true),
    };
    Ok(Seen {
        references: references.iter().map(Named::on_the_wire).collect(),
        whole,
        unclear: checked.as_ref().and_then(|checked| checked.unclear),
    })
}

/// The reference at a place, looked at in full, and what it imports if it is accepted.
pub(super) async fn check_one(
    state: &Arc<State>,
    connection: u64,
    uri: &str,
    text: Rope,
    at: Position,
) -> Result<Option<(DocumentReference, Option<Vec<String>>)>> {
    let checked = documents::check(state, connection, uri, text, Lookup::Memory).await?;
    let here = |named: &Named| {
        let range = named.on_the_wire().range;
        range.start <= at && at <= range.end
    };
    let mut references = checked.into_iter().flat_map(|it| it.references);
    let Some(named) = references.find(here) else {
        return Ok(None);
    };
    let looked = documents::look(state, connection, &named.found, Lookup::Full).await;
    let seen = looked.unwrap_or(named.seen);
    let layer = seen.layer;
    let named = Named { seen, ..named };
    let reference = named.on_the_wire();
    // Native code imports what nobody can tell.
    let accepted = matches!(
        &reference.judgement,
        Judgement::Judged { verification: Verification::Accepted { artifact, .. } }
            if artifact.kind != ArtifactKind::Provider
    );
    let facts = layer.filter(|_| accepted);
    let facts = facts.and_then(|layer| state.settings().memory.facts(layer)?.facts());
    let imports = facts.and_then(|facts| match &facts.imports {
        Imports::Read(imports) => Some(imports.iter().map(ToString::to_string).collect()),
        Imports::Unread(_) => None,
    });
    Ok(Some((reference, imports)))
}
