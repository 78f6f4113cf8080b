//! A repository in a registry: addresses in it, and what its answers are worth.

use super::manifest::ACCEPT;
use crate::{
    error::{Error, Result},
    name::{Digest, RegistryReference},
    session::{Action, Failure, Scope, Session, Sessions, request},
    trust::Layer,
};
use reqwest::{
    Method, Request, Response, StatusCode, Url,
    header::{self, ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue, RANGE},
};
use std::sync::Arc;
use vouch_protocol::ErrorKind;

/// A repository in a registry, with the login that is used there.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) session: Arc<Session>,
    pub(super) scope: Scope,
}

impl Remote {
    pub(super) async fn new(
        sessions: &Sessions,
        reference: &RegistryReference,
        action: Action,
    ) -> Result<Self> {
        let RegistryReference {
            registry,
            repository,
            ..
        } = reference;
        Ok(Self {
            session: sessions.session(registry, repository).await?,
            scope: Scope::new(repository, action),
        })
    }

    /// An address below the repository's.
    pub(super) fn url(&self, rest: &str) -> Url {
        let mut url = self.session.base().clone();
        // A repository's and a tag's characters need no escapes; a colon in a digest neither.
        url.set_path(&format!("/v2/{}/{rest}", self.scope.repository));
        url
    }

    /// A request for a blob, or for a range of it: for its bytes as they are, of which the digest
    /// is.
    pub(super) fn get_blob(&self, digest: Digest, range: Option<String>) -> Request {
        let range = range.and_then(|range| HeaderValue::try_from(range).ok());
        let range = range.map(|range| (RANGE, range));
        let identity = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let headers = [Some(identity), range].into_iter().flatten();
        request(Method::GET, self.url(&format!("blobs/{digest}")), headers)
    }

    /// Sends a request for the repository once: see [`Session::attempt`].
    pub(super) async fn attempt(
        &self,
        action: &str,
        build: &impl Fn() -> Request,
    ) -> Result<Response, Failure> {
        self.session.attempt(action, &self.scope, build).await
    }

    /// What is wrong with the registry; `what` goes on behind its name.
    pub(super) fn fault(&self, what: &str) -> Error {
        self.session.fault(ErrorKind::RegistryError, what)
    }

    /// An error about something that may not be there.
    pub(super) fn missing(&self, what: &str, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        let what = format!("has no {what}: {error}");
        let help = "Check the spelling. A private repository may answer like this without a login.";
        let error = self.session.fault(ErrorKind::NotFound, &what).help(help);
        error.status(StatusCode::NOT_FOUND.as_u16())
    }

    /// Whether a blob is there. One of which the registry does not clearly say so is uploaded: a
    /// HEAD may be redirected to storage that answers 403 to anything but a GET, and web servers
    /// answer 200 to everything.
    pub(super) async fn has(&self, blob: Layer) -> Result<bool> {
        let path = format!("blobs/{}", blob.digest);
        match self.head("looking for a blob", &path).await {
            Ok(response) => Ok(is_of(&response, blob)),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => Ok(false),
                ErrorKind::Denied | ErrorKind::RegistryRefused => {
                    tracing::debug!(%error, "whether a blob is there is not known");
                    Ok(false)
                }
                _ => Err(error),
            },
        }
    }

    /// Fails unless the registry's answer to a PUT confirms what it has stored at `path`. That is
    /// 201, which must not name another digest. Of any other success, the registry is asked: some
    /// answer 202 or 204.
    pub(super) async fn confirm(
        &self,
        response: &Response,
        path: &str,
        stored: Layer,
    ) -> Result<()> {
        let digest = stored.digest;
        match claimed_digest(response) {
            Some(other) if other != digest => {
                let what = format!("says that it stored {other}, but {digest} was sent");
                return Err(self.fault(&what));
            }
            _ if response.status() == StatusCode::CREATED => return Ok(()),
            _ => {}
        }
        match self.head("confirming what was stored", path).await {
            Ok(head) if is_of(&head, stored) && claimed_digest(&head) == Some(digest) => Ok(()),
            _ => Err(self.fault(&format!(
                "answered {} instead of 201, and does not confirm that it has {digest}",
                response.status().as_u16()
            ))),
        }
    }

    async fn head(&self, action: &str, path: &str) -> Result<Response> {
        let head = || request(Method::HEAD, self.url(path), [(header::ACCEPT, ACCEPT)]);
        self.session.send(action, &self.scope, head).await
    }
}

/// Whether the answer to a HEAD is of that content: its length and its digest fit, as far as they
/// are given, and one of them is.
fn is_of(head: &Response, content: Layer) -> bool {
    let length = head.headers().get(CONTENT_LENGTH).map(|length| {
        let length = length.to_str().ok().and_then(|length| length.parse().ok());
        length == Some(content.size)
    });
    let digest = claimed_digest(head).map(|digest| digest == content.digest);
    head.status() == StatusCode::OK
        && length.or(digest).is_some()
        && [length, digest].into_iter().flatten().all(|fits| fits)
}

/// The digest that a registry says it has stored, or sends. Other algorithms than ours are ignored.
pub(super) fn claimed_digest(response: &Response) -> Option<Digest> {
    let value = response.headers().get("docker-content-digest")?;
    value.to_str().ok()?.parse().ok()
}
