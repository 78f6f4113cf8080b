//! Judges a document from when it is opened until it is closed: once it has been quiet for a moment,
//! and whenever verdicts may have changed.

use super::{
    super::{
        documents,
        opened::{Begun, Opened, Version},
        state::State,
    },
    diagnostics::diagnostics,
    hints::hints,
    seen,
    wire::{Hint, PUBLISH, Published, REFRESH},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::timeout};
use vouch_protocol::{DocumentReference, Lookup};

/// How long a document has to be quiet, and how long it is waited for at most.
const QUIET: Duration = Duration::from_millis(150);
const LONGEST: Duration = Duration::from_secs(1);

/// A document was closed, or its editor is gone.
struct Closed;

/// Judges a document until it is closed.
pub(super) async fn judge(
    state: Arc<State>,
    connection: u64,
    opened: Arc<Opened>,
    Begun { uri, mut latest }: Begun,
) {
    let mut shown = false;
    let mut hinted = Vec::new();
    let mut changes = documents::changes(&state);
    loop {
        changes.borrow_and_update();
        let version = latest.borrow_and_update().clone();
        let checking = check(&state, connection, &opened, &uri, &version);
        let checked = tokio::select! {
            biased;
            // What was read is not what stands there any more.
            changed = latest.changed() => Err(changed),
            checked = checking => Ok(checked),
        };
        match checked {
            Ok(checked) => {
                show(&opened, &uri, &version, &checked, &mut shown, &mut hinted).await;
                let woken = tokio::select! {
                    changed = latest.changed() => changed.is_ok(),
                    changed = changes.changed() => changed.is_ok(),
                };
                if !woken {
                    break;
                }
            }
            Err(Ok(())) => {}
            Err(Err(_)) => break,
        }
        if let Err(Closed) = quiet(&mut latest).await {
            break;
        }
    }
    if shown {
        let published = Published {
            uri: &uri,
            version: None,
            diagnostics: &[],
        };
        opened.tell_of_closed(&uri, PUBLISH, &published).await;
    }
}

/// Waits until a document has not changed for a moment.
async fn quiet(latest: &mut watch::Receiver<Version>) -> Result<(), Closed> {
    let begun = Instant::now();
    while begun.elapsed() < LONGEST {
        match timeout(QUIET, latest.changed()).await {
            Err(_) => return Ok(()),
            Ok(changed) => changed.map_err(|_| Closed)?,
        }
    }
    Ok(())
}

async fn check(
    state: &Arc<State>,
    connection: u64,
    opened: &Opened,
    uri: &str,
    version: &Version,
) -> Vec<DocumentReference> {
    let Some(text) = &version.text else {
        return Vec::new();
    };
    let _turn = opened.turns.acquire().await;
    let text = text.to_string();
    seen::check(state, connection, uri, text, Lookup::Allowed).await
}

/// Shows what was found.
async fn show(
    opened: &Opened,
    uri: &str,
    version: &Version,
    references: &[DocumentReference],
    shown: &mut bool,
    hinted: &mut Vec<Hint>,
) {
    let diagnostics = diagnostics(references);
    let published = Published {
        uri,
        version: version.version,
        diagnostics: &diagnostics,
    };
    if !opened.tell_of(uri, version, PUBLISH, &published).await {
        return;
    }
    *shown = !diagnostics.is_empty();
    let hints = hints(references, None);
    if hints != *hinted {
        *hinted = hints;
        if opened.can.refreshes_hints() {
            opened.ask(REFRESH).await;
        }
    }
}
