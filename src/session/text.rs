//! A stranger's text, fit to be shown.

use std::error;
use vouch_protocol::needs_escape;

/// The most characters of a stranger's text that are shown.
const LONGEST: usize = 300;

/// A stranger's text: short, and without characters that control a terminal.
pub(crate) fn clean(text: &str) -> String {
    clean_to(text, LONGEST)
}

/// The same, with at most `longest` characters.
pub(crate) fn clean_to(text: &str, longest: usize) -> String {
    let mut clean: String = text
        .chars()
        .filter(|c| !needs_escape(*c))
        .take(longest + 1)
        .collect();
    if let Some((end, _)) = clean.char_indices().nth(longest) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

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
        if !line.ends_with(&text) && line.len() < 4 * LONGEST {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_tame() {
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{61c}d\u{200b}"), "abcd");
        assert_eq!(clean_to("née", 2), "né…");
    }
}
