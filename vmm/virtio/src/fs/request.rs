//! Parses a chain into a request: only that it is a FUSE message, and which answer says that it failed.

use crate::memory::{Extents, Segments};
use crate::queue::{ChainFault, Exchange};

/// Bytes of a request's header (`fuse_in_header`).
const REQUEST_HEADER: usize = 40;

/// Bytes of an answer's header (`fuse_out_header`).
pub(crate) const ANSWER_HEADER: usize = 16;

/// Where a request's header has its number.
const UNIQUE: std::ops::Range<usize> = 8..16;

/// The input and output error, as an answer says it.
const FAILED: i32 = -5;

/// A message for the server.
#[derive(Debug)]
pub struct Request<'m> {
    /// The message.
    pub message: Segments<'m>,
    /// What the server's answer goes to.
    pub answer: Answer,
}

/// Where an answer goes.
#[derive(Debug)]
pub struct Answer {
    /// The guest's room for it; empty if it expects none.
    pub room: Extents,
    /// The request's number.
    unique: [u8; 8],
}

/// Why a chain is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// It cannot be used at all.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// It is shorter than a header.
    #[error("no whole header")]
    Short,
    /// An answer is expected, and there is no room for its header.
    #[error("no room for an answer")]
    NoRoom,
}

impl<'m> Request<'m> {
    /// Parses a chain.
    ///
    /// # Errors
    /// It is not a FUSE message.
    pub fn parse(chain: Result<Exchange<'m>, ChainFault>) -> Result<Self, RequestFault> {
        let Exchange { readable, writable } = chain?;
        let mut header = [0; REQUEST_HEADER];
        if readable.copy_to(&mut header) < REQUEST_HEADER {
            return Err(RequestFault::Short);
        }
        if !writable.is_empty() && writable.len() < ANSWER_HEADER {
            return Err(RequestFault::NoRoom);
        }
        let mut unique = [0; 8];
        unique.copy_from_slice(header.get(UNIQUE).expect("it is within the header"));
        Ok(Self { message: readable, answer: Answer { room: writable, unique } })
    }
}

impl Answer {
    /// The answer that the request failed.
    pub(crate) fn failure(&self) -> [u8; ANSWER_HEADER] {
        let mut bytes = [0; ANSWER_HEADER];
        let length = u32::try_from(ANSWER_HEADER).expect("16");
        let fields = length.to_le_bytes().into_iter().chain(FAILED.to_le_bytes()).chain(self.unique);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }
}
