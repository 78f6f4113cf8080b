//! What fuzzing reaches of challenges and access tokens: see `tests/fuzz`.

use super::{
    super::{
        config::RegistryConfig,
        http::{Host, Proxies, Timeouts},
    },
    Challenge, lacks_scope,
};
use crate::name::PlainHosts;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use std::sync::{Arc, LazyLock};

pub use super::realm::token_answer;

/// Reads the challenges of an answer of ghcr.io: a header a line. Answers the realm that they lead
/// to, if it would be asked, and what would be said of it.
pub fn challenge(lines: &[u8]) -> Option<(Option<String>, String)> {
    #[expect(clippy::expect_used, reason = "fuzzing ends where it cannot go on")]
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        let registry = PlainHosts::default().registry("ghcr.io").expect("a name");
        let (section, proxies) = (RegistryConfig::default(), Proxies::from_environment());
        Host::new(
            &registry,
            section,
            &Timeouts::default(),
            &Arc::new(proxies),
            &Arc::default(),
        )
        .expect("a host")
    });
    let headers: HeaderMap = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .map(|value| (WWW_AUTHENTICATE, value))
        .collect();
    lacks_scope(&headers);
    match Challenge::of(&headers)? {
        Challenge::Bearer { realm, .. } => {
            let asked = HOST.permit_realm(&realm).is_ok();
            let shown = HOST.party(&realm);
            Some((asked.then(|| realm.into()), shown))
        }
        Challenge::Basic => None,
    }
}
