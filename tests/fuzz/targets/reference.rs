//! A reference is printed in one form, which means the same place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::name::Reference;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        let printed = reference.to_string();
        let again: Reference = printed.parse().expect("what is printed can be read");
        assert_eq!(again, reference, "{printed}");
        assert_eq!(again.to_string(), printed);
    }
});
