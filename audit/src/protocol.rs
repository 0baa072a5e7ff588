//! What goes over a client's socket. A frame is a little-endian `u32` length and that many bytes: JSON
//! of an [`crate::Event`] towards the writer, a fixed layout back. Replies come in the order of events. An empty frame
//! towards the writer is word ahead that an event is about to come: it has no reply, and the writer stays awake for a moment.
//!
//! | reply | layout |
//! |---|---|
//! | receipt | 40 bytes: sequence (`u64`, little-endian), hash |
//! | unrecorded | one byte, 1: the log is full, and the operator lets the action go on without a record |
//! | refusal | a zero byte, then one line of text |

use wire::frame::{self, FrameError};

use crate::chain::ChainHash;
use crate::record::{Event, Shortening};

/// Longest event in a record, in bytes of JSON.
pub const MAX_EVENT: usize = 256 * 1024;

/// Longest event as it is handed in: its texts are cut in the record.
pub(crate) const MAX_HANDED_IN: usize = 2 * MAX_EVENT;

/// Longest reply.
pub(crate) const MAX_REPLY: usize = 1024;

const PREFIX: usize = 4;

/// Word ahead of an event.
pub(crate) const WORD: [u8; PREFIX] = [0; PREFIX];
const RECEIPT: usize = 40;

/// The writer's word that a record is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record's number.
    pub sequence: u64,
    /// The record's hash.
    pub hash: ChainHash,
}

/// What the writer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Written(Receipt),
    Unrecorded,
    Refused(String),
}

/// Why bytes are not a frame of this protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("a frame is longer than allowed")]
    Length(#[source] FrameError),
    #[error("the event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the event has {0} bytes, more than {MAX_HANDED_IN}")]
    TooLong(usize),
    #[error("the writer's reply has an unknown form")]
    Reply,
}

/// The frame of an event, which is shortened if it is too long: what nobody would hear of otherwise is on the record.
pub(crate) fn event_frame(event: &Event) -> Result<Vec<u8>, ProtocolError> {
    let mut frame = whole_frame(event);
    let mut event = std::borrow::Cow::Borrowed(event);
    for how in Shortening::ALL {
        if !matches!(frame, Err(ProtocolError::TooLong(_))) {
            break;
        }
        event.to_mut().shorten(how);
        frame = whole_frame(&event);
    }
    frame
}

fn whole_frame(event: &Event) -> Result<Vec<u8>, ProtocolError> {
    let mut bytes = vec![0; PREFIX];
    serde_json::to_writer(&mut bytes, event).map_err(ProtocolError::Encode)?;
    let body = bytes.len() - PREFIX;
    let length = u32::try_from(body)
        .ok()
        .filter(|_length| body <= MAX_HANDED_IN)
        .ok_or(ProtocolError::TooLong(body))?;
    bytes[..PREFIX].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// The frame of a reply.
pub(crate) fn reply_frame(reply: &Reply) -> Vec<u8> {
    let body = match reply {
        Reply::Written(receipt) => [&receipt.sequence.to_le_bytes()[..], receipt.hash.as_bytes()].concat(),
        Reply::Unrecorded => vec![1],
        Reply::Refused(why) => refusal(why),
    };
    let length = u32::try_from(body.len()).expect("a reply is shorter than MAX_REPLY");
    [&length.to_le_bytes()[..], &body].concat()
}

/// A refusal is told from a receipt by its length.
fn refusal(why: &str) -> Vec<u8> {
    let mut body = [&[0], why.chars().take(200).collect::<String>().as_bytes()].concat();
    if body.len() == RECEIPT {
        body.push(b'.');
    }
    body
}

/// Reads the body of a reply's frame.
pub(crate) fn parse_reply(body: &[u8]) -> Result<Reply, ProtocolError> {
    if let Ok(receipt) = <&[u8; RECEIPT]>::try_from(body) {
        let (sequence, hash) = receipt.split_at(8);
        let sequence = u64::from_le_bytes(sequence.try_into().map_err(|_length| ProtocolError::Reply)?);
        let hash = ChainHash::from_bytes(hash.try_into().map_err(|_length| ProtocolError::Reply)?);
        return Ok(Reply::Written(Receipt { sequence, hash }));
    }
    match body.split_first() {
        Some((1, [])) => Ok(Reply::Unrecorded),
        Some((0, why)) => Ok(Reply::Refused(String::from_utf8_lossy(why).into_owned())),
        _ => Err(ProtocolError::Reply),
    }
}

/// The first whole frame in `bytes`: its body, and how many bytes it takes with its prefix. `None`: more
/// bytes are needed.
pub(crate) fn first_frame(bytes: &[u8], limit: usize) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = frame::body_length(*prefix, limit).map_err(ProtocolError::Length)?;
    Ok(bytes.get(PREFIX..PREFIX + length).map(|body| (body, PREFIX + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_any_length_is_read_as_one() {
        for length in 0..300 {
            let frame = reply_frame(&Reply::Refused("x".repeat(length)));
            let (body, _) = first_frame(&frame, MAX_REPLY).unwrap().unwrap();
            assert!(matches!(parse_reply(body), Ok(Reply::Refused(_))), "{length}");
        }
    }
}
