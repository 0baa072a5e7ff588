//! Asks a time stamping authority over HTTP (RFC 3161, section 3.4). What it answers is for others to check.

use std::time::Duration;

use bytes::Bytes;

use crate::sink::http::{Question, Receiver};
use crate::sink::{HttpTarget, Refusal, TargetError};

/// An authority.
#[derive(Debug)]
pub struct Authority(Receiver);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unanswered {
    /// In one printable line.
    pub cause: String,
    /// When it may be asked again, if it said so.
    pub after: Option<Duration>,
}

impl Authority {
    /// The one at this place.
    ///
    /// # Errors
    /// The place or a certificate cannot be used.
    pub fn new(target: HttpTarget) -> Result<Self, TargetError> {
        Receiver::new(target).map(Self)
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// There is none.
    pub async fn ask(&mut self, request: Vec<u8>) -> Result<Vec<u8>, Unanswered> {
        let question = Question {
            path: String::new(),
            content_type: "application/timestamp-query",
            headers: Vec::new(),
            body: Bytes::from(request),
        };
        match self.0.post(question).await {
            Ok(answer) => Ok(answer.body.to_vec()),
            Err(Refusal::Later { cause, after, .. }) => Err(Unanswered { cause, after }),
            Err(Refusal::Content(cause)) => Err(Unanswered { cause, after: None }),
            Err(Refusal::Records(_)) => Err(Unanswered { cause: "no answer".to_owned(), after: None }),
        }
    }
}
