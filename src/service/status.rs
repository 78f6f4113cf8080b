//! `server/status`: what the server is doing.

use super::{BUILD, VERSION, request::Request};
use crate::{error::Result, session};
use std::{path::Path, sync::atomic::Ordering, time::Duration};
use vouch_protocol::{CacheStatus, NoParams, PROTOCOL_VERSION, RequestStatus, ServerStatusResult};

#[allow(clippy::unnecessary_wraps)]
pub(super) fn status(request: &Request, _: NoParams) -> Result<ServerStatusResult> {
    let state = request.state();
    let settings = request.settings();
    let (entries, capacity) = settings.cache.fill();
    let requests = state
        .under_way()
        .values()
        .map(|under_way| RequestStatus {
            method: under_way.method.into(),
            client: under_way.caller.name().map(Into::into),
            age_milliseconds: milliseconds(under_way.since.elapsed()),
            bytes: under_way.progress.bytes(),
        })
        .collect();
    let shown = |path: &Path| path.display().to_string();
    Ok(ServerStatusResult {
        version: VERSION.into(),
        build: BUILD.map(Into::into),
        protocol_version: PROTOCOL_VERSION.into(),
        process_id: std::process::id(),
        uptime_seconds: state.started.elapsed().as_secs(),
        socket: state.socket.as_deref().map(shown),
        config: settings.config.path.as_deref().map(shown),
        idle: state.idle_status(),
        connections: state.connections.load(Ordering::Relaxed),
        requests,
        cache: CacheStatus {
            entries: entries as u64,
            capacity: capacity as u64,
        },
        credential_files: settings.sessions.files(),
        environment: session::environment()
            .map(|(name, value)| (name.to_owned(), value.to_string_lossy().into_owned()))
            .collect(),
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
