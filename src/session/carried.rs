//! Logins that live in memory only: which they are, and how they reach the process that takes over
//! from this one. They are written to nothing but the private channel between the two, and every
//! copy is overwritten after use.

use super::{Credential, Place, Secret, Session, Sessions, lock, sessions::Key};
use crate::name::Registry;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use vouch_protocol::{LoginSource, SessionState};
use zeroize::Zeroizing;

/// A login on its way to another process, which may be of another version: members are only ever
/// added, and read with a default.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    registry: String,
    /// Where it is filed: the file's kind, its path, and the entry's name. Absent for those of
    /// `session/login`.
    #[serde(default)]
    filed: Option<(LoginSource, String, String)>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<Zeroizing<String>>,
    #[serde(default)]
    token: Option<Zeroizing<String>>,
    /// The refresh token in place of `token`.
    #[serde(default)]
    rotated: Option<Zeroizing<String>>,
    #[serde(default = "untried")]
    state: SessionState,
    /// The second of its last use, as the machine's clock since its start counts them.
    #[serde(default)]
    used: u64,
}

fn untried() -> SessionState {
    SessionState::Untried
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

/// What came from the process before this one.
#[derive(Default)]
pub(super) struct Arrived {
    /// The logins of `session/login` that came, by registry.
    logins: HashMap<Registry, Weak<Session>>,
    /// Those with refresh tokens whose sessions have not begun here yet.
    waiting: Vec<Carried>,
}

impl Sessions {
    /// The registries whose logins would be lost with this process, and how long ago each was
    /// used. These are the logins of `session/login`, and those whose refresh token a registry
    /// has replaced since their file was written.
    pub(crate) fn in_memory(&self) -> Vec<(String, Duration)> {
        let now = self.clock.now();
        // The hours in which the machine slept count.
        let unused = |used| now.saturating_sub(Duration::from_secs(used));
        let mut found: Vec<_> = self
            .living()
            .iter()
            .map(|session| (session.registry().to_owned(), unused(session.last_used())))
            .collect();
        let arrived = lock(&self.arrived);
        let waiting = arrived.waiting.iter();
        found.extend(waiting.map(|carried| (carried.registry.clone(), unused(carried.used))));
        found
    }

    /// The sessions whose logins live in memory only.
    fn living(&self) -> Vec<Arc<Session>> {
        let mut living = self.logins.sessions();
        let others = lock(&self.others.0);
        let rotated = others.iter().map(|(_, session)| session);
        living.extend(rotated.filter(|session| session.has_rotated()).cloned());
        living
    }

    /// These logins, for the process that takes over.
    pub(crate) fn carry(&self) -> Vec<Carried> {
        let mut carried: Vec<_> = self
            .living()
            .iter()
            .filter_map(|session| session.carry())
            .collect();
        carried.extend(lock(&self.arrived).waiting.iter().cloned());
        carried
    }

    /// Takes what the process before this one had, or has got since. What was logged in or out
    /// here in the meantime is newer.
    pub(crate) fn arrive(&self, logins: Vec<Carried>) {
        for carried in logins {
            let arrived = if carried.filed.is_some() {
                self.arrive_rotated(carried);
                continue;
            } else {
                self.arrive_login(&carried)
            };
            if let Err(error) = arrived {
                tracing::warn!(registry = carried.registry, %error, "a login was lost");
            }
        }
    }

    fn arrive_login(&self, carried: &Carried) -> crate::error::Result<()> {
        let host = self.host(&self.plain_hosts().registry(&carried.registry)?)?;
        let registry = host.registry.clone();
        let mut arrived = lock(&self.arrived);
        let before = arrived.logins.get(&registry).map(Weak::as_ptr);
        let here = self.logins.of(&host, self);
        if before != here.as_ref().map(Arc::as_ptr) {
            return Ok(());
        }
        if let Some(session) = here.filter(|session| session.has(carried)) {
            session.update(carried);
            return Ok(());
        }
        let credential = carried.credential();
        let session = Session::new(host, Place::Memory, credential, &self.timeouts, &self.clock);
        session.update(carried);
        session.think(carried.state);
        arrived
            .logins
            .insert(registry.clone(), Arc::downgrade(&session));
        drop(arrived);
        self.logins.keep(registry, session)
    }

    fn arrive_rotated(&self, carried: Carried) {
        let others = lock(&self.others.0);
        let mut begun = others.iter().filter(|(key, _)| carried.is_of(key));
        if let Some((_, session)) = begun.next() {
            session.update(&carried);
            return;
        }
        let waiting = &mut lock(&self.arrived).waiting;
        waiting.retain(|before| !before.is_same_place(&carried));
        waiting.push(carried);
    }

    /// Gives a session that begins here the refresh token that came for it.
    pub(super) fn welcome(&self, key: &Key, session: &Session) {
        let waiting = &mut lock(&self.arrived).waiting;
        for carried in waiting.extract_if(.., |carried| carried.is_of(key)) {
            session.update(&carried);
        }
    }
}

impl Session {
    fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The login as it is, if there is one.
    pub(super) fn carry(&self) -> Option<Carried> {
        let filed = match &self.place {
            Place::Memory => None,
            Place::File(origin) => {
                let (source, path, key) = origin.identity();
                Some((source, path.into_os_string().into_string().ok()?, key))
            }
            Place::Nowhere => return None,
        };
        let copied = |secret: &Secret| Zeroizing::new(secret.reveal().to_owned());
        let login = lock(&self.login);
        let (password, token) = match login.credential.as_ref()? {
            Credential::Password { password, .. } => (Some(copied(password)), None),
            Credential::IdentityToken { token, .. } => (None, Some(copied(token))),
        };
        Some(Carried {
            registry: self.registry().to_owned(),
            filed,
            user: self.user.clone(),
            password,
            token,
            rotated: login.rotated.as_ref().map(copied),
            state: *lock(&self.state),
            used: self.last_used(),
        })
    }

    /// Whether that is this login.
    pub(super) fn has(&self, carried: &Carried) -> bool {
        lock(&self.login).credential == carried.credential()
    }

    /// Takes what was known elsewhere of the same login: in the process before this one, or under
    /// the config before this one.
    pub(super) fn update(&self, carried: &Carried) {
        self.used.fetch_max(carried.used, Ordering::Relaxed);
        let mut login = lock(&self.login);
        if let Some(rotated) = &carried.rotated
            && login.credential == carried.credential()
        {
            login.rotated = Some(Secret::new(rotated.as_str()));
        }
    }
}

impl Carried {
    pub(super) fn credential(&self) -> Option<Credential> {
        let secret = |text: &Zeroizing<String>| Secret::new(text.as_str());
        match (&self.user, &self.password, &self.token) {
            (Some(username), Some(password), None) => Some(Credential::Password {
                username: username.clone(),
                password: secret(password),
            }),
            (username, None, Some(token)) => Some(Credential::IdentityToken {
                username: username.clone(),
                token: secret(token),
            }),
            _ => None,
        }
    }

    /// Whether a session of this key is of that login.
    fn is_of(&self, key: &Key) -> bool {
        let filed = key.filed.as_ref().zip(self.filed.as_ref());
        self.registry == key.registry.as_str()
            && self.user == key.user
            && filed.is_some_and(|(one, other)| {
                one.0 == other.0 && one.1.to_str() == Some(&other.1) && one.2 == other.2
            })
    }

    /// Whether both are the login of one user in one place.
    fn is_same_place(&self, other: &Self) -> bool {
        (&self.registry, &self.filed, &self.user) == (&other.registry, &other.filed, &other.user)
    }

    /// The longest that it can get as JSON, where each byte may take six.
    pub(crate) fn longest(&self) -> usize {
        let length = |text: &Option<Zeroizing<String>>| text.as_ref().map_or(0, |text| text.len());
        let filed = |(_, path, key): &(_, String, String)| path.len() + key.len();
        let texts = self.registry.len()
            + self.filed.as_ref().map_or(0, filed)
            + self.user.as_ref().map_or(0, String::len)
            + length(&self.password)
            + length(&self.token)
            + length(&self.rotated);
        texts * 6 + 512
    }
}
