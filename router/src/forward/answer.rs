//! An answer on its way: frames pass one by one, each when it comes; when the answer ends, breaks off or
//! loses its reader, that is recorded.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::context::Context as Caller;
use crate::decide::Zone;
use crate::observe::{Form, Observer};
use crate::trail::{Answered, Trail};

/// How long a server may pause within an answer.
const PAUSE_LIMIT: Duration = Duration::from_secs(300);

/// Headers of an answer that a client may see.
const PASSED: [http::HeaderName; 3] = [header::CONTENT_TYPE, header::RETRY_AFTER, header::CACHE_CONTROL];

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The server's connection broke.
    #[error("the model server's answer broke off")]
    Broken(#[source] hyper::Error),
    /// The server went silent.
    #[error("the model server went silent for {} s", PAUSE_LIMIT.as_secs())]
    Silent,
}

/// Who records what comes of a call.
#[derive(Debug)]
pub struct Witness {
    /// Where to.
    pub trail: Trail,
    /// Who asked.
    pub caller: Caller,
    /// Who answers.
    pub zone: Zone,
    /// When the call came.
    pub since: Instant,
}

/// The body of an answer.
#[derive(Debug)]
pub struct Answer {
    inner: Incoming,
    pause: Pin<Box<Sleep>>,
    record: Option<Open>,
}

/// The record of an answer that has not ended.
#[derive(Debug)]
struct Open {
    witness: Witness,
    observer: Observer,
    status: u16,
    first_byte: Duration,
}

impl Witness {
    /// Records that a call got no answer.
    pub fn failed(self, outcome: &'static str) {
        self.trail.answered(Answered {
            context: self.caller,
            zone: self.zone,
            outcome,
            status: None,
            observed: crate::observe::Observed::default(),
            first_byte: None,
            total: self.since.elapsed(),
        });
    }

    /// Makes a server's answer the client's.
    #[must_use]
    pub fn watch(self, answer: Response<Incoming>) -> Response<Answer> {
        let (head, inner) = answer.into_parts();
        let form = form(&head.headers);
        let record = Open {
            status: head.status.as_u16(),
            observer: Observer::new(form),
            first_byte: self.since.elapsed(),
            witness: self,
        };
        let pause = Box::pin(tokio::time::sleep(PAUSE_LIMIT));
        let mut response = Response::new(Answer { inner, pause, record: Some(record) });
        *response.status_mut() = head.status;
        for name in PASSED {
            if let Some(value) = head.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

impl Answer {
    fn end(&mut self, outcome: &'static str) {
        let Some(open) = self.record.take() else { return };
        open.witness.trail.clone().answered(Answered {
            context: open.witness.caller,
            zone: open.witness.zone,
            outcome,
            status: Some(open.status),
            observed: open.observer.finish(),
            first_byte: Some(open.first_byte),
            total: open.witness.since.elapsed(),
        });
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
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
                if let (Some(open), Some(bytes)) = (self.record.as_mut(), frame.data_ref()) {
                    open.observer.see(bytes);
                }
                // A client that has everything may leave before it asks for more.
                if self.inner.is_end_stream() {
                    self.end("complete");
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end("broken");
                Poll::Ready(Some(Err(AnswerError::Broken(error))))
            }
            Poll::Ready(None) => {
                self.end("complete");
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let outcome = if self.inner.is_end_stream() { "complete" } else { "cancelled" };
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
