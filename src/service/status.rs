//! `server/status`: what the server is doing.

use super::{BUILD, VERSION, request::Request, under_way::Running};
use crate::{error::Result, session, trust::Policy};
use std::{
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};
use vouch_protocol::{
    CacheStatus, NoParams, PROTOCOL_VERSION, RequestStatus, RootStatus, ServerStatusResult,
    TrustStatus,
};

/// The most requests under way that are listed: the answer stays small.
const REQUESTS: usize = 256;
/// The most signers that are listed of a root.
const SIGNERS: usize = 16;

#[allow(clippy::unnecessary_wraps)]
pub(super) fn status(request: &Request, _: NoParams) -> Result<ServerStatusResult> {
    let state = request.state();
    let settings = request.settings();
    let (entries, capacity) = settings.cache.fill();
    let requests = state.under_way.oldest(REQUESTS);
    let reading = state.reading();
    let policy = settings.policy.as_deref();
    let section = policy.ok().map(Policy::section);
    let file = settings.config.path.clone();
    let file = file.or_else(vouch_protocol::paths::config_file);
    let shown = |path: &Path| path.display().to_string();
    Ok(ServerStatusResult {
        version: VERSION.into(),
        build: BUILD.map(Into::into),
        protocol_version: PROTOCOL_VERSION.into(),
        process_id: std::process::id(),
        uptime_seconds: state.started.elapsed().as_secs(),
        socket: state.socket.as_deref().map(shown),
        config: settings.config.path.as_deref().map(shown),
        config_error: reading.error,
        trust: TrustStatus {
            file: file.as_deref().map(shown),
            digest: settings.config.digest.map(|digest| digest.to_string()),
            reads: reading.times,
            error: policy.err().map(ToString::to_string),
            signers: section.map_or(0, |section| section.signer.len() as u64),
            roots: policy.ok().map_or_else(Vec::new, roots),
            rules: section.map_or(0, |section| section.rule.len() as u64),
            pins: state.pins.path().as_deref().map(shown),
            pins_error: state.pins.trouble().map(|trouble| trouble.to_string()),
        },
        proxy_error: settings.sessions.proxy_problem(),
        log: state.log.as_deref().map(shown),
        idle: state.idle_status(),
        connections: state.connections.load(Ordering::Relaxed),
        requests: requests
            .iter()
            .map(|running| shown_request(running))
            .collect(),
        requests_under_way: state.under_way.count() as u64,
        outcomes: state.history.outcomes(),
        last_errors: state.history.errors(),
        // As they are known: nobody waits for a helper here.
        sessions: settings.sessions.known(),
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

/// The roots that count, and what is to be known of them now.
fn roots(policy: &Policy) -> Vec<RootStatus> {
    let now = SystemTime::now();
    let roots = policy.roots();
    let roots = roots.iter().map(|root| {
        let mut status = root.on_the_wire(now);
        status.signers.truncate(SIGNERS);
        status
    });
    roots.collect()
}

fn shown_request(running: &Running) -> RequestStatus {
    let count = running.progress.count();
    RequestStatus {
        method: running.method.into(),
        client: running.caller.name().map(Into::into),
        reference: running.reference.get().cloned(),
        path: running.path.get().cloned(),
        age_milliseconds: milliseconds(running.since.elapsed()),
        phase: running.progress.phase().name().into(),
        bytes: count.bytes,
        total: count.total,
        percentage: count.percentage(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
