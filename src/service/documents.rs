//! Documents: what their references name, and what could be done about them. Both `document/check`
//! and the language server ask here.

use super::{
    asking::Unknown,
    look_up::{Look, Outcome, Seen},
    questions::Judged,
    state::State,
    turns::Work,
};
use crate::{
    document::{self, Demanded, Found, Resolved, What},
    error::{Error, Result, error, quoted},
    name::{Reference, Registry, RegistryReference},
};
use futures_util::{StreamExt, stream};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::watch;
use vouch_protocol::{
    DocumentReference, ErrorKind, Fix, FixBy, FixKind, Judgement, Lookup, Position, Range,
    TextEdit, UnknownReason,
};

/// References of one document that are asked about at once.
const AT_ONCE: usize = 16;

/// A document that was looked at.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What it names, in the order of the text.
    pub(super) references: Vec<Named>,
    /// Whether all of the text was looked at.
    pub(super) whole: bool,
    /// Where it is first not well formed.
    pub(super) unclear: Option<Range>,
}

/// Something that a document names, and what is known of that.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) found: Found,
    pub(super) seen: Seen,
}

/// Looks at a document's text, as far as it may have us look; the name is its file's, a path or a
/// URI. Nothing, where it is not a kind of document that names artifacts. Dropping the future ends
/// what nobody else waits for. Fails where the text is too long. It is made a string when it is its
/// turn: whoever waits has no copy.
pub(super) async fn check(
    state: &Arc<State>,
    connection: u64,
    name: &str,
    text: impl Into<String> + Send + 'static,
    how_far: Lookup,
) -> Result<Option<Checked>> {
    let look = Look::new(state, connection, how_far);
    let turn = state.turns.take(Work::Small, connection, None).await?;
    let (reader, name) = (Arc::clone(&look), name.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let text: String = text.into();
        if text.len() > document::LONGEST {
            return Err(error!(
                InvalidParams: "the document has {} bytes, and no more than {} are looked at",
                text.len(), document::LONGEST
            )
            .help("Check it in parts."));
        }
        let Some(document) = document::read(&name, &text, reader.plain_hosts()) else {
            return Ok(None);
        };
        let now = reader.now();
        let mut seen = HashMap::new();
        for reference in document.references.iter().filter_map(asked) {
            seen.entry(reference)
                .or_insert_with_key(|reference| reader.remembered(reference, &now));
        }
        Ok(Some((document, seen)))
    });
    let Some((document, mut seen)) = read.await?? else {
        return Ok(None);
    };
    let unknown: Vec<_> = seen
        .iter()
        .filter(|(_, seen)| seen.is_none())
        .map(|(reference, _)| reference.clone())
        .collect();
    let asking = unknown.into_iter().map(|reference| {
        let look = Arc::clone(&look);
        async move {
            let seen = look.look_up(&reference).await;
            (reference, Some(seen))
        }
    });
    let mut asking = stream::iter(asking).buffer_unordered(AT_ONCE);
    while let Some((reference, now)) = asking.next().await {
        seen.insert(reference, now);
    }
    let references = document.references.into_iter().map(|found| {
        let seen = asked(&found).and_then(|reference| seen.get(&reference).cloned().flatten());
        let seen = confirmed(&found, seen.unwrap_or_else(|| unasked(&found)));
        Named { found, seen }
    });
    Ok(Some(Checked {
        references: references.collect(),
        whole: document.whole,
        unclear: document.unclear.map(range),
    }))
}

/// Looks at one of a document's references.
pub(super) async fn look(
    state: &Arc<State>,
    connection: u64,
    found: &Found,
    how_far: Lookup,
) -> Result<Seen> {
    let Some(reference) = asked(found) else {
        return Ok(unasked(found));
    };
    let look = Look::new(state, connection, how_far);
    let (reader, of) = (Arc::clone(&look), reference.clone());
    let remembered =
        tokio::task::spawn_blocking(move || reader.remembered(&of, &reader.now())).await?;
    let seen = match remembered {
        Some(seen) => seen,
        None => look.look_up(&reference).await,
    };
    Ok(confirmed(found, seen))
}

/// Has a registry asked unasked until the service ends.
pub(super) fn allow(state: &State, registry: &str) -> Result<Registry> {
    let settings = state.settings();
    let registry = settings.sessions.plain_hosts().registry(registry)?;
    state.look_ups.allow(registry.clone())?;
    Ok(registry)
}

/// Rises when documents should be judged again: after a reload of the policy, a login, a signature,
/// a push, a pull, or a permission.
pub(super) fn changes(state: &State) -> watch::Receiver<u64> {
    state.look_ups.changes()
}

/// What is asked about something that a document names; nothing, where that is not in a registry.
fn asked(found: &Found) -> Option<RegistryReference> {
    let What::Reference(reference) = &found.what else {
        return None;
    };
    let mut reference = reference.clone();
    if let Some(Demanded::Manifest(digest)) = found.demanded {
        reference.digest.get_or_insert(digest);
    }
    Some(reference)
}

/// What is said of what nobody is asked about.
fn unasked(found: &Found) -> Seen {
    let unknown = match &found.what {
        What::Reference(_) => Error::cancelled().into(),
        What::Malformed(error) => error.clone().into(),
        What::File(path) => Unknown {
            why: UnknownReason::NotAllowed,
            message: format!("`{path}` is a local file; files named in documents are not read"),
            help: Some("`vouch verify FILE` judges it.".into()),
            kind: None,
        },
    };
    Seen {
        manifest: None,
        layer: None,
        moved: None,
        outcome: Outcome::Unknown(unknown),
    }
}

/// The same, unless the document demands other bytes than those that were found.
fn confirmed(found: &Found, seen: Seen) -> Seen {
    let (Some(Demanded::Content(demanded)), Some(layer)) = (found.demanded, seen.layer) else {
        return seen;
    };
    if layer.digest == demanded {
        return seen;
    }
    let message = format!(
        "it now names {}, but the document requires {demanded}",
        layer.digest
    );
    let help = "Check what changed before you update the digest.";
    let error = Error::new(ErrorKind::DigestMismatch, message).help(help);
    Seen {
        outcome: Outcome::Unknown(error.into()),
        ..seen
    }
}

impl Named {
    /// The reference that is meant, where it is one.
    pub(super) fn reference(&self) -> Option<Reference> {
        match &self.found.what {
            What::Reference(reference) => Some(Reference::Registry(reference.clone())),
            What::File(_) | What::Malformed(_) => None,
        }
    }

    /// What could be done about it, the likeliest first.
    pub(super) fn fixes(&self) -> Vec<Fix> {
        let mut fixes = Vec::new();
        if let Outcome::Judged(Judged {
            command: Some(command),
            ..
        }) = &self.seen.outcome
        {
            let (kind, title) = if command.starts_with("vouch trust ") {
                (FixKind::Trust, "Accept this signer")
            } else {
                (FixKind::Sign, "Sign it and push it again")
            };
            fixes.push(by_command(kind, title, command.clone()));
        }
        if let Outcome::Unknown(Unknown {
            kind: Some(ErrorKind::Unauthorized | ErrorKind::Denied),
            ..
        }) = &self.seen.outcome
            && let What::Reference(reference) = &self.found.what
        {
            let registry = reference.registry.as_str();
            let command = format!("vouch login {}", quoted(registry));
            fixes.push(by_command(
                FixKind::Login,
                "Log in to the registry",
                command,
            ));
        }
        fixes.extend(self.pin());
        fixes
    }

    /// Writes the digest of what it names now, or moves it to what its tag names now.
    fn pin(&self) -> Option<Fix> {
        let What::Reference(reference) = &self.found.what else {
            return None;
        };
        let Seen {
            manifest,
            layer,
            moved,
            ..
        } = &self.seen;
        let pinned = self.found.is_pinned();
        let to = if pinned { (*moved)? } else { (*manifest)? };
        let content = layer.filter(|_| !pinned).map(|layer| layer.digest);
        let edits = self.found.pin(Resolved {
            manifest: to,
            content,
        });
        if edits.is_empty() {
            return None;
        }
        let short = &to.to_string()[..SHORT];
        let tag = reference.tag.as_ref().map(ToString::to_string);
        let (kind, title) = match tag {
            Some(tag) if pinned => (
                FixKind::Move,
                format!("Move the digest to what `{tag}` names now: {short}…"),
            ),
            _ => (FixKind::Pin, format!("Pin the digest: {short}…")),
        };
        let edits = edits.into_iter().map(|edit| TextEdit {
            range: range(edit.range),
            new_text: edit.text,
        });
        let edits = edits.collect();
        let by = FixBy::Edit { edits };
        Some(Fix { kind, title, by })
    }

    /// What clients see of it.
    pub(super) fn on_the_wire(&self) -> DocumentReference {
        let reference = self.reference();
        let digest = self.seen.manifest;
        let pinned = reference.as_ref().zip(digest);
        let pinned = pinned.map(|(reference, digest)| reference.with_digest(digest).to_string());
        DocumentReference {
            range: range(self.found.range),
            written: self.found.written.clone(),
            format: self.found.format.name().to_owned(),
            reference: reference.map(|reference| reference.to_string()),
            pinned,
            digest: digest.map(|digest| digest.to_string()),
            judgement: self.seen.outcome.on_the_wire(),
            fixes: self.fixes(),
        }
    }
}

/// So much of a digest is shown in a title: its algorithm, and twelve digits.
const SHORT: usize = "sha256:".len() + 12;

fn by_command(kind: FixKind, title: &str, command: String) -> Fix {
    Fix {
        kind,
        title: format!("{title}: `{command}`"),
        by: FixBy::Command { command },
    }
}

fn range(range: document::Range) -> Range {
    let place = |place: document::Position| Position {
        line: place.line,
        character: place.character,
    };
    Range {
        start: place(range.start),
        end: place(range.end),
    }
}

impl Outcome {
    fn on_the_wire(&self) -> Judgement {
        match self {
            Self::Judged(judged) => Judgement::Judged {
                verification: judged.verification.clone(),
            },
            Self::Unknown(unknown) => Judgement::Unknown {
                why: unknown.why,
                message: unknown.message.clone(),
                help: unknown.help.clone(),
                kind: unknown.kind,
            },
        }
    }
}

#[cfg(test)]
mod tests;
