//! Typed calls to vouchd.
