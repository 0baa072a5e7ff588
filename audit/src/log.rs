//! Reading a log, and telling whether it is whole.
//!
//! [`Reader`] goes over the lines and checks the chain on the way: a record that was edited, moved or
//! taken out is an error that names it, and nothing after it is returned. What no reader can see by
//! itself is that whole records are missing at the end: compare [`Summary::last_hash`] with a receipt.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use wire::id::SandboxId;

use crate::chain::{self, ChainHash};
use crate::protocol::MAX_EVENT;
use crate::record::{Record, VERSION};

/// Longest line that is read: an event, and what the writer adds.
pub(crate) const MAX_LINE: usize = MAX_EVENT + 4096;

const BUFFER: usize = 128 * 1024;

/// What a whole log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of records.
    pub records: u64,
    /// Hash of the last one; [`ChainHash::START`] if there is none.
    pub last_hash: ChainHash,
    /// Length of all whole records, in bytes.
    pub bytes: u64,
}

/// Why a log is not whole.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("cannot open the log")]
    Open(#[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read the log after record {after}")]
    Read {
        /// Number of the last record that was read.
        after: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The first bad record.
    #[error("record {number} (line {number}): {fault}")]
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
    #[error("it is not a record of version {VERSION}")]
    Unknown,
    /// The log ends within it.
    #[error("the log ends within it: the writer was stopped while it wrote, or the end was cut off")]
    Unfinished,
    /// It is longer than any record is.
    #[error("it is longer than a record can be")]
    TooLong,
}

/// Goes over the records of a log. After an error it ends.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    line: Vec<u8>,
    state: State,
    ended: bool,
}

/// What the lines so far lead to.
#[derive(Clone, Debug)]
struct State {
    summary: Summary,
    sandbox: Option<SandboxId>,
}

/// Opens a log for reading.
///
/// # Errors
/// The file cannot be opened.
pub fn read(path: impl AsRef<Path>) -> Result<Reader<BufReader<File>>, LogError> {
    let file = File::open(path).map_err(LogError::Open)?;
    Ok(Reader::new(BufReader::with_capacity(BUFFER, file)))
}

/// Reads the whole log and checks every record.
///
/// # Errors
/// The file cannot be read, or a record is bad: the first such is named.
pub fn verify(path: impl AsRef<Path>) -> Result<Summary, LogError> {
    read(path)?.verify()
}

impl<R: BufRead> Reader<R> {
    /// A reader from the start of a log.
    pub fn new(source: R) -> Self {
        let summary = Summary { records: 0, last_hash: ChainHash::START, bytes: 0 };
        Self { source, line: Vec::new(), state: State { summary, sandbox: None }, ended: false }
    }

    /// What was read so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.state.summary
    }

    /// Whose log it is, once a record was read.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxId> {
        self.state.sandbox.as_ref()
    }

    /// Checks all records from here to the end.
    ///
    /// # Errors
    /// See [`verify`].
    pub fn verify(mut self) -> Result<Summary, LogError> {
        for record in self.by_ref() {
            record?;
        }
        Ok(self.summary())
    }

    fn read_record(&mut self) -> Result<Option<Record>, LogError> {
        let number = self.state.summary.records + 1;
        let bad = |fault| LogError::Bad { number, fault };
        self.line.clear();
        let limit = u64::try_from(MAX_LINE + 1).expect("a line's limit fits in 64 bits");
        io::Read::take(&mut self.source, limit)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| LogError::Read { after: number - 1, source })?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            return Err(bad(if self.line.len() > MAX_LINE { Fault::TooLong } else { Fault::Unfinished }));
        }
        self.state.accept(&self.line).map(Some).map_err(bad)
    }
}

impl State {
    fn accept(&mut self, line: &[u8]) -> Result<Record, Fault> {
        let hash = chain::check(line).ok_or(Fault::Edited)?;
        let record: Record = serde_json::from_slice(line).map_err(|_not_ours| Fault::Unknown)?;
        if record.version != VERSION || record.hash != hash {
            return Err(Fault::Unknown);
        }
        if record.prev != self.summary.last_hash {
            return Err(Fault::Unlinked);
        }
        if record.sequence != self.summary.records + 1 {
            return Err(Fault::Misnumbered);
        }
        if *self.sandbox.get_or_insert_with(|| record.sandbox.clone()) != record.sandbox {
            return Err(Fault::Foreign);
        }
        self.summary.records += 1;
        self.summary.last_hash = hash;
        self.summary.bytes += u64::try_from(line.len() + 1).expect("a line's length fits in 64 bits");
        Ok(record)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read_record().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}
