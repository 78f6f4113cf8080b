//! What the owner allows an artifact to cost.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The config's section `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [limits]")]
pub struct Limits {
    /// Bytes of an artifact, as it is stored and sent.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_ARTIFACT)))]
    pub artifact: u64,
    /// Bytes of an archive, inflated.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_ARTIFACT)))]
    pub expanded: u64,
    /// How many times larger than stored an archive may be, past the first 64 MiB.
    #[cfg_attr(test, schemars(range(min = 1, max = HIGHEST_RATIO)))]
    pub ratio: u64,
    /// Entries of an archive.
    #[cfg_attr(test, schemars(range(min = 1, max = MOST_ENTRIES)))]
    pub entries: usize,
    /// Bytes of a token.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_TOKEN)))]
    pub token: usize,
    /// Components within components.
    #[cfg_attr(test, schemars(range(max = DEEPEST_NESTING)))]
    pub nesting: usize,
    /// Bytes of a manifest.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_MANIFEST)))]
    pub manifest: usize,
}

/// No limit can be set higher: what is held in memory stays small, and anything more is a typing
/// error.
const LARGEST_ARTIFACT: u64 = 1 << 50;
const HIGHEST_RATIO: u64 = 1_000_000;
const MOST_ENTRIES: usize = 1 << 20;
const LARGEST_TOKEN: usize = 16 << 20;
const DEEPEST_NESTING: usize = 10_000;
const LARGEST_MANIFEST: usize = 64 << 20;

impl Limits {
    /// Each limit's key, its value and what it may be.
    pub fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 7] {
        let memory =
            |key, value: usize, least: u64, most: usize| (key, value as u64, least..=most as u64);
        [
            ("artifact", self.artifact, 1..=LARGEST_ARTIFACT),
            ("expanded", self.expanded, 1..=LARGEST_ARTIFACT),
            ("ratio", self.ratio, 1..=HIGHEST_RATIO),
            memory("entries", self.entries, 1, MOST_ENTRIES),
            memory("token", self.token, 1, LARGEST_TOKEN),
            memory("nesting", self.nesting, 0, DEEPEST_NESTING),
            memory("manifest", self.manifest, 1, LARGEST_MANIFEST),
        ]
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            artifact: 4 << 30,
            expanded: 16 << 30,
            ratio: 200,
            entries: 256,
            token: 256 << 10,
            nesting: 100,
            manifest: 4 << 20,
        }
    }
}
