//! Files, opened without surprises and named atomically.
//!
//! A path is opened once, and everything is read from that handle. A file that is written has no
//! name until [`Unnamed::give_name`] gives it one, whole and synced. Everything here blocks, but for
//! [`Identity::at_hand`]: call it off the runtime's threads.
//!
//! | file | what it has |
//! |---|---|
//! | `path` | [`parse_path`]: absolute paths and `file:` URIs |
//! | `source` | [`Source`]: a regular file that is read, and its [`Identity`] |
//! | `destination` | [`Destination`]: where a file goes, and what is there now |
//! | `temporary` | temporary names, and clearing away what a crash left of them |
//! | `kept` | what a file keeps when another takes its place |
//! | `unnamed` | [`Unnamed`]: a file that is written, and given its name in one step |
//! | `provisional` | [`Provisional`]: a name that is taken back unless it is kept |

mod destination;
mod kept;
mod path;
mod provisional;
mod source;
mod temporary;
mod unnamed;

pub use destination::Destination;
pub use path::parse_path;
pub(crate) use path::unescaped;
pub use provisional::Provisional;
pub use source::{Identity, Positioned, Source};
pub(crate) use temporary::is_temporary;
pub use unnamed::Unnamed;
