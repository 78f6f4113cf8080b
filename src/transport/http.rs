//! JSON-RPC over HTTP on the same socket, for curl and its like: a POST is a message. HTTP/1 only,
//! where requests on a connection come one after another: the streams of HTTP/2 would be
//! connections within the connection, and evade what one of them may cost.

use super::{
    Terms,
    connection::{End, until},
    dispatch::{Client, Received, refusal},
    framing::LONGEST_REQUEST,
    room::Charge,
};
use crate::error::Error;
use hyper::{
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::{
    core::{
        BoxError,
        http_helpers::{HttpError, read_body},
    },
    server::{HttpBody, HttpRequest, HttpResponse},
};
use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vouch_protocol::ErrorKind;

/// The most of a request that is kept while its head or a piece of its body is read.
const BUFFER: usize = 16 << 10;

/// What the requests of a connection share.
struct Conversation {
    client: Arc<Client>,
    terms: Terms,
    /// Whether nobody is there any more to read an answer.
    gone: Box<dyn Fn() -> bool + Send + Sync>,
    exited: AtomicBool,
}

/// Serves a connection whose first byte announced HTTP.
pub(super) async fn serve<R, W>(
    input: R,
    output: W,
    client: Arc<Client>,
    terms: Terms,
    hung_up: impl Fn(&R) -> bool + Send + Sync + 'static,
) -> End
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let input = Shared(Arc::new(Mutex::new(input)));
    let looked_at = input.clone();
    let conversation = Arc::new(Conversation {
        client,
        terms: terms.clone(),
        gone: Box::new(move || hung_up(&looked_at.lock())),
        exited: AtomicBool::new(false),
    });
    let answering = {
        let conversation = Arc::clone(&conversation);
        service_fn(move |request| answer(request, Arc::clone(&conversation)))
    };
    let mut connection = pin!(
        http1::Builder::new()
            // The end of input is not the end of the client: see `Conversation::gone`.
            .half_close(true)
            .timer(TokioTimer::new())
            .header_read_timeout(terms.patience.silent)
            .max_buf_size(BUFFER)
            // An answer is written from where it is, not copied behind its head.
            .writev(true)
            .serve_connection(TokioIo::new(tokio::io::join(input, output)), answering)
    );
    let served = tokio::select! {
        served = &mut connection => served,
        () = terms.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(terms.patience.closing, connection).await {
                Ok(served) => served,
                Err(_) => return End::Closed,
            }
        }
    };
    if conversation.exited.load(Ordering::Relaxed) {
        let after_shutdown = conversation.client.caller().has_shut_down();
        return End::Exit { after_shutdown };
    }
    match served {
        Ok(()) if terms.closing.is_cancelled() => End::Closed,
        Ok(()) => End::Input,
        // What is no HTTP was answered, like every message that is none.
        Err(error) if error.is_parse() => End::Input,
        Err(_) => End::Broken,
    }
}

/// An input that can be looked at while it is read from.
struct Shared<R>(Arc<Mutex<R>>);

impl<R> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, R> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Shared<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(context, buffer)
    }
}

/// A body that takes room as it arrives. It fails with our own [`Error`].
struct Charged {
    body: Incoming,
    read: usize,
    charge: Arc<Mutex<Charge>>,
}

impl Body for Charged {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let broken = Error::new(ErrorKind::ParseError, "the body broke off").source(error);
                return Poll::Ready(Some(Err(broken.into())));
            }
        };
        self.read += frame.data_ref().map_or(0, Bytes::len);
        let covered = self
            .charge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            // What is too long is refused as such.
            .cover(self.read.min(LONGEST_REQUEST));
        Poll::Ready(Some(match covered {
            Ok(()) => Ok(frame),
            Err(busy) => Err(busy.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Cancels what a request started when its connection is closed, which drops the request.
struct Watch<'a>(&'a Client);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.cancel_all();
    }
}

/// Fails where nobody is there to be answered.
async fn answer(
    request: HttpRequest<Incoming>,
    conversation: Arc<Conversation>,
) -> io::Result<HttpResponse> {
    let (parts, body) = request.into_parts();
    // A page in a browser must not speak to this service, by whatever road it gets here.
    if parts.headers.contains_key("origin") {
        return Ok(refused(403, "requests of web pages are not answered"));
    }
    let host = match parts.headers.get("host") {
        Some(host) => host.to_str().unwrap_or("?"),
        None => parts.uri.host().unwrap_or("vouchd"),
    };
    if !matches!(host, "vouchd" | "localhost") {
        return Ok(refused(403, "the host must be `vouchd` or `localhost`"));
    }
    if parts.method.as_str() != "POST" {
        let mut response = refused(405, "a request is a POST");
        header(&mut response, "allow", "POST");
        return Ok(response);
    }
    let charge = Arc::new(Mutex::new(conversation.terms.room.charge()));
    let body = Charged {
        body,
        read: 0,
        charge: Arc::clone(&charge),
    };
    let longest = u32::try_from(LONGEST_REQUEST).unwrap_or(u32::MAX);
    let reading = read_body(&parts.headers, body, longest);
    let Ok(read) = tokio::time::timeout(conversation.terms.patience.silent, reading).await else {
        let error = Error::new(
            ErrorKind::InvalidRequest,
            "the body did not arrive within 30 s",
        );
        return Ok(response(408, refusal(None, error).into_text()));
    };
    let message = match read {
        Ok((message, _)) => message,
        Err(HttpError::Malformed) => {
            let error = Error::new(ErrorKind::ParseError, "the body is no JSON object or array");
            return Ok(response(400, refusal(None, error).into_text()));
        }
        Err(HttpError::TooLarge) => return Ok(too_long()),
        Err(HttpError::Stream(error)) => match error.downcast::<Error>() {
            Ok(error) => {
                let status = if error.kind() == ErrorKind::Busy {
                    503
                } else {
                    400
                };
                return Ok(response(status, refusal(None, *error).into_text()));
            }
            // Without a length, what is too long shows only while it is read.
            Err(_) => return Ok(too_long()),
        },
    };
    let client = &conversation.client;
    // Nothing can be told of a request but its answer.
    let reply = match client.receive(&message, None) {
        Received::Nothing => return Ok(response(204, String::new())),
        Received::Exit => {
            conversation.exited.store(true, Ordering::Relaxed);
            let mut response = response(204, String::new());
            header(&mut response, "connection", "close");
            return Ok(response);
        }
        Received::NoJson(reply) => return Ok(response(400, reply.into_text())),
        Received::Now(reply) => reply,
        Received::Later { reply, .. } => {
            drop(message);
            let _watch = Watch(client);
            // A task of its own, so that what has committed is finished.
            let reply = tokio::spawn(async move {
                let reply = reply.await;
                drop(charge);
                reply
            });
            tokio::select! {
                reply = reply => reply.unwrap_or_else(|_| {
                    let error = Error::new(ErrorKind::Internal, "the request was lost");
                    refusal(None, error)
                }),
                () = until(|| (conversation.gone)()) => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    };
    let (text, charge) = reply.into_parts();
    Ok(response(
        200,
        Text {
            text,
            _charge: charge,
        },
    ))
}

/// The text of an answer, and what it takes of the room until it is written.
struct Text {
    text: String,
    _charge: Option<Charge>,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self {
            text,
            _charge: None,
        }
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// A body that is there already. The charge goes with the bytes, which the connection writes when
/// its client reads.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

fn refused(status: u16, why: &str) -> HttpResponse {
    let error = Error::new(ErrorKind::InvalidRequest, why);
    response(status, refusal(None, error).into_text())
}

fn too_long() -> HttpResponse {
    refused(413, "the request is longer than 1 MiB")
}

/// A response whose body is JSON; an empty one has none.
fn response(status: u16, text: impl Into<Text>) -> HttpResponse {
    let text = text.into();
    let json = !text.text.is_empty();
    let body = json.then(|| Bytes::from_owner(text));
    let mut response = HttpResponse::new(HttpBody::new(Whole(body)));
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    if json {
        header(&mut response, "content-type", "application/json");
    }
    response
}

fn header(response: &mut HttpResponse, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}
