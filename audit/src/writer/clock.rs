//! The host's clocks, and whether the one that dates records was set.
//!
//! The clock of the day and the one that counts from the host's start, with the time that it was suspended, go equally fast: a
//! network time service that slews one slews both. How far they are apart changes only where somebody sets the clock of the day.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::record::{Action, Event};
use crate::time::rfc3339;

/// What is not told: leap seconds, and small corrections.
pub(crate) const UNTOLD: Duration = Duration::from_secs(2);

/// What all clocks show at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The clock of the day.
    pub(crate) wall: SystemTime,
    /// Since the host started, without the time that it was suspended.
    pub(crate) awake: Duration,
    /// The same with it.
    pub(crate) up: Duration,
}

/// Where the time comes from.
pub(crate) trait Clocks: fmt::Debug {
    /// What they show now.
    fn read(&self) -> Reading;
}

/// This host's.
#[derive(Debug)]
pub(crate) struct HostClocks;

/// The clocks, and what the log knows of them.
#[derive(Debug)]
pub(crate) struct Clock {
    source: Box<dyn Clocks>,
    /// When the host started, by the clock of the day as the log knows it.
    started: SystemTime,
}

/// The clock of the day was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    started: SystemTime,
    /// What it would show.
    unset: SystemTime,
    /// What it shows.
    wall: SystemTime,
}

impl Clocks for HostClocks {
    fn read(&self) -> Reading {
        let [awake, up] = [ClockId::Monotonic, ClockId::Boottime].map(|clock| {
            let time = clock_gettime(clock);
            let nanos = u32::try_from(time.tv_nsec).expect("a clock has less than a second of nanoseconds");
            Duration::new(time.tv_sec.unsigned_abs(), nanos)
        });
        Reading { wall: SystemTime::now(), awake, up }
    }
}

impl Clock {
    pub(crate) fn new(source: Box<dyn Clocks>) -> Self {
        let started = source.read().started();
        Self { source, started }
    }

    pub(crate) fn read(&self) -> Reading {
        self.source.read()
    }

    /// The same, and whether the clock of the day was set since that was told last.
    pub(crate) fn look(&self) -> (Reading, Option<Change>) {
        let reading = self.source.read();
        if !self.is_other(&reading) {
            return (reading, None);
        }
        // Whoever stood still between two clocks sees them apart; not twice.
        let reading = self.source.read();
        let unset = self.started + reading.up;
        let change = Change { started: reading.started(), unset, wall: reading.wall };
        (reading, self.is_other(&reading).then_some(change))
    }

    /// It is on the record.
    pub(crate) fn told(&mut self, change: Change) {
        self.started = change.started;
    }

    fn is_other(&self, reading: &Reading) -> bool {
        apart(reading.started(), self.started).0 > UNTOLD
    }
}

impl Reading {
    /// A clock that was set to before 1970 reads as one that stands there.
    fn started(&self) -> SystemTime {
        self.wall.checked_sub(self.up).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Change {
    /// What the log says of it.
    pub(crate) fn event(&self) -> Event {
        let (by, whither) = apart(self.wall, self.unset);
        let unset = rfc3339(self.unset);
        let reason = format!(
            "the host's clock was set {whither} by {}.{:03} s: it would be {unset}",
            by.as_secs(),
            by.subsec_millis()
        );
        Event { reason: Some(reason), ..Event::new(Action::ClockChange) }
    }
}

/// How far `one` is from `other`, and whither.
fn apart(one: SystemTime, other: SystemTime) -> (Duration, &'static str) {
    match one.duration_since(other) {
        Ok(forward) => (forward, "forward"),
        Err(back) => (back.duration(), "back"),
    }
}
