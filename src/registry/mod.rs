//! Manifests and transfer: remote registries and layouts on disk. STUB: signatures only.

use crate::{
    artifact::{Examination, Limits},
    error::{Error, Result},
    file::Source,
    progress::Progress,
    reference::{Digest, Reference},
    session::Sessions,
    trust::Vouched,
};
use std::{collections::BTreeMap, io::Read, sync::Arc};
use vouch_protocol::ErrorKind;

/// What a push did.
#[derive(Debug, Clone, Copy)]
pub struct Pushed {
    /// The manifest's digest.
    pub manifest: Digest,
    /// Bytes of blobs that were sent.
    pub uploaded: u64,
    /// Bytes of blobs that were there already.
    pub skipped: u64,
}

/// Publishes a file that was vouched for. Each MiB of `source` is sent only after it hashed to what
/// was verified; nothing is tagged before every blob is there. Calls `progress.commit()` right
/// before the manifest is written.
pub async fn push(
    _sessions: &Sessions,
    _vouched: &Vouched,
    _source: Arc<Source>,
    _reference: &Reference,
    _annotations: &BTreeMap<String, String>,
    _progress: &Progress,
) -> Result<Pushed> {
    Err(Error::new(ErrorKind::Internal, "stub"))
}

/// A published artifact that was found, and whose manifest was checked.
#[derive(Debug)]
pub struct Found {
    /// The manifest's digest.
    pub manifest: Digest,
    /// The artifact's digest, as the manifest says.
    pub digest: Digest,
    /// The artifact's size in bytes, as the manifest says.
    pub size: u64,
}

/// Looks a reference up.
pub async fn find(_sessions: &Sessions, _reference: &Reference, _limits: &Limits) -> Result<Found> {
    Err(Error::new(ErrorKind::Internal, "stub"))
}

impl Found {
    /// Streams the artifact's bytes; to be read on a blocking thread. Dropping the reader ends
    /// the transfer. The reader fails with our own `Error` inside the `io::Error`, and where more
    /// bytes come than the manifest says.
    pub fn download(&self, _progress: &Progress) -> Result<Box<dyn Read + Send>> {
        Err(Error::new(ErrorKind::Internal, "stub"))
    }

    /// Fails with `digestMismatch` unless what was examined is what the manifest names.
    pub fn confirm(&self, _examination: &Examination) -> Result<()> {
        Err(Error::new(ErrorKind::Internal, "stub"))
    }
}
