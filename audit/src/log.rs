//! Reading a log, and telling whether it is whole.
//!
//! A log is a directory of [segments]: `000001.jsonl`, `000002.jsonl` …, of which closed ones may be
//! [packed]; a single file is a log as well. [`Reader`] goes over the lines of all of them and checks the chain on the
//! way: a record that was edited, moved or taken out is an error that names it, and nothing after it is returned.
//! [`Lookup`] reads one record where an index says that it stands, [`Follow`] waits for more. What no reader can see by
//! itself is that whole records are missing at the end: compare [`Summary::last_hash`] with a receipt or a checkpoint.

mod file;
mod follow;
mod last;
mod lookup;
pub mod packed;
mod reader;
pub mod segments;
mod stored;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::chain;
use crate::chain::ChainHash;
use crate::protocol::MAX_EVENT;
use crate::record::{OLDEST, VERSION};
use crate::time;

pub use file::open_file;
pub use follow::Follow;
pub use last::{LastLine, last_line};
pub use lookup::Lookup;
pub use reader::Reader;
pub use segments::{Segments, Single, Source};
pub use stored::{Stored, sandbox, stored};

/// Longest line that is read: an event, and what the writer adds.
pub(crate) const MAX_LINE: usize = MAX_EVENT + 4096;

/// What a whole log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of the last record; 0 if there is none.
    pub records: u64,
    /// Number of the first record that is kept: more than 1 after old ones were removed for their age.
    pub first: u64,
    /// Hash of the last one; [`ChainHash::START`] if there is none.
    pub last_hash: ChainHash,
    /// Length of all whole records, in bytes.
    pub bytes: u64,
    /// Number of the first record that is dated before the one before it: the clock was set back, or somebody dated it so.
    pub back_at: Option<u64>,
    /// Number of the last record by which the writer says that it took something off the log's end, or that the log was closed
    /// by somebody later.
    pub repaired_at: Option<u64>,
    /// How many such records there are.
    pub repairs: u64,
    /// Number of the last record by which the writer says that nothing follows, or that somebody closed the log later.
    pub closed_at: Option<u64>,
}

impl Summary {
    /// Whether the last record says that nothing follows, or that somebody closed the log later; a log without records has nothing
    /// to say.
    #[must_use]
    pub fn has_end(&self) -> bool {
        self.records == 0 || self.closed_at == Some(self.records)
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Number of its segment, from 1.
    pub segment: u64,
    /// Bytes from the segment's start, not packed.
    pub offset: u64,
}

/// A place to go on from: everything before it was read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Where the next record stands.
    pub position: Position,
    /// Number of the last record that was read; 0 for none.
    pub sequence: u64,
    /// Its hash.
    pub last_hash: ChainHash,
}

impl Mark {
    /// The start of every log.
    pub const START: Self =
        Self { position: Position { segment: 1, offset: 0 }, sequence: 0, last_hash: ChainHash::START };
}

/// Why a log is not whole.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be opened.
    #[error("cannot open the log")]
    Open(#[source] io::Error),
    /// It cannot be read.
    #[error("cannot read the log after record {after}")]
    Read {
        /// Number of the last record that was read.
        after: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The first bad record.
    #[error("record {number}: {fault}")]
    Bad {
        /// The number that the record must have.
        number: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its bytes are not those that were hashed.
    #[error("its content does not match its hash: it was edited")]
    Edited,
    /// It does not follow the record before it.
    #[error("it does not follow the record before it: a record was removed, added or moved")]
    Unlinked,
    /// Its number is not the next one.
    #[error("its number is not the next one: a record was removed, added or moved")]
    Misnumbered,
    /// It belongs to another sandbox than the first record.
    #[error("it belongs to another sandbox's log")]
    Foreign,
    /// It matches its hash, but is not a record of a known version.
    #[error("it is not a record of version {OLDEST} to {VERSION}")]
    Unknown,
    /// The log ends within it.
    #[error("the log ends within it: the writer was stopped while it wrote, or the end was cut off")]
    Unfinished,
    /// It is longer than any record is.
    #[error("it is longer than a record can be")]
    TooLong,
}

impl LogError {
    /// Whether the same reading may succeed later: the system could not read it, or its end is still being written. What is
    /// wrong with the log itself does not pass.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Bad { fault, .. } => *fault == Fault::Unfinished,
            // The log ends before where it was read to, or a packed segment is damaged.
            Self::Open(source) | Self::Read { source, .. } => {
                !matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
            }
        }
    }
}

/// Opens a log for reading: a directory, or one file.
///
/// # Errors
/// It cannot be opened.
pub fn read(path: impl AsRef<Path>) -> Result<Reader<Segments>, LogError> {
    Segments::open(path.as_ref()).map(Reader::over).map_err(LogError::Open)
}

/// Opens a log where an earlier reading ended: the record that follows must go on from there.
///
/// # Errors
/// It cannot be opened, or does not reach so far any more.
pub fn read_from(path: impl AsRef<Path>, mark: &Mark) -> Result<Reader<Segments>, LogError> {
    let segments = Segments::open_at(path.as_ref(), mark.position).map_err(LogError::Open)?;
    Ok(Reader::over(segments).after(mark))
}

/// The moment that a record's time means; `None`: no writer writes it so.
#[must_use]
pub fn moment(time: &str) -> Option<SystemTime> {
    time::since_1970(time).map(|since| SystemTime::UNIX_EPOCH + since)
}

/// Reads the whole log and checks every record.
///
/// # Errors
/// It cannot be read, or a record is bad: the first such is named.
pub fn verify(path: impl AsRef<Path>) -> Result<Summary, LogError> {
    read(path)?.verify()
}
