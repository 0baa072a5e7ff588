//! Reads single records of a log where somebody says that they stand. Nobody is believed: the record is checked against its
//! own hash. That it belongs to the log is what [`super::Reader`] tells.

use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use super::segments::Opened;
use super::{Fault, LogError, MAX_LINE, Position};
use crate::chain;
use crate::record::Record;

/// A log, for reading here and there.
#[derive(Debug)]
pub struct Lookup {
    path: PathBuf,
    /// The segment that was read last, and where the next byte of it stands.
    open: Option<(Position, Opened)>,
    line: Vec<u8>,
}

/// Bytes that are rather read over than sought.
const NEAR: u64 = 1024 * 1024;

impl Lookup {
    /// A log to read records of.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, line: Vec::new() }
    }

    /// The record at `at`.
    ///
    /// # Errors
    /// There is none, or it was edited.
    pub fn record(&mut self, at: Position) -> Result<Record, LogError> {
        let line = self.line(at)?;
        serde_json::from_slice(line).map_err(|_not_ours| LogError::Bad { number: 0, fault: Fault::Unknown })
    }

    /// The bytes of the record at `at`, without the line end.
    ///
    /// # Errors
    /// There is none, or it was edited.
    pub fn line(&mut self, at: Position) -> Result<&[u8], LogError> {
        self.go_to(at).map_err(LogError::Open)?;
        let failed = |source| LogError::Read { after: 0, source };
        let Some((position, open)) = &mut self.open else {
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        self.line.clear();
        let limit = u64::try_from(MAX_LINE + 1).expect("a line's limit fits in 64 bits");
        let length = open.by_ref().take(limit).read_until(b'\n', &mut self.line).map_err(failed)?;
        position.offset += u64::try_from(length).expect("a line's length fits in 64 bits");
        let bad = |fault| LogError::Bad { number: 0, fault };
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            return Err(bad(Fault::Unfinished));
        }
        chain::check(&self.line).ok_or_else(|| bad(Fault::Edited))?;
        Ok(&self.line)
    }

    fn go_to(&mut self, at: Position) -> io::Result<()> {
        if let Some((position, open)) = &mut self.open
            && position.segment == at.segment
            && let Some(ahead) = at.offset.checked_sub(position.offset)
            && ahead <= NEAR
        {
            let skipped = io::copy(&mut open.by_ref().take(ahead), &mut io::sink())?;
            position.offset += skipped;
            return if skipped == ahead { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        self.open = None;
        self.open = Some((at, Opened::at(&self.path, at)?));
        Ok(())
    }
}
