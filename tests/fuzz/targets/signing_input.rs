//! What a client sends back to be put into an artifact: a signing input and its signature.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::signature::fuzzing::sealed;

fuzz_target!(|text: &str| {
    sealed(text);
});
