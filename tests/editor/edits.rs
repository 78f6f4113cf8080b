//! After each of many edits, what the service says of a document is what it says of a fresh one.

use super::{
    URI, notify,
    scene::{Scene, ask_of, close, diagnostics, open},
};
use serde_json::{Value, json};

const EDITS: u32 = 10_000;
/// Diagnostics wait for a quiet moment, so they are looked at after so many.
const BETWEEN: u32 = 200;
const FRESH: &str = "file:///home/ann/fresh.yaml";

/// The same numbers each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's MMIX.
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end.max(1)
    }
}

/// A text as the client has it.
struct Text(Vec<u16>);

impl Text {
    fn new(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }

    fn whole(&self) -> String {
        String::from_utf16(&self.0).expect("no character is cut")
    }

    /// The position that this place has.
    fn position(&self, at: usize) -> Value {
        let (mut line, mut start) = (0, 0);
        let mut next = 0;
        while next < at {
            let length = match self.0[next] {
                13 if self.0.get(next + 1) == Some(&10) => 2,
                10 | 13 => 1,
                _ => 0,
            };
            next += length.max(1);
            if length > 0 && next <= at {
                (line, start) = (line + 1, next);
            }
        }
        json!({"line": line, "character": at - start})
    }

    /// A place where an edit may begin or end: not within a character or a line break.
    fn place(&self, mut at: usize) -> usize {
        at = at.min(self.0.len());
        let within = |at: usize| {
            matches!(
                (self.0.get(at.wrapping_sub(1)), self.0.get(at)),
                (_, Some(0xdc00..0xe000)) | (Some(13), Some(10))
            )
        };
        while within(at) {
            at -= 1;
        }
        at
    }
}

#[test]
fn ten_thousand_edits_are_followed() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    let mut fresh = scene.editor(&json!({}));
    let (signed, unsigned) = (scene.policy(":1"), scene.policy(":0"));
    let pieces = [
        signed.as_str(),
        &unsigned,
        "x",
        "\n",
        "\r\n",
        "  ",
        "é",
        "😀",
        "'",
        "\"",
        ": ",
        "- ",
        "#",
        "&a ",
        "*a",
        "{",
        "}",
        ":1",
        ":0",
        "---\n",
        "kind: ",
    ];
    let begun = format!("{signed}{unsigned}");
    let mut text = Text::new(&begun);
    let said = open(&mut wire, URI, &begun);
    assert_eq!(
        said["diagnostics"].as_array().map(Vec::len),
        Some(1),
        "{said}"
    );
    let mut chance = Chance(7);
    let all = json!({"range": {"start": {"line": 0, "character": 0}, "end": {"line": 1_000_000, "character": 0}}});
    let (mut hints, mut refused) = (0, 0);
    for edit in 1..=EDITS {
        let version = u64::from(edit) * 3;
        let mut changes = Vec::new();
        for _ in 0..=chance.below(2) {
            if chance.below(40) == 0 || text.0.len() > 8000 {
                // All of it anew, sometimes with what is fine again.
                text = Text::new(&begun);
                changes.push(json!({"text": begun}));
                continue;
            }
            let start = text.place(chance.below(text.0.len() + 1));
            let length = if chance.below(3) == 0 {
                chance.below(30)
            } else {
                0
            };
            let end = text.place(start + length).max(start);
            let new = pieces[chance.below(pieces.len())];
            let range = json!({"start": text.position(start), "end": text.position(end)});
            changes.push(json!({"range": range, "text": new}));
            text.0.splice(start..end, new.encode_utf16());
            // A line break may have come together of two edits; it is one from now on.
        }
        let document = json!({"uri": URI, "version": version});
        notify(
            &mut wire,
            "textDocument/didChange",
            &json!({"textDocument": document, "contentChanges": changes}),
        );
        let got = ask_of(&mut wire, URI, "textDocument/inlayHint", all.clone());
        let whole = text.whole();
        let document = json!({"uri": FRESH, "languageId": "x", "version": edit, "text": whole});
        notify(
            &mut fresh,
            "textDocument/didOpen",
            &json!({"textDocument": document}),
        );
        let expected = ask_of(&mut fresh, FRESH, "textDocument/inlayHint", all.clone());
        assert_eq!(got, expected, "edit {edit}: {whole}");
        hints += got.as_array().map_or(0, Vec::len);
        if edit % BETWEEN == 0 {
            let got = latest(&mut wire, URI, version);
            let expected = latest(&mut fresh, FRESH, u64::from(edit));
            assert_eq!(got, expected, "edit {edit}: {whole}");
            refused += got.as_array().map_or(0, Vec::len);
        }
        close(&mut fresh, FRESH);
    }
    assert!(
        hints > 1000 && refused > 3,
        "it saw little: {hints}, {refused}"
    );
}

/// The diagnostics of that version. An editor has what it was told last where nothing changed since,
/// so something is changed.
fn latest(wire: &mut super::Connection, uri: &str, version: u64) -> Value {
    // What came while something else was read is lost: it is said again.
    notify(
        wire,
        "textDocument/didSave",
        &json!({"textDocument": {"uri": uri}}),
    );
    loop {
        let mut said = diagnostics(wire);
        if said["version"] == version {
            return said["diagnostics"].take();
        }
    }
}
