//! What is said of a module or component is the same however its bytes arrive, and a token that is
//! put in changes nothing else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::signature::fuzzing::{judged, put_in};

fuzz_target!(|bytes: &[u8]| {
    let whole = judged(bytes, usize::MAX);
    assert_eq!(judged(bytes, 7), whole);
    put_in(bytes);
});
