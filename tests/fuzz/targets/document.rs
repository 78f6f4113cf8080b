//! What a document names stands where it is said to stand, and changing it there names it still.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::{
    document::{self, Position, Resolved, What},
    name::{Digest, PlainHosts},
};

// Where the cursor is, and what the document is called, with its text behind the first line break.
fuzz_target!(|input: (u32, u32, &str)| {
    let (line, character, named) = input;
    let Some((name, text)) = named.split_once('\n') else {
        return;
    };
    let plain = PlainHosts::default();
    let _ = document::at(name, text, Position { line, character }, &plain);
    let Some(read) = document::read(name, text, &plain) else {
        return;
    };
    let again = document::read(name, text, &plain).expect("it was read before");
    assert_eq!(read.references.len(), again.references.len());
    for found in read.references {
        assert!(found.range.start <= found.range.end);
        assert!(text.contains(&found.written));
        let manifest = Digest::new([7; 32]);
        let edits = found.pin(Resolved {
            manifest,
            content: None,
        });
        assert!(edits.is_empty() || matches!(found.what, What::Reference(_)));
    }
});
