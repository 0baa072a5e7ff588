//! WebSocket (RFC 6455) without extensions: the handshake of both sides, and frames as an exact reader and a writer.
//!
//! Two programs that read one stream of frames differently are how a message is hidden in another. What is accepted
//! here has one reading, and none of it is passed on as bytes: every frame is written anew, towards servers under a
//! mask that the sender cannot choose. This module knows the protocol's syntax; it knows no policy and no stream.

mod flood;
mod frame;
mod handshake;
mod text;
mod writer;

pub use frame::{Control, Event, Kind, MOST_MESSAGE, Parser, Piece, Sender, Violation};
pub use handshake::{HandshakeError, Offer, SwitchError, accept_of};
pub use writer::{Masks, NoRandomness, write_close, write_control, write_piece};

/// Why a connection was closed, as it stands in a close frame (RFC 6455 section 7.4).
pub mod code {
    /// An end is going away.
    pub const AWAY: u16 = 1001;
    /// The protocol was violated.
    pub const PROTOCOL: u16 = 1002;
    /// Text that is not UTF-8.
    pub const TEXT: u16 = 1007;
    /// The policy does not allow it (any more).
    pub const POLICY: u16 = 1008;
    /// A message over the limit.
    pub const TOO_BIG: u16 = 1009;
}
