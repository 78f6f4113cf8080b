//! Which keys there are, and which one was meant.

use super::{
    sections::{Idle, Log, Sign},
    whole::Config,
};
use crate::{artifact::Limits, session::RegistryConfig, trust};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

/// The keys of a section; nothing for an unknown section.
pub(super) fn of(section: &[&str]) -> Option<&'static [&'static str]> {
    match section {
        [] => Some(fields::<Config>()),
        ["idle"] => Some(fields::<Idle>()),
        ["log"] => Some(fields::<Log>()),
        ["sign"] => Some(fields::<Sign>()),
        ["limits"] => Some(fields::<Limits>()),
        ["registry", _] => Some(fields::<RegistryConfig>()),
        ["trust"] => Some(fields::<trust::Section>()),
        ["trust", "signer", _] => Some(fields::<trust::Signer>()),
        ["trust", "root", _] => Some(fields::<trust::Root>()),
        ["trust", "rule"] => Some(fields::<trust::Rule>()),
        _ => None,
    }
}

/// What to do about an unknown key, in a section of these keys.
pub(super) fn advice(key: &str, known: &[&str]) -> String {
    if let Some(nearest) = nearest(key, known) {
        return format!("Did you mean `{nearest}`?");
    }
    let elsewhere = ["idle", "log", "sign", "limits"]
        .into_iter()
        .find(|section| of(&[section]).is_some_and(|keys| keys.contains(&key)));
    match elsewhere {
        Some(section) => format!("It belongs to the section [{section}]."),
        None => format!("The keys here are {}.", known.join(", ")),
    }
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    // A long one is not a key, and would take long to compare.
    let key = Some(key).filter(|key| key.len() <= 64)?.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&key, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// The names of a struct's fields, as serde knows them.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always fails: the question is what it asks for.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// Notes which fields a struct asks for, and has none of them.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing is here"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_know_their_keys() {
        let check = |section: &[&str], expected: &[&str]| {
            assert_eq!(of(section), Some(expected), "{section:?}");
        };
        check(
            &[],
            &[
                "socket", "idle", "log", "sign", "limits", "trust", "registry",
            ],
        );
        check(&["idle"], &["timeout", "logins"]);
        let registry = ["plain-http", "ca", "client-cert", "client-key", "mirrors"];
        check(&["registry", "x"], &registry);
        assert_eq!(of(&["registry"]), None);
        check(&["trust"], &["default", "signer", "root", "rule"]);
        let signer = [
            "account",
            "ssh-key",
            "workflow",
            "refs",
            "repository",
            "email",
            "uri",
            "issuer",
            "key",
            "root",
            "revoked",
        ];
        check(&["trust", "signer", "x"], &signer);
        check(&["trust", "root", "x"], &["path"]);
        assert_eq!(of(&["trust", "signer"]), None);
    }

    #[test]
    fn the_key_that_was_meant() {
        let check = |section: &[&str], key: &str, expected: &str| {
            assert_eq!(advice(key, of(section).unwrap()), expected, "{key}");
        };
        let registry = ["registry", "x"];
        check(&registry, "plain_http", "Did you mean `plain-http`?");
        check(&registry, "PlainHttp", "Did you mean `plain-http`?");
        check(&registry, "mirror", "Did you mean `mirrors`?");
        check(
            &registry,
            "client-certificate",
            "Did you mean `client-cert`?",
        );
        check(&[], "limit", "Did you mean `limits`?");
        check(&[], "timeout", "It belongs to the section [idle].");
        check(&["idle"], "xyz", "The keys here are timeout, logins.");
        check(
            &["idle"],
            &"t".repeat(1 << 20),
            "The keys here are timeout, logins.",
        );
    }
}
