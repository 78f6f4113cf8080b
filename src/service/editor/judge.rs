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
    wire::{Diagnostic, Hint, PUBLISH, Published, REFRESH},
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{SemaphorePermit, watch},
    time::timeout,
};
use vouch_protocol::Lookup;

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
    let mut hinted = fingerprint(&[]);
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
                show(&opened, &uri, &version, checked, &mut shown, &mut hinted).await;
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

/// What is to be shown of a document.
#[derive(Default)]
struct Findings<'o> {
    diagnostics: Vec<Diagnostic>,
    hints: u64,
    /// Held until it is shown: of all that is open, little waits for an editor that does not read.
    _turn: Option<SemaphorePermit<'o>>,
}

async fn check<'o>(
    state: &Arc<State>,
    connection: u64,
    opened: &'o Opened,
    uri: &str,
    version: &Version,
) -> Findings<'o> {
    let Some(text) = &version.text else {
        return Findings {
            hints: fingerprint(&[]),
            ..Findings::default()
        };
    };
    let turn = opened.turns.acquire().await;
    let text = text.to_string();
    let references = seen::check(state, connection, uri, text, Lookup::Allowed).await;
    Findings {
        diagnostics: diagnostics(&references),
        hints: fingerprint(&hints(&references, None)),
        _turn: turn.ok(),
    }
}

/// Tells hints from others, without keeping them.
fn fingerprint(hints: &[Hint]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Numbers and texts are always JSON.
    serde_json::to_string(hints)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}

/// Shows what was found.
async fn show(
    opened: &Opened,
    uri: &str,
    version: &Version,
    found: Findings<'_>,
    shown: &mut bool,
    hinted: &mut u64,
) {
    let published = Published {
        uri,
        version: version.version,
        diagnostics: &found.diagnostics,
    };
    if !opened.tell_of(uri, version, PUBLISH, &published).await {
        return;
    }
    *shown = !found.diagnostics.is_empty();
    if found.hints != *hinted {
        *hinted = found.hints;
        if opened.can.refreshes_hints() {
            opened.ask(REFRESH).await;
        }
    }
}
