//! What a registry asks for, and how it is got.
//!
//! | file | what it has |
//! |---|---|
//! | `challenge` | [`Challenge`]: how a registry asks to be logged in to |
//! | `scope` | [`Scope`]: what an access token is asked for |
//! | `access_token` | [`AccessToken`], and [`Authorization`]: what a request carries |
//! | `cache` | the access tokens that are kept, and when they are due |
//! | `realm` | asking a realm for one: with a password, a refresh token, or nothing |
//! | `tokens` | [`AccessTokens`]: from memory or from the realm, once for all; renewed while in use |

mod access_token;
mod cache;
mod challenge;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod realm;
mod scope;
mod tokens;

pub(super) use access_token::Authorization;
pub(super) use cache::TokenRequest;
pub(super) use challenge::{Challenge, lacks_scope};
pub(crate) use scope::{Action, Scope};
pub(super) use tokens::AccessTokens;
