//! Records of one log after a mark, in order, each checked against the one before it.

use std::io;
use std::path::Path;

use audit::Record;
use audit::log::{Fault, Follow, LogError, Mark, Reader, Segments};

/// A log that is read on from a mark, and may grow.
#[derive(Debug)]
pub(crate) struct Records {
    follow: Follow,
    /// The mark, as long as no record was joined to it.
    joint: Option<Mark>,
}

impl Records {
    pub(crate) fn open(path: &Path, mark: &Mark) -> Result<Self, LogError> {
        if *mark == Mark::START {
            return Ok(Self { follow: Follow::all(path)?, joint: None });
        }
        match Follow::after(path, mark) {
            // The segment is gone, for its age: what is kept must go on from the mark, or leave a gap that is counted.
            Err(LogError::Open(error)) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => {
                Ok(Self { follow: Follow::all(path)?, joint: Some(*mark) })
            }
            follow => Ok(Self { follow: follow?, joint: None }),
        }
    }

    /// The next record, if it is there; adds to `lost` how many before it are no longer kept.
    pub(crate) fn next(&mut self, lost: &mut u64) -> Result<Option<Record>, LogError> {
        let record = self.follow.next_now()?;
        if let (Some(record), Some(mark)) = (&record, self.joint) {
            *lost += gap(&mark, record)?;
            self.joint = None;
        }
        Ok(record)
    }

    /// Where it stands, and the bytes of the last record.
    pub(crate) fn reader(&self) -> &Reader<Segments> {
        self.follow.reader()
    }
}

/// How many records are missing between a mark and the first that is kept.
fn gap(mark: &Mark, first: &Record) -> Result<u64, LogError> {
    let bad = |fault| LogError::Bad { number: mark.sequence + 1, fault };
    match first.sequence.checked_sub(mark.sequence + 1) {
        Some(0) if first.prev != mark.last_hash => Err(bad(Fault::Unlinked)),
        Some(missing) => Ok(missing),
        None => Err(bad(Fault::Misnumbered)),
    }
}
