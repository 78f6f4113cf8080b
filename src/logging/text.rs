//! How events become lines: what strangers had a hand in is bounded, and neither breaks a line nor
//! acts on a terminal that shows it.

use super::Log;
use std::{
    fmt::{self, Write as _},
    io,
};
use tracing::field::Field;
use tracing_subscriber::{
    field::MakeExt,
    fmt::{FormatFields, format},
};
use vouch_protocol::needs_escape;

/// The longest value of a field, in bytes.
const LONGEST_VALUE: usize = 2 << 10;

/// Writes fields as `name=value`, the message as it is.
pub(super) fn fields() -> impl for<'writer> FormatFields<'writer> {
    format::debug_fn(|writer, field: &Field, value| {
        match field.name() {
            "message" => {}
            name => write!(writer, "{}=", name.trim_start_matches("r#"))?,
        }
        let mut value_writer = Escaping {
            writer,
            left: LONGEST_VALUE,
        };
        write!(value_writer, "{value:?}")
    })
    .delimited(" ")
}

/// Escapes what needs it, and ends with `…` where it has become too long.
struct Escaping<'a, W> {
    writer: &'a mut W,
    left: usize,
}

impl<W: fmt::Write> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly always there is nothing to do.
        if text.len() < self.left && !text.contains(needs_escape) {
            self.left -= text.len();
            return self.writer.write_str(text);
        }
        for c in text.chars() {
            if self.left == 0 {
                break;
            }
            self.left = self.left.saturating_sub(c.len_utf8());
            if self.left == 0 {
                self.writer.write_char('…')?;
            } else if needs_escape(c) {
                write!(self.writer, "{}", c.escape_default())?;
            } else {
                self.writer.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Lines of JSON, whose strings escape no more than what lies below U+0020: the rest is escaped
/// here. A line that is too long is dropped and counted by the log; a part of it would be no JSON.
pub(super) struct Json(pub(super) Log);

impl io::Write for Json {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = match text.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (&*text, ""),
        };
        if text.contains(needs_escape) {
            let mut escaped = String::with_capacity(text.len() + 16);
            for c in text.chars() {
                if needs_escape(c) {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // A string takes whatever is written to it.
                        let _ = write!(escaped, "\\u{unit:04x}");
                    }
                } else {
                    escaped.push(c);
                }
            }
            escaped.push_str(end);
            self.0.write_all(escaped.as_bytes())?;
        } else {
            self.0.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tracing_subscriber::layer::SubscriberExt;

    const HOSTILE: &str = "a\n2026 INFO forged\r\u{1b}[2J\u{9b}\u{7f}\u{202e}\u{2028}b\"ü";

    /// What is waiting to be written after something hostile was logged.
    fn logged(json: bool) -> String {
        let log = Log::default();
        let lines = log.clone();
        let layer = tracing_subscriber::fmt::layer();
        let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = if json {
            Box::new(layer.json().with_writer(move || Json(lines.clone())))
        } else {
            let layer = layer.fmt_fields(fields()).with_ansi(false);
            Box::new(layer.with_writer(move || lines.clone()))
        };
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(
                "request",
                client = HOSTILE,
                reference = tracing::field::Empty
            );
            span.record("reference", tracing::field::display(HOSTILE));
            let _inside = span.enter();
            tracing::info!(error = %HOSTILE, words = HOSTILE, "{HOSTILE}");
            tracing::info!(long = %"x".repeat(1 << 20), "second");
        });
        String::from_utf8(log.0.0.lock().lines.clone()).unwrap()
    }

    #[test]
    fn no_stranger_s_words_make_a_line_or_act_on_a_terminal() {
        let text = logged(false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(!text.contains(|c| needs_escape(c) && c != '\n'), "{text:?}");
        assert!(lines[0].contains(r"error=a\n2026 INFO forged\r"), "{text}");
        assert!(lines[1].ends_with("x…"), "a long value is cut");
        assert!(lines[1].len() < 2 * LONGEST_VALUE);
    }

    #[test]
    fn json_stays_what_it_says() {
        let text = logged(true);
        assert!(!text.contains(|c| needs_escape(c) && c != '\n'), "{text:?}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1, "what is too long is dropped: {text}");
        let value: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!(value["fields"]["error"], HOSTILE);
        assert_eq!(value["span"]["reference"], HOSTILE);
        let mut json = Json(Log::default());
        json.write_all("\u{e0041}\n".as_bytes()).unwrap();
        assert_eq!(json.0.0.0.lock().lines, b"\\udb40\\udc41\n");
    }
}
