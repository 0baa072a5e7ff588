//! An answer on its way: frames pass one by one, each when it comes; when the answer ends, breaks off or
//! loses its reader, that is recorded.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;
use wire::id::RequestId;

use crate::budget::Charge;
use crate::observe::{Form, Observed, Observer};
use crate::rewrite::{Rewrite, RewriteError, Rewriter};
use crate::trail::{Due, Ended, Started};

/// How long a server may pause within an answer.
const PAUSE_LIMIT: Duration = Duration::from_secs(300);

/// Headers of an answer that a client may see.
const PASSED: [http::HeaderName; 3] = [header::CONTENT_TYPE, header::RETRY_AFTER, header::CACHE_CONTROL];

/// What came of a call whose answer has ended as its server ended it.
const COMPLETE: &str = "complete";

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The server's connection broke.
    #[error("the model server's answer broke off")]
    Broken(#[source] hyper::Error),
    /// The server went silent.
    #[error("the model server went silent for {} s", PAUSE_LIMIT.as_secs())]
    Silent,
    /// What was redacted cannot be put back.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
}

/// Records what comes of a call, whatever comes: an answer, a failure, or a client that leaves.
#[derive(Debug)]
pub struct Witness {
    /// `None` once it is told.
    due: Option<Due>,
    started: Started,
    ended: Ended,
    charge: Charge,
}

/// The body of an answer.
#[derive(Debug)]
pub struct Answer {
    inner: Incoming,
    pause: Pin<Box<Sleep>>,
    observer: Option<Observer>,
    rewriter: Option<Rewriter>,
    witness: Witness,
}

impl Witness {
    /// For a call that is about to be sent.
    #[must_use]
    pub fn new(due: Due, started: Started, mut charge: Charge) -> Self {
        charge.sent();
        Self { due: Some(due), started, ended: Ended::default(), charge }
    }

    /// Records that a call got no answer; gives back its request id.
    #[must_use]
    pub fn failed(mut self, outcome: &'static str, was_sent: bool) -> RequestId {
        if !was_sent {
            self.charge.nothing();
        }
        self.record(outcome);
        self.started.context.request.clone()
    }

    /// Records that a server said with this status that it does not serve now, and that another one is asked.
    pub fn passed_over(mut self, status: StatusCode) {
        self.charge.nothing();
        self.ended.status = Some(status.as_u16());
        self.record("passed-over");
    }

    /// Makes a server's answer the client's, and does to it what is to be done.
    #[must_use]
    pub fn watch(mut self, answer: Response<Incoming>, rewrite: Option<Rewrite>) -> Response<Answer> {
        let (head, inner) = answer.into_parts();
        self.ended.status = Some(head.status.as_u16());
        self.ended.first_byte = Some(self.started.since.elapsed());
        let form = form(&head.headers);
        let (observer, rewriter) = (Some(Observer::new(form)), rewrite.map(|rewrite| rewrite.of(form)));
        let pause = Box::pin(tokio::time::sleep(PAUSE_LIMIT));
        let mut response = Response::new(Answer { inner, pause, observer, rewriter, witness: self });
        *response.status_mut() = head.status;
        for name in PASSED {
            if let Some(value) = head.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    fn answered(&mut self, observed: Observed, is_complete: bool) {
        if self.ended.status.is_some_and(|status| (200..300).contains(&status)) {
            self.charge.answered(&observed, is_complete);
        } else {
            self.charge.nothing();
        }
        self.ended.observed = observed;
    }

    fn record(&mut self, outcome: &'static str) {
        if let Some(due) = self.due.take() {
            due.tell(&self.started, outcome, std::mem::take(&mut self.ended));
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.record("cancelled");
    }
}

impl Answer {
    fn end(&mut self, outcome: &'static str) {
        if let Some(observer) = self.observer.take() {
            self.witness.answered(observer.finish(), outcome == COMPLETE);
            self.witness.record(outcome);
        }
    }
}

impl Answer {
    /// The server's next frame, seen and recorded.
    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => {
                if self.pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.end("silent");
                Poll::Ready(Some(Err(AnswerError::Silent)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.pause.as_mut().reset(tokio::time::Instant::now() + PAUSE_LIMIT);
                if let (Some(observer), Some(bytes)) = (self.observer.as_mut(), frame.data_ref()) {
                    observer.see(bytes);
                }
                // A client that has everything may leave before it asks for more.
                if self.inner.is_end_stream() {
                    self.end(COMPLETE);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end("broken");
                Poll::Ready(Some(Err(AnswerError::Broken(error))))
            }
            Poll::Ready(None) => {
                self.end(COMPLETE);
                Poll::Ready(None)
            }
        }
    }

    /// What the client gets for the server's next frame; `None`: nothing yet.
    fn rewritten(&mut self, frame: Option<Frame<Bytes>>) -> Result<Option<Bytes>, AnswerError> {
        let bytes = match frame.map(Frame::into_data) {
            Some(Ok(data)) => self.rewriter.as_mut().map(|rewriter| rewriter.push(&data)).transpose()?,
            Some(Err(_trailers)) => None,
            None => self.rewriter.take().map(Rewriter::finish),
        };
        Ok(bytes.filter(|bytes| !bytes.is_empty()).map(Bytes::from))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            let frame = match std::task::ready!(self.next(context)).transpose() {
                Ok(frame) => frame,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            if self.rewriter.is_none() {
                return Poll::Ready(frame.map(Ok));
            }
            match self.rewritten(frame) {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Ok(None) if self.rewriter.is_none() => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => {
                    self.end("broken");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rewriter.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rewriter.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let outcome = if self.inner.is_end_stream() { COMPLETE } else { "cancelled" };
        self.end(outcome);
    }
}

fn form(headers: &HeaderMap) -> Form {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
        Form::Events
    } else {
        Form::Document
    }
}
