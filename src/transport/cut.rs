//! The end of a connection whose service has been taken over by another process. Nothing that its
//! client has sent is lost: the input is cut at one moment, what was sent until then is answered,
//! and what comes later fails where it is sent.

use rustix::net::{Shutdown, shutdown};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{UnixStream, unix::OwnedReadHalf},
};

/// An input that ends when a future is ready.
///
/// On Linux, shutting the receiving side down leaves in its queue what is there already. Systems
/// that empty the queue would lose a request that was on its way.
pub(super) struct Cut<F> {
    input: Arc<OwnedReadHalf>,
    when: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Cut<F> {
    pub(super) fn when(input: Arc<OwnedReadHalf>, when: F) -> Self {
        Self {
            input,
            when: Some(Box::pin(when)),
        }
    }
}

impl<F: Future<Output = ()>> AsyncRead for Cut<F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let input = Arc::clone(&self.input);
        let stream: &UnixStream = (*input).as_ref();
        if let Some(when) = &mut self.when
            && when.as_mut().poll(context).is_ready()
        {
            self.when = None;
            // It fails where the client has gone, which the reading will notice.
            let _ = shutdown(stream, Shutdown::Read);
        }
        loop {
            ready!(stream.poll_read_ready(context))?;
            match stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_was_sent_before_the_cut_is_read_and_what_comes_later_fails() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let (input, _output) = server.into_split();
        let (cut, when) = tokio::sync::oneshot::channel::<()>();
        let mut input = Cut::when(Arc::new(input), async {
            let _ = when.await;
        });
        client.write_all(b"one").await.unwrap();
        let mut text = [0; 3];
        input.read_exact(&mut text).await.unwrap();
        client.write_all(b"two").await.unwrap();
        cut.send(()).unwrap();
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"two");
        let failed = client.write_all(b"three").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn one_that_waits_is_woken() {
        let (_client, server) = UnixStream::pair().unwrap();
        let (input, _output) = server.into_split();
        let (cut, when) = tokio::sync::oneshot::channel::<()>();
        let mut input = Cut::when(Arc::new(input), async {
            let _ = when.await;
        });
        let waiting = tokio::spawn(async move { input.read(&mut [0]).await });
        tokio::task::yield_now().await;
        cut.send(()).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), 0);
    }
}
