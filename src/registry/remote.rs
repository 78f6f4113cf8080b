//! A repository in a registry: addresses in it, and what its answers are worth.

use crate::{
    error::{Error, Result},
    name::{Digest, RegistryReference},
    session::{Action, Scope, Session, Sessions},
};
use reqwest::{Response, Url};
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
    pub(super) fn url(&self, base: &Url, rest: &str) -> Url {
        let mut url = base.clone();
        // A repository's and a tag's characters need no escapes; a colon in a digest neither.
        url.set_path(&format!("/v2/{}/{rest}", self.scope.repository));
        url
    }

    /// Whether a blob is there.
    pub(super) async fn has(&self, digest: Digest) -> Result<bool> {
        let path = format!("blobs/{digest}");
        let answer = self
            .session
            .send("looking for a blob", &self.scope, |client, base| {
                client.head(self.url(base, &path))
            })
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The digest that a registry says it has stored, or sends. Other algorithms are nothing to us.
pub(super) fn claimed_digest(response: &Response) -> Option<Digest> {
    let value = response.headers().get("docker-content-digest")?;
    value.to_str().ok()?.parse().ok()
}

/// Fails where a registry says that it stored something else than was sent.
pub(super) fn agree(session: &Session, response: &Response, digest: Digest) -> Result<(), Error> {
    match claimed_digest(response) {
        Some(other) if other != digest => Err(session.error(
            ErrorKind::RegistryError,
            format!(
                "{} says that it stored {other}, but {digest} was sent",
                session.registry()
            ),
        )),
        _ => Ok(()),
    }
}
