//! `vouch sign`: puts the user's token into files, with the user's key.
//!
//! The service reads each file and says what is to be signed; what that says is decoded here, compared
//! with the file, shown, and signed only if it was asked for. The service puts the token in, and examines what came of it.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments` | options of whatever signs |
//! | `shell` | lines to copy |
//! | `key` | which key signs, and its passphrase |
//! | `shown` | what is going to be signed |
//! | `batch` | files that are signed with one question |

mod arguments;
mod batch;
mod key;
mod shell;
mod shown;

pub(crate) use arguments::{ClaimArguments, KeyArguments, SignArguments};
pub(crate) use batch::{Job, Manner, batch};
pub(crate) use key::choose;
pub(crate) use shell::quoted;

use crate::{
    failure::{Failure, Outcome},
    show::Screen,
    signals::Signals,
};
use std::io;
use vouch_client::Client;

pub(crate) async fn sign(
    client: &Client,
    arguments: SignArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let read = || {
        let wish = arguments.wish().map_err(Failure::new)?;
        let output = arguments.output.as_deref();
        let files = arguments.files.iter();
        let jobs = files.map(|file| Job::of(file, output, arguments.overwrite));
        Ok((wish, jobs.collect::<Result<Vec<_>, Failure>>()?))
    };
    let (wish, jobs) = match read() {
        Ok(read) => read,
        Err(failure) => return screen.failure(&failure),
    };
    let manner = Manner {
        replace: arguments.replace,
        quiet: arguments.quiet,
    };
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        ended = signals.next() => Ok(ended),
        done = async {
            match choose(&arguments.key, screen).await {
                Ok(signer) => {
                    batch(client, jobs, wish, signer, &arguments.key, manner, screen).await
                }
                Err(failure) => screen.failure(&failure),
            }
        } => done,
    }
}
