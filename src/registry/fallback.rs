//! The tag that lists what refers to a manifest, where a registry has no such list itself: OCI
//! distribution specification, "Referrers Tag Schema". Its clients keep it.
//!
//! No registry lets a client say what it replaces. So what was written is read again, after as long
//! as another client needs that read before and writes after, and written again where it is gone.
//! Within the service, one at a time does so.

use super::{
    attached::{Index, LARGEST_LIST, MOST_LISTED, Unfit},
    candidates::fallback_tag,
    manifest::ACCEPT,
    memory::{Charge, Memory},
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
use serde_json::{Value, value::to_raw_value};
use std::{sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::Instant};
use vouch_protocol::ErrorKind;

/// How often what it lists is held at once: as it came, as it was read, as it is written, and as it is
/// known until the next time.
const COPIES: usize = 4;
/// How often it is written before the others are left to it.
const TRIES: usize = 8;
/// How long others are given, at least and at most.
const OTHERS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(2)];

/// Sees to it that the tag lists these, and whatever it listed before.
pub(super) async fn list(remote: &Remote, subject: Digest, entries: &[Value]) -> Result<()> {
    let _turn = turns::take(remote, subject).await?;
    let tag = fallback_tag(subject);
    let memory = Memory::at(remote.session.registry());
    let known = entries.iter().map(to_raw_value).collect();
    let known: Result<Vec<_>, _> = known;
    let mut known =
        known.map_err(|error| error!(Internal: "an entry could not be written").source(error))?;
    for _ in 0..TRIES {
        let began = Instant::now();
        let (mut index, _charge) = read(remote, &tag, subject, &memory).await?;
        if !index.add(known.iter().map(|entry| &**entry)) {
            return Ok(());
        }
        write(remote, &tag, &index).await?;
        known = index.entries();
        let [least, most] = OTHERS;
        let pause = began.elapsed().clamp(least, most);
        tokio::time::sleep(pause.mul_f64(2.0 * jitter())).await;
    }
    let what = format!("does not keep what is written into the list {tag}");
    Err(remote
        .fault(&what)
        .help("Others may write it at this moment. Nothing was tagged: try again."))
}

/// What the tag lists, and what that takes: nothing where it is not there.
async fn read(
    remote: &Remote,
    tag: &str,
    subject: Digest,
    memory: &Arc<Memory>,
) -> Result<(Index, Option<Charge>)> {
    const ACTION: &str = "reading the list of signatures";
    let path = format!("manifests/{tag}");
    let get = || request(Method::GET, remote.url(&path), [(header::ACCEPT, ACCEPT)]);
    let fetch = || async {
        let response = remote.attempt(ACTION, &get).await?;
        let size = response.content_length().map(usize::try_from);
        let size = size.and_then(Result::ok).unwrap_or(LARGEST_LIST);
        let charge = memory.charge(COPIES * size.min(LARGEST_LIST)).await?;
        let session = &remote.session;
        let over = ErrorKind::TooLarge;
        let bytes = bounded(session, ACTION, response, LARGEST_LIST, over).await?;
        Ok::<_, Failure>((bytes, charge))
    };
    let mut retries = Retries::new(remote.session.timeouts());
    let (bytes, charge) = match retries.again(fetch).await {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Index::empty(), None)),
        Err(error) if error.kind() == ErrorKind::TooLarge => return Err(too_long(remote, tag)),
        Err(error) => return Err(error),
    };
    // What others have listed may be large: it holds up nobody else.
    let read = spawn_blocking(move || match Index::read(&bytes) {
        // GitLab answers the manifest itself where there is no such tag.
        Err(Unfit::Other) if Digest::of(&bytes) == subject => Ok(Index::empty()),
        read => read,
    });
    match read.await? {
        Ok(index) => Ok((index, Some(charge))),
        Err(Unfit::Other) => Err(unfit(remote, tag)),
        Err(Unfit::TooLong) => Err(too_long(remote, tag)),
    }
}

fn too_long(remote: &Remote, tag: &str) -> Error {
    let repository = &remote.scope.repository;
    let message = format!(
        "{} lists too much in {repository} under {tag} to add to it: no more than {MOST_LISTED} \
         manifests in {LARGEST_LIST} bytes are read there",
        remote.session.registry()
    );
    let help = format!("Nothing was tagged. Delete what nobody needs of what {tag} lists there.");
    Error::new(ErrorKind::TooLarge, message).help(help)
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
    let written = index.written().ok_or_else(|| too_long(remote, tag))?;
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
