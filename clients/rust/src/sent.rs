//! Which calls a server may have received. A call that it certainly has not received may be repeated
//! with its successor.

use jsonrpsee::core::client::Error as RpcError;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use vouch_protocol::ErrorKind;

/// The text of the error for a call that was never sent.
const UNSENT: &str = "the server ended the connection before the call was sent";

/// The ids of calls under way whose writing has begun or failed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ids: Mutex<Ids>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Ids {
    /// Calls of which something was written.
    written: HashSet<Box<str>>,
    /// Calls of which nothing could be written.
    refused: HashSet<Box<str>>,
}

impl Sent {
    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a message before it is written. Returns the id, if it is a call.
    pub(crate) fn note(&self, message: &str) -> Option<Box<str>> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }
        // A notification has none, and no answer.
        let id = serde_json::from_str::<Message>(message).ok()?.id?;
        let id: Box<str> = id.get().into();
        self.ids().written.insert(id.clone());
        Some(id)
    }

    /// Notes that nothing could be written of a call.
    pub(crate) fn refuse(&self, id: Box<str>) {
        let mut ids = self.ids();
        ids.written.remove(&id);
        ids.refused.insert(id);
        drop(ids);
        self.0.changed.notify_waiters();
    }

    /// Waits until nothing can be written of the call.
    pub(crate) async fn refused(&self, id: &str) {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.ids().refused.contains(id) {
                return;
            }
            changed.await;
        }
    }

    /// Forgets a call that is over. Returns whether something of it was written.
    pub(crate) fn forget(&self, id: &str) -> bool {
        let mut ids = self.ids();
        ids.refused.remove(id);
        ids.written.remove(id)
    }
}

/// The error of a call that could not be written.
pub(crate) fn refused() -> RpcError {
    RpcError::Custom(UNSENT.into())
}

/// The error of a call that was not sent, in place of the connection's error.
pub(crate) fn unsent(error: RpcError) -> RpcError {
    match error {
        // It may be sent yet.
        RpcError::RequestTimeout => error,
        _ => refused(),
    }
}

/// Whether the server has certainly not carried out the call, because it is about to end.
pub(crate) fn may_be_retried(error: &RpcError) -> bool {
    match error {
        RpcError::Custom(text) => text == UNSENT,
        RpcError::Call(error) => error.code() == ErrorKind::ShuttingDown.code(),
        _ => false,
    }
}

/// Whether the server had no room for the call, and has not begun with it.
pub(crate) fn is_busy(error: &RpcError) -> bool {
    matches!(error, RpcError::Call(error) if error.code() == ErrorKind::Busy.code())
}

/// Whether this is the error of a call that was never sent.
pub(crate) fn is_unsent(error: &RpcError) -> bool {
    matches!(error, RpcError::Custom(text) if text == UNSENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_ids() {
        let sent = Sent::default();
        let check = |message: &str, id: Option<&str>| {
            assert_eq!(sent.note(message).as_deref(), id, "{message}");
        };
        check(r#"{"jsonrpc":"2.0","id":7,"method":"verify"}"#, Some("7"));
        check(r#"{"jsonrpc":"2.0","method":"exit"}"#, None);
        check("not JSON", None);
        assert!(sent.forget("7"));
        assert!(!sent.forget("7"), "it is over");
        assert!(!sent.forget("8"));
    }

    #[tokio::test]
    async fn a_waiting_call_learns_that_it_could_not_be_written() {
        let sent = Sent::default();
        let noted = sent.clone();
        let waiting = tokio::spawn(async move { noted.refused("7").await });
        tokio::task::yield_now().await;
        sent.note(r#"{"id":7}"#).unwrap();
        sent.refuse("8".into());
        sent.refuse("7".into());
        waiting.await.unwrap();
        sent.refused("8").await;
        assert!(!sent.forget("7"), "nothing was written");
    }
}
