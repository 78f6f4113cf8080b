//! SIGHUP: the config is read again. One with an error changes nothing but what the log and
//! `server/status` say.

use crate::{logging, settings::check_level};
use std::sync::{Arc, Weak};
use tokio::signal::unix::{Signal, SignalKind, signal};
use vouchd::{
    config::Config,
    error::{Error, Result},
    service::Service,
    transport::notify,
};

/// Listens to the signal from now on. `read` reads the config.
pub(crate) fn on_hangup(
    service: &Arc<Service>,
    read: impl Fn() -> Result<Config> + Send + Sync + 'static,
) -> Result<()> {
    let hangups = signal(SignalKind::hangup()).map_err(|error| {
        let message = format!("cannot listen to signals: {error}");
        Error::new(vouch_protocol::ErrorKind::Io, message).source(error)
    })?;
    // It must not keep the service, and what is secret in it, from its end.
    let service = Arc::downgrade(service);
    let again = move || reload(&service, &read);
    tokio::spawn(listen(hangups, Arc::new(again)));
    Ok(())
}

async fn listen(mut hangups: Signal, again: Arc<impl Fn() + Send + Sync + 'static>) {
    while hangups.recv().await.is_some() {
        let again = Arc::clone(&again);
        // A panic was logged by the hook, and the config stays as it was.
        let _ = tokio::task::spawn_blocking(move || again()).await;
    }
}

fn reload(service: &Weak<Service>, read: impl Fn() -> Result<Config>) {
    let Some(service) = service.upgrade() else {
        return;
    };
    // Whether or not it can be taken, the reading has an end.
    let _reloading = notify::reloading();
    let read = read().and_then(|config| {
        check_level(&config)?;
        Ok((config.idle.clone(), config.log.level.clone(), config))
    });
    let (idle, level, config) = match read {
        Ok((idle, level, config)) => (Some(idle), level, Ok(config)),
        Err(error) => (None, None, Err(error)),
    };
    let path = config.as_ref().ok().and_then(|config| config.path.clone());
    if let Err(error) = service.reload(config) {
        let help = error.data().help;
        tracing::error!(%error, help, "the config stays as it was");
        return;
    }
    if let Some(idle) = idle {
        service.end_when(idle);
    }
    if let Err(error) = logging::change(level.as_deref().unwrap_or(logging::USUAL)) {
        tracing::error!(%error, "the log goes on as before");
    }
    let path = path.map(|path| path.display().to_string());
    tracing::info!(path, "the config was read again");
}
