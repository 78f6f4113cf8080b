//! Who asks: one connection.

use super::opened::Opened;
use crate::error::{Result, clean_to, error};
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::sync::Notify;
use vouch_protocol::{ClientInfo, InitializeParams};

/// The longest name of a client that is kept, in characters.
const NAME: usize = 100;

/// A connection, and what its client says about itself.
#[derive(Debug)]
pub struct Caller {
    number: u64,
    introduction: OnceLock<(Option<ClientInfo>, Option<Pid>)>,
    /// What it has open, if it is an editor.
    opened: OnceLock<Arc<Opened>>,
    can_be_told: AtomicBool,
    shut_down: AtomicBool,
    /// Wakes those who wait for its last answer.
    pub(super) answered: Notify,
}

impl Default for Caller {
    fn default() -> Self {
        Self::new()
    }
}

impl Caller {
    /// A connection that has said nothing yet.
    pub fn new() -> Self {
        static CALLERS: AtomicU64 = AtomicU64::new(0);
        Self {
            number: CALLERS.fetch_add(1, Ordering::Relaxed),
            introduction: OnceLock::new(),
            opened: OnceLock::new(),
            can_be_told: AtomicBool::new(false),
            shut_down: AtomicBool::new(false),
            answered: Notify::new(),
        }
    }

    /// Tells it from all other connections of this process.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The client's name, as it introduced itself.
    pub fn name(&self) -> Option<&str> {
        let (client, _) = self.introduction.get()?;
        client.as_ref().map(|client| client.name.as_str())
    }

    /// The client's process, if it named one that could be seen.
    pub fn process(&self) -> Option<Pid> {
        self.introduction.get()?.1
    }

    /// Keeps what the client says about itself; fails the second time.
    pub(super) fn introduce(&self, params: InitializeParams) -> Result<()> {
        let named = params.client_info.filter(|client| !client.name.is_empty());
        let client = named.map(|mut client| {
            client.name = clean_to(&client.name, NAME);
            client
        });
        // Looked at now, while the client waits for its answer: later it may have ended, and look
        // like one that cannot be seen from here.
        let process = params
            .process_id
            .and_then(|process| i32::try_from(process).ok())
            .and_then(Pid::from_raw)
            .filter(|process| test_kill_process(*process) != Err(Errno::SRCH));
        self.introduction.set((client, process)).map_err(|_| {
            error!(InvalidRequest: "this connection has already been initialized")
                .help("Send `initialize` once, or open another connection.")
        })
    }

    /// Says that the client can be told what it did not ask for: not over HTTP.
    pub fn may_be_told(&self) {
        self.can_be_told.store(true, Ordering::Release);
    }

    pub(super) fn can_be_told(&self) -> bool {
        self.can_be_told.load(Ordering::Acquire)
    }

    /// Keeps what the client has open, which makes it an editor.
    pub(super) fn edits(&self, opened: Opened) {
        // A client introduces itself once.
        let _ = self.opened.set(Arc::new(opened));
    }

    /// Whether it is an editor.
    pub fn is_editor(&self) -> bool {
        self.opened.get().is_some()
    }

    pub(super) fn opened(&self) -> Option<&Arc<Opened>> {
        self.opened.get()
    }

    /// Whether the client has said that it sends no more requests.
    pub fn has_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    pub(super) fn shut_down(&self) {
        self.shut_down.store(true, Ordering::Release);
    }
}
