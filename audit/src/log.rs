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
use crate::record::{OLDEST, Record, VERSION};

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
    #[error("it is not a record of version {OLDEST} to {VERSION}")]
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

/// What joins a record to its log; the rest of it is not looked at.
#[derive(serde::Deserialize)]
struct Link<'a> {
    version: u32,
    sequence: u64,
    sandbox: &'a str,
    prev: ChainHash,
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
        self.verify_here()
    }

    /// As [`Reader::verify`]; what was good before an error is in [`Reader::summary`].
    pub(crate) fn verify_here(&mut self) -> Result<Summary, LogError> {
        while !self.ended && self.read_line()? {
            self.link()?;
        }
        Ok(self.summary())
    }

    fn read_record(&mut self) -> Result<Option<Record>, LogError> {
        if !self.read_line()? {
            return Ok(None);
        }
        // Told apart before the line is linked, so that the error bears this record's number; but a line
        // that was edited is called edited, whether it can be read or not.
        let record = serde_json::from_slice(&self.line);
        let record = record.map_err(|_not_ours| self.bad(Fault::Unknown));
        self.link()?;
        record.map(Some)
    }

    fn link(&mut self) -> Result<(), LogError> {
        self.state.accept(&self.line).map_err(|fault| self.bad(fault))
    }

    fn bad(&self, fault: Fault) -> LogError {
        LogError::Bad { number: self.state.summary.records + 1, fault }
    }

    /// Whether there was a line.
    fn read_line(&mut self) -> Result<bool, LogError> {
        self.line.clear();
        let limit = u64::try_from(MAX_LINE + 1).expect("a line's limit fits in 64 bits");
        io::Read::take(&mut self.source, limit)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| LogError::Read { after: self.state.summary.records, source })?;
        if self.line.is_empty() {
            return Ok(false);
        }
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            return Err(self.bad(if self.line.len() > MAX_LINE {
                Fault::TooLong
            } else {
                Fault::Unfinished
            }));
        }
        Ok(true)
    }
}

impl State {
    fn accept(&mut self, line: &[u8]) -> Result<(), Fault> {
        let hash = chain::check(line).ok_or(Fault::Edited)?;
        let link: Link<'_> = serde_json::from_slice(line).map_err(|_not_ours| Fault::Unknown)?;
        if !(OLDEST..=VERSION).contains(&link.version) {
            return Err(Fault::Unknown);
        }
        if link.prev != self.summary.last_hash {
            return Err(Fault::Unlinked);
        }
        if link.sequence != self.summary.records + 1 {
            return Err(Fault::Misnumbered);
        }
        match &self.sandbox {
            Some(sandbox) if sandbox.as_str() != link.sandbox => return Err(Fault::Foreign),
            Some(_same) => {}
            None => {
                let sandbox =
                    SandboxId::try_from(link.sandbox.to_owned()).map_err(|_not_an_id| Fault::Unknown)?;
                self.sandbox = Some(sandbox);
            }
        }
        self.summary.records += 1;
        self.summary.last_hash = hash;
        self.summary.bytes += u64::try_from(line.len() + 1).expect("a line's length fits in 64 bits");
        Ok(())
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
