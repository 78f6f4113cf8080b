//! The command line of vouchd.
fn main() {}
