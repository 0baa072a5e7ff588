//! What was removed from a log's beginning for its age, and how that is told from what somebody took away.
//!
//! Whoever removes segments does three things, in this order: writes what the beginning was to [`UNFINISHED`], records the
//! removal in the log itself, and after the segment is gone gives the file its name, [`FRONTIER`]. Of the two files the one
//! counts that fits the first segment that is there; as long as the first one of all is, neither does: nothing can hide a
//! segment that is still there. The record of the removal is signed as all records are, and names the last record that went:
//! somebody without the key can delete segments and make up a frontier, and not that record.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::VerifyError;
use crate::log::{Mark, open_file, segments};
use crate::record::{Action, MANAGER, Record};
use crate::tree::Frontier;

/// Name of the file that says what was removed from a log's beginning.
pub const FRONTIER: &str = "frontier";

/// Its name until the segment is gone.
const UNFINISHED: &str = "frontier.new";

/// What a log's beginning was, before old segments were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Where the first record that is kept stands.
    pub mark: Mark,
    /// The tree over all before it.
    pub frontier: Frontier,
}

impl Begun {
    /// A log of which nothing was removed.
    #[must_use]
    pub fn whole() -> Self {
        Self { mark: Mark::START, frontier: Frontier::default() }
    }

    /// What the record of the removal says.
    #[must_use]
    pub fn removal(&self) -> String {
        format!(
            "segments of this log before {}, up to record {} ({})",
            self.mark.position.segment, self.mark.sequence, self.mark.last_hash
        )
    }

    /// Whether this line is the record of the removal.
    pub(super) fn is_recorded_in(&self, line: &[u8]) -> bool {
        let removal = self.removal();
        // Few lines come so far as to be read as records.
        std::str::from_utf8(line).is_ok_and(|text| text.contains(&removal))
            && serde_json::from_slice::<Record>(line).is_ok_and(|record| {
                record.event.action == Action::LogRetention
                    && record.client == MANAGER
                    && record.event.reason.is_some_and(|reason| reason.ends_with(&removal))
            })
    }
}

/// How the log begins. A single file begins at its start.
///
/// # Errors
/// The beginning is gone, and nothing says how it was; or what says so cannot be read.
pub fn begun(log: &Path) -> Result<Begun, VerifyError> {
    if !log.is_dir() {
        return Ok(Begun::whole());
    }
    let first = segments::list(log).map_err(|error| VerifyError::Read("the log", error))?.first().copied();
    let Some(first) = first.filter(|first| *first > 1) else { return Ok(Begun::whole()) };
    for name in [UNFINISHED, FRONTIER] {
        if let Some(begun) = read(log, name)?.filter(|begun| begun.mark.position.segment == first) {
            return Ok(begun);
        }
    }
    Err(VerifyError::Gone(first))
}

fn read(log: &Path, name: &'static str) -> Result<Option<Begun>, VerifyError> {
    let read = open_file(&log.join(name)).and_then(io::read_to_string);
    let text = match read {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(VerifyError::Read(name, error)),
    };
    match serde_json::from_str::<Begun>(&text) {
        Ok(begun) if begun.frontier.is_sound() && begun.frontier.size() == begun.mark.sequence => {
            Ok(Some(begun))
        }
        Ok(_other) => Err(VerifyError::Begun(serde::de::Error::custom("its sizes do not fit"))),
        // A crash may have left half of one; the other one counts then.
        Err(_half) if name == UNFINISHED => Ok(None),
        Err(error) => Err(VerifyError::Begun(error)),
    }
}

/// Writes down how the log will begin, before the segments are removed.
///
/// # Errors
/// It is not on the disk.
pub fn begin_removal(log: &Path, begun: &Begun) -> io::Result<()> {
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(log.join(UNFINISHED))?;
    file.write_all(&serde_json::to_vec(begun)?)?;
    file.sync_all()?;
    File::open(log)?.sync_all()
}

/// The segments are gone.
///
/// # Errors
/// That is not on the disk.
pub fn end_removal(log: &Path) -> io::Result<()> {
    fs::rename(log.join(UNFINISHED), log.join(FRONTIER))?;
    File::open(log)?.sync_all()
}
