//! How far each receiver is with each log, from the cursors and the logs themselves.

use std::io;
use std::path::Path;

use audit::log::{LogError, Mark};
use serde::Serialize;

use crate::cursor::{Cursor, CursorError, Trouble};
use crate::logs::{self, Log};
use crate::only::Only;

/// Most records that are counted behind a cursor.
const MOST_COUNTED: u64 = 1_000_000;

/// One export of one log.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The export.
    pub export: String,
    /// The log.
    pub sandbox: String,
    /// Number of the last record that was delivered.
    pub sequence: u64,
    /// Records that the receiver took, refused, and that were removed before.
    pub delivered: u64,
    /// Those it refused.
    pub rejected: u64,
    /// Those that were removed for their age before they were delivered.
    pub lost: u64,
    /// Records that wait; counted up to a million.
    pub lag_records: u64,
    /// Age of the oldest that waits, in seconds.
    pub lag_seconds: u64,
    /// Why it does not go on.
    pub trouble: Option<Trouble>,
}

/// Why the state cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The logs cannot be listed.
    #[error("cannot list the logs")]
    List(#[source] io::Error),
    /// A cursor cannot be read.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// The state of one export for every log that it is for.
///
/// # Errors
/// Logs or cursors cannot be read. A log that is not whole is part of the answer.
pub fn status(export: &str, only: &Only, (state, root): (&Path, &Path)) -> Result<Vec<Status>, StatusError> {
    let logs = logs::list(root).map_err(StatusError::List)?;
    logs.iter().filter(|log| only.is_for_sandbox(&log.sandbox)).map(|log| of(export, state, log)).collect()
}

fn of(export: &str, state: &Path, log: &Log) -> Result<Status, StatusError> {
    let cursor = Cursor::load(&state.join(format!("{}.json", log.sandbox)))?;
    let mut trouble = cursor.trouble;
    let (lag_records, oldest) = waiting(log, &cursor.mark).unwrap_or_else(|error| {
        trouble.get_or_insert_with(|| Trouble {
            cause: error.to_string(),
            state: crate::cursor::State::Halted,
            attempts: 0,
            since: crate::now(),
        });
        (0, None)
    });
    let age = oldest.map_or(0, |time| crate::now().saturating_sub(time));
    Ok(Status {
        export: export.to_owned(),
        sandbox: log.sandbox.clone(),
        sequence: cursor.mark.sequence,
        delivered: cursor.delivered,
        rejected: cursor.rejected,
        lost: cursor.lost,
        lag_records,
        lag_seconds: age,
        trouble,
    })
}

/// How many records stand behind the mark, and when the first of them was: seconds since 1970.
fn waiting(log: &Log, mark: &Mark) -> Result<(u64, Option<u64>), LogError> {
    let from_the_start = *mark == Mark::START;
    let mut reader =
        if from_the_start { audit::log::read(&log.path) } else { audit::log::read_from(&log.path, mark) }?;
    let first = match reader.next().transpose() {
        // What is being written at this moment is no fault.
        Err(LogError::Bad { fault: audit::log::Fault::Unfinished, .. }) => None,
        first => first?,
    };
    let Some(first) = first else { return Ok((0, None)) };
    let mut count = 1;
    while count < MOST_COUNTED && reader.next_line().is_ok_and(|line| line.is_some()) {
        count += 1;
    }
    let micros = crate::format::micros(&first);
    Ok((count, u64::try_from(micros / 1_000_000).ok()))
}
