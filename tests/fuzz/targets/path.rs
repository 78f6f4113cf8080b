//! A path or `file:` URI means one absolute path, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::file::parse_path;

fuzz_target!(|text: &str| {
    if let Ok(path) = parse_path(text) {
        assert!(path.is_absolute(), "{path:?}");
        let bytes = path.as_os_str().as_encoded_bytes();
        assert!(!bytes.contains(&0), "{path:?}");
        // What is not a URI means itself.
        if text.starts_with('/') {
            assert_eq!(bytes, text.as_bytes());
        }
    }
});
