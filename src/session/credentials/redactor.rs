//! Keeps secrets out of what is logged or answered, whoever wrote the text.

use super::{Credential, Secret};
use parking_lot::Mutex;
use std::{collections::VecDeque, fmt};
use zeroize::Zeroizing;

/// The most secrets that are looked for, of logins and of access tokens each: the latest, which are
/// those in use and those that were dropped lately. Access tokens never push out a login.
const KEPT: usize = 512;
/// Shorter ones would be found in every text.
const SHORTEST: usize = 4;

/// Removes the secrets that it knows from texts, in every form in which they travel: as they are,
/// as Basic authentication, forms and addresses write them, in any case, and with invisible
/// characters in between.
#[derive(Default)]
pub(crate) struct Redactor(Mutex<Known>);

#[derive(Default)]
struct Known {
    logins: VecDeque<Zeroizing<String>>,
    tokens: VecDeque<Zeroizing<String>>,
}

impl Redactor {
    /// Learns the secret of a login.
    pub(crate) fn learn(&self, credential: &Credential) {
        self.learn_secret(credential.secret());
        if let Some(basic) = credential.basic() {
            self.learn_secret(&basic);
        }
    }

    /// The same, of a secret alone.
    pub(crate) fn learn_secret(&self, secret: &Secret) {
        add(&mut self.0.lock().logins, secret);
    }

    /// Learns an access token.
    pub(crate) fn learn_token(&self, token: &Secret) {
        add(&mut self.0.lock().tokens, token);
    }

    /// Overwrites all that it knows.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Known::default();
    }

    /// The text without the secrets. Redact before a text is cut, or part of a secret may remain.
    pub(crate) fn redacted(&self, text: String) -> String {
        let known = self.0.lock();
        if known.logins.is_empty() && known.tokens.is_empty() {
            return text;
        }
        let (searched, places) = folded(&text);
        let mut hits: Vec<(usize, usize)> = known
            .logins
            .iter()
            .chain(&known.tokens)
            .flat_map(|needle| searched.match_indices(needle.as_str()))
            .filter_map(|(at, found)| {
                let (start, _) = *places.get(at)?;
                let (_, end) = *places.get(at + found.len() - 1)?;
                Some((start, end))
            })
            .collect();
        hits.sort_unstable();
        let (mut clean, mut done) = (String::with_capacity(text.len()), 0);
        for (start, end) in hits {
            if let Some(before) = text.get(done..start) {
                clean.push_str(before);
                clean.push('…');
            }
            done = done.max(end);
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        clean
    }
}

/// Adds the forms of a secret.
fn add(known: &mut VecDeque<Zeroizing<String>>, secret: &Secret) {
    let plain = secret.reveal();
    let form: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
    let form = Zeroizing::new(form);
    for written in [plain, form.as_str()] {
        // The padding of base64 may be missing.
        let (needle, _) = folded(written.trim_end_matches('='));
        if needle.len() >= SHORTEST && !known.contains(&needle) {
            known.push_back(needle);
            if known.len() > KEPT {
                known.pop_front();
            }
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

/// The form in which texts are compared with secrets: lower case, visible characters alone, and what
/// is escaped by a percent sign as it is meant, as addresses escape more or less. For each of its
/// bytes, the start and end of what it was.
fn folded(text: &str) -> (Zeroizing<String>, Vec<(usize, usize)>) {
    let mut meant = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut origins = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.first_chunk().filter(|_| *first == b'%');
        let byte = escaped.and_then(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        let start = text.len() - rest.len();
        rest = byte.and_then(|_| after.get(2..)).unwrap_or(after);
        meant.push(byte.unwrap_or(*first));
        origins.push((start, text.len() - rest.len()));
    }
    // Never reallocated: a copy would stay in memory.
    let mut folded = Zeroizing::new(String::with_capacity(text.len()));
    let mut places = Vec::with_capacity(text.len());
    let mut before = 0;
    for chunk in meant.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            if c.is_ascii_graphic() || c.is_alphanumeric() {
                folded.push(c.to_ascii_lowercase());
                let bytes = before + at..before + at + c.len_utf8();
                let of = origins.get(bytes).unwrap_or_default();
                let start = of.first().map_or(0, |(start, _)| *start);
                let end = of.last().map_or(text.len(), |(_, end)| *end);
                places.extend([(start, end)].repeat(c.len_utf8()));
            }
        }
        before += chunk.valid().len() + chunk.invalid().len();
    }
    (folded, places)
}

/// The value of a hexadecimal digit.
fn digit(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_texts() {
        let check = |secret: &str, text: &str, expected: &str, reason: &str| {
            let redactor = Redactor::default();
            redactor.learn_secret(&Secret::new(secret));
            assert_eq!(redactor.redacted(text.into()), expected, "{reason}");
        };
        let pair = "you sent hunter2, Hunter2";
        check("hunter2", pair, "you sent …, …", "in whatever case");
        check("YW5uOmI=", "basic yw5uomi", "basic …", "without padding");
        check("hunter2", "né hunter2 é", "né … é", "beside other letters");
        check("hunter2", "hunter", "hunter", "a part is another text");
        check("abc", "abc", "abc", "too short to be looked for");
        check("", "abc", "abc", "nothing is in every text");
        check("hunter2", "h\u{200b}un\u{ad}te\u{301}r 2!", "…!", "split");
        check("a b&c/ü", "x=a+b%26c%2F%C3%BC", "x=…", "as forms write it");
        check(
            "a b&c/ü",
            "/a%20b%26c%2f%c3%bc/x",
            "/…/x",
            "as paths write it",
        );
        check("a b!c", "/a%20b!c", "/…", "as paths write it, less escaped");
        check("hunter2", "%68un%74er2 100%", "… 100%", "more escaped");
        check(
            "50%25x",
            "50%25x 50%2525x 50%x",
            "… … …",
            "what looks escaped",
        );
        check(
            "€uro1",
            "%E2%82%ACuro1 %ffuro1",
            "%E2%82%AC… %ff…",
            "signs are none of it",
        );
        check("pass", "passpass", "……", "twice");
        check(
            "p\u{200b}assw",
            "it passw",
            "it …",
            "what is invisible in it",
        );
    }

    #[test]
    fn logins_are_known_in_every_form() {
        let redactor = Redactor::default();
        redactor.learn(&Credential::Password {
            username: "ann".into(),
            password: Secret::new("hunter2"),
        });
        redactor.learn_secret(&Secret::new("hunter2-and-more"));
        let text = "Basic YW5uOmh1bnRlcjI= ann:hunter2 hunter2-and-more".to_owned();
        assert_eq!(redactor.redacted(text), "Basic … ann:… …");
        redactor.forget();
        assert_eq!(redactor.redacted("hunter2".into()), "hunter2");
    }

    #[test]
    fn what_it_knows_is_bounded() {
        let redactor = Redactor::default();
        redactor.learn_secret(&Secret::new("hunter2"));
        for number in 0..2 * KEPT {
            redactor.learn_token(&Secret::new(format!("secret{number}")));
        }
        assert_eq!(redactor.0.lock().tokens.len(), KEPT);
        let latest = format!("secret{} hunter2", 2 * KEPT - 1);
        assert_eq!(redactor.redacted(latest), "… …");
    }
}
