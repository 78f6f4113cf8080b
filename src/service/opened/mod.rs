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
use crate::document::may_name_artifacts;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use vouch_protocol::EditorCapabilities;
use wire::{Change, Versioned};

/// The most documents that an editor has open.
const MOST: usize = 500;
/// The longest name of one, in bytes.
const LONGEST_NAME: usize = 8 << 10;
/// Messages that wait to be sent; documents whose verdicts wait for room are judged later.
const WAITING: usize = 16;
/// The most bytes of them; a longer one waits alone.
const UNSENT: usize = 1 << 20;
/// Documents of an editor that are judged at once.
const AT_ONCE: usize = 4;

const TOO_LONG: &str = "it has more than 1 MiB";
const NO_ROOM: &str = "the documents that are open are together too long";

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
    messages: mpsc::Sender<Unsent>,
    unsent: Mutex<Option<mpsc::Receiver<Unsent>>>,
    room_to_send: Arc<Semaphore>,
    asked: AtomicU64,
}

/// A message for an editor, with the room that it takes until it is written.
pub type Unsent = (String, OwnedSemaphorePermit);

#[derive(Debug)]
struct Document {
    latest: watch::Sender<Version>,
    share: Share,
}

/// A document at one moment.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// Or why it is not kept.
    pub(super) text: Result<Rope, Lost>,
    /// What the editor calls it.
    #[allow(clippy::struct_field_names)] // as the protocol does
    pub(super) version: Option<i64>,
    /// Tells it from all others of this editor.
    edition: u64,
}

/// A text that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) why: &'static str,
    /// Whether it may name artifacts, of which nobody says anything then.
    pub(super) may_name: bool,
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
            room_to_send: Arc::new(Semaphore::new(UNSENT)),
            asked: AtomicU64::new(0),
        }
    }

    /// What is to be sent to the editor; the first time.
    pub(super) fn unsent(&self) -> Option<mpsc::Receiver<Unsent>> {
        self.unsent.lock().take()
    }

    /// Opens a document, again if need be; nothing if there are too many.
    pub(super) fn open(&self, params: DidOpen) -> Option<Begun> {
        let item = params.text_document;
        let named = Versioned {
            uri: item.uri,
            version: item.version,
        };
        self.begin(named, |uri, share| replaced(uri, &item.text, share))
    }

    /// The same of a document whose text could not be read.
    pub(super) fn open_lost(&self, uri: String) -> Option<Begun> {
        let version = None;
        self.begin(Versioned { uri, version }, |uri, _| {
            not_kept(uri, "it could not be read");
            // Whatever may stand in it: bytes that say of themselves that they are base64.
            let may_name = may_name_artifacts(uri, "!!binary");
            Err(Lost {
                why: "it could not be read",
                may_name,
            })
        })
    }

    fn begin(
        &self,
        Versioned { uri, version }: Versioned,
        text: impl FnOnce(&str, &mut Share) -> Result<Rope, Lost>,
    ) -> Option<Begun> {
        let mut documents = self.documents.lock();
        let known = documents.remove(uri.as_str());
        if known.is_none() && documents.len() >= MOST || uri.len() > LONGEST_NAME {
            not_kept(&uri, "too many documents are open, or its name is too long");
            return None;
        }
        // The room that it had before is free again.
        drop(known);
        let mut share = Share::new([Arc::clone(&self.room), Arc::clone(&self.of_all)]);
        let opened = Version {
            text: text(&uri, &mut share),
            version,
            edition: self.next(),
        };
        let uri: Arc<str> = uri.into();
        let (latest, begun) = watch::channel(opened);
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
            if let Ok(text) = &version.text
                && !share.resize(text.len_bytes())
            {
                lose(&uri, version, share, NO_ROOM);
            }
            version.version = params.text_document.version;
            version.edition = edition;
        });
    }

    /// Keeps the texts of these documents no longer, as a change of them could not be read: later ones
    /// would change something else. All texts, where it is not known whose change it was. One that is
    /// sent whole is kept again.
    pub(super) fn lose(&self, uris: Option<&[String]>) {
        let mut documents = self.documents.lock();
        let is_lost = |known: &str| uris.is_none_or(|uris| uris.iter().any(|uri| uri == known));
        for (uri, document) in documents.iter_mut().filter(|(known, _)| is_lost(known)) {
            let Document { latest, share } = document;
            let edition = self.next();
            latest.send_modify(|version| {
                lose(uri, version, share, "a change of it could not be read");
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
        let Some((place, message)) = self.room_for(message(None, method, Some(params))).await
        else {
            return false;
        };
        let documents = self.documents.lock();
        let latest = documents.get(uri).map(|it| it.latest.borrow().edition);
        if latest != Some(version.edition) {
            return false;
        }
        place.send(message);
        true
    }

    /// Tells it of a document that is not open any more.
    pub(super) async fn tell_of_closed(
        &self,
        uri: &str,
        method: &'static str,
        params: &impl Serialize,
    ) {
        let message = message(None, method, Some(params));
        if let Some((place, message)) = self.room_for(message).await
            && !self.documents.lock().contains_key(uri)
        {
            place.send(message);
        }
    }

    /// Tells it something.
    pub(super) async fn tell(&self, method: &'static str, params: &impl Serialize) {
        self.send(message(None, method, Some(params))).await;
    }

    /// Asks it something that has no answer worth waiting for.
    pub(super) async fn ask(&self, method: &'static str) {
        let id = format!("vouchd-{}", self.asked.fetch_add(1, Ordering::Relaxed));
        self.send(message::<()>(Some(&id), method, None)).await;
    }

    async fn send(&self, message: String) {
        if let Some((place, message)) = self.room_for(message).await {
            place.send(message);
        }
    }

    /// Waits until a message may wait to be sent; nothing once the editor is gone.
    async fn room_for(&self, message: String) -> Option<(mpsc::Permit<'_, Unsent>, Unsent)> {
        let bytes = u32::try_from(message.len().min(UNSENT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room_to_send).acquire_many_owned(bytes);
        // What is written gives its room back; what an editor that is gone was sent, too.
        let place = self.messages.reserve().await.ok()?;
        Some((place, (message, room.await.ok()?)))
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
    if let Ok(text) = &mut version.text
        && text::edit(text, range, &change.text).is_err()
    {
        lose(uri, version, share, TOO_LONG);
    }
}

/// A text that takes the place of another.
fn replaced(uri: &str, text: &str, share: &mut Share) -> Result<Rope, Lost> {
    let why = if text.len() > text::LONGEST {
        TOO_LONG
    } else if !share.resize(text.len()) {
        NO_ROOM
    } else {
        return Ok(Rope::from_str(text));
    };
    share.resize(0);
    not_kept(uri, why);
    let may_name = may_name_artifacts(uri, text);
    Err(Lost { why, may_name })
}

/// Keeps a text no longer, if it was kept.
fn lose(uri: &str, version: &mut Version, share: &mut Share, why: &'static str) {
    share.resize(0);
    not_kept(uri, why);
    let may_name = match &version.text {
        Ok(text) => may_name_artifacts(uri, &text.to_string()),
        Err(lost) => lost.may_name,
    };
    version.text = Err(Lost { why, may_name });
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
