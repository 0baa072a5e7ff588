//! The body of one request: its framing as a state machine over a buffer.
//!
//! States: `Exact(left)` → done; `ChunkSize → ChunkData(left) → ChunkEnd → ChunkSize … → LastLine → done`.

use bytes::{Bytes, BytesMut};

use super::head::Length;

/// Longest chunk size line: 15 hexadecimal digits and CRLF.
const LONGEST_SIZE_LINE: usize = 17;

/// Why a body is refused. The rest of the connection has no meaning after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not a plain hexadecimal number and CRLF: also chunk extensions, signs, spaces and overflow.
    #[error("a chunk size that is not a plain hexadecimal number")]
    ChunkSize,
    /// The chunk's data is not followed by CRLF.
    #[error("a chunk that is longer than its size")]
    ChunkEnd,
    /// Trailers in a request.
    #[error("trailers in a request")]
    Trailers,
}

/// Where in its framing a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    Exact(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    LastLine,
    Done,
}

/// What the decoder can do with the bytes it was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Part of the body.
    Data(Bytes),
    /// It needs more bytes.
    More,
    /// The body is over.
    End,
}

impl Decoder {
    pub(super) fn new(length: Length) -> Self {
        match length {
            Length::Exact(0) => Self::Done,
            Length::Exact(left) => Self::Exact(left),
            Length::Chunked => Self::ChunkSize,
        }
    }

    /// Takes what it can from `buffer`.
    pub(super) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, BodyError> {
        loop {
            match *self {
                Self::Done => return Ok(Step::End),
                Self::Exact(left) => {
                    let Some((data, left)) = take(buffer, left) else { return Ok(Step::More) };
                    *self = if left == 0 { Self::Done } else { Self::Exact(left) };
                    return Ok(Step::Data(data));
                }
                Self::ChunkData(left) => {
                    let Some((data, left)) = take(buffer, left) else { return Ok(Step::More) };
                    *self = if left == 0 { Self::ChunkEnd } else { Self::ChunkData(left) };
                    return Ok(Step::Data(data));
                }
                Self::ChunkSize => match size_line(buffer)? {
                    None => return Ok(Step::More),
                    Some(0) => *self = Self::LastLine,
                    Some(size) => *self = Self::ChunkData(size),
                },
                Self::ChunkEnd => match crlf(buffer) {
                    Some(true) => *self = Self::ChunkSize,
                    Some(false) => return Err(BodyError::ChunkEnd),
                    None => return Ok(Step::More),
                },
                Self::LastLine => match crlf(buffer) {
                    Some(true) => *self = Self::Done,
                    Some(false) => return Err(BodyError::Trailers),
                    None => return Ok(Step::More),
                },
            }
        }
    }
}

/// Up to `left` bytes of the buffer, and how many are then still to come.
fn take(buffer: &mut BytesMut, left: u64) -> Option<(Bytes, u64)> {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    if count == 0 {
        return None;
    }
    let taken = buffer.split_to(count).freeze();
    Some((taken, left - count as u64))
}

/// A chunk's size, once its line is complete.
fn size_line(buffer: &mut BytesMut) -> Result<Option<u64>, BodyError> {
    let window = &buffer[..buffer.len().min(LONGEST_SIZE_LINE)];
    let digits = window.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match &window[digits..] {
        [] if digits < LONGEST_SIZE_LINE - 1 => Ok(None),
        [b'\r'] if digits > 0 && window.len() < LONGEST_SIZE_LINE => Ok(None),
        [b'\r', b'\n', ..] if digits > 0 => {
            let text = std::str::from_utf8(&window[..digits]).map_err(|_invalid| BodyError::ChunkSize)?;
            let size = u64::from_str_radix(text, 16).map_err(|_overflow| BodyError::ChunkSize)?;
            let _line = buffer.split_to(digits + 2);
            Ok(Some(size))
        }
        _ => Err(BodyError::ChunkSize),
    }
}

/// Takes CRLF: whether it was one, or nothing while it cannot be told.
fn crlf(buffer: &mut BytesMut) -> Option<bool> {
    match &buffer[..] {
        [] | [b'\r'] => None,
        [b'\r', b'\n', ..] => {
            let _line = buffer.split_to(2);
            Some(true)
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `piece` and returns the body, or the error.
    fn decode(length: Length, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
        let mut decoder = Decoder::new(length);
        let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
        let mut pieces = bytes.chunks(piece);
        loop {
            match decoder.step(&mut buffer)? {
                Step::Data(data) => body.extend_from_slice(&data),
                Step::End => break,
                Step::More => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => panic!("incomplete in {decoder:?}"),
                },
            }
        }
        let mut rest = buffer.to_vec();
        rest.extend(pieces.flatten());
        Ok((body, rest))
    }

    #[test]
    fn bodies_in_pieces_of_every_size() {
        let chunked = b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nnext";
        for piece in 1..=chunked.len() {
            let read = decode(Length::Chunked, chunked, piece);
            assert_eq!(read, Ok((b"abc0123456789".to_vec(), b"next".to_vec())), "pieces of {piece}");
            assert_eq!(decode(Length::Exact(3), b"abcnext", piece), Ok((b"abc".to_vec(), b"next".to_vec())));
            assert_eq!(decode(Length::Exact(0), b"next", piece), Ok((Vec::new(), b"next".to_vec())));
        }
    }

    #[test]
    fn ambiguous_chunks_are_refused() {
        let cases: [(&[u8], BodyError); 14] = [
            (b"3;ext=1\r\nabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b"3 \r\nabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b" 3\r\nabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b"+3\r\nabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b"0x3\r\nabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b"3\nabc\n0\n\n", BodyError::ChunkSize),
            (b"3\rabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b"\r\nabc\r\n0\r\n\r\n", BodyError::ChunkSize),
            (b"-1\r\n", BodyError::ChunkSize),
            (b"10000000000000003\r\nabc\r\n", BodyError::ChunkSize),
            (b"3\r\nabcd\r\n0\r\n\r\n", BodyError::ChunkEnd),
            (b"3\r\nabc\n0\r\n\r\n", BodyError::ChunkEnd),
            (b"0\r\nHost: evil\r\n\r\n", BodyError::Trailers),
            (b"0\r\nX: y\r\n\r\n", BodyError::Trailers),
        ];
        for (bytes, error) in cases {
            for piece in [1, 2, 64] {
                assert_eq!(decode(Length::Chunked, bytes, piece), Err(error), "{}", bytes.escape_ascii());
            }
        }
    }
}
