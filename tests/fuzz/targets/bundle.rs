//! Bundles, and the root that verifies them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::signature::fuzzing::bundle;

fuzz_target!(|text: &[u8]| bundle(text));
