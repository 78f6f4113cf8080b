//! The config file. It belongs to the owner of the service; no request can change what it says. It
//! is hostile input all the same: of bounded size and depth, and no text of it may panic.
//!
//! Files depend on those above them:
//!
//! | file | what it is for |
//! |---|---|
//! | `span` | spans of time as people write them |
//! | `sections` | `[idle]`, `[log]` and `[sign]`; `[limits]` is [`Limits`](crate::artifact::Limits), `[trust]` [`Section`](crate::trust::Section), `[registry]` [`session`](crate::session)'s |
//! | `problem` | what is wrong with a file, and where |
//! | `settings` | what holds, and who says so |
//! | `whole` | the config: all sections in one |
//! | `keys`, `paths` | which keys there are; what a path means |
//! | `reading` | a text that is read, and what is wrong with it |
//! | `trust` | the section `[trust]` |
//! | `read` | from the text of a file to a config |
//! | `edit` | from the text of a file to another |

mod edit;
mod keys;
mod paths;
mod problem;
mod read;
mod reading;
mod sections;
mod settings;
mod span;
mod trust;
mod whole;

pub use edit::keep_key;
pub use problem::{Failure, Problem};
pub use sections::{Idle, Log, LogFormat, MOST_LOGS, SMALLEST_LOG, Sign};
pub use settings::{Origin, Setting, to_toml};
pub use span::{Span, Timeout};
pub use whole::Config;

/// The JSON schema of the file, for editors.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests;
