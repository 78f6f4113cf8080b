//! The HTTP client: one request, sent where it may go, and what is said of it where it failed.
//!
//! | file | what it has |
//! |---|---|
//! | `address` | where requests may go: by the address, and once a name was resolved |
//! | `proxy` | the environment's proxies, and those that cannot be used |
//! | `certificates` | the PEM files of the owner's config |
//! | `client` | the one place where HTTP clients are made |
//! | `host` | [`Host`]: a registry's address, what it may lead to, and how long to wait for it |
//! | `failure` | [`Failure`]: what went wrong, and whether to try again |
//! | `retries` | [`Retries`]: how often, and the pauses between |
//! | `exchange` | one request and its answer, through redirects |

mod address;
mod certificates;
mod client;
mod exchange;
mod failure;
mod host;
mod proxy;
mod retries;

pub(crate) use address::leads_nowhere as is_link_local;
pub(crate) use exchange::{Activity, location, request};
pub(super) use exchange::{exchange, execute};
pub(crate) use failure::{Failure, bounded};
pub(crate) use host::Host;
pub use host::Timeouts;
pub(super) use proxy::Proxies;
pub(crate) use retries::{Retries, jitter};
