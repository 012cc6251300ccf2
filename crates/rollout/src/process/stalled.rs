//! A connection to a client that must take its answers: one that does not read is cut off, for its place is limited.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A client that takes fewer bytes a second than this uses up its patience; who takes more gets it back.
const LEAST_BYTES_PER_SECOND: f64 = 1024.0;

/// Passes everything on, and fails a write when the client has kept it waiting for too long altogether.
#[derive(Debug)]
pub struct Stalled<S> {
    stream: S,
    most: Duration,
    /// How long the client may still keep a write waiting.
    left: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Stalled<S> {
    pub fn new(stream: S, deadline: Duration) -> Stalled<S> {
        Stalled { stream, most: deadline, left: deadline, waiting: None }
    }

    /// What the time of waiting costs, and what the bytes that were taken give back.
    fn took(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let given = Duration::from_secs_f64(bytes as f64 / LEAST_BYTES_PER_SECOND);
        self.left = self.left.saturating_add(given).min(self.most);
    }

    fn pending<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let left = self.left;
        let (_, deadline) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        match deadline.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut))),
        }
    }

    fn passed_on(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.pending(context),
            Poll::Ready(Ok(bytes)) => {
                self.took(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.passed_on(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.passed_on(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const DEADLINE: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (ours, _theirs) = duplex(16);
        let mut stalled = Stalled::new(ours, DEADLINE);
        let error = stalled.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_trickle_uses_the_patience_up_and_a_stream_gives_it_back() {
        let mut stalled = Stalled::new((), Duration::from_secs(30));
        stalled.left = Duration::from_secs(1);
        stalled.took(1);
        assert!(stalled.left < Duration::from_secs(2), "one byte buys about a millisecond");
        stalled.took(1 << 20);
        assert_eq!(stalled.left, Duration::from_secs(30), "and never more than there was at first");
    }

    #[tokio::test]
    async fn who_reads_gets_everything() {
        let (ours, mut theirs) = duplex(16);
        let mut stalled = Stalled::new(ours, DEADLINE);
        let (sent, read) = tokio::join!(
            async {
                let sent = stalled.write_all(&[7; 4096]).await;
                drop(stalled);
                sent
            },
            async {
                let mut all = Vec::new();
                theirs.read_to_end(&mut all).await.map(|_| all)
            }
        );
        sent.expect("it is taken");
        assert_eq!(read.expect("it is read"), vec![7; 4096]);
    }
}
