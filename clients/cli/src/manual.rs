//! What `--help` and the man pages say beside the arguments.

use std::fmt::Write as _;
use vouch_pages::Manual;

/// What `--help` and the man pages say beside the arguments.
pub(crate) const MANUAL: Manual = Manual {
    exit_status: &[
        ("0", "accepted, or done"),
        (
            "1",
            "refused: the artifact or its signature does not pass; of several, one or more",
        ),
        (
            "2",
            "anything else that failed, such as no service to ask, and nothing is refused",
        ),
        ("64", "wrong usage"),
    ],
    environment: &[
        (
            "VOUCHD_SOCKET",
            "The service's socket, unless --socket names one.",
        ),
        (
            "VOUCHD",
            "The program to start if no service listens [default: vouchd beside vouch, or on PATH].",
        ),
        (
            "VOUCH_NO_SPAWN",
            "Set to anything but 0, false or no: do not start a service, as with --no-spawn.",
        ),
        (
            "VOUCH_START_TIMEOUT",
            "How many seconds a service that is started may take until it answers [default: 5].",
        ),
        (
            "VOUCH_KEY_FILE",
            "The file with the key that signs, unless --key names one: for automation. It is not \
             passed to the service.",
        ),
        (
            "SSH_AUTH_SOCK",
            "The socket of the ssh-agent whose keys can sign. It is not passed to the service.",
        ),
        (
            "XDG_RUNTIME_DIR",
            "The folder of the usual socket; see FILES.",
        ),
        (
            "XDG_STATE_HOME",
            "The folder of the service's log; see FILES.",
        ),
        (
            "XDG_DATA_HOME",
            "The folder of the keys that `vouch keys new` makes; see FILES.",
        ),
        (
            "TMPDIR",
            "Where `vouch verify -` keeps standard input while it is verified.",
        ),
        (
            "NO_COLOR, CLICOLOR_FORCE",
            "Use no colours; use them even if the output is not a terminal.",
        ),
    ],
    files: &[
        ("$XDG_RUNTIME_DIR/vouchd/vouchd.sock", "The usual socket."),
        (
            "/tmp/vouchd-$UID/vouchd.sock",
            "The usual socket without XDG_RUNTIME_DIR.",
        ),
        (
            "$XDG_STATE_HOME/vouchd/vouchd.log",
            "The usual log; ~/.local/state stands for XDG_STATE_HOME if that is not set.",
        ),
        (
            "$XDG_DATA_HOME/vouchd/keys/NAME.nk",
            "Keys of your own; ~/.local/share stands for XDG_DATA_HOME if that is not set.",
        ),
    ],
    see_also: &["vouchd(1)"],
};

pub(crate) fn after_help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in MANUAL.exit_status {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {code:<3} {meaning}");
    }
    text + "
Examples:
  vouch sign echo.wasm                         # with your key in ssh-agent
  vouch verify target/                         # all artifacts below a folder
  vouch push echo.wasm ghcr.io/acme/echo:1.0.0
  vouch pull ghcr.io/acme/echo:1.0.0 -o echo.wasm

If no service listens on the socket, one is started. `vouch help COMMAND` says more."
}
