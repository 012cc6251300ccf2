//! The answer on its way to the client, counted when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use crate::process::counters::Ended;
use crate::process::mirror::Watched;
use crate::process::routes::Pick;
use crate::process::upload::{Progress, Waiting};

/// What the proxy answers with: an instance's body, or a few words of its own.
pub type Answer = Response<Either<Counted, Full<Bytes>>>;

/// An answer of the proxy itself. Its text never contains anything of the request.
pub fn own_answer(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Either::Right(Full::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// A client that leaves without an answer after so long has given up on the instance. One that leaves earlier has changed
/// its mind, and that is no error.
const GAVE_UP_AFTER: Duration = Duration::from_secs(2);

/// A request that an instance has taken on. However it ends, it is counted once.
#[derive(Debug)]
pub struct Attempt {
    pick: Arc<Pick>,
    started: Instant,
    is_answered: bool,
    server_error: bool,
    is_over: bool,
}

impl Attempt {
    pub fn begin(pick: Arc<Pick>) -> Attempt {
        Attempt { pick, started: Instant::now(), is_answered: false, server_error: false, is_over: false }
    }

    pub fn pick(&self) -> &Pick {
        &self.pick
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn answered_with(&mut self, status: StatusCode) {
        self.is_answered = true;
        self.server_error = status.is_server_error();
    }

    pub fn end(&mut self, ended: Ended) {
        if !self.is_over {
            self.is_over = true;
            self.pick.counters.count(ended, self.started.elapsed(), self.pick.is_compared);
        }
    }

    /// The instance never saw it, or the client is to blame: it counts for nobody.
    pub fn forget(&mut self) {
        self.is_over = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let ended = if !self.is_answered && self.started.elapsed() >= GAVE_UP_AFTER {
            Ended::Late
        } else {
            Ended::Abandoned { server_error: self.server_error }
        };
        self.end(ended);
    }
}

/// The body of an instance's answer.
#[derive(Debug)]
pub struct Counted {
    body: Incoming,
    attempt: Attempt,
    upload: Progress,
    silence: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    watched: Option<Box<Watched>>,
    _request: OwnedSemaphorePermit,
}

#[derive(Debug, thiserror::Error)]
pub enum CutOff {
    #[error("could not read the instance's answer to its end")]
    Broken(#[source] hyper::Error),
    #[error("could not wait any longer for the rest of the instance's answer")]
    Late,
}

impl Counted {
    /// `silence` is how long the instance may take between two parts.
    pub fn new(
        body: Incoming,
        attempt: Attempt,
        upload: Progress,
        silence: Duration,
        watched: Option<Box<Watched>>,
        request: OwnedSemaphorePermit,
    ) -> Counted {
        let mut counted =
            Counted { body, attempt, upload, silence, deadline: None, watched, _request: request };
        counted.end_if_whole();
        counted
    }

    fn end_if_whole(&mut self) {
        if self.body.is_end_stream() {
            self.end_whole();
        }
    }

    fn end_whole(&mut self) {
        let server_error = self.attempt.server_error;
        self.attempt.end(Ended::Answered { server_error });
        if let Some(watched) = self.watched.take() {
            watched.ended();
        }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let silence = self.silence;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        match deadline.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let server_error = self.attempt.server_error;
                let ended = match self.upload.waiting() {
                    Waiting::ForInstance => Ended::Late,
                    // The instance waits for the rest of the request as well.
                    Waiting::ForClient | Waiting::ClientGone | Waiting::TooLarge => {
                        Ended::Abandoned { server_error }
                    }
                };
                self.attempt.end(ended);
                Poll::Ready(Some(Err(CutOff::Late)))
            }
        }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => self.poll_silence(context),
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline = None;
                if let (Some(watched), Some(data)) = (&mut self.watched, frame.data_ref()) {
                    watched.take_in(data);
                }
                self.end_if_whole();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.end_whole();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let server_error = self.attempt.server_error;
                let ended = match self.upload.waiting() {
                    Waiting::TooLarge | Waiting::ClientGone => Ended::Abandoned { server_error },
                    Waiting::ForInstance | Waiting::ForClient => Ended::Broken,
                };
                self.attempt.end(ended);
                Poll::Ready(Some(Err(CutOff::Broken(error))))
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
