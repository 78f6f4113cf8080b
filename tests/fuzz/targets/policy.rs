//! The section `[trust]` of a config.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::trust::fuzzing::policy;

fuzz_target!(|text: &str| policy(text));
