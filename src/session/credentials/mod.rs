//! Where logins come from.
//!
//! | file | what it has |
//! |---|---|
//! | `secret` | [`Secret`] and [`Credential`]: what nothing may show |
//! | `redactor` | [`Redactor`]: takes secrets out of what is logged or answered |
//! | `keys` | what docker and podman file logins under |
//! | `helper` | credential helpers: other people's programs |
//! | `file` | docker's and podman's files of logins |
//! | `sources` | all files in their order; [`Filed`] is where one login was found |
//! | `login` | [`Login`]: one login, as it is now, and its end |

mod file;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod helper;
mod keys;
mod login;
mod redactor;
mod secret;
mod sources;

pub use helper::OWN_VARIABLES;
pub(crate) use login::{Login, LoginPlace};
pub(crate) use redactor::Redactor;
pub(crate) use secret::{Credential, Secret};
pub(crate) use sources::{Filed, Sources, environment};
