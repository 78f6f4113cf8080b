//! Whose signatures were seen: of a file that can be read nobody is forgotten.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::trust::fuzzing::pins;

fuzz_target!(|text: &str| pins(text));
