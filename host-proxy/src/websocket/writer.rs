//! Frames written anew: whole, in the shortest form, towards a server under masks that nobody can foresee.

use bytes::{BufMut, Bytes, BytesMut};
use ring::rand::{SecureRandom, SystemRandom};

use super::frame::{Control, Kind, Piece};

/// How many masks are drawn at once: a system call for each would cost more than the frame.
const DRAWN: usize = 1024;

/// Masks. A sender who could choose them could choose the bytes on the wire (RFC 6455 section 10.3).
#[derive(Debug)]
pub struct Masks {
    random: SystemRandom,
    drawn: Vec<u8>,
}

/// There is no randomness.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no random numbers")]
pub struct NoRandomness;

impl Masks {
    /// None is drawn yet.
    #[must_use]
    pub fn new() -> Self {
        Self { random: SystemRandom::new(), drawn: Vec::new() }
    }

    fn next(&mut self) -> Result<[u8; 4], NoRandomness> {
        if self.drawn.is_empty() {
            let mut drawn = vec![0; DRAWN];
            self.random.fill(&mut drawn).map_err(|_unspecified| NoRandomness)?;
            self.drawn = drawn;
        }
        let at = self.drawn.len() - 4;
        self.drawn.split_off(at).try_into().map_err(|_unreachable| NoRandomness)
    }
}

impl Default for Masks {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a piece of a message as a frame of its own; an intermediary may cut messages anew (section 5.4).
///
/// # Errors
/// There is no mask.
pub fn write_piece(to: &mut BytesMut, piece: &Piece, masks: Option<&mut Masks>) -> Result<(), NoRandomness> {
    let opcode = match piece.begins {
        None => 0x0,
        Some(Kind::Text) => 0x1,
        Some(Kind::Binary) => 0x2,
    };
    let last = if piece.ends { 0x80 } else { 0 };
    write(to, last | opcode, &piece.data, masks)
}

/// Writes a control frame.
///
/// # Errors
/// There is no mask.
pub fn write_control(
    to: &mut BytesMut,
    control: &Control,
    masks: Option<&mut Masks>,
) -> Result<(), NoRandomness> {
    match control {
        Control::Ping(data) => write(to, 0x89, data, masks),
        Control::Pong(data) => write(to, 0x8a, data, masks),
        Control::Close(None) => write(to, 0x88, &[], masks),
        Control::Close(Some((code, reason))) => {
            let payload = [&code.to_be_bytes()[..], reason].concat();
            write(to, 0x88, &payload, masks)
        }
    }
}

/// Writes a close frame of our own.
///
/// # Errors
/// There is no mask.
pub fn write_close(
    to: &mut BytesMut,
    (code, reason): (u16, &str),
    masks: Option<&mut Masks>,
) -> Result<(), NoRandomness> {
    // A control frame carries 125 bytes, two of them the code; a cut inside a character would not be UTF-8.
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = Bytes::copy_from_slice(&reason.as_bytes()[..end]);
    write_control(to, &Control::Close(Some((code, reason))), masks)
}

fn write(
    to: &mut BytesMut,
    first: u8,
    payload: &[u8],
    masks: Option<&mut Masks>,
) -> Result<(), NoRandomness> {
    let key = masks.map(Masks::next).transpose()?;
    let masked = if key.is_some() { 0x80 } else { 0 };
    to.reserve(payload.len() + 14);
    to.put_u8(first);
    match payload.len() {
        length @ ..126 => to.put_u8(masked | u8::try_from(length).unwrap_or(u8::MAX)),
        length => match u16::try_from(length) {
            Ok(length) => {
                to.put_u8(masked | 126);
                to.put_u16(length);
            }
            Err(_longer) => {
                to.put_u8(masked | 127);
                to.put_u64(length as u64);
            }
        },
    }
    let Some(key) = key else {
        to.extend_from_slice(payload);
        return Ok(());
    };
    to.extend_from_slice(&key);
    let start = to.len();
    to.extend_from_slice(payload);
    for (at, byte) in to[start..].iter_mut().enumerate() {
        *byte ^= key[at % 4];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::websocket::{Event, Parser, Sender};

    fn read(mut bytes: BytesMut, sender: Sender) -> Event {
        let event = Parser::new(sender).next(&mut bytes, Instant::now()).unwrap().unwrap();
        assert!(bytes.is_empty());
        event
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let piece = Piece { begins: Some(Kind::Binary), ends: true, data: vec![7; length].into() };
            let (mut masked, mut plain) = (BytesMut::new(), BytesMut::new());
            write_piece(&mut masked, &piece, Some(&mut Masks::new())).unwrap();
            write_piece(&mut plain, &piece, None).unwrap();
            assert_eq!(read(masked, Sender::Client), Event::Piece(piece.clone()), "{length}");
            assert_eq!(read(plain, Sender::Server), Event::Piece(piece), "{length}");
        }
    }

    #[test]
    fn masks_are_never_the_same() {
        let mut masks = Masks::new();
        let all: std::collections::HashSet<[u8; 4]> = (0..2000).map(|_nth| masks.next().unwrap()).collect();
        assert!(all.len() > 1990, "{}", all.len());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut bytes = BytesMut::new();
        write_close(&mut bytes, (1008, &"é".repeat(100)), None).unwrap();
        let Event::Control(Control::Close(Some((1008, reason)))) = read(bytes, Sender::Server) else {
            panic!("no close frame")
        };
        assert_eq!(std::str::from_utf8(&reason).unwrap(), "é".repeat(61));
    }
}
