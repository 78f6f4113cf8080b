//! What a request is called in reports of its progress.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Names a request in reports of its progress: a string of at most 256 bytes or a non-negative
/// integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ProgressToken {
    /// A number, 0 included.
    Number(u64),
    /// A string.
    Text(String),
}

impl ProgressToken {
    /// The longest string, in bytes: it is kept, and sent back with every report.
    pub const LONGEST: usize = 256;
}

impl<'de> Deserialize<'de> for ProgressToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Token {
            Number(u64),
            Text(String),
        }
        match Token::deserialize(deserializer) {
            Ok(Token::Number(number)) => Ok(Self::Number(number)),
            Ok(Token::Text(text)) if text.len() > Self::LONGEST => {
                Err(D::Error::custom("a token is longer than 256 bytes"))
            }
            Ok(Token::Text(text)) => Ok(Self::Text(text)),
            Err(_) => Err(D::Error::custom(
                "a token is a string or a non-negative integer",
            )),
        }
    }
}
