//! Logins of `session/login`: checked with the registry, and kept in memory only.

use super::{
    Credential, Host, Place, Session, Sessions, lock,
    sessions::{Others, SESSIONS},
};
use crate::{
    error::{Error, Result},
    name::Registry,
};
use futures_util::future::join_all;
use reqwest::{Client, Url};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, Weak, atomic::Ordering},
};
use vouch_protocol::{ErrorKind, SessionStatus};

/// The logins that are kept, by registry.
#[derive(Default)]
pub(super) struct Logins(Mutex<BTreeMap<Registry, Kept>>);

struct Kept {
    session: Arc<Session>,
    /// Those that it replaced: work that began with them goes on, until the logout.
    before: Vec<Weak<Session>>,
}

impl Logins {
    /// The session of a registry's login, spoken to as `host` says. Where the config says something
    /// else than when the login was made, it moves: the credential stays, tokens do not.
    pub(super) fn of(&self, host: &Arc<Host>, sessions: &Sessions) -> Option<Arc<Session>> {
        let mut logins = lock(&self.0);
        let kept = logins.get_mut(&host.registry)?;
        let same = |session: &Session| session.host.section == host.section;
        if same(&kept.session) {
            return Some(Arc::clone(&kept.session));
        }
        // It has a login, or it would not be kept.
        let login = kept.session.carry()?;
        // What began under the config before goes on as it began.
        let mut before = kept.before.iter().filter_map(Weak::upgrade);
        if let Some(session) = before.find(|session| same(session) && session.has(&login)) {
            return Some(session);
        }
        let credential = login.credential();
        let (timeouts, clock) = (&sessions.timeouts, &sessions.clock);
        let moved = Session::new(Arc::clone(host), Place::Memory, credential, timeouts, clock);
        moved.update(&login);
        kept.replace(Arc::clone(&moved));
        Some(moved)
    }

    /// The registries that somebody is logged in to.
    pub(super) fn registries(&self) -> Vec<Registry> {
        lock(&self.0).keys().cloned().collect()
    }

    /// Keeps a login that was checked.
    pub(super) fn keep(&self, registry: Registry, session: Arc<Session>) -> Result<()> {
        let mut kept = lock(&self.0);
        if kept.len() >= SESSIONS.get() && !kept.contains_key(&registry) {
            let message = format!("{SESSIONS} logins are kept already");
            return Err(Error::new(ErrorKind::InvalidParams, message)
                .help("Log out of a registry that is not needed."));
        }
        if let Some(kept) = kept.get_mut(&registry) {
            kept.replace(session);
        } else {
            let before = Vec::new();
            kept.insert(registry, Kept { session, before });
        }
        Ok(())
    }

    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        let kept = lock(&self.0);
        kept.values()
            .map(|kept| Arc::clone(&kept.session))
            .collect()
    }
}

impl Kept {
    /// Takes another session in place of the one that is kept; that one's work goes on.
    fn replace(&mut self, session: Arc<Session>) {
        let replaced = std::mem::replace(&mut self.session, session);
        self.before.retain(|session| session.strong_count() > 0);
        self.before.push(Arc::downgrade(&replaced));
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.0).keys()).finish()
    }
}

impl Sessions {
    /// Checks a login with its registry, and keeps it if the registry accepts it. One that was kept
    /// before is replaced; it stays where the new one is refused.
    pub(crate) async fn login(
        &self,
        registry: &Registry,
        credential: Credential,
    ) -> Result<SessionStatus> {
        let host = self.host(registry)?;
        let session = Session::new(
            host,
            Place::Memory,
            Some(credential),
            &self.timeouts,
            &self.clock,
        );
        let name = registry.clone();
        // OCI distribution specification, "Determining Support": it asks whoever needs a login.
        let build = |client: &Client, base: &Url| {
            let mut url = base.clone();
            url.set_path("/v2/");
            client.get(url)
        };
        let checked = session.repeat("checking the login", None, &build).await;
        match checked {
            Ok(_) => {}
            // It was let in, and may not see this address. What never asked for a login has
            // not looked at one.
            Err(error)
                if error.kind() == ErrorKind::NotFound && session.host.challenge().is_some() =>
            {
                session.think(vouch_protocol::SessionState::Accepted);
            }
            Err(error) => {
                session.end("it was refused".into());
                return Err(error);
            }
        }
        let status = session.status();
        self.logins.keep(name, session)?;
        Ok(status)
    }

    /// Forgets a login, its tokens, and ends what is under way with it. Answers whether there was
    /// one.
    pub(crate) fn logout(&self, registry: &Registry) -> Result<bool> {
        let host = self.host(registry)?;
        let Some(kept) = lock(&self.logins.0).remove(&host.registry) else {
            return Ok(false);
        };
        let before = kept.before.iter().filter_map(Weak::upgrade);
        for session in before.chain([kept.session]) {
            session.end("`session/logout` was asked for".into());
        }
        Ok(true)
    }

    /// The sessions there are.
    pub(crate) async fn list(&self) -> Vec<SessionStatus> {
        // A `docker logout` since the last use counts here too; all are asked side by side, as a
        // helper may take its time.
        let sessions = self.all();
        let statuses = sessions.iter().map(|session| async {
            match session.confirm().await {
                Err(_) if session.end.is_cancelled() => None,
                _ => Some(session.status()),
            }
        });
        sorted(join_all(statuses).await.into_iter().flatten())
    }

    /// The same as they were when they were last looked at: no file is read and no helper asked.
    pub(crate) fn known(&self) -> Vec<SessionStatus> {
        let sessions = self.all();
        let alive = sessions
            .iter()
            .filter(|session| !session.end.is_cancelled());
        sorted(alive.map(|session| session.status()))
    }

    fn all(&self) -> Vec<Arc<Session>> {
        let mut sessions = self.logins.sessions();
        sessions.extend(
            lock(&self.others.0)
                .iter()
                .map(|(_, session)| Arc::clone(session)),
        );
        sessions
    }
}

fn sorted(list: impl Iterator<Item = SessionStatus>) -> Vec<SessionStatus> {
    let mut list: Vec<_> = list.collect();
    list.sort_by(|one, other| {
        (&one.registry, one.source, &one.user).cmp(&(&other.registry, other.source, &other.user))
    });
    list
}

// Secrets are overwritten when the service ends, even if a task still holds its session.

impl Drop for Logins {
    fn drop(&mut self) {
        for kept in lock(&self.0).values() {
            kept.session.end("the service is stopping".into());
        }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for (_, session) in lock(&self.0).iter() {
            session.end("the service is stopping".into());
        }
    }
}

impl Session {
    /// What may be told of it.
    fn status(&self) -> SessionStatus {
        let now = self.clock.now();
        let (scopes, expires) = self.tokens.scopes(now);
        let origin = match &self.place {
            Place::File(origin) => Some(origin),
            Place::Memory | Place::Nowhere => None,
        };
        let used = self.used.load(Ordering::Relaxed);
        SessionStatus {
            registry: self.registry().to_owned(),
            user: self.user.clone(),
            source: self.source(),
            path: origin.map(|origin| origin.path().display().to_string()),
            helper: origin.and_then(super::Origin::helper),
            state: *lock(&self.state),
            scopes,
            expires_in_seconds: expires.map(|left| left.as_secs()),
            last_used_seconds: (used > 0).then(|| now.as_secs().saturating_sub(used)),
        }
    }
}
