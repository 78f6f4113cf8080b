//! The language server, on connections whose client introduced itself as an editor. What an editor
//! has open is in `opened`; this is what it is told and answered about it.
//!
//! | file | what it is for |
//! |---|---|
//! | `wire` | requests and answers, as the Language Server Protocol has them |
//! | `words` | other people's words, as editors may show them |
//! | `seen` | what is known of what a document names |
//! | `commands` | `workspace/executeCommand` |
//! | `diagnostics` | what is refused |
//! | `hints` | what a tag names, and who signed |
//! | `actions` | what could be done |
//! | `hover` | all that is known of one reference |
//! | `completion` | tags |
//! | `judge` | a document that is judged while it is open |

mod actions;
mod commands;
mod completion;
mod diagnostics;
mod hints;
mod hover;
mod judge;
mod seen;
mod wire;
mod words;

pub(super) use wire::Provided;

use super::{
    caller::Caller,
    method::Table,
    opened::{AtPosition, Begun, DidChange, DidOpen, InRange, OfDocument, Opened, Version},
    request::Request,
    state::State,
};
use crate::{error::Result, name::Reference};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::sync::Arc;
use vouch_protocol::{DocumentReference, Lookup};
use wire::{
    Action, ActionsIn, CompleteAt, Completions, Execute, Hint, HintsIn, Hover, HoverAt,
    PullDiagnostics, Pulled,
};
use words::Form;

/// What the server says it can do.
pub(super) fn provided() -> Provided {
    Provided::with(commands::ALL)
}

/// The requests of editors.
pub(super) fn table() -> Table {
    Table::default()
        .when_read::<HoverAt, _, _>(hover_at)
        .when_read::<ActionsIn, _, _>(actions_in)
        .when_read::<HintsIn, _, _>(hints_in)
        .when_read::<CompleteAt, _, _>(complete_at)
        .at_once::<PullDiagnostics, _>(pull_diagnostics)
        .in_time::<Execute, _, _>(commands::execute)
}

/// What a message was about that could not be read: half a pair of surrogates is not text, though some
/// editors send it, and there are texts that are too long.
#[derive(Debug)]
pub struct Dropped {
    /// Whether it opened a document.
    pub opens: bool,
    /// The documents that it named; nothing, where that is not known.
    pub uris: Option<Vec<String>>,
}

/// Does what a notification says; others mean nothing here.
pub(super) fn notified(
    state: &Arc<State>,
    caller: &Arc<Caller>,
    method: &str,
    params: Option<&RawValue>,
) {
    let Some(opened) = caller.opened() else {
        return;
    };
    match method {
        "textDocument/didOpen" => match read::<DidOpen>(method, params) {
            Some(opening) => begin(state, caller, opened, opened.open(opening)),
            None => dropped(state, caller, named(true, params)),
        },
        "textDocument/didChange" => match read::<DidChange>(method, params) {
            Some(change) => opened.change(change),
            None => dropped(state, caller, named(false, params)),
        },
        // A file beside it, or what is signed by it, may be new.
        "textDocument/didSave" => {
            if let Some(params) = read::<OfDocument>(method, params) {
                opened.touch(&params.text_document.uri);
            }
        }
        "textDocument/didClose" => {
            if let Some(params) = read::<OfDocument>(method, params) {
                opened.close(&params);
            }
        }
        _ => {}
    }
}

/// Forgets the texts that a message changed, as nobody knows how.
pub(super) fn dropped(state: &Arc<State>, caller: &Arc<Caller>, dropped: Dropped) {
    let Some(opened) = caller.opened() else {
        return;
    };
    match dropped.uris {
        Some(uris) if dropped.opens => {
            for uri in uris {
                begin(state, caller, opened, opened.open_lost(uri));
            }
        }
        uris => opened.lose(uris.as_deref()),
    }
}

/// Judges a document from now on, if it was opened.
fn begin(state: &Arc<State>, caller: &Caller, opened: &Arc<Opened>, begun: Option<Begun>) {
    if let Some(begun) = begun {
        let (state, opened) = (Arc::clone(state), Arc::clone(opened));
        tokio::spawn(judge::judge(state, caller.number(), opened, begun));
    }
}

/// The params of a notification. There is no answer that could say what is wrong with them.
fn read<P: DeserializeOwned>(method: &str, params: Option<&RawValue>) -> Option<P> {
    let read = serde_json::from_str(params?.get());
    read.inspect_err(|error| tracing::warn!(method, "an editor's notification is ignored: {error}"))
        .ok()
}

/// What a notification is about that could not be read; its document may be readable all the same.
fn named(opens: bool, params: Option<&RawValue>) -> Dropped {
    let named = params.map(|params| serde_json::from_str::<OfDocument>(params.get()));
    let named = named.and_then(std::result::Result::ok);
    let uris = named.map(|named| vec![named.text_document.uri]);
    Dropped { opens, uris }
}

/// A document as it is at this moment. Called before anything is waited for, it is as it was when the
/// request arrived.
fn now(request: &Request, uri: &str) -> Option<Version> {
    request.caller().opened()?.get(uri)
}

fn form(request: &Request) -> Form {
    let opened = request.caller().opened();
    if opened.is_some_and(|opened| opened.can.reads_markdown()) {
        Form::Markdown
    } else {
        Form::Plain
    }
}

async fn known(request: &Request, uri: &str, version: Version) -> Result<Vec<DocumentReference>> {
    let Ok(text) = version.text else {
        return Ok(Vec::new());
    };
    let (state, connection) = (request.state(), request.caller().number());
    let seen = seen::check(state, connection, uri, text, Lookup::Memory).await?;
    Ok(seen.references)
}

async fn hover_at(request: Arc<Request>, params: AtPosition) -> Result<Option<Hover>> {
    let uri = params.text_document.uri;
    let Some(Version { text: Ok(text), .. }) = now(&request, &uri) else {
        return Ok(None);
    };
    let (state, connection) = (request.state(), request.caller().number());
    let found = seen::check_one(state, connection, &uri, text, params.position).await?;
    let Some((reference, imports)) = found else {
        return Ok(None);
    };
    if let Some(opened) = request.caller().opened() {
        // A refusal that was found is to be seen.
        opened.touch(&uri);
    }
    let imports = imports.as_deref();
    Ok(Some(hover::hover(&reference, imports, form(&request))))
}

async fn actions_in(request: Arc<Request>, params: InRange) -> Result<Vec<Action>> {
    let uri = params.text_document.uri;
    let Some(version) = now(&request, &uri) else {
        return Ok(Vec::new());
    };
    let Some(opened) = request.caller().opened() else {
        return Ok(Vec::new());
    };
    let document = actions::Document {
        uri: &uri,
        version: version.version,
        can: &opened.can,
    };
    let references = known(&request, &uri, version).await?;
    let registry = |named: &str| match request.reference(named) {
        Ok(Reference::Registry(reference)) => Some(reference.registry),
        Ok(Reference::Layout(_)) | Err(_) => None,
    };
    let actions = actions::actions(&references, params.range, &document, registry);
    Ok(actions)
}

async fn hints_in(request: Arc<Request>, params: InRange) -> Result<Vec<Hint>> {
    let uri = params.text_document.uri;
    let Some(version) = now(&request, &uri) else {
        return Ok(Vec::new());
    };
    let references = known(&request, &uri, version).await?;
    Ok(hints::hints(&references, Some(params.range)))
}

async fn complete_at(request: Arc<Request>, params: AtPosition) -> Result<Completions> {
    let uri = params.text_document.uri;
    match now(&request, &uri) {
        Some(version) => completion::complete(&request, uri, version, params.position).await,
        None => Ok(Completions::default()),
    }
}

/// They are pushed: nothing is answered, or they would be seen twice.
#[allow(clippy::unnecessary_wraps)] // as the table has it
fn pull_diagnostics(_: &Request, _: OfDocument) -> Result<Pulled> {
    Ok(Pulled {
        kind: "full".into(),
        items: Vec::new(),
    })
}
