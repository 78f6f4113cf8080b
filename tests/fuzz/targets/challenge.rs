//! A challenge leads to an address that names no user, or nowhere.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::session::fuzzing::challenge;

fuzz_target!(|lines: &[u8]| {
    if let Some(realm) = challenge(lines) {
        let (_, rest) = realm.split_once(':').expect("it has a scheme");
        let authority = rest.trim_start_matches('/');
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        assert!(!authority.contains('@'), "{realm}");
    }
});
