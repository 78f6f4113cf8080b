//! Turns at a blob: within the service, one upload at a time of the same blob to the same
//! repository with the same login. Whoever had to wait looks again before sending anything.
//!
//! Ten uploads would send the same bytes ten times, and docker-registry 2.8 and 3.0 write the files
//! that link a blob into a repository in place: readers in between find them empty, and answer
//! `DIGEST_INVALID` or `MANIFEST_BLOB_UNKNOWN`.

use super::remote::Remote;
use crate::{error::Result, name::Digest};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Weak},
};
use tokio::sync::OwnedMutexGuard;

/// A session, which is one login to one registry, by its address; a repository; a blob.
type Key = (usize, String, Digest);

static UNDER_WAY: LazyLock<Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>> =
    LazyLock::new(Mutex::default);

/// Held while a blob is uploaded.
pub(super) struct Turn {
    _held: OwnedMutexGuard<()>,
    /// Whether another upload of the blob came first.
    pub(super) waited: bool,
}

/// Waits until nobody else uploads the blob. The wait ends with the upload before, however that
/// ends, or with the login. Those who wait come in the order in which they asked.
pub(super) async fn take(remote: &Remote, digest: Digest) -> Result<Turn> {
    let address = Arc::as_ptr(&remote.session).addr();
    let turns = {
        let mut under_way = UNDER_WAY.lock();
        // A key that nobody holds may come to mean another session.
        under_way.retain(|_, turns| turns.strong_count() > 0);
        let key = (address, remote.scope.repository.to_string(), digest);
        let known = under_way.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turns = Arc::default();
            under_way.insert(key, Arc::downgrade(&turns));
            turns
        })
    };
    if let Ok(held) = Arc::clone(&turns).try_lock_owned() {
        return Ok(Turn {
            _held: held,
            waited: false,
        });
    }
    tokio::select! {
        biased;
        over = remote.session.login.ended() => Err(over),
        held = turns.lock_owned() => Ok(Turn {
            _held: held,
            waited: true,
        }),
    }
}
