//! A client for vouchd, the service that lets only signed WebAssembly artifacts through.
//!
//! ```no_run
//! # async fn example() -> Result<(), vouch_client::CallError> {
//! use vouch_client::{Client, protocol::{Verification, VerifyParams}};
//!
//! let client = Client::connect_default().await?;
//! let result = client
//!     .verify(VerifyParams::path("/home/ann/echo.wasm"))
//!     .await?;
//! if let Verification::Refused { refusal, .. } = result.verification {
//!     println!("{}", refusal.message);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::push_with_progress`] and its siblings report how far a call is:
//!
//! ```no_run
//! # async fn example(client: vouch_client::Client) -> Result<(), vouch_client::CallError> {
//! use vouch_client::protocol::{PushParams, WorkDone};
//!
//! let params = PushParams {
//!     path: "/home/ann/echo.wasm".into(),
//!     reference: "ghcr.io/acme/echo:0.3.4".into(),
//!     ..Default::default()
//! };
//! let pushed = client
//!     .push_with_progress(params, |progress| {
//!         if let WorkDone::Report { percentage: Some(percentage), .. } = progress {
//!             println!("{percentage} %");
//!         }
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::connect_or_start`] starts the service if none listens:
//!
//! ```no_run
//! # async fn example() -> Result<(), vouch_client::CallError> {
//! use vouch_client::{Client, Start, default_socket, protocol::ClientInfo};
//!
//! let start = Start::new(ClientInfo { name: "my-editor".into(), version: Some("1.2".into()) });
//! let client = Client::connect_or_start(default_socket(), &start).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Calls run side by side on one connection. Dropping a call cancels it on the server; dropping the
//! [`Client`] closes the connection, which cancels everything under way on it. A client never waits
//! for ever for a server that died, and never reads more of a reply than a reply may have.
//!
//! It needs a Tokio runtime with I/O and time enabled.
//!
//! | file | what is in it |
//! |---|---|
//! | `client`, `progress` | calls, and calls that report how far they are |
//! | `start`, `program` | starting a service if none listens, and which program that is |
//! | `rpc` | one connection: ids and calls side by side come from jsonrpsee |
//! | `cancel`, `sent`, `listeners` | what jsonrpsee lacks: cancelling, repeating unsent calls, progress |
//! | `lines`, `socket` | the wire, and whose socket it is |
//! | `error` | why a call failed |
//! | `signing` | keys, and what they sign; with the feature `signing` |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod cancel;
mod client;
mod error;
mod lines;
mod listeners;
mod program;
mod progress;
mod rpc;
mod sent;
#[cfg(feature = "signing")]
pub mod signing;
mod socket;
mod start;

pub use client::Client;
pub use error::{CallError, ServerError, StartError};
pub use socket::default_socket;
pub use start::{Start, service_program};
/// The types of params and results.
pub use vouch_protocol as protocol;
