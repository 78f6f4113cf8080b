//! Lines that a shell takes as they are meant.

use std::ffi::OsString;

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// This command once more, with further options behind its name.
pub(crate) fn again(options: &str) -> String {
    with(std::env::args_os().skip(1), options)
}

fn with(arguments: impl Iterator<Item = OsString>, options: &str) -> String {
    let mut line = "vouch".to_owned();
    let mut options = Some(options);
    for word in arguments {
        let word = word.to_string_lossy();
        line.push(' ');
        line.push_str(&quoted(&word));
        if matches!(&*word, "sign" | "create")
            && let Some(options) = options.take()
        {
            line.push(' ');
            line.push_str(options);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("target/echo.wasm", "target/echo.wasm");
        check("ssh:ann@laptop", "ssh:ann@laptop");
        check("", "''");
        check("my file.wasm", "'my file.wasm'");
        check("it's", r"'it'\''s'");
        check("$(rm)", "'$(rm)'");
        check("~ann", "'~ann'");
        check("ä", "'ä'");
    }

    #[test]
    fn a_command_is_written_once_more() {
        let check = |line: &[&str], expected: &str| {
            let words = line.iter().map(OsString::from);
            assert_eq!(with(words, "--key NAME"), expected);
        };
        check(&["sign", "a b.wasm"], "vouch sign --key NAME 'a b.wasm'");
        check(
            &["--json", "par", "create", "-o", "create"],
            "vouch --json par create --key NAME -o create",
        );
    }
}
