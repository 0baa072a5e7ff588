//! A request for random bytes: a chain with room.

use crate::memory::Segments;
use crate::queue::{Buffers, ChainFault};

/// Why a chain is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// The chain itself is unusable.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// There is no room for a byte.
    #[error("no room for random bytes")]
    NoRoom,
}

/// Room for random bytes.
#[derive(Debug)]
pub struct Request<'m> {
    /// Where they go.
    pub room: Segments<'m>,
}

impl<'m> Request<'m> {
    /// Reads a chain as a request. What the driver sends along is ignored, as the specification says.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(chain: Result<Buffers<'m>, ChainFault>) -> Result<Self, RequestFault> {
        let room = chain?.writable;
        if room.is_empty() { Err(RequestFault::NoRoom) } else { Ok(Self { room }) }
    }
}
