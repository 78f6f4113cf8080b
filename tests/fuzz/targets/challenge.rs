//! A challenge leads to an address of the web that names no user, or nowhere; and none that is shown
//! names one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::session::fuzzing::challenge;

fuzz_target!(|lines: &[u8]| {
    let Some((asked, shown)) = challenge(lines) else {
        return;
    };
    let names_user = |address: &str| {
        let (_, rest) = address.split_once("//").unwrap_or(("", address));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.contains('@')
    };
    assert!(!names_user(&shown), "{shown}");
    if let Some(asked) = asked {
        assert!(
            asked.starts_with("https://") && !names_user(&asked),
            "{asked}"
        );
    }
});
