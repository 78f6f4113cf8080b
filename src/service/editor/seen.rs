//! What is known of what a document names.

use super::super::{
    documents::{self, Checked, Named},
    state::State,
};
use crate::artifact::Imports;
use std::sync::Arc;
use vouch_protocol::{ArtifactKind, DocumentReference, Judgement, Lookup, Position, Verification};

/// What is known of all references of a document. Where it could not be looked at, nothing is: that is
/// no fault of the document's.
pub(super) async fn check(
    state: &Arc<State>,
    connection: u64,
    uri: &str,
    text: String,
    how_far: Lookup,
) -> Vec<DocumentReference> {
    let checked = whole(state, connection, uri, text, how_far).await;
    let references = checked.references.iter();
    references.map(Named::on_the_wire).collect()
}

/// The reference at a place, looked at in full, and what it imports if it is accepted.
pub(super) async fn check_one(
    state: &Arc<State>,
    connection: u64,
    uri: &str,
    text: String,
    at: Position,
) -> Option<(DocumentReference, Option<Vec<String>>)> {
    let checked = whole(state, connection, uri, text, Lookup::Memory).await;
    let here = |named: &Named| {
        let range = named.on_the_wire().range;
        range.start <= at && at <= range.end
    };
    let named = checked.references.into_iter().find(here)?;
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
    Some((reference, imports))
}

async fn whole(
    state: &Arc<State>,
    connection: u64,
    uri: &str,
    text: String,
    how_far: Lookup,
) -> Checked {
    let checked = documents::check(state, connection, uri, text.into(), how_far).await;
    let looked =
        checked.inspect_err(|error| tracing::debug!("a document is not looked at: {error}"));
    looked.ok().flatten().unwrap_or_default()
}
