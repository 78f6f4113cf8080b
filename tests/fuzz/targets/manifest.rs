//! A manifest or index names one thing, or is refused in words that are safe to show.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::registry::fuzzing::manifest;

fuzz_target!(|bytes: &[u8]| {
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    for media_type in [None, Some(IMAGE), Some("text/html")] {
        if let Err(error) = manifest(bytes, media_type) {
            let said = format!("{error} {}", error.data().help.unwrap_or_default());
            assert!(!said.contains(char::is_control), "{said:?}");
        }
    }
});
