//! SIGHUP: the config is read again. One with an error changes nothing but what the log and
//! `server/status` say.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use vouchd::{
    config::{Config, Idle},
    error::{Error, Result},
    service::Service,
};

/// Listens to the signal from now on. `named` is the file that was named at the start, absolute;
/// `idle` says when a service of such a config ends, if it does.
pub(crate) fn on_hangup(
    service: &Arc<Service>,
    named: Option<PathBuf>,
    idle: impl Fn(&Config) -> Option<Idle> + Send + Sync + 'static,
) -> Result<()> {
    let hangups = signal(SignalKind::hangup()).map_err(|error| {
        let message = format!("cannot listen to signals: {error}");
        Error::new(vouch_protocol::ErrorKind::Io, message).source(error)
    })?;
    // It must not keep the service, and what is secret in it, from its end.
    tokio::spawn(listen(
        hangups,
        Arc::downgrade(service),
        named,
        Arc::new(idle),
    ));
    Ok(())
}

async fn listen<I>(
    mut hangups: Signal,
    service: Weak<Service>,
    named: Option<PathBuf>,
    idle: Arc<I>,
) where
    I: Fn(&Config) -> Option<Idle> + Send + Sync + 'static,
{
    while hangups.recv().await.is_some() {
        let (service, named, idle) = (service.clone(), named.clone(), Arc::clone(&idle));
        let read = tokio::task::spawn_blocking(move || {
            let Some(service) = service.upgrade() else {
                return;
            };
            let config = Config::load(named.as_deref());
            let path = config.as_ref().ok().and_then(|config| config.path.clone());
            let path = path.map(|path| path.display().to_string());
            let ends = config.as_ref().ok().and_then(&*idle);
            match service.reload(config) {
                Ok(()) => {
                    ends.into_iter().for_each(|ends| service.end_when(ends));
                    tracing::info!(path, "the config was read again");
                }
                Err(error) => {
                    let help = error.data().help;
                    tracing::error!(%error, help, "the config stays as it was");
                }
            }
        });
        // A panic was logged by the hook, and the config stays as it was.
        let _ = read.await;
    }
}
