//! `vouch`: the command line of vouchd. It asks the service and shows the answers; it decides nothing
//! by itself, and never sends a terminal control characters that somebody else wrote.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments`, `manual`, `hints` | the commands, with their help; words of other tools |
//! | `subject`, `reference` | what a word is: a file, a folder, a reference, standard input |
//! | `connect` | the connection, over which a service may have to be started |
//! | `call`, `progress` | one call, and the bar that is drawn meanwhile |
//! | `editor` | the service's program, which changes its config |
//! | `verify`, `check`, `inspect`, `sign`, `par`, `keys`, `tags`, `commands`, `sessions`, `trust`, `status`, `log` | the commands, each with its options |
//! | `password`, `spool`, `signals` | secrets, standard input, and the end by a signal |
//! | `show`, `tally`, `spelling`, `failure` | what people and programs see, and the exit code |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod arguments;
mod call;
mod check;
mod commands;
mod connect;
mod editor;
mod failure;
mod hints;
mod inspect;
mod keys;
mod log;
mod manual;
mod par;
mod password;
mod progress;
mod reference;
mod sessions;
mod show;
mod sign;
mod signals;
mod spelling;
mod spool;
mod status;
mod subject;
mod tags;
mod tally;
mod trust;
mod verify;

use arguments::{Cli, Command, Wanted};
use clap::CommandFactory as _;
use failure::{Failure, Outcome};
use manual::MANUAL;
use show::Screen;
use std::{
    io::{self, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(Outcome::Usage as u8)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    // One thread is plenty: the service does the work.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "vouch: cannot start: {error}");
            return ExitCode::from(Outcome::Failed as u8);
        }
    };
    let mut screen = Screen::new(cli.json);
    let outcome = runtime
        .block_on(run(cli, &mut screen))
        .and_then(|outcome| screen.flush().map(|()| outcome))
        .unwrap_or_else(|error| {
            // Whoever read our output is gone and wants no more of it.
            if error.kind() != io::ErrorKind::BrokenPipe {
                let _ = writeln!(anstream::stderr(), "vouch: cannot write: {error}");
            }
            Outcome::Failed
        });
    // A thread may be reading standard input, which may never end.
    runtime.shutdown_background();
    ExitCode::from(outcome as u8)
}

/// Fails only if the answer cannot be shown.
async fn run(cli: Cli, screen: &mut Screen) -> io::Result<Outcome> {
    let path = cli.socket.unwrap_or_else(vouch_client::default_socket);
    let command = match cli.wanted {
        Wanted::Service(Command::Status(arguments)) if arguments.watch => {
            return status::watch(&path, screen).await;
        }
        Wanted::Service(command) => command,
        Wanted::Keys { command } => return keys::keys(command, screen).await,
        Wanted::Log(arguments) => return log::log(&path, &arguments, screen).await,
        Wanted::Completions { shell } => {
            let script = vouch_pages::completions(Cli::command(), shell);
            return screen.script(&script).map(|()| Outcome::Success);
        }
        Wanted::Man { folder } => {
            return match vouch_pages::write_man(Cli::command(), &MANUAL, &folder) {
                Ok(()) => Ok(Outcome::Success),
                Err(error) => screen.failure(&Failure::new(format!(
                    "cannot write the man pages to {}: {error}",
                    folder.display()
                ))),
            };
        }
    };
    let start = command.starts_service() && !cli.no_spawn && !connect::told_not_to_start();
    let client = match connect::connect(&path, start, &command).await {
        Ok(client) => client,
        Err(failure) => return screen.failure(&failure),
    };
    if let Some(notice) = connect::notice(&client, &command) {
        screen.notice(&notice)?;
    }
    match command {
        Command::Verify(arguments) => verify::verify(&client, arguments, screen).await,
        Command::Check(arguments) => check::check(&client, arguments, screen).await,
        Command::Inspect(arguments) => inspect::inspect(&client, arguments, screen).await,
        Command::Push(arguments) => commands::push(&client, arguments, screen).await,
        Command::Sign(arguments) => sign::sign(&client, *arguments, screen).await,
        Command::Par { command } => par::par(&client, command, screen).await,
        Command::Pull(arguments) => commands::pull(&client, arguments, screen).await,
        Command::Tags(arguments) => tags::tags(&client, arguments, screen).await,
        Command::Login(arguments) => sessions::login(&client, arguments, screen).await,
        Command::Logout(arguments) => sessions::logout(&client, arguments, screen).await,
        Command::Sessions => sessions::list(&client, screen).await,
        Command::Trust { command } => trust::trust(&client, command, screen).await,
        Command::Status(_) => status::status(&client, screen).await,
        Command::Stop => commands::stop(&client, screen).await,
        Command::Restart => commands::restart(&client, screen).await,
        Command::Rpc(arguments) => commands::rpc(&client, arguments, screen).await,
    }
}
