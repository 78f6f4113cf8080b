//! One connection's calls, and the first of them, `initialize`.

use crate::{cancel::CancelOnDrop, error::CallError, lines, listeners::Listeners, sent::Sent};
use jsonrpsee::core::{
    client::{self, ClientBuilder, ClientT},
    middleware::RpcServiceBuilder,
    traits::ToRpcParams,
};
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use vouch_protocol::{
    ClientInfo, Initialize, InitializeParams, InitializeResult, Method, PROTOCOL_VERSION, PlainJson,
};

/// Pushing 4 GiB over a slow line takes hours, and the server bounds its own waits.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// An `initialize` is answered at once, even by a busy service.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// One connection.
pub(crate) type Rpc = client::Client<CancelOnDrop>;

/// A connection over these streams.
pub(crate) fn over<R, W>(reader: R, writer: W, listeners: &Listeners) -> Rpc
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let sent = Sent::default();
    let writer = lines::Sender::new(writer, sent.clone());
    let layer = move |service| CancelOnDrop::new(service, sent.clone());
    ClientBuilder::new()
        .request_timeout(LONGEST_CALL)
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(layer))
        .build_with_tokio(writer, lines::Receiver::new(reader, listeners.clone()))
}

/// Says who asks, and answers what the service told of itself.
pub(crate) async fn introduce(
    rpc: &Rpc,
    client: ClientInfo,
) -> Result<InitializeResult, CallError> {
    let params = Params::of(&InitializeParams {
        client_info: Some(client),
        protocol_version: Some(PROTOCOL_VERSION.into()),
        ..InitializeParams::default()
    })?;
    timeout(LONGEST_SILENCE, rpc.request(Initialize::NAME, params))
        .await
        .map_err(|_| late("the service does not answer"))?
        .map_err(CallError::from)
}

/// Reads a result. What others wrote is in it, an artifact's annotations for example: of JSON that
/// `Value` would take for more than it says, nothing is read.
pub(crate) fn read<T: DeserializeOwned>(method: &str, result: &RawValue) -> Result<T, CallError> {
    serde_json::from_str::<PlainJson>(result.get())
        .and_then(|_| serde_json::from_str(result.get()))
        .map_err(|error| {
            CallError::Protocol(format!("cannot read the result of {method}: {error}"))
        })
}

/// The error for a server that did not act in time.
pub(crate) fn late(what: &str) -> CallError {
    CallError::Connection(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
}

/// Params by name, as they go over the wire.
#[derive(Clone)]
pub(crate) struct Params(Option<Box<RawValue>>);

impl Params {
    pub(crate) fn of(params: &impl serde::Serialize) -> Result<Self, CallError> {
        let params = to_raw_value(params).map_err(|error| {
            CallError::Protocol(format!("the params cannot be written as JSON: {error}"))
        })?;
        if params.get().len() > lines::LONGEST_REQUEST {
            return Err(CallError::Protocol(format!(
                "the params take {} bytes; a request has at most {}",
                params.get().len(),
                lines::LONGEST_REQUEST
            )));
        }
        Ok(Self(Some(params).filter(|params| params.get() != "null")))
    }
}

impl ToRpcParams for Params {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(self.0)
    }
}
