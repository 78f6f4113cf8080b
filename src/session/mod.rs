//! Registry logins, and the one way requests go out.
//!
//! A session is one login to one registry: where the login came from, the access tokens that it
//! gave, and the HTTP client that knows where requests may go. Work that has begun with a session
//! ends with it: two logins do not mix, and what is logged out stops. A secret never leaves this
//! module except to the registry itself or to the realm it names; no `Debug`, log line or error
//! holds one.
//!
//! # Four rooms
//!
//! Each depends on those above it, never the other way.
//!
//! | room | what it answers | its types |
//! |---|---|---|
//! | `credentials` | where does a login come from, and is it still there? | `Sources` finds a `Credential` and where it is `Filed`; a `Login` is the one in use, and its end; a `Redactor` knows its secrets |
//! | `http` | where may a request go, and what is said where it failed? | `Host` is a registry as one session speaks to it; `exchange` sends one request through its redirects; `Failure`, `Retries` |
//! | `authorization` | what does a registry ask for, and how is it got? | `Challenge`, `Scope`, `TokenRequest`; `AccessTokens` answers an `AccessToken` from memory or from a realm |
//! | `sessions` | which login does a request begin with, and how is it made? | `Session` asks; the `Store` has all logins and their sessions; `Sessions` is what the service holds; `Carried` reaches a successor |
//!
//! Beside them: `config` (the sections `[registry."host:port"]`), `clock`, `flight` (one
//! run for all who want its outcome) and `causes` of errors.
//!
//! # How a request is made
//!
//! `Session::ask`, in one loop. Nothing is known of a host, only what was heard of one repository,
//! and that is a hint for the first attempt:
//!
//! 1. The hint's challenge is met from what is at hand. Where that fails (its realm has moved, is
//!    down, or takes no such login), or there is no hint, the request goes without a login.
//! 2. The answer decides, and no other. A 401 names the challenge to meet; one that names none has
//!    the registry's root asked, as docker does; so has, once, a 403 or 404 to which no login was
//!    sent. Meeting it may yield an access token that was kept: one that is refused is replaced by a
//!    fresh one, which is the last.
//! 3. What was met is the hint for the next request of the same repository.
//!
//! So repositories of one host may have other realms, other schemes or none, side by side; and no
//! realm is believed that the registry does not name any more.
//!
//! # What `registry` uses
//!
//! [`Sessions::session`] yields a [`Session`] (files of logins are looked at there, once for all
//! that follows). [`Session::send`] repeats what passes by itself; [`Session::attempt`] sends once,
//! for those who count [`Retries`] themselves; [`Session::stream`] does so with a body that is read
//! meanwhile ([`Activity`] shows that it moves); [`Session::offer`] is a courtesy. A [`Scope`] says
//! which repository is read or written ([`Action`]). A [`Failure`] holds the error and whether to try
//! again; [`bounded`] reads small bodies, [`location`] where an answer leads, [`Host::permit`] says
//! whether a request may go there. A session dereferences to its [`Host`]: the registry's name,
//! its timeouts, errors about it.

mod authorization;
mod causes;
mod clock;
mod config;
mod credentials;
mod flight;
mod http;
mod sessions;

pub(crate) use authorization::{Action, Scope};
pub use config::{Config, Mirror, RegistryConfig, plain_hosts};
pub use credentials::OWN_VARIABLES;
pub(crate) use credentials::{Credential, Secret, environment};
pub(crate) use flight::Flight;
pub use http::Timeouts;
pub(crate) use http::{
    Activity, Failure, Retries, bounded, is_link_local, jitter, location, request,
};
pub(crate) use sessions::Session;
pub use sessions::{Carried, Sessions};

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use super::{
        authorization::fuzzing::{challenge, token_answer},
        credentials::fuzzing::docker_config,
    };
}
#[cfg(test)]
mod tests;
