//! JSON-RPC over HTTP on the same socket, for curl and its like: a POST is a message. HTTP/1 only,
//! where requests on a connection come one after another: the streams of HTTP/2 would be
//! connections within the connection, and evade what one of them may cost.

use super::{
    client::{Client, Received, refusal},
    framing::{LONGEST_REQUEST, too_long},
    outgoing::{Held, Outgoing},
    room::Charge,
    terms::{End, Terms, until},
};
use crate::error::{Error, error};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Bytes, Incoming},
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN},
    http::uri::Authority,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Chain},
    time::timeout,
};

/// The most of a request that is kept while its head or a piece of its body is read.
const BUFFER: usize = 16 << 10;

/// The names by which the service may be asked: curl's and Go's users write any of them.
const HOSTS: [&str; 3] = ["vouchd", "localhost", "unix"];

/// Browsers send it with each request, whatever its method, and no page can leave it out.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

type Answer = Response<Full<Bytes>>;

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
    input: Chain<io::Cursor<Vec<u8>>, R>,
    output: W,
    client: Arc<Client>,
    terms: Terms,
    hung_up: impl Fn() -> bool + Send + Sync + 'static,
) -> End
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let conversation = Arc::new(Conversation {
        client,
        terms: terms.clone(),
        gone: Box::new(hung_up),
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
            match timeout(terms.patience.closing, connection).await {
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
        // Whatever is not HTTP was answered, as every message is that makes no sense.
        Err(error) if error.is_parse() => End::Input,
        Err(_) => End::Broken,
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
async fn answer(request: Request<Incoming>, conversation: Arc<Conversation>) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    if let Err((status, why)) = admit(&parts.headers, &parts.uri, parts.version) {
        return Ok(refused(status, &error!(InvalidRequest: "{why}")));
    }
    if parts.method != Method::POST {
        let error = error!(InvalidRequest: "a request is a POST");
        let answer = refused(StatusCode::METHOD_NOT_ALLOWED, &error);
        return Ok(with(answer, ALLOW, "POST"));
    }
    let (message, charge) = match read(body, &conversation.terms).await {
        Ok(read) => read,
        Err((status, error)) => return Ok(refused(status, &error)),
    };
    let client = &conversation.client;
    // There is no way to report on a request but its answer.
    let outgoing = match client.receive(&message, None) {
        Received::Nothing => return Ok(empty()),
        Received::Exit => {
            conversation.exited.store(true, Ordering::Relaxed);
            return Ok(with(empty(), CONNECTION, "close"));
        }
        Received::NotJson(outgoing) => return Ok(json(StatusCode::BAD_REQUEST, outgoing)),
        Received::Now(outgoing) => outgoing,
        Received::Later { answer, .. } => {
            drop(message);
            let _watch = Watch(client);
            // A task of its own, so that what has committed is finished.
            let answer = tokio::spawn(async move {
                let answer = answer.await;
                drop(charge);
                answer
            });
            tokio::select! {
                answer = answer => answer.unwrap_or_else(|_| {
                    let error = error!(Internal: "the request was lost");
                    refusal(None, &error)
                }),
                () = until(&conversation.gone) => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    };
    Ok(json(StatusCode::OK, outgoing))
}

/// Whether a request comes from a program that means this service. A page in a browser must not
/// speak to it, by whatever road it gets here.
fn admit(
    headers: &HeaderMap,
    uri: &Uri,
    version: Version,
) -> Result<(), (StatusCode, &'static str)> {
    if headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE) {
        let why = "requests of web pages are not answered";
        return Err((StatusCode::FORBIDDEN, why));
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        // RFC 9112, section 3.2.
        (_, Some(_)) => return Err((StatusCode::BAD_REQUEST, "there is more than one `Host`")),
        (None, None) if version >= Version::HTTP_11 => {
            return Err((StatusCode::BAD_REQUEST, "there is no `Host`"));
        }
        (Some(host), None) if !is_ours(host.as_bytes()) => {
            let why = "the host must be `vouchd`, `localhost` or `unix`";
            return Err((StatusCode::FORBIDDEN, why));
        }
        _ => {}
    }
    match uri.authority() {
        Some(authority) if !is_ours(authority.as_str().as_bytes()) => {
            Err((StatusCode::BAD_REQUEST, "the URI is of another host"))
        }
        _ => Ok(()),
    }
}

/// Whether that is a name of this service, with a port or without.
fn is_ours(authority: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(authority) else {
        return false;
    };
    let named = |host: &&str| authority.host().eq_ignore_ascii_case(host);
    !authority.as_str().contains('@') && HOSTS.iter().any(named)
}

/// Reads a body, which takes room as it arrives.
async fn read(mut body: Incoming, terms: &Terms) -> Result<(Vec<u8>, Charge), (StatusCode, Error)> {
    let too_long = || (StatusCode::PAYLOAD_TOO_LARGE, too_long(LONGEST_REQUEST));
    if body.size_hint().lower() > LONGEST_REQUEST as u64 {
        return Err(too_long());
    }
    let mut charge = terms.room.charge();
    let mut message = Vec::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let broken = error!(ParseError: "the body broke off").source(error);
                (StatusCode::BAD_REQUEST, broken)
            })?;
            let piece = frame.into_data().unwrap_or_default();
            if message.len() + piece.len() > LONGEST_REQUEST {
                return Err(too_long());
            }
            charge
                .cover(message.len() + piece.len())
                .map_err(|busy| (StatusCode::SERVICE_UNAVAILABLE, busy))?;
            message.extend_from_slice(&piece);
        }
        Ok(())
    };
    let Ok(read) = timeout(terms.patience.silent, reading).await else {
        let error = error!(InvalidRequest: "the body did not arrive within 30 s");
        return Err((StatusCode::REQUEST_TIMEOUT, error));
    };
    read.map(|()| (message, charge))
}

/// The text of an answer, with what it holds until it is written.
struct Text {
    text: String,
    _held: Held,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

fn refused(status: StatusCode, error: &Error) -> Answer {
    json(status, refusal(None, error))
}

fn json(status: StatusCode, outgoing: Outgoing) -> Answer {
    let (text, held) = outgoing.into_parts();
    let text = Text { text, _held: held };
    let mut answer = Response::new(Full::new(Bytes::from_owner(text)));
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, "application/json")
}

fn empty() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    let value = HeaderValue::from_static(value);
    answer.headers_mut().insert(name, value);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_web_page_and_no_other_host_gets_in() {
        let check = |uri: &str, version, headers: &[(&'static str, &str)], expected: u16| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            let admitted = admit(&headers, &uri.parse().unwrap(), version);
            let status = admitted.map_or_else(|(status, _)| status.as_u16(), |()| 200);
            assert_eq!(status, expected, "{uri} {version:?} {headers:?}");
        };
        let new = Version::HTTP_11;
        for host in [
            "vouchd",
            "localhost",
            "Localhost",
            "LOCALHOST:80",
            "unix",
            "unix:1234",
        ] {
            check("/", new, &[("host", host)], 200);
        }
        for host in [
            "vouchd.example",
            "localhost.",
            "evil@localhost",
            "localhost/",
            "[::1]",
            "127.0.0.1",
            "",
            "localhost:80:80",
        ] {
            check("/", new, &[("host", host)], 403);
        }
        let vouchd = ("host", "vouchd");
        check("/", new, &[vouchd, ("origin", "null")], 403);
        check("/", new, &[vouchd, ("sec-fetch-site", "none")], 403);
        check("/", new, &[], 400);
        check("/", Version::HTTP_10, &[], 200);
        check(
            "/",
            Version::HTTP_10,
            &[vouchd, ("origin", "http://a")],
            403,
        );
        check("http://localhost:80/x", new, &[vouchd], 200);
        check("http://evil.example/", new, &[vouchd], 400);
        check("http://evil.example/", Version::HTTP_10, &[], 400);
        // A map made from pairs keeps the last of a name: two are appended.
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("vouchd"));
        two.append(HOST, HeaderValue::from_static("vouchd"));
        let refused = admit(&two, &Uri::from_static("/"), new).unwrap_err();
        assert_eq!(refused.0, StatusCode::BAD_REQUEST);
    }
}
