//! A path or `file:` URI means one absolute path, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::file::parse_path;

fuzz_target!(|text: &str| {
    if let Ok(path) = parse_path(text) {
        assert!(path.is_absolute(), "{path:?}");
        let path = path.to_str().expect("it was text");
        assert!(!path.contains('\0'), "{path:?}");
        // What is no URI means itself.
        if text.starts_with('/') {
            assert_eq!(path, text);
        }
    }
});
