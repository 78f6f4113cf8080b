//! What a registry asks for, and how it is got.
//!
//! | file | what it has |
//! |---|---|
//! | `challenge` | [`Challenge`]: how a registry asks to be logged in to |
//! | `scope` | [`Scope`] and [`TokenRequest`]: what access tokens are asked for, and of whom |
//! | `access_token` | [`AccessToken`], and [`Authorization`]: what a request carries |
//! | `realm` | asking a realm for one: with a password, a refresh token, or nothing |
//! | `tokens` | [`AccessTokens`]: kept, or asked for once for all; renewed while in use |

mod access_token;
mod challenge;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod realm;
mod scope;
mod tokens;

pub(super) use access_token::Authorization;
pub(super) use challenge::{Challenge, lacks_scope};
pub(super) use scope::TokenRequest;
pub(crate) use scope::{Action, Scope};
pub(super) use tokens::AccessTokens;
