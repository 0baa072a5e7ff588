//! Length-prefixed frames: a little-endian `u32` length, then that many bytes of postcard.
//!
//! A frame comes from the other side of a trust boundary: the length is checked against the caller's
//! limit before anything is allocated, and bytes left over after the value are an error.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Upper bound of a frame that carries stdio, a signal, a flow header or a name query.
pub const SMALL: usize = 64 * 1024;

/// Upper bound of a frame that carries a whole [`crate::control::Setup`].
pub const LARGE: usize = 4 * 1024 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the channel between two frames.
    #[error("the channel was closed")]
    Closed,
    /// The other side announced more than the reader accepts.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// Announced length in bytes.
        length: usize,
        /// The reader's limit in bytes.
        limit: usize,
    },
    /// The bytes are not the expected value.
    #[error("malformed frame")]
    Malformed(#[source] postcard::Error),
    /// Bytes were left after the value.
    #[error("{0} bytes left over after the frame's value")]
    Trailing(usize),
    /// The channel failed.
    #[error("channel input or output")]
    Io(#[from] io::Error),
}

/// Takes values out of a stream that comes in pieces.
#[derive(Debug, Default)]
pub struct Pieces(Vec<u8>);

impl Pieces {
    /// Takes the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next value, of a frame of at most `limit` bytes, if all of it is there.
    ///
    /// # Errors
    /// It is none.
    pub fn next<T: DeserializeOwned>(&mut self, limit: usize) -> Result<Option<T>, FrameError> {
        let Some(prefix) = self.0.first_chunk() else { return Ok(None) };
        let end = size_of_val(prefix) + body_length(*prefix, limit)?;
        let Some(body) = self.0.get(size_of_val(prefix)..end) else { return Ok(None) };
        let value = decode(body)?;
        self.0.drain(..end);
        Ok(Some(value))
    }
}

/// Encodes `value` with its length prefix.
///
/// # Errors
/// The value is longer than `u32::MAX` bytes or cannot be serialised.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    let body = postcard::to_stdvec(value).map_err(FrameError::Malformed)?;
    let length = u32::try_from(body.len())
        .map_err(|_over| FrameError::TooLong { length: body.len(), limit: u32::MAX as usize })?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Decodes a frame's body (without its prefix).
///
/// # Errors
/// The bytes are not exactly one value.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let (value, rest) = postcard::take_from_bytes(body).map_err(FrameError::Malformed)?;
    if rest.is_empty() { Ok(value) } else { Err(FrameError::Trailing(rest.len())) }
}

/// The body length that a prefix announces, checked against `limit`.
///
/// # Errors
/// The length is over `limit`.
pub fn body_length(prefix: [u8; 4], limit: usize) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(prefix) as usize;
    if length > limit { Err(FrameError::TooLong { length, limit }) } else { Ok(length) }
}

/// Writes one frame and flushes it.
///
/// # Errors
/// Encoding or the channel failed.
pub fn write<T: Serialize>(channel: &mut impl Write, value: &T) -> Result<(), FrameError> {
    channel.write_all(&encode(value)?)?;
    Ok(channel.flush()?)
}

/// Reads one frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError::Closed`] at a clean end between frames; otherwise what was wrong.
pub fn read<T: DeserializeOwned>(channel: &mut impl Read, limit: usize) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    // `read_exact` goes on after a signal; so does the first byte.
    let first = loop {
        match channel.read(&mut prefix[..1]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => break outcome?,
        }
    };
    if first == 0 {
        return Err(FrameError::Closed);
    }
    channel.read_exact(&mut prefix[1..])?;
    let mut body = vec![0; body_length(prefix, limit)?];
    channel.read_exact(&mut body)?;
    decode(&body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_clean_end() {
        let mut bytes = Vec::new();
        write(&mut bytes, &("hello", 7_u64)).unwrap();
        let mut reader = bytes.as_slice();
        assert_eq!(read::<(String, u64)>(&mut reader, SMALL).unwrap(), ("hello".to_owned(), 7));
        assert!(matches!(read::<u8>(&mut reader, SMALL), Err(FrameError::Closed)));
    }

    #[test]
    fn values_come_out_of_any_pieces() {
        let stream = [encode(&7_u32).unwrap(), encode(&300_u32).unwrap()].concat();
        let mut pieces = Pieces::default();
        let mut seen = Vec::new();
        for piece in stream.chunks(3) {
            pieces.push(piece);
            seen.extend(pieces.next::<u32>(SMALL).unwrap());
        }
        assert_eq!(seen, [7, 300]);
        pieces.push(&u32::MAX.to_le_bytes());
        assert!(matches!(pieces.next::<u32>(SMALL), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn a_lying_length_allocates_nothing() {
        let mut reader = &[0xff, 0xff, 0xff, 0xff, 0][..];
        assert!(matches!(read::<u8>(&mut reader, SMALL), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn half_a_frame_and_leftovers_are_errors() {
        let frame = encode(&300_u32).unwrap();
        assert!(matches!(read::<u32>(&mut &frame[..5], SMALL), Err(FrameError::Io(_))));
        assert!(matches!(decode::<u8>(&[1, 2]), Err(FrameError::Trailing(1))));
    }
}
