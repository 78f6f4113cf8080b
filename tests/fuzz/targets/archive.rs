//! The same of archives, packed and not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouch_testing::forge::gzip;
use vouchd::signature::fuzzing::{judged, put_in};

fuzz_target!(|bytes: &[u8]| {
    let packed = gzip(bytes);
    for bytes in [bytes, &packed] {
        let whole = judged(bytes, usize::MAX);
        assert_eq!(judged(bytes, 100), whole);
        put_in(bytes);
    }
});
