//! What an editor's message was about that is too long to be kept, or is not JSON. It may have changed a
//! document, and later changes are of a text that the server does not have then. So its strings are
//! looked at as they pass by.

use crate::service::Dropped;

/// The longest word that counts, in bytes.
const LONGEST: usize = 64 << 10;
/// The most documents that one message names.
const MOST: usize = 16;

/// Where a message stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Outside,
    String,
    Escape,
}

/// The strings of a message that passes by.
#[derive(Debug)]
pub(super) struct Passing {
    at: At,
    /// The string that is open, or was closed last, as it is written.
    word: Vec<u8>,
    /// Whether a value comes next whose key is `uri`.
    is_uri: bool,
    opens: bool,
    /// Nothing, where it names a document that cannot be told.
    uris: Option<Vec<String>>,
}

impl Default for Passing {
    fn default() -> Self {
        Self {
            at: At::default(),
            word: Vec::new(),
            is_uri: false,
            opens: false,
            uris: Some(Vec::new()),
        }
    }
}

impl Passing {
    /// Looks at the next bytes of it.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match (self.at, byte) {
                (At::Outside, b'"') => {
                    self.at = At::String;
                    self.word.clear();
                }
                (At::Outside, b':') => self.is_uri = self.word == b"uri",
                (At::Outside, byte) => self.is_uri &= byte.is_ascii_whitespace(),
                (At::String, b'"') => {
                    self.at = At::Outside;
                    self.close();
                }
                (at, byte) => {
                    let escapes = at == At::String && byte == b'\\';
                    self.at = if escapes { At::Escape } else { At::String };
                    if self.word.len() <= LONGEST {
                        self.word.push(byte);
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        self.opens |= self.word == b"textDocument/didOpen";
        if !std::mem::take(&mut self.is_uri) {
            return;
        }
        let quoted = [b"\"", self.word.as_slice(), b"\""].concat();
        let uri: Option<String> = serde_json::from_slice(&quoted).ok();
        let uri = uri.filter(|_| self.word.len() <= LONGEST);
        let known = self.uris.take().filter(|known| known.len() < MOST);
        self.uris = known.zip(uri).map(|(mut known, uri)| {
            known.push(uri);
            known
        });
    }

    /// What it was about, once all of it has passed.
    pub(super) fn into_dropped(self) -> Dropped {
        let is_whole = self.at == At::Outside;
        let uris = self.uris.filter(|uris| is_whole && !uris.is_empty());
        Dropped {
            opens: self.opens,
            uris,
        }
    }
}

/// What a message was about that could not be read.
pub(super) fn dropped(message: &[u8]) -> Dropped {
    let mut passing = Passing::default();
    passing.look(message);
    passing.into_dropped()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_what_it_was_about_however_it_is_cut() {
        let check = |message: &str, opens: bool, uris: Option<&[&str]>| {
            for size in [1, 7, message.len().max(1)] {
                let mut passing = Passing::default();
                message
                    .as_bytes()
                    .chunks(size)
                    .for_each(|it| passing.look(it));
                let dropped = passing.into_dropped();
                let found = dropped.uris.as_deref();
                let found = found.map(|uris| uris.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(
                    (dropped.opens, found.as_deref()),
                    (opens, uris),
                    "{message}"
                );
            }
        };
        check(
            r#"{"method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a","text":"x"}}}"#,
            true,
            Some(&["file:///a"]),
        );
        // Neovim's order; others put white space there, or escapes.
        check(
            r#"{"params":{"textDocument":{"text":"x","uri" : "file:\/\/\/\u0061"}},"method":"textDocument/didChange"}"#,
            false,
            Some(&["file:///a"]),
        );
        // What stands in a text means nothing.
        check(
            r#"{"text":"\"uri\":\"file:///b\" \"textDocument/didOpen\" \\","x":{"uri":"file:///a"}}"#,
            false,
            Some(&["file:///a"]),
        );
        check(r#"{"uri":["x"],"y\\uri":"x","a":"uri"}"#, false, None);
        check(r#"{"uri":"a","z":{"uri":"b"}}"#, false, Some(&["a", "b"]));
        check(r#"{"uri":"\ud800"}"#, false, None);
        check(r#"{"uri":"a","text":"not close"#, false, None);
        check("", false, None);
        let many = r#"{"uri":"a"},"#.repeat(MOST + 1);
        check(&many, false, None);
        let long = format!(r#"{{"uri":"{}"}}"#, "x".repeat(2 * LONGEST));
        assert_eq!(dropped(long.as_bytes()).uris, None);
    }
}
