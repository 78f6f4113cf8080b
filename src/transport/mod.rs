//! How clients reach the service: framings, connections, the socket, stdio and HTTP. A client
//! that is malformed, slow, greedy or gone must cost nobody but itself.
//!
//! Files depend on those above them:
//!
//! | file | what it is for |
//! |---|---|
//! | `room` | the memory that long messages share |
//! | `terms` | what connections have in common: how long they are waited for, how one ends |
//! | `message` | JSON-RPC: a request, a notification, a batch, a response |
//! | `dropped` | what a message was about that is not kept |
//! | `framing` | where a message ends; which framing a connection's first byte announces |
//! | `outgoing` | what waits to be written |
//! | `reports` | `$/progress` |
//! | `client` | what a message starts, and what it is answered |
//! | `cut`, `spare` | an input that is cut, a file handle to give up |
//! | `stream`, `http` | a connection of lines or `Content-Length`, and one of HTTP |
//! | `connection` | a connection, whichever it is |
//! | [`socket`], [`notify`] | the Unix socket; what a service manager is told |
//! | [`handover`] | how a new process takes over |
//! | `accept`, `serving` | who is let in; a listening socket from its first client to its end |
//! | [`stdio`] | standard input and output as the one connection |

mod accept;
mod client;
mod connection;
mod cut;
mod dropped;
mod framing;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handover;
mod http;
mod message;
pub mod notify;
mod outgoing;
mod reports;
mod room;
mod serving;
pub mod socket;
mod spare;
pub mod stdio;
mod stream;
mod terms;
#[cfg(test)]
mod tests;

pub use serving::{Place, serve};
