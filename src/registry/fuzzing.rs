//! What fuzzing reaches of manifests: see `tests/fuzz`.

use super::manifest::Fetched;
use crate::{artifact::Limits, error::Result};

/// Reads a manifest down to its layer.
pub fn manifest(bytes: &[u8], media_type: Option<&str>) -> Result<()> {
    let fetched = Fetched::read(bytes, media_type, &Limits::default())?;
    fetched.layer().map(drop)
}
