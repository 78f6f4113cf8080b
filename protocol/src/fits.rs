//! What clients send that means something else to others.

use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// Reads what has the right type, and takes anything else for absent.
pub(crate) fn if_it_fits<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value<T> {
        Fits(T),
        Other(IgnoredAny),
    }
    Ok(match Value::deserialize(deserializer)? {
        Value::Fits(value) => Some(value),
        Value::Other(_) => None,
    })
}
