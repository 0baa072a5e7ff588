//! One record as the line that is written, chained to the one before it.

use super::clock::Reading;
use super::journal::StageError;
use crate::chain::{self, ChainHash};
use crate::log::MAX_LINE;
use crate::record::{Event, VERSION};
use crate::time::rfc3339;
use crate::tree::{self, TreeHash};

/// Characters of a time that say its day.
const DAY: usize = "2026-11-21".len();

/// Bytes of a leaf.
pub(super) const LEAF: usize = 32;

/// A record's place, and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// Whose log it is: `"tenant":…,"sandbox":…,"agent":…`.
    pub(super) origin: &'a str,
    pub(super) sequence: u64,
    /// The hash of the record before it.
    pub(super) previous: ChainHash,
    pub(super) stamp: &'a Stamp,
}

/// A record that is ready to be written.
#[derive(Debug)]
pub(super) struct Line {
    /// With the line feed.
    pub(super) bytes: Vec<u8>,
    pub(super) hash: ChainHash,
    /// Its leaf of the tree.
    pub(super) leaf: TreeHash,
}

/// What the clocks show, as records say it.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    time: String,
    monotonic_ns: u64,
}

impl Line {
    /// The record of an event that `client` handed in.
    pub(super) fn of(event: &Event, client: &str, place: Place<'_>) -> Result<Self, StageError> {
        let Place { origin, sequence, previous, stamp: Stamp { time, monotonic_ns } } = place;
        let mut bytes = Vec::with_capacity(1024);
        let head = format!(
            "{{\"version\":{VERSION},\"sequence\":{sequence},\"time\":\"{time}\",\"monotonic_ns\":{monotonic_ns},\
             {origin},\"client\":"
        );
        bytes.extend_from_slice(head.as_bytes());
        serde_json::to_writer(&mut bytes, client).map_err(StageError::NotAnEvent)?;
        let event_at = bytes.len();
        serde_json::to_writer(&mut bytes, event).map_err(StageError::NotAnEvent)?;
        // The event's fields continue the record's: its opening brace becomes the comma between them.
        bytes[event_at] = b',';
        bytes.pop();
        bytes.extend_from_slice(format!(",\"prev\":\"{previous}\"}}").as_bytes());
        let hash = chain::seal(&mut bytes);
        let leaf = tree::leaf(&bytes);
        bytes.push(b'\n');
        if bytes.len() > MAX_LINE { Err(StageError::TooLong) } else { Ok(Self { bytes, hash, leaf }) }
    }
}

impl Stamp {
    /// What they show.
    pub(super) fn of(reading: &Reading) -> Self {
        let monotonic_ns = u64::try_from(reading.awake.as_nanos()).unwrap_or(u64::MAX);
        Self { time: rfc3339(reading.wall), monotonic_ns }
    }

    /// The day, as its time begins.
    pub(super) fn day(&self) -> &str {
        &self.time[..DAY]
    }
}
