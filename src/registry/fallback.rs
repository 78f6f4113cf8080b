//! The tag that lists what refers to a manifest, where a registry has no such list itself: OCI
//! distribution specification, "Referrers Tag Schema". Its clients keep it.
//!
//! No registry lets a client say what it replaces. So what was written is read again, after as long
//! as another client needs that read before and writes after, and written again where it is gone.
//! Within the service, one at a time does so.

use super::{
    attached::Index,
    candidates::fallback_tag,
    manifest::{ACCEPT, LARGEST},
    remote::Remote,
    turns,
};
use crate::{
    error::{Error, Result, error},
    name::Digest,
    session::{Failure, Retries, bounded, jitter, request},
    trust::Layer,
};
use bytes::Bytes;
use oci_distribution::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use reqwest::{
    Method,
    header::{self, CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use vouch_protocol::ErrorKind;

/// How often it is written before the others are left to it.
const TRIES: usize = 8;
/// How long others are given, at least and at most.
const OTHERS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(2)];

/// Sees to it that the tag lists these, and whatever it listed before.
pub(super) async fn list(remote: &Remote, subject: Digest, entries: &[Value]) -> Result<()> {
    let _turn = turns::take(remote, subject).await?;
    let tag = fallback_tag(subject);
    let mut known = entries.to_vec();
    for _ in 0..TRIES {
        let began = Instant::now();
        let mut index = read(remote, &tag, subject).await?;
        let there = index.entries().to_vec();
        if !index.add(&known) {
            return Ok(());
        }
        known.extend(
            there
                .into_iter()
                .filter(|entry| !known.contains(entry))
                .collect::<Vec<_>>(),
        );
        write(remote, &tag, &index).await?;
        let [least, most] = OTHERS;
        let pause = began.elapsed().clamp(least, most);
        tokio::time::sleep(pause.mul_f64(2.0 * jitter())).await;
    }
    let what = format!("does not keep what is written into the list {tag}");
    Err(remote
        .fault(&what)
        .help("Others may write it at this moment. Nothing was tagged: try again."))
}

/// What the tag lists: nothing where it is not there.
async fn read(remote: &Remote, tag: &str, subject: Digest) -> Result<Index> {
    const ACTION: &str = "reading the list of signatures";
    let path = format!("manifests/{tag}");
    let get = || request(Method::GET, remote.url(&path), [(header::ACCEPT, ACCEPT)]);
    let fetch = || async {
        let response = remote.attempt(ACTION, &get).await?;
        let session = &remote.session;
        let over = ErrorKind::TooLarge;
        bounded(session, ACTION, response, LARGEST, over).await
    };
    let mut retries = Retries::new(remote.session.timeouts());
    let bytes = match retries.again(fetch).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Index::empty()),
        Err(error) => return Err(error),
    };
    match Index::read(&bytes) {
        Some(index) => Ok(index),
        // GitLab answers the manifest itself where there is no such tag.
        None if Digest::of(&bytes) == subject => Ok(Index::empty()),
        None => Err(unfit(remote, tag)),
    }
}

/// Something that this would replace, and somebody may need.
fn unfit(remote: &Remote, tag: &str) -> Error {
    let repository = &remote.scope.repository;
    let what =
        format!("has something else in {repository} under {tag}, where signatures are listed");
    let help = format!("Nothing was tagged. Delete the tag {tag} there, if nobody needs it.");
    remote.fault(&what).help(help)
}

async fn write(remote: &Remote, tag: &str, index: &Index) -> Result<()> {
    let written = index.written().ok_or_else(
        || error!(TooLarge: "the list of signatures {tag} would be larger than {LARGEST} bytes"),
    )?;
    let stored = Layer {
        digest: Digest::of(&written),
        size: written.len() as u64,
    };
    let (path, bytes) = (format!("manifests/{tag}"), Bytes::from(written));
    let kind = HeaderValue::from_static(OCI_IMAGE_INDEX_MEDIA_TYPE);
    let put = || {
        let mut put = request(
            Method::PUT,
            remote.url(&path),
            [(CONTENT_TYPE, kind.clone())],
        );
        *put.body_mut() = Some(bytes.clone().into());
        put
    };
    let send = || async {
        let sent = remote.attempt("writing the list of signatures", &put).await;
        // What it lists was written a moment ago.
        sent.map_err(|failure| {
            if failure.unseen_blobs {
                Failure::passing(failure.error)
            } else {
                failure
            }
        })
    };
    let response = Retries::new(remote.session.timeouts()).again(send).await?;
    remote.confirm(&response, &path, stored).await
}
