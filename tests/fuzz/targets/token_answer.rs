//! An access token lives for a day at most, whatever its realm says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use vouchd::session::fuzzing::token_answer;

fuzz_target!(|body: &[u8]| {
    if let Some(life) = token_answer(body) {
        assert!(life <= Duration::from_secs(24 * 3600), "{life:?}");
    }
});
