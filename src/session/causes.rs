//! What caused an error, in one line.

use crate::error::clean;
use std::error;

/// The longest line, in bytes, to which another cause is added.
const LONGEST: usize = 1200;

/// What caused an error, from the outside in, as one line. `reqwest` says only "error sending
/// request"; what matters is further down. Secrets are removed before anything is cut.
pub(super) fn causes(
    error: &(dyn error::Error + 'static),
    redacted: impl Fn(String) -> String,
) -> String {
    let shown = |error: &dyn error::Error| clean(&redacted(error.to_string()));
    let mut line = shown(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let text = shown(cause);
        if !line.ends_with(&text) && line.len() < LONGEST {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}
