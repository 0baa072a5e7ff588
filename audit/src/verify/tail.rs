//! The end of a log that no checkpoint covers: whether its writer can have left it, and for how long it goes on.

use std::path::Path;
use std::time::Duration;

use wire::id::{SandboxId, TenantId};

use super::VerifyError;
use crate::log::{self, Fault, LogError, Mark};
use crate::record::{Action, Record};
use crate::time;
use crate::writer::clock::UNTOLD;

/// How far a writer's records may go back in time without one that says so: from the most that is not told ahead to the most behind.
const SLACK: Duration = UNTOLD.saturating_mul(2);

/// What stands behind the newest checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// For how long it goes on, by the clock that nobody sets or by the times of the records: the longer of both.
    pub lasted: Duration,
    /// Number of the first record that is dated before one that stands before it, by either clock.
    pub back_at: Option<u64>,
}

/// Reads what stands behind `from`, of a log that belongs to `owner`. What was recorded when somebody closed the log is none of it,
/// which can be its last record only: of any other anybody could say so.
pub(super) fn read(
    log: &Path,
    from: &Mark,
    owner: &(SandboxId, TenantId, String),
) -> Result<Tail, VerifyError> {
    let (_sandbox, tenant, agent) = owner;
    let mut stretch = Stretch::default();
    let mut held: Option<Record> = None;
    for record in log::read_from(log, from)? {
        let record = match record {
            Ok(record) => record,
            Err(LogError::Bad { fault: Fault::Unfinished, .. }) => break,
            Err(error) => return Err(error.into()),
        };
        let is_its = (&record.tenant, &record.agent) == (tenant, agent);
        if !is_its || !record.is_of_its_client() {
            return Err(VerifyError::Foreign(record.sequence));
        }
        if let Some(before) = held.replace(record) {
            stretch.add(&before)?;
        }
    }
    if let Some(last) = held.filter(|last| last.event.action != Action::LogRepair) {
        stretch.add(&last)?;
    }
    let lasted = stretch.monotonic.length().max(stretch.told + stretch.time.length());
    Ok(Tail { lasted, back_at: stretch.back_at })
}

/// What both clocks went through.
#[derive(Default)]
struct Stretch {
    monotonic: Span,
    /// Since the clock of the day was set, and how long it had gone on before.
    time: Span,
    told: Duration,
    back_at: Option<u64>,
}

impl Stretch {
    fn add(&mut self, record: &Record) -> Result<(), VerifyError> {
        let time = time::since_1970(&record.time).ok_or(VerifyError::Foreign(record.sequence))?;
        if record.event.action == Action::ClockChange {
            self.told += std::mem::take(&mut self.time).length();
        }
        let monotonic = self.monotonic.add(Duration::from_nanos(record.monotonic_ns));
        if monotonic > Duration::ZERO || self.time.add(time) > SLACK {
            self.back_at.get_or_insert(record.sequence);
        }
        Ok(())
    }
}

/// From the earliest to the latest moment.
#[derive(Default)]
struct Span(Option<(Duration, Duration)>);

impl Span {
    /// How far `at` is before the latest.
    fn add(&mut self, at: Duration) -> Duration {
        let (first, last) = self.0.unwrap_or((at, at));
        self.0 = Some((first.min(at), last.max(at)));
        last.saturating_sub(at)
    }

    fn length(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |(first, last)| last - first)
    }
}
