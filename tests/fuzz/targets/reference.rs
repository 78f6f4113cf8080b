//! A reference is printed in one form, which means the same place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::name::PlainHosts;

fuzz_target!(|text: &str| {
    let hosts = PlainHosts::default();
    if let Ok(reference) = hosts.reference(text) {
        let printed = reference.to_string();
        let again = hosts
            .reference(&printed)
            .expect("what is printed can be read");
        assert_eq!(again, reference, "{printed}");
        assert_eq!(again.to_string(), printed);
    }
});
