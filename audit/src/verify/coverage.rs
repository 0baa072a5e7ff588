//! Whether what was signed of a log is enough: a log whose checkpoints somebody deleted, emptied or cut is as whole as any other,
//! and proves nothing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Verified;
use crate::time::rfc3339;

/// How much later than due a checkpoint of a log that grows may be: a slow disk, a slow token.
const SLACK: Duration = Duration::from_secs(30);

/// In so long a writer notices that a record is not signed, and has written what was in its hands.
const NOTICED: Duration = Duration::from_secs(5);

/// For how long the records of a log may go on without a checkpoint that covers them, if one is made every `interval`.
#[must_use]
pub fn patience(interval: Duration) -> Duration {
    interval + SLACK
}

/// For how long a writer waits for it: less by what it takes to notice that, so that what it leaves is explained.
#[must_use]
pub fn writers_patience(interval: Duration) -> Duration {
    patience(interval) - NOTICED
}

/// Whether somebody still writes a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Nobody: all of it must be signed, to its end.
    Gone,
    /// A sandbox, whose signer makes a checkpoint so often.
    Writes {
        /// Time between checkpoints.
        interval: Duration,
    },
}

/// Why a whole log proves nothing, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// There is no checkpoint.
    #[error("no checkpoint covers any of its {0} records")]
    Unsigned(u64),
    /// Its end is not signed.
    #[error("no checkpoint covers its records {since} to {records}")]
    End {
        /// First record that none covers.
        since: u64,
        /// The last.
        records: u64,
    },
    /// Its last record is not one that ends a log.
    #[error(
        "its last record is not the end of a log: its sandbox was killed, or the log was cut back together with its checkpoints"
    )]
    NoEnd,
    /// The log's own checkpoints end before those of a copy.
    #[error("{} has a checkpoint over {size} records, which the log's own file lacks: it ends at {own}", copy.display())]
    Missing {
        /// The copy.
        copy: PathBuf,
        /// Records under its newest checkpoint.
        size: u64,
        /// Records under the newest in the log's own file; 0 if there is none.
        own: u64,
    },
}

impl Verified {
    /// What is missing in the log's own file of checkpoints. Whoever can write the log cannot add a checkpoint to a copy.
    #[must_use]
    pub fn missing(&self) -> Option<Unproven> {
        let own = self.own.unwrap_or(0);
        let (copy, size) = self.copy.clone().filter(|(_path, size)| *size > own)?;
        Some(Unproven::Missing { copy, size, own })
    }

    /// What of the log should be signed at the time `now`, and is not.
    #[must_use]
    pub fn unproven(&self, writer: Writer, now: SystemTime) -> Option<Unproven> {
        let records = self.summary.records;
        let covered = self.newest.as_ref().map_or(0, |newest| newest.size);
        if covered >= records {
            return (writer == Writer::Gone && !self.summary.has_end()).then_some(Unproven::NoEnd);
        }
        if let Writer::Writes { interval } = writer {
            let patience = patience(interval);
            let [due, ahead] =
                [now.checked_sub(patience), now.checked_add(patience)].map(|at| at.map(rfc3339));
            // What bears a time that is still to come would be waited for for ever.
            let is_late = |since: &String| {
                due.is_some_and(|due| *since < due) || ahead.is_some_and(|ahead| *since > ahead)
            };
            if !self.unsigned_since.as_ref().is_some_and(is_late) {
                return None;
            }
        }
        Some(match covered {
            0 => Unproven::Unsigned(records),
            _some => Unproven::End { since: covered + 1, records },
        })
    }
}
