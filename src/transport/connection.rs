//! One connection: which of the framings its client speaks.

use super::{
    client::{Client, refusal},
    framing::{Announced, Framing, Input},
    http,
    stream::{self, send},
    terms::{End, Terms},
};
use crate::error::error;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutWriter;

/// Serves a connection to its end, and gives up a client that takes none of what it is sent.
/// `hung_up` tells, once the input has ended, whether nobody reads the output any more.
pub(super) async fn run<R, W>(
    input: R,
    output: W,
    client: Arc<Client>,
    terms: Terms,
    hung_up: impl Fn() -> bool + Send + Sync + 'static,
) -> End
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut input = Input::new(input, &terms.room);
    let announced = tokio::select! {
        () = terms.closing.cancelled() => return End::Closed,
        announced = input.announced() => announced,
    };
    let mut output = Box::pin(TimeoutWriter::new(output));
    output
        .as_mut()
        .set_timeout_pinned(Some(terms.patience.stalled));
    // Boxed, as most connections are of one kind and need no space for the others.
    match announced {
        Err(_) => End::Broken,
        Ok(None) => End::Input,
        Ok(Some(Announced::Stream(framing))) => {
            Box::pin(stream::serve(
                input, framing, output, client, terms, hung_up,
            ))
            .await
        }
        Ok(Some(Announced::Http)) => {
            Box::pin(http::serve(
                input.into_stream(),
                output,
                client,
                terms,
                hung_up,
            ))
            .await
        }
        Ok(Some(Announced::Nothing)) => {
            let error = error!(
                ParseError: "the first byte begins neither JSON, nor a header, nor an HTTP request"
            );
            let (text, _) = refusal(None, &error).into_parts();
            match send(&mut output, &Framing::Lines.frame(text)).await {
                Ok(()) => End::Input,
                Err(_) => End::Broken,
            }
        }
    }
}
