//! Judges a document from when it is opened until it is closed: once it has been quiet for a moment,
//! and whenever verdicts may have changed.

use super::{
    super::{
        documents,
        opened::{Begun, Opened, Version},
        state::State,
        text::ending,
    },
    diagnostics::{diagnostics, not_checked, unclear},
    hints::hints,
    seen::{self, Seen},
    wire::{Diagnostic, Hint, PUBLISH, Published, REFRESH},
};
use crate::document;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{SemaphorePermit, watch},
    time::{sleep, timeout},
};
use vouch_protocol::Lookup;

/// How long a document has to be quiet, and how long it is waited for at most.
const QUIET: Duration = Duration::from_millis(150);
const LONGEST: Duration = Duration::from_secs(1);
/// When one that could not be checked is tried again.
const AGAIN: Duration = Duration::from_secs(30);

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
                let failed = checked.failed;
                show(&opened, &uri, &version, checked, &mut shown, &mut hinted).await;
                let woken = tokio::select! {
                    changed = latest.changed() => changed.is_ok(),
                    changed = changes.changed() => changed.is_ok(),
                    () = sleep(AGAIN), if failed => true,
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
struct Findings<'o> {
    diagnostics: Vec<Diagnostic>,
    /// Nothing, where they are not known.
    hints: Option<u64>,
    /// Whether it could not be checked, and may be later.
    failed: bool,
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
    let text = match &version.text {
        Ok(text) => text.clone(),
        Err(lost) => {
            let said = lost
                .may_name
                .then(|| not_checked("this document", lost.why));
            return Findings {
                diagnostics: said.into_iter().collect(),
                hints: Some(fingerprint(&[])),
                failed: false,
                _turn: None,
            };
        }
    };
    let turn = opened.turns.acquire().await.ok();
    let checking = seen::check(state, connection, uri, text.clone(), Lookup::Allowed);
    match checking.await {
        Ok(Seen {
            references,
            whole,
            unclear: place,
        }) => {
            let more = "it names too much, or is too long or too deep";
            let rest = match place {
                Some(place) => Some(unclear(place)),
                None => (!whole).then(|| not_checked("all of this document", more)),
            };
            Findings {
                diagnostics: diagnostics(&references).into_iter().chain(rest).collect(),
                hints: Some(fingerprint(&hints(&references, None))),
                failed: false,
                _turn: turn,
            }
        }
        Err(error) => {
            tracing::warn!(document = ending(uri), "a document is not checked: {error}");
            let may_name = document::may_name_artifacts(uri, &text.to_string());
            let why = format!("{}; it is tried again", error.message());
            let said = may_name.then(|| not_checked("this document now", &why));
            Findings {
                diagnostics: said.into_iter().collect(),
                hints: None,
                failed: true,
                _turn: turn,
            }
        }
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
    if let Some(hints) = found.hints.filter(|hints| hints != hinted) {
        *hinted = hints;
        if opened.can.refreshes_hints() {
            opened.ask(REFRESH).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{
            look_up::tests::service,
            opened::{Room, Unsent},
            turns::Work,
        },
        *,
    };
    use serde_json::{Value, json};
    use tokio::sync::mpsc;
    use vouch_protocol::EditorCapabilities;

    async fn told(unsent: &mut mpsc::Receiver<Unsent>) -> Value {
        let (text, _room) = unsent.recv().await.unwrap();
        let mut said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(said["method"], PUBLISH);
        said["params"]["diagnostics"].take()
    }

    /// Here time passes when nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_checked_is_said_and_tried_again() {
        let service = service("", None);
        let state = &service.state;
        let mut turns = Vec::new();
        for connection in 1.. {
            let turn = state.turns.take(Work::Small, connection, None);
            match timeout(Duration::from_secs(1), turn).await {
                Ok(turn) => turns.push(turn.unwrap()),
                Err(_) => break,
            }
        }
        let opened = Arc::new(Opened::new(EditorCapabilities::default(), Room::of_all()));
        let mut unsent = opened.unsent().unwrap();
        let text = "apiVersion: core.oam.dev/v1beta1\nkind: Application\n";
        let item = json!({"uri": "a.yaml", "version": 1, "text": text});
        let params = serde_json::from_value(json!({"textDocument": item})).unwrap();
        let begun = opened.open(params).unwrap();
        tokio::spawn(judge(Arc::clone(state), 0, Arc::clone(&opened), begun));
        let said = told(&mut unsent).await;
        assert_eq!(said[0]["code"], "notChecked", "{said}");
        assert_eq!(said[0]["severity"], 3, "{said}");
        let message = said[0]["message"].as_str().unwrap();
        assert!(message.contains("for its turn"), "{message}");
        drop(turns);
        assert_eq!(told(&mut unsent).await, json!([]));
    }
}
