//! Names as they are without a config.

use super::{PlainHosts, Reference, Registry};

/// The reference of that text.
pub(crate) fn reference(text: &str) -> Reference {
    PlainHosts::default().reference(text).expect(text)
}

/// The registry of that name.
pub(crate) fn registry(text: &str) -> Registry {
    PlainHosts::default().registry(text).expect(text)
}
