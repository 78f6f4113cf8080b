//! What the methods share.

use super::{
    history::History, memory::Memory, opened::Room, questions::LookUps, restarts::Restarts,
    turns::Turns, under_way::UnderWay,
};
use crate::{
    artifact::Cache,
    config::{Config, Idle},
    error::Result,
    session::Sessions,
    trust::{Now, Pins, Policy},
};
use parking_lot::{Mutex, RwLock};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the config decides. A request keeps the settings that it began with.
#[derive(Debug)]
pub(super) struct Settings {
    /// Without its registries: `sessions` has those.
    pub(super) config: Config,
    pub(super) sessions: Sessions,
    /// Or why it cannot be used.
    pub(super) policy: Result<Arc<Policy>>,
    /// Files that were verified under the config's limits.
    pub(super) cache: Arc<Cache>,
    /// Published artifacts that were examined under them.
    pub(super) memory: Arc<Memory>,
}

impl Settings {
    pub(super) fn new(
        config: Config,
        sessions: Sessions,
        cache: Arc<Cache>,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            policy: config.policy().map(Arc::new),
            config,
            sessions,
            cache,
            memory,
        }
    }
}

/// How it went when the config was read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// How often it has been read.
    pub(super) times: u64,
    /// Why it could not be used the last time.
    pub(super) error: Option<String>,
}

/// What the methods share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: RwLock<Arc<Settings>>,
    /// Whose signatures were seen.
    pub(super) pins: Pins,
    /// When the config was last read.
    pub(super) reading: Mutex<Reading>,
    pub(super) socket: Option<PathBuf>,
    /// The file that is logged to.
    pub(super) log: Option<PathBuf>,
    pub(super) started: Instant,
    pub(super) turns: Turns,
    pub(super) look_ups: LookUps,
    /// For the texts that editors have open.
    pub(super) texts: Arc<Room>,
    pub(super) connections: AtomicU64,
    pub(super) under_way: Arc<UnderWay>,
    pub(super) history: History,
    /// When it ends by itself. The command line may differ from the config.
    pub(super) ends: Mutex<Idle>,
    /// When the last connection or request ended.
    pub(super) last: Mutex<Instant>,
    /// Wakes tasks that wait for the end of connections and requests.
    pub(super) idle: Notify,
    pub(super) stopping: CancellationToken,
    pub(super) restarts: Restarts,
    /// Whether another process has taken over.
    pub(super) leaving: AtomicBool,
    /// Whether it gives up what is still under way.
    pub(super) gives_up: AtomicBool,
}

impl State {
    /// What holds for a request that begins now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// What is judged by, as of now.
    pub(super) fn now(&self) -> Now {
        Now {
            policy: self.settings().policy.clone(),
            pins: self.pins.clone(),
            time: SystemTime::now(),
        }
    }

    pub(super) fn reading(&self) -> Reading {
        self.reading.lock().clone()
    }

    pub(super) fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::Acquire)
    }
}
