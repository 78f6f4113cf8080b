//! Why a call failed. Error kinds of a newer server are kept as they came.

use crate::sent;
use jsonrpsee::core::client::Error as RpcError;
use serde_json::Value;
use std::{error, fmt, io, path::PathBuf};
use vouch_protocol::ErrorKind;

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// The server returned an error.
    Refused(ServerError),
    /// There is no connection, or it broke before the answer came. Whether the call had an effect
    /// is not known.
    Connection(io::Error),
    /// No service listens, and none could be started.
    NotStarted(StartError),
    /// Something that was sent or received breaks the protocol; the text says what.
    Protocol(String),
}

/// An error that the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// What programs switch on, as it came: a newer server may have kinds that [`ErrorKind`] lacks.
    /// Empty if the server sent none.
    pub kind: String,
    /// The JSON-RPC error code.
    pub code: i32,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// All of the error's data, as it came; null if there was none.
    pub data: Value,
}

impl ServerError {
    /// The kind, if this version knows it.
    pub fn known_kind(&self) -> Option<ErrorKind> {
        let known = |kind: &&ErrorKind| kind.name() == self.kind;
        ErrorKind::ALL.iter().find(known).copied()
    }

    fn new(code: i32, message: &str, data: Value) -> Self {
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
        // Any JSON-RPC server has codes; `data` is vouchd's own.
        let by_code = ErrorKind::ALL.iter().find(|kind| kind.code() == code);
        Self {
            kind: text("kind")
                .or_else(|| by_code.map(|kind| kind.name().to_owned()))
                .unwrap_or_default(),
            code,
            message: message.to_owned(),
            help: text("help"),
            retryable: data.get("retryable").and_then(Value::as_bool) == Some(true),
            data,
        }
    }
}

/// Why no service could be started.
#[derive(Debug)]
pub struct StartError {
    /// The socket.
    pub socket: PathBuf,
    /// The program that was started, or should have been; absent if there is none to start.
    pub program: Option<PathBuf>,
    /// What happened.
    pub message: String,
    /// The last lines that the program wrote to standard error; ten at most.
    pub last_words: Vec<String>,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no service listens on {}, and starting one failed: {}",
            self.socket.display(),
            self.message
        )
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(&error.message),
            Self::Connection(error) => error.fmt(f),
            Self::NotStarted(error) => error.fmt(f),
            Self::Protocol(what) => f.write_str(what),
        }
    }
}

impl error::Error for CallError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connection(error) => error.source(),
            Self::Refused(_) | Self::NotStarted(_) | Self::Protocol(_) => None,
        }
    }
}

impl From<RpcError> for CallError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Call(error) => {
                let data = error
                    .data()
                    .and_then(|data| serde_json::from_str(data.get()).ok());
                Self::Refused(ServerError::new(
                    error.code(),
                    error.message(),
                    data.unwrap_or_default(),
                ))
            }
            error if sent::is_unsent(&error) => Self::Connection(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server closed the connection",
            )),
            RpcError::RequestTimeout => Self::Connection(io::ErrorKind::TimedOut.into()),
            // A connection ends once for all of its calls, so each gets a copy of the error.
            RpcError::RestartNeeded(error) => broken(&error),
            error => broken(&error),
        }
    }
}

/// Why a connection ended.
fn broken(error: &RpcError) -> CallError {
    match error {
        RpcError::RestartNeeded(error) => broken(error),
        RpcError::Transport(error) => match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::InvalidData => {
                CallError::Protocol(error.to_string())
            }
            Some(error) => CallError::Connection(io::Error::new(error.kind(), error.to_string())),
            None => CallError::Connection(io::Error::other(error.to_string())),
        },
        RpcError::ServiceDisconnect => {
            CallError::Connection(io::ErrorKind::ConnectionAborted.into())
        }
        error => {
            // It may quote the reply, which may be long.
            let what: String = error.to_string().chars().take(300).collect();
            CallError::Protocol(format!("cannot read the server's reply: {what}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answered_error_keeps_what_it_says() {
        let check = |code: i32, data: Value, kind: &str, known: Option<ErrorKind>| {
            let error = ServerError::new(code, "it failed", data.clone());
            assert_eq!(error.kind, kind);
            assert_eq!(error.known_kind(), known);
            assert_eq!(error.data, data);
        };
        let unsigned = Some(ErrorKind::Unsigned);
        check(1101, json!({"kind": "unsigned"}), "unsigned", unsigned);
        check(1101, Value::Null, "unsigned", unsigned);
        check(1101, json!("a text"), "unsigned", unsigned);
        check(1199, json!({"kind": "cursed"}), "cursed", None);
        check(-1, Value::Null, "", None);
        check(-1, json!({"kind": 7}), "", None);
    }

    #[test]
    fn help_and_retries_are_read() {
        let data = json!({"kind": "busy", "retryable": true, "help": "Wait."});
        let error = ServerError::new(1501, "too much", data);
        assert!(error.retryable);
        assert_eq!(error.help.as_deref(), Some("Wait."));
        assert_eq!(CallError::Refused(error).to_string(), "too much");
    }
}
