//! Frames as one side sends them, read in order and refused where RFC 6455 leaves no meaning.
//!
//! States: between frames → inside a data frame (its payload leaves in pieces, as it comes) → between frames. A
//! control frame is read whole. After a close frame nothing more is read.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::code;
use super::flood::Bucket;
use super::text::Utf8;

/// Longest message in bytes. Its pieces are passed on as they come: the limit is there for who receives it.
pub const MOST_MESSAGE: u64 = 16 * 1024 * 1024;

/// Longest payload of a control frame (RFC 6455 section 5.5).
const MOST_CONTROL: usize = 125;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The side that asked for the connection: its frames are masked.
    Client,
    /// The other side: its frames are not.
    Server,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part of a message.
    Piece(Piece),
    /// A whole control frame.
    Control(Control),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The message's kind, with its first piece only.
    pub begins: Option<Kind>,
    /// Whether it is the last one.
    pub ends: bool,
    /// Its bytes, unmasked.
    pub data: Bytes,
}

/// A control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Ping.
    Ping(Bytes),
    /// Pong.
    Pong(Bytes),
    /// Close: the code and the reason, if there are any.
    Close(Option<(u16, Bytes)>),
}

impl Control {
    /// What it says, without the code of a close frame.
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::Ping(data) | Self::Pong(data) | Self::Close(Some((_, data))) => data,
            Self::Close(None) => &[],
        }
    }
}

/// Why frames are refused. Nothing after any of these has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A reserved bit: no extension was agreed on.
    #[error("a reserved bit is set, and no extension was agreed on")]
    Reserved,
    /// An opcode without a meaning.
    #[error("an unknown opcode")]
    Opcode,
    /// A client's frame without a mask, or a server's with one.
    #[error("a frame of a client is masked, one of a server is not")]
    Mask,
    /// A length that is not written in the shortest way, or has its highest bit set.
    #[error("a length that is not written in the shortest way")]
    Length,
    /// A control frame that is fragmented or too long.
    #[error("a control frame that is fragmented or longer than 125 bytes")]
    Control,
    /// A continuation of nothing, or a new message inside another.
    #[error("a message inside another, or a continuation of none")]
    Fragment,
    /// A close frame of one byte, or with a code that must not be sent.
    #[error("a close frame with a code that is never sent")]
    CloseCode,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Text,
    /// A message that is too long.
    #[error("a message longer than {} MiB", MOST_MESSAGE / 1024 / 1024)]
    TooBig,
    /// Too many frames that carry nothing.
    #[error("too many control frames or empty fragments")]
    Flood,
}

/// Reads the frames of one side.
#[derive(Debug)]
pub struct Parser {
    sender: Sender,
    /// The message that is under way between its frames.
    message: Option<Message>,
    /// The data frame that is under way.
    frame: Option<Frame>,
    bucket: Bucket,
}

#[derive(Debug)]
struct Message {
    kind: Kind,
    /// Whether a piece of it was passed on.
    begun: bool,
    length: u64,
    utf8: Utf8,
}

#[derive(Debug)]
struct Frame {
    left: u64,
    last: bool,
    mask: Mask,
}

/// A mask, and how far it is turned.
#[derive(Clone, Copy, Debug, Default)]
struct Mask {
    key: [u8; 4],
    at: usize,
}

/// A frame's header.
struct Header {
    last: bool,
    opcode: u8,
    length: u64,
    mask: Mask,
    /// Its own bytes.
    size: usize,
}

impl Control {
    /// Bytes of its payload.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Ping(data) | Self::Pong(data) => data.len(),
            Self::Close(None) => 0,
            Self::Close(Some((_code, reason))) => 2 + reason.len(),
        }
    }
}

impl Violation {
    /// The code of the close frame that says so.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Text => code::TEXT,
            Self::TooBig => code::TOO_BIG,
            Self::Flood => code::POLICY,
            _ => code::PROTOCOL,
        }
    }
}

impl Parser {
    /// Reads what `sender` sends.
    #[must_use]
    pub fn new(sender: Sender) -> Self {
        Self { sender, message: None, frame: None, bucket: Bucket::new() }
    }

    /// Whether more of a data frame is to come.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.frame.is_some()
    }

    /// Takes the next event from `buffer`; `None`: it needs more bytes.
    ///
    /// # Errors
    /// What was sent has no meaning.
    pub fn next(&mut self, buffer: &mut BytesMut, now: Instant) -> Result<Option<Event>, Violation> {
        loop {
            if let Some(frame) = self.frame.take() {
                return self.payload(frame, buffer);
            }
            let Some(header) = Header::parse(buffer, self.sender)? else { return Ok(None) };
            if header.opcode & 0x8 != 0 {
                return self.control(&header, buffer, now);
            }
            self.enter(&header)?;
            buffer.advance(header.size);
            if header.length == 0 && !header.last {
                // It says nothing, so nothing is passed on.
                self.count(now)?;
                continue;
            }
            self.frame = Some(Frame { left: header.length, last: header.last, mask: header.mask });
        }
    }

    /// Begins or continues a message.
    fn enter(&mut self, header: &Header) -> Result<(), Violation> {
        let message = match (header.opcode, &mut self.message) {
            (0x0, Some(message)) => message,
            (0x1 | 0x2, message @ None) => {
                let kind = if header.opcode == 0x1 { Kind::Text } else { Kind::Binary };
                message.insert(Message { kind, begun: false, length: 0, utf8: Utf8::default() })
            }
            (0x0..=0x2, _) => return Err(Violation::Fragment),
            _ => return Err(Violation::Opcode),
        };
        message.length = message.length.saturating_add(header.length);
        if message.length > MOST_MESSAGE { Err(Violation::TooBig) } else { Ok(()) }
    }

    /// Takes what is there of a data frame.
    fn payload(&mut self, mut frame: Frame, buffer: &mut BytesMut) -> Result<Option<Event>, Violation> {
        let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(buffer.len());
        if count == 0 && frame.left > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        let mut data = buffer.split_to(count);
        frame.mask.apply(&mut data);
        frame.left -= count as u64;
        let message = self.message.as_mut().ok_or(Violation::Fragment)?;
        let ends = frame.last && frame.left == 0;
        if message.kind == Kind::Text && !(message.utf8.goes_on(&data) && (!ends || message.utf8.is_whole()))
        {
            return Err(Violation::Text);
        }
        let begins = (!message.begun).then_some(message.kind);
        message.begun = true;
        if ends {
            self.message = None;
        }
        if frame.left > 0 {
            self.frame = Some(frame);
        }
        Ok(Some(Event::Piece(Piece { begins, ends, data: data.freeze() })))
    }

    /// Takes a control frame, once it is whole.
    fn control(
        &mut self,
        header: &Header,
        buffer: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<Event>, Violation> {
        if !(0x8..=0xa).contains(&header.opcode) {
            return Err(Violation::Opcode);
        }
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if !header.last || length > MOST_CONTROL {
            return Err(Violation::Control);
        }
        if buffer.len() < header.size + length {
            return Ok(None);
        }
        self.count(now)?;
        buffer.advance(header.size);
        let mut data = buffer.split_to(length);
        let mut mask = header.mask;
        mask.apply(&mut data);
        let data = data.freeze();
        Ok(Some(Event::Control(match header.opcode {
            0x8 => Control::Close(close(data)?),
            0x9 => Control::Ping(data),
            _ => Control::Pong(data),
        })))
    }

    fn count(&mut self, now: Instant) -> Result<(), Violation> {
        if self.bucket.take(now) { Ok(()) } else { Err(Violation::Flood) }
    }
}

impl Header {
    /// Reads a header, once it is whole; what is wrong with its first two bytes is told at once.
    fn parse(buffer: &[u8], sender: Sender) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = buffer else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::Reserved);
        }
        if (second & 0x80 != 0) != (sender == Sender::Client) {
            return Err(Violation::Mask);
        }
        let (length, rest) = match (second & 0x7f, rest) {
            (126, [a, b, rest @ ..]) => match u64::from(u16::from_be_bytes([*a, *b])) {
                length @ 126.. => (length, rest),
                _ => return Err(Violation::Length),
            },
            (127, bytes) if bytes.len() >= 8 => {
                let (number, rest) = bytes.split_at(8);
                let number = number.try_into().map_err(|_unreachable| Violation::Length)?;
                match u64::from_be_bytes(number) {
                    length @ 0x1_0000..=0x7fff_ffff_ffff_ffff => (length, rest),
                    _ => return Err(Violation::Length),
                }
            }
            (126 | 127, _) => return Ok(None),
            (length, rest) => (u64::from(length), rest),
        };
        let (key, rest) = match (sender, rest) {
            (Sender::Server, rest) => ([0; 4], rest),
            (Sender::Client, [a, b, c, d, rest @ ..]) => ([*a, *b, *c, *d], rest),
            (Sender::Client, _) => return Ok(None),
        };
        let (mask, size) = (Mask { key, at: 0 }, buffer.len() - rest.len());
        Ok(Some(Self { last: first & 0x80 != 0, opcode: first & 0x0f, length, mask, size }))
    }
}

impl Mask {
    fn apply(&mut self, data: &mut [u8]) {
        if self.key == [0; 4] {
            return;
        }
        let mut key = self.key;
        key.rotate_left(self.at);
        // Whole keys at a time: the compiler makes wide instructions of it.
        let mut words = data.chunks_exact_mut(4);
        for word in &mut words {
            word.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        }
        words.into_remainder().iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        self.at = (self.at + data.len()) % 4;
    }
}

/// The payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).
fn close(mut data: Bytes) -> Result<Option<(u16, Bytes)>, Violation> {
    if data.is_empty() {
        return Ok(None);
    }
    if data.len() == 1 {
        return Err(Violation::CloseCode);
    }
    let code = data.get_u16();
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode);
    }
    if std::str::from_utf8(&data).is_err() {
        return Err(Violation::Text);
    }
    Ok(Some((code, data)))
}

#[cfg(test)]
mod tests;
