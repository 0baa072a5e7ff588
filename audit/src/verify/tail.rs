//! The end of a log that no checkpoint covers: whether its writer can have left it, and for how long it goes on.

use std::path::Path;
use std::time::Duration;

use super::VerifyError;
use crate::log::{self, Fault, LogError, Mark};
use crate::record::{Action, Record};

/// Reads what stands behind `from`, and says how long it took to be written, by the clock that nobody sets. What was recorded when
/// somebody closed the log is none of it.
pub(super) fn duration(log: &Path, from: &Mark) -> Result<Duration, VerifyError> {
    let mut first: Option<Record> = None;
    let mut last = 0;
    for record in log::read_from(log, from)? {
        let record = match record {
            Ok(record) => record,
            Err(LogError::Bad { fault: Fault::Unfinished, .. }) => break,
            Err(error) => return Err(error.into()),
        };
        let first = first.get_or_insert_with(|| record.clone());
        let is_its = (&record.tenant, &record.agent) == (&first.tenant, &first.agent);
        if !is_its || !record.is_of_its_client() {
            return Err(VerifyError::Foreign(record.sequence));
        }
        if record.event.action != Action::LogRepair {
            last = record.monotonic_ns;
        }
    }
    let first = first.map_or(0, |first| first.monotonic_ns);
    Ok(Duration::from_nanos(last.saturating_sub(first)))
}
