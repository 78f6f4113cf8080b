//! The sessions themselves, and what is carried to a successor.
//!
//! | file | what it has |
//! |---|---|
//! | `carried` | [`Carried`]: a login on its way to another process |
//! | `heard` | what a registry last said of a repository: a hint |
//! | `session` | [`Session`]: one login to one registry, and how a request is made with it |
//! | `store` | all logins there are, with their sessions |
//! | `all` | [`Sessions`]: which login a request begins with |

mod all;
mod carried;
mod heard;
mod session;
mod store;

pub use all::Sessions;
pub use carried::Carried;
pub(crate) use session::Session;
#[cfg(test)]
pub(super) use store::SESSIONS;
