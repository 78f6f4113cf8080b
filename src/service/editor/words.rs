//! Other people's words in what editors show. Claims, names and messages of registries are anybody's:
//! in Markdown they must not be links, images, HTML or headings, and nowhere may they hide
//! anything or turn a line round.

use crate::error::clean_to;

/// The longest word and the longest sentence, in characters.
const WORD: usize = 200;
const SENTENCE: usize = 1000;

/// How an editor shows a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Markdown,
    Plain,
}

impl Form {
    /// Its name in the Language Server Protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Plain => "plaintext",
        }
    }

    /// A name or number, as it is.
    pub(super) fn word(self, text: &str) -> String {
        let text = clean_to(text, WORD);
        let text = text.trim();
        match self {
            Self::Plain => text.into(),
            Self::Markdown if text.is_empty() => String::new(),
            // In a code span nothing means anything but its end.
            Self::Markdown => format!("`{}`", text.replace('`', "'")),
        }
    }

    /// A sentence.
    pub(super) fn sentence(self, text: &str) -> String {
        let text = clean_to(text, SENTENCE);
        let text = text.trim();
        match self {
            Self::Plain => text.into(),
            Self::Markdown => escaped(text),
        }
    }

    /// Our own words, so that they stand out.
    pub(super) fn strong(self, text: &str) -> String {
        match self {
            Self::Plain => text.into(),
            Self::Markdown => format!("**{text}**"),
        }
    }

    /// Puts lines together.
    pub(super) fn lines(self, lines: &[String]) -> String {
        match self {
            Self::Plain => lines.join("\n"),
            // A line break of its own is none in Markdown.
            Self::Markdown => lines.join("  \n"),
        }
    }
}

/// Escapes what would mean something in Markdown, with what GitHub's takes for a link.
fn escaped(text: &str) -> String {
    let mut all = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let starts_link = rest.starts_with("://") || rest.starts_with('@');
        let before = text.get(..at).unwrap_or_default();
        let is_dot_of_link = c == '.' && before.to_ascii_lowercase().ends_with("www");
        let starts_list = before.is_empty() && matches!(c, '-' | '+' | '=');
        let numbers_list = matches!(c, '.' | ')')
            && !before.is_empty()
            && before.bytes().all(|byte| byte.is_ascii_digit());
        let means = matches!(
            c,
            '\\' | '`'
                | '*'
                | '_'
                | '['
                | ']'
                | '<'
                | '>'
                | '#'
                | '|'
                | '~'
                | '&'
                | '!'
                | '$'
                | '{'
                | '}'
        );
        if means || starts_link || is_dot_of_link || starts_list || numbers_list {
            all.push('\\');
        }
        all.push(c);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a row of the table is a line
    fn others_words_mean_nothing() {
        let check = |text: &str, word: &str, sentence: &str, why: &str| {
            assert_eq!(Form::Markdown.word(text), word, "{why}");
            assert_eq!(Form::Markdown.sentence(text), sentence, "{why}");
        };
        check("acme/echo-1", "`acme/echo-1`", "acme/echo-1", "a name");
        check("", "", "", "nothing");
        check("[x](http://e)", "`[x](http://e)`", r"\[x\](http\://e)", "a link");
        check("![](http://e)", "`![](http://e)`", r"\!\[\](http\://e)", "a picture, which would be fetched");
        check("<img src=x>", "`<img src=x>`", r"\<img src=x\>", "HTML");
        check("`a` b", "`'a' b`", r"\`a\` b", "the end of a span");
        check("# a", "`# a`", r"\# a", "a heading");
        check("- a", "`- a`", r"\- a", "a list");
        check("12. a", "`12. a`", r"12\. a", "a list with numbers");
        check("a\nb\r\n# c", "`a b  # c`", r"a b  \# c", "line breaks");
        check("www.e.org", "`www.e.org`", r"www\.e.org", "a link without a scheme");
        check("https://e.org", "`https://e.org`", r"https\://e.org", "one with it");
        check("a@e.org", "`a@e.org`", r"a\@e.org", "an address");
        check("&lt;", "`&lt;`", r"\&lt;", "an entity");
        check("a\u{202e}b\u{200b}", "`ab`", "ab", "what turns a line round or cannot be seen");
        check("    code", "`code`", "code", "a block of code");
        assert_eq!(Form::Plain.word("[x](y)\u{1b}[2J\n"), "[x](y)[2J");
        assert_eq!(Form::Plain.sentence(&"x".repeat(2000)).chars().count(), SENTENCE + 1);
    }
}
