//! What people may mean by commands that there are not: words of other tools.

use clap::error::{ContextKind, ContextValue};

/// Words, and what to do instead.
pub(crate) const MEANT: &[(&[&str], &str)] = &[
    (
        &["show", "validate", "audit"],
        "`vouch verify` says whether artifacts are signed, and by whom",
    ),
    (
        &["publish", "upload", "put", "copy", "cp"],
        "`vouch push FILE REFERENCE` publishes a file",
    ),
    (
        &["download", "fetch", "get", "install"],
        "`vouch pull REFERENCE` fetches an artifact",
    ),
    (
        &["attest", "claims", "resign"],
        "`vouch sign FILE` signs a file",
    ),
    (
        &["key", "keygen", "genkey"],
        "`vouch keys new NAME` makes a key",
    ),
    (
        &["pack", "archive"],
        "`vouch par create` makes a provider archive",
    ),
    (
        &["start", "serve", "daemon", "run", "up"],
        "commands start the service if none runs; `vouchd serve` starts one by hand",
    ),
    (
        &["kill", "quit", "exit", "shutdown", "down"],
        "`vouch stop` stops the service",
    ),
    (
        &["upgrade", "update", "reload"],
        "`vouch restart` replaces the service with the vouchd that is installed; SIGHUP makes it read its config again",
    ),
    (
        &["config", "demo"],
        "that is a command of the service's program: `vouchd config`, `vouchd demo`",
    ),
    (
        &["logs", "tail", "journal"],
        "`vouch log` shows the service's log",
    ),
    (
        &["ps", "info", "top", "ping", "health"],
        "`vouch status` shows what the service is doing",
    ),
    (
        &["auth", "whoami", "logins", "session", "ls", "list"],
        "`vouch sessions` lists the logins",
    ),
    (
        &["call", "request"],
        "`vouch rpc METHOD JSON` calls a method of the protocol",
    ),
    (
        &["completion"],
        "`vouch completions SHELL` prints the completions for a shell",
    ),
    (&["version"], "`vouch --version` prints the version"),
];

/// An error with a hint, where a command is unknown and it is known what other tools mean by it.
/// Otherwise clap's own hint stays, a command that is spelt alike.
pub(crate) fn hinted(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let meant = MEANT
        .iter()
        .find(|(words, _)| words.contains(&given.as_str()));
    if let Some((_, hint)) = meant {
        error.remove(ContextKind::SuggestedSubcommand);
        let hint = ContextValue::StyledStrs(vec![(*hint).into()]);
        error.insert(ContextKind::Suggested, hint);
    }
    error
}
