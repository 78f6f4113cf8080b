//! JSON-RPC over HTTP on the same socket, for curl and its like: a POST is a message.

use super::{
    Patience,
    connection::End,
    dispatch::{Client, Received, refusal},
    framing::LONGEST_REQUEST,
};
use crate::{error::Error, service::Service};
use jsonrpsee::{
    core::http_helpers::{HttpError, read_body},
    server::{HttpBody, HttpRequest, HttpResponse, serve_with_graceful_shutdown},
};
use std::{convert::Infallible, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use vouch_protocol::ErrorKind;

/// Serves a connection whose first byte announced HTTP.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Arc<Service>,
    closing: CancellationToken,
    patience: Patience,
) -> End {
    let answering = tower::service_fn(move |request: HttpRequest<_>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(answer(request.map(HttpBody::new), service).await) }
    });
    let closed = closing.clone().cancelled_owned();
    let serving = serve_with_graceful_shutdown(stream, answering, closed);
    let overdue = async {
        closing.cancelled().await;
        tokio::time::sleep(patience.closing).await;
    };
    tokio::select! {
        served = serving => match served {
            Ok(()) if closing.is_cancelled() => End::Closed,
            Ok(()) => End::Input,
            Err(_) => End::Broken,
        },
        () = overdue => End::Closed,
    }
}

/// Cancels what a request started when its connection is closed, which drops the request.
struct Watch(Arc<Client>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.cancel_all();
    }
}

async fn answer(request: HttpRequest, service: Arc<Service>) -> HttpResponse {
    let (parts, body) = request.into_parts();
    // A page in a browser must not speak to this service, by whatever road it gets here.
    if parts.headers.contains_key("origin") {
        return refused(403, "requests of web pages are not answered");
    }
    let host = match parts.headers.get("host") {
        Some(host) => host.to_str().unwrap_or("?"),
        None => parts.uri.host().unwrap_or("vouchd"),
    };
    if !matches!(host, "vouchd" | "localhost") {
        return refused(403, "the host must be `vouchd` or `localhost`");
    }
    if parts.method.as_str() != "POST" {
        return refused(405, "a request is a POST");
    }
    let longest = u32::try_from(LONGEST_REQUEST).unwrap_or(u32::MAX);
    let message = match read_body(&parts.headers, body, longest).await {
        Ok((message, _)) => message,
        Err(HttpError::Malformed) => {
            let error = Error::new(ErrorKind::ParseError, "the body is no JSON object or array");
            return response(400, refusal(None, error).into_text());
        }
        // Without a length, what is too long shows only while it is read.
        Err(HttpError::TooLarge | HttpError::Stream(_)) => {
            return refused(413, "the request is longer than 1 MiB");
        }
    };
    // Requests over HTTP know nothing of each other, even on one connection.
    let client = Client::new(service);
    let reply = match client.receive(&message) {
        Received::Nothing | Received::Exit => return response(204, String::new()),
        Received::Now(reply) => reply,
        Received::Later(reply) => {
            let _watch = Watch(client);
            // A task of its own, so that what has committed is finished.
            tokio::spawn(reply).await.unwrap_or_else(|_| {
                let error = Error::new(ErrorKind::Internal, "the request was lost");
                refusal(None, error)
            })
        }
    };
    response(200, reply.into_text())
}

fn refused(status: u16, why: &str) -> HttpResponse {
    let error = Error::new(ErrorKind::InvalidRequest, why);
    response(status, refusal(None, error).into_text())
}

fn response(status: u16, text: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(text));
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    if let Ok(json) = "application/json".parse() {
        response.headers_mut().insert("content-type", json);
    }
    response
}
