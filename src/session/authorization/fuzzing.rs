//! What fuzzing reaches of challenges and access tokens: see `tests/fuzz`.

use super::{Challenge, lacks_scope};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

pub use super::realm::token_answer;

/// Reads the challenges of a registry's answer: a header a line. Answers where a token would be
/// asked for.
pub fn challenge(lines: &[u8]) -> Option<String> {
    let headers: HeaderMap = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .map(|value| (WWW_AUTHENTICATE, value))
        .collect();
    lacks_scope(&headers);
    match Challenge::of(&headers)? {
        Challenge::Bearer { realm, .. } => Some(realm.into()),
        Challenge::Basic => None,
    }
}
