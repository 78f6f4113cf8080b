//! JSON from somebody who may wish that it is misread.

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use std::{collections::HashSet, fmt};

/// JSON that all readers take for the same, however deep one looks. It is read before anything is
/// read from it, and nothing of it is kept.
///
/// In others an object holds a name twice, of which readers keep one or the other; or it is an
/// object whose one name says to `serde_json::Value` that a text follows which is JSON itself. That
/// text counts its depth anew, so that texts in texts overflow the stack of whoever reads them.
#[derive(Debug)]
pub struct PlainJson(());

impl PlainJson {
    /// What is in JSON that is not plain, by the error of whoever read it as such.
    pub fn fault(error: &impl fmt::Display) -> Option<&'static str> {
        let said = error.to_string();
        [TWICE, TEXT]
            .into_iter()
            .find(|fault| said.starts_with(fault))
    }
}

const TWICE: &str = "a name twice";
const TEXT: &str = "a name that makes JSON of a text";

/// How the names begin by which `serde_json` tells its own values, with some of its features:
/// <https://github.com/serde-rs/json/blob/v1.0.154/src/raw.rs>.
const OF_SERDE: &str = "$serde_json::private::";

impl<'de> Deserialize<'de> for PlainJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Plain)
    }
}

struct Plain;

impl<'de> Visitor<'de> for Plain {
    type Value = PlainJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PlainJson, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.starts_with(OF_SERDE) {
                return Err(de::Error::custom(TEXT));
            }
            if !names.insert(name) {
                return Err(de::Error::custom(TWICE));
            }
            map.next_value::<PlainJson>()?;
        }
        Ok(PlainJson(()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PlainJson, A::Error> {
        while list.next_element::<PlainJson>()?.is_some() {}
        Ok(PlainJson(()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<PlainJson, E> {
        Ok(PlainJson(()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<PlainJson, E> {
        Ok(PlainJson(()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<PlainJson, E> {
        Ok(PlainJson(()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<PlainJson, E> {
        Ok(PlainJson(()))
    }

    fn visit_str<E>(self, _: &str) -> Result<PlainJson, E> {
        Ok(PlainJson(()))
    }

    fn visit_unit<E>(self) -> Result<PlainJson, E> {
        Ok(PlainJson(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_may_take_for_different_things_is_not_plain() {
        let check = |json: &str, expected: Option<&str>| {
            let read = serde_json::from_str::<PlainJson>(json);
            let fault = read.err().map(|error| PlainJson::fault(&error));
            assert_eq!(fault, expected.map(Some), "{json}");
        };
        check(
            r#"{"a":[1,-1,1.5,"a",null,true,{"a":{}}],"b":{"a":1}}"#,
            None,
        );
        check(r#"{"a":1,"a":1}"#, Some(TWICE));
        check(r#"{"a":1,"\u0061":1}"#, Some(TWICE));
        check(r#"[{"b":[{"a":1,"c":2,"a":1}]}]"#, Some(TWICE));
        check(r#"{"$serde_json::private::RawValue":"{}"}"#, Some(TEXT));
        check(r#"[{"\u0024serde_json::private::Number":"1"}]"#, Some(TEXT));
        check(r#"["$serde_json::private::RawValue"]"#, None);
        let broken =
            serde_json::from_str::<PlainJson>("{").map_err(|error| PlainJson::fault(&error));
        assert!(matches!(broken, Err(None)));
    }
}
