//! The two ends of a client that an exchange knows: somebody who sends a body, and somebody who takes an answer.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::http1::ReadError;
use crate::refusal::Refusal;

/// The body that a client sends.
pub(super) trait Upload: Send {
    /// The next piece, or `None` at its end.
    fn piece(&mut self) -> impl Future<Output = Result<Option<Bytes>, ReadError>> + Send;
}

/// A client's end of an answer.
pub(super) trait Reply: Send {
    /// Tells the client to send its body.
    fn carry_on(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Begins the answer.
    fn head(&mut self, response: &Response<()>, extent: Extent) -> io::Result<()>;
    /// Goes on with it; [`More::Soon`]: what follows is there already.
    fn piece(&mut self, data: Bytes, more: More) -> impl Future<Output = io::Result<()>> + Send;
    /// Ends it.
    fn end(&mut self, trailers: Option<HeaderMap>) -> impl Future<Output = io::Result<()>> + Send;
    /// Whether a client can tell an answer of unknown length that is broken off from one that is whole.
    fn shows_its_end(&self) -> bool;
    /// Returns when the client wants the answer no more.
    fn unwanted(&mut self) -> impl Future<Output = ()> + Send;
}

/// How long an answer's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// There is none, by the status.
    None,
    /// There is none, because it answers a `HEAD`; the length that it would have, if that is known.
    Head(Option<u64>),
    /// So many bytes.
    Exact(u64),
    /// That shows.
    Unknown,
}

impl Extent {
    /// How many bytes it says beforehand that it has.
    pub(super) fn announced(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) => Some(bytes),
            Self::None | Self::Head(_) | Self::Unknown => None,
        }
    }
}

/// Whether more of an answer is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// It is.
    Soon,
    /// Who knows: what there is should reach the client now.
    Later,
}

/// What went wrong between the upstream and the client.
pub(super) enum Fault {
    /// Nothing was sent to the client yet: it gets this refusal.
    Before(Refusal),
    /// The response is under way: it can only be broken off.
    During,
}
