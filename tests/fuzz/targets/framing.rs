//! Where messages end is the same however their bytes arrive.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::transport::fuzzing::messages;

fuzz_target!(|input: &[u8]| {
    let Some((framing, bytes)) = input.split_first() else {
        return;
    };
    let headers = *framing == b'H';
    let whole = messages(headers, bytes, usize::MAX);
    // Byte by byte takes long where there are many.
    let least = 1 + bytes.len() / 4096;
    for piece in [least, 7 * least] {
        assert_eq!(messages(headers, bytes, piece), whole);
    }
});
