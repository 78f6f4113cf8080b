//! Tokens in a module and in an archive, whatever stands in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouch_testing::forge::{custom, module, tar};
use vouchd::signature::fuzzing::judged;

fuzz_target!(|token: &[u8]| {
    judged(&[module(), custom("jwt", token)].concat(), usize::MAX);
    let entries = [("claims.jwt", token), ("x86_64-linux.bin", &b"\x7fELF"[..])];
    judged(&tar(&entries), usize::MAX);
});
