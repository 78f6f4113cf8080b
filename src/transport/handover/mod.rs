//! How a new process takes over from this one: what the two say to each other. `give` is the old
//! one's side, `take` the new one's.
//!
//! They speak over a pair of connected sockets, of which the new one has its end as standard input.
//! The new one says `Hello` as soon as it runs. The old one hands over the handles (the listening
//! socket, its own standard error and, where the path is its own, the lock) and what else the new
//! one needs; the new one makes ready, and says so; the old one says `Go` and leaves. Until `Go`
//! the old one serves as if nothing had been, and can give the new one up: it says `Stay` and kills
//! it. Where it says neither, it has died, and the new one takes over. From then on the new one
//! serves. As the listening socket is the same one, whoever connects in between waits in its queue.
//!
//! Each message is its length in four bytes, the highest first, and as much JSON. The two may be
//! of different versions: members are only ever added, and read with a default. Afterwards the old
//! one goes on to tell what becomes of logins, as long as it has anything under way.
//!
//! A login's secret travels over nothing but this pair, never in an argument, a file or the
//! environment.

mod give;
mod successor;
mod take;

pub(super) use give::{Given, give};
pub use successor::Successor;
pub use take::{Following, Takeover};

use crate::{
    error::{Error, Result, error},
    session::Carried,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
use vouch_protocol::ServerRestartResult;
use zeroize::Zeroizing;

/// How long the new process may take, from its start until it is ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is handed over is at most that long: as many logins as are kept, with the longest secrets.
const LONGEST: usize = 256 << 20;

/// The length before each message.
const HEAD: usize = 4;

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum FromNew {
    /// It runs, and this is what it is.
    Hello(ServerRestartResult),
    /// It serves as soon as it may.
    Ready,
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum FromOld {
    /// With the handles.
    Take(Handed),
    /// The new one is the service now.
    Go,
    /// The old one stays, and the new one has to end. It may not be there to be killed: a script
    /// that started it is.
    Stay,
    /// What has become of logins since.
    Logins(Vec<Carried>),
}

/// What belongs to the handles.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handed {
    /// What tells the socket's file from another of that name, device and inode, where it is our
    /// own: then the lock is among the handles.
    #[serde(default)]
    own: Option<(u64, u64)>,
    #[serde(default)]
    logins: Vec<Carried>,
}

/// A message with its length. It may hold secrets: its memory is overwritten, and as it has room
/// from the start, it leaves no copy behind.
fn message(content: &impl Serialize, longest: usize) -> Result<Zeroizing<Vec<u8>>> {
    let broken = |error: &dyn std::fmt::Display| {
        error!(
            Internal: "a message of the hand-over cannot be written: {error}"
        )
    };
    let mut message = Zeroizing::new(Vec::with_capacity(HEAD + longest + 512));
    message.extend([0; HEAD]);
    serde_json::to_writer(&mut *message, content).map_err(|error| broken(&error))?;
    let length = message.len() - HEAD;
    let head = u32::try_from(length)
        .ok()
        .filter(|_| length <= LONGEST)
        .ok_or_else(|| broken(&"it is too long"))?;
    message
        .get_mut(..HEAD)
        .ok_or_else(|| broken(&"it is too short"))?
        .copy_from_slice(&head.to_be_bytes());
    Ok(message)
}

/// How long the message behind this head is.
fn length(head: [u8; HEAD]) -> Result<usize> {
    let length = u32::from_be_bytes(head) as usize;
    if length > LONGEST {
        return Err(strange());
    }
    Ok(length)
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    // Nothing of it may be shown: it may hold secrets.
    serde_json::from_slice(text).map_err(|_| strange())
}

/// The other side is something else.
fn strange() -> Error {
    error!(RestartFailed: "what it says is not a message of the hand-over")
}

/// The longest that these logins can get.
fn room_for(logins: &[Carried]) -> usize {
    logins.iter().map(Carried::longest).sum()
}
