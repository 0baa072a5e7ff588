//! A stretch of time in which actions went on without a record, as the operator wants it of a full disk.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use crate::record::{Action, Event, Object};
use crate::time::rfc3339;

/// Between two looks whether there is room again: a disk that is full costs a write a second, not one for each event.
const PAUSE: Duration = Duration::from_secs(1);

/// From the first event without a record to the next one with.
#[derive(Debug)]
pub(super) struct Gap {
    since: String,
    cause: String,
    /// Events without a record before this gap.
    lost_before: u64,
    next_try: Instant,
}

impl Gap {
    pub(super) fn begin(lost_before: u64, cause: String) -> Self {
        let since = rfc3339(SystemTime::now());
        Self { since, cause, lost_before, next_try: Instant::now() }
    }

    pub(super) fn try_later(&mut self) {
        self.next_try = Instant::now() + PAUSE;
    }

    pub(super) fn is_due(&self) -> bool {
        self.next_try <= Instant::now()
    }

    pub(super) fn cause(&self) -> String {
        self.cause.clone()
    }

    /// What the log says of it, when `lost` events have no record.
    pub(super) fn event(&self, lost: u64) -> Event {
        let times = lost - self.lost_before;
        let (since, cause) = (&self.since, &self.cause);
        Event {
            object: Some(Object { times: Some(times), ..Object::default() }),
            reason: Some(format!("{times} events since {since} have no record: {cause}")),
            ..Event::new(Action::LogGap)
        }
    }
}

/// What the log says last where nothing goes on without a record.
pub(super) fn last_word(cause: &str) -> Event {
    Event {
        reason: Some(format!("nothing is recorded or goes on from here: {cause}")),
        ..Event::new(Action::LogGap)
    }
}

/// Whether a write failed only for want of room.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
