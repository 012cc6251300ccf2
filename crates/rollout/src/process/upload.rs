//! A request body that streams through to an instance: bounded, and it knows whom it is waiting for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// Where an upload stands; shared with whoever waits for the answer.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Everything the client has sent is on its way: the instance is to answer.
    ForInstance,
    /// The client has not sent the rest yet.
    ForClient,
    /// The client sent more than it may.
    TooLarge,
    /// The client went away.
    ClientGone,
}

impl Progress {
    pub fn waiting(&self) -> Waiting {
        match self.0.load(Ordering::Acquire) {
            1 => Waiting::ForClient,
            2 => Waiting::TooLarge,
            3 => Waiting::ClientGone,
            _ => Waiting::ForInstance,
        }
    }

    fn set(&self, waiting: Waiting) {
        let code = match waiting {
            Waiting::ForInstance => 0,
            Waiting::ForClient => 1,
            Waiting::TooLarge => 2,
            Waiting::ClientGone => 3,
        };
        self.0.store(code, Ordering::Release);
    }
}

/// The client's body on its way to the instance.
#[derive(Debug)]
pub struct Upload {
    body: Incoming,
    left: u64,
    progress: Progress,
}

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("could not take more than the limit")]
    TooLarge,
    #[error("could not read the client's body")]
    Client(#[source] hyper::Error),
}

impl Upload {
    pub fn new(body: Incoming, max_bytes: u64) -> (Upload, Progress) {
        let progress = Progress::default();
        (Upload { body, left: max_bytes, progress: progress.clone() }, progress)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => {
                self.progress.set(Waiting::ForClient);
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.progress.set(Waiting::ForInstance);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.progress.set(Waiting::ClientGone);
                Poll::Ready(Some(Err(UploadError::Client(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if bytes > self.left {
                    self.progress.set(Waiting::TooLarge);
                    return Poll::Ready(Some(Err(UploadError::TooLarge)));
                }
                self.left -= bytes;
                self.progress.set(Waiting::ForInstance);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
