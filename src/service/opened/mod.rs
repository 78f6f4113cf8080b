//! What an editor has open. Texts change as messages arrive, one after the other; whoever looks at
//! one gets it as it was at that moment.
//!
//! | file | what it is for |
//! |---|---|
//! | `room` | how much of texts is kept |
//! | `text` | edits |
//! | `wire` | what editors send |

mod room;
mod text;
mod wire;

pub(super) use room::Room;
pub(super) use wire::{AtPosition, DidChange, DidOpen, InRange, OfDocument};

use super::text::ending;
use parking_lot::Mutex;
use room::Share;
use ropey::Rope;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{Semaphore, mpsc, watch};
use vouch_protocol::EditorCapabilities;
use wire::Change;

/// The most documents that an editor has open.
const MOST: usize = 500;
/// The longest name of one, in bytes.
const LONGEST_NAME: usize = 8 << 10;
/// Messages that wait to be sent; documents whose verdicts wait for room are judged later.
const WAITING: usize = 16;
/// Documents of an editor that are judged at once.
const AT_ONCE: usize = 4;

/// What an editor has open, and how to tell it something.
#[derive(Debug)]
pub(super) struct Opened {
    documents: Mutex<HashMap<Arc<str>, Document>>,
    room: Arc<Room>,
    of_all: Arc<Room>,
    /// What the editor can do.
    pub(super) can: EditorCapabilities,
    /// Held by whoever judges a document.
    pub(super) turns: Arc<Semaphore>,
    messages: mpsc::Sender<String>,
    unsent: Mutex<Option<mpsc::Receiver<String>>>,
    asked: AtomicU64,
}

#[derive(Debug)]
struct Document {
    latest: watch::Sender<Version>,
    share: Share,
}

/// A document at one moment.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// Nothing where it is not kept.
    pub(super) text: Option<Rope>,
    /// What the editor calls it.
    #[allow(clippy::struct_field_names)] // as the protocol does
    pub(super) version: Option<i64>,
    /// Tells it from all others of this editor.
    edition: u64,
}

/// A document that was opened.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) uri: Arc<str>,
    /// It ends when the document is closed.
    pub(super) latest: watch::Receiver<Version>,
}

impl Opened {
    pub(super) fn new(can: EditorCapabilities, of_all: Arc<Room>) -> Self {
        let (messages, unsent) = mpsc::channel(WAITING);
        Self {
            documents: Mutex::default(),
            room: Room::of_an_editor(),
            of_all,
            can,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            messages,
            unsent: Mutex::new(Some(unsent)),
            asked: AtomicU64::new(0),
        }
    }

    /// What is to be sent to the editor; the first time.
    pub(super) fn unsent(&self) -> Option<mpsc::Receiver<String>> {
        self.unsent.lock().take()
    }

    /// Opens a document, again if need be; nothing if there are too many.
    pub(super) fn open(&self, params: DidOpen) -> Option<Begun> {
        let item = params.text_document;
        let mut documents = self.documents.lock();
        let known = documents.remove(item.uri.as_str());
        if known.is_none() && documents.len() >= MOST || item.uri.len() > LONGEST_NAME {
            not_kept(
                &item.uri,
                "too many documents are open, or its name is too long",
            );
            return None;
        }
        // The room that it had before is free again.
        drop(known);
        let mut share = Share::new([Arc::clone(&self.room), Arc::clone(&self.of_all)]);
        let version = Version {
            text: replaced(&item.uri, &item.text, &mut share),
            version: item.version,
            edition: self.next(),
        };
        let uri: Arc<str> = item.uri.into();
        let (latest, begun) = watch::channel(version);
        documents.insert(Arc::clone(&uri), Document { latest, share });
        let latest = begun;
        Some(Begun { uri, latest })
    }

    /// Changes a document. One that is not kept is again, once it is sent whole and fits.
    pub(super) fn change(&self, params: DidChange) {
        let uri = params.text_document.uri;
        let mut documents = self.documents.lock();
        let Some(Document { latest, share }) = documents.get_mut(uri.as_str()) else {
            return;
        };
        let edition = self.next();
        latest.send_modify(|version| {
            for change in params.content_changes {
                apply(&uri, version, share, &change);
            }
            if let Some(text) = &version.text
                && !share.resize(text.len_bytes())
            {
                not_kept(&uri, "the documents that are open are together too long");
                version.text = None;
            }
            version.version = params.text_document.version;
            version.edition = edition;
        });
    }

    /// Keeps the text of a document no longer, as a change of it could not be read: later ones would
    /// change something else. All texts, where it is not known whose change it was. One that is sent
    /// whole is kept again.
    pub(super) fn lose(&self, uri: Option<&str>) {
        let mut documents = self.documents.lock();
        let lost = documents.iter_mut();
        for (uri, document) in lost.filter(|(known, _)| uri.is_none_or(|uri| known.as_ref() == uri))
        {
            not_kept(uri, "a change of it could not be read");
            document.share.resize(0);
            let edition = self.next();
            document.latest.send_modify(|version| {
                version.text = None;
                version.edition = edition;
            });
        }
    }

    pub(super) fn close(&self, params: &OfDocument) {
        self.documents
            .lock()
            .remove(params.text_document.uri.as_str());
    }

    pub(super) fn close_all(&self) {
        self.documents.lock().clear();
    }

    /// A document as it is now; nothing if it is not open.
    pub(super) fn get(&self, uri: &str) -> Option<Version> {
        let documents = self.documents.lock();
        let document = documents.get(uri)?;
        Some(document.latest.borrow().clone())
    }

    /// Has a document judged again.
    pub(super) fn touch(&self, uri: &str) {
        if let Some(document) = self.documents.lock().get(uri) {
            document.latest.send_modify(|_| {});
        }
    }

    /// Has all of them judged again.
    pub(super) fn touch_all(&self) {
        for document in self.documents.lock().values() {
            document.latest.send_modify(|_| {});
        }
    }

    /// Tells the editor something about a version of a document, if that is still the latest; says
    /// whether it was told. Waits for room.
    pub(super) async fn tell_of(
        &self,
        uri: &str,
        version: &Version,
        method: &'static str,
        params: &impl Serialize,
    ) -> bool {
        let Ok(room) = self.messages.reserve().await else {
            return false;
        };
        let text = message(None, method, Some(params));
        let documents = self.documents.lock();
        let latest = documents.get(uri).map(|it| it.latest.borrow().edition);
        if latest != Some(version.edition) {
            return false;
        }
        room.send(text);
        true
    }

    /// Tells it of a document that is not open any more.
    pub(super) async fn tell_of_closed(
        &self,
        uri: &str,
        method: &'static str,
        params: &impl Serialize,
    ) {
        let Ok(room) = self.messages.reserve().await else {
            return;
        };
        let documents = self.documents.lock();
        if !documents.contains_key(uri) {
            room.send(message(None, method, Some(params)));
        }
    }

    /// Tells it something.
    pub(super) async fn tell(&self, method: &'static str, params: &impl Serialize) {
        // It fails when the editor is gone.
        let _ = self
            .messages
            .send(message(None, method, Some(params)))
            .await;
    }

    /// Asks it something that has no answer worth waiting for.
    pub(super) async fn ask(&self, method: &'static str) {
        let id = format!("vouchd-{}", self.asked.fetch_add(1, Ordering::Relaxed));
        let text = message::<()>(Some(&id), method, None);
        let _ = self.messages.send(text).await;
    }

    fn next(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }
}

fn apply(uri: &str, version: &mut Version, share: &mut Share, change: &Change) {
    let Some(range) = change.range else {
        version.text = replaced(uri, &change.text, share);
        return;
    };
    if let Some(text) = &mut version.text
        && text::edit(text, range, &change.text).is_err()
    {
        not_kept(uri, "it has more than 1 MiB");
        version.text = None;
        share.resize(0);
    }
}

/// A text that takes the place of another.
fn replaced(uri: &str, text: &str, share: &mut Share) -> Option<Rope> {
    if text.len() > text::LONGEST {
        not_kept(uri, "it has more than 1 MiB");
    } else if !share.resize(text.len()) {
        not_kept(uri, "the documents that are open are together too long");
    } else {
        return Some(Rope::from_str(text));
    }
    share.resize(0);
    None
}

fn not_kept(uri: &str, why: &str) {
    tracing::warn!(document = ending(uri), "a document is not checked: {why}");
}

fn message<P: Serialize>(id: Option<&str>, method: &'static str, params: Option<&P>) -> String {
    #[derive(Serialize)]
    struct Message<'a, P> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        method: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        params: Option<&'a P>,
    }
    let message = Message {
        jsonrpc: "2.0",
        id,
        method,
        params,
    };
    // Names, numbers and texts are always JSON.
    serde_json::to_string(&message).unwrap_or_default()
}

#[cfg(test)]
mod tests;
