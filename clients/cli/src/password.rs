//! Passwords: from standard input or a prompt without echo, never from arguments, which every process
//! on the machine can read.

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use std::{
    io::{self, BufRead, Read, Write},
    os::fd::AsFd,
};

/// The longest password or token, in bytes.
const LONGEST: u64 = 64 * 1024;

/// All of standard input, without the line break at its end.
pub(crate) fn piped(reader: impl Read) -> Result<String, String> {
    let mut text = String::new();
    reader
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err("standard input is too long for a password".to_owned());
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    if text.is_empty() {
        return Err("standard input holds no password".to_owned());
    }
    Ok(text)
}

/// Asks at the terminal. What is typed is shown only if `echo` says so.
pub(crate) fn prompt(question: &str, echo: bool) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot read from the terminal: {error}");
    let stdin = io::stdin();
    let mut terminal = io::stderr();
    // Before the question: an answer may come at once.
    let silent = if echo {
        None
    } else {
        Some(Silent::begin(stdin.as_fd()).map_err(|error| failed(error.into()))?)
    };
    write!(terminal, "{question}: ")
        .and_then(|()| terminal.flush())
        .map_err(failed)?;
    let answer = typed(stdin.lock());
    drop(silent);
    if !echo {
        // The line break was not shown either.
        let _ = writeln!(terminal);
    }
    answer
}

/// Asks as [`prompt`] does, on a thread of its own: signals are heard meanwhile.
pub(crate) async fn ask(question: String, echo: bool) -> Result<String, String> {
    let asked = tokio::task::spawn_blocking(move || prompt(&question, echo)).await;
    asked.map_err(|error| error.to_string())?
}

/// Reads keys until the line ends. With signals off, Ctrl-C is a key.
fn typed(reader: impl BufRead) -> Result<String, String> {
    let mut line = Vec::new();
    for byte in reader.take(LONGEST).bytes() {
        match byte.map_err(|error| format!("cannot read from the terminal: {error}"))? {
            // Ctrl-D after some text ends the line, as Return does.
            byte if matches!(byte, b'\r' | b'\n') || byte == 4 && !line.is_empty() => break,
            // Ctrl-C, and Ctrl-D on an empty line.
            3 | 4 => return Err("given up".to_owned()),
            8 | 127 => {
                // A whole character of UTF-8.
                while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            // Ctrl-U.
            21 => line.clear(),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| "what was typed is not UTF-8".to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Silent<'a> {
    terminal: std::os::fd::BorrowedFd<'a>,
    before: rustix::termios::Termios,
}

impl<'a> Silent<'a> {
    fn begin(terminal: std::os::fd::BorrowedFd<'a>) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        // Without signals and line editing: an interrupt must not leave the terminal silent, and
        // an edited line is cut at 4 KiB.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piped_password_loses_its_line_break_only() {
        let check = |text: &[u8], expected: Option<&str>| {
            assert_eq!(piped(text).ok().as_deref(), expected);
        };
        check(b"hunter2", Some("hunter2"));
        check(b" hunter 2 \n", Some(" hunter 2 "));
        check(b"hunter2\r\n", Some("hunter2"));
        check(b"", None);
        check(b"\n", None);
        check(b"\xff", None);
        assert!(piped(io::repeat(b'x')).unwrap_err().contains("too long"));
    }

    #[test]
    fn keys_are_read_as_a_terminal_does() {
        let check = |keys: &[u8], expected: Option<&str>| {
            assert_eq!(typed(keys).ok().as_deref(), expected, "{keys:?}");
        };
        check(b"hunter2\nrest", Some("hunter2"));
        check(b"hunter2\r", Some("hunter2"));
        check(b"hunter2\x04", Some("hunter2"));
        check("hü\x7funter3\x082\n".as_bytes(), Some("hunter2"));
        check(b"wrong\x15hunter2\n", Some("hunter2"));
        check(b"hun\x03", None);
        check(b"\x04", None);
        check(b"\xff\n", None);
    }
}
