//! Whether the host's clock may say what is old. One that stands a year ahead for a minute must not take all logs with it: until it
//! has gone on steadily for a day, nothing is removed for its age.
//!
//! What shows it is the clock that counts from the host's start and that nobody sets. What both showed at the last look lies beside
//! the logs. Time in which the host was off no clock measures: up to a day of it is believed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Name of what is seen, in the directory of all logs.
const FILE: &str = "clock";

const DAY: u64 = 24 * 60 * 60;

/// Seconds between two looks that a clock may be set by: corrections.
const SLACK: u64 = 10 * 60;

/// What the clocks show, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Now {
    /// Which start of the host it is.
    pub(super) boot: String,
    /// Since 1970, by the clock of the day.
    pub(super) wall: u64,
    /// Since the host started, with the time that it was suspended.
    pub(super) up: u64,
}

/// What they showed at the last look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    boot: String,
    wall: u64,
    up: u64,
    /// Seconds for which the clock of the day has gone on as it should.
    steady: u64,
}

/// Whether the clock of the day may say what is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// It has gone on steadily for long enough.
    Steady,
    /// Not yet.
    Unproven,
    /// It was set since the last look.
    Jumped,
}

/// Looks at the clocks, and writes down what they show beside the `logs`.
///
/// # Errors
/// That cannot be written, or this host does not say which start of it this is.
pub(super) fn look(logs: &Path) -> io::Result<Clock> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(logs.join(FILE))?;
    // Another manager looks as well.
    file.lock()?;
    let mut text = String::new();
    // What cannot be read shows nothing.
    let seen = file.read_to_string(&mut text).ok().and_then(|_length| serde_json::from_str(&text).ok());
    let (seen, clock) = Seen::next(seen.as_ref(), Now::read()?);
    file.set_len(0)?;
    file.rewind()?;
    match file.write_all(&serde_json::to_vec(&seen)?) {
        // The next look begins anew.
        Err(error) if audit::writer::is_full(&error) => Ok(Clock::Unproven),
        written => written.map(|()| clock),
    }
}

impl Now {
    pub(super) fn read() -> io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let up = clock_gettime(ClockId::Boottime).tv_sec.unsigned_abs();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self { boot, wall, up })
    }
}

impl Seen {
    /// What is seen now, after what was seen last.
    fn next(last: Option<&Self>, now: Now) -> (Self, Clock) {
        let Now { boot, wall, up } = now;
        let Some(last) = last else { return (Self { boot, wall, up, steady: 0 }, Clock::Unproven) };
        let (measured, off) = if last.boot == boot { (up.saturating_sub(last.up), 0) } else { (up, DAY) };
        let goes_on = wall + SLACK >= last.wall + measured && wall <= last.wall + measured + off + SLACK;
        let steady = if goes_on { last.steady + measured } else { 0 };
        let clock = match steady {
            _ if !goes_on => Clock::Jumped,
            DAY.. => Clock::Steady,
            _ => Clock::Unproven,
        };
        (Self { boot, wall, up, steady }, clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_238_447;

    /// What comes of looks at (start of the host, clock of the day, up) one after another; both in hours.
    fn looks(steps: &[(&str, u64, u64)]) -> Vec<Clock> {
        let mut seen = None;
        let mut look = |(boot, wall, up): (&str, u64, u64)| {
            let now = Now { boot: boot.to_owned(), wall: START + wall * 3600, up: up * 3600 };
            let (next, clock) = Seen::next(seen.as_ref(), now);
            seen = Some(next);
            clock
        };
        steps.iter().map(|step| look(*step)).collect()
    }

    #[test]
    fn a_clock_is_believed_after_a_day() {
        use Clock::{Jumped, Steady, Unproven};
        assert_eq!(looks(&[("a", 0, 0), ("a", 23, 23), ("a", 24, 24)]), [Unproven, Unproven, Steady]);
        // Ahead, seen so, and back again: from there a day.
        let year = 365 * 24;
        let steps =
            [("a", 0, 0), ("a", 30, 30), ("a", 31 + year, 31), ("a", 32, 32), ("a", 55, 55), ("a", 56, 56)];
        assert_eq!(looks(&steps), [Unproven, Steady, Jumped, Jumped, Unproven, Steady]);
        // One that stays ahead is right in the end.
        let steps = [("a", 0, 0), ("a", year, 1), ("a", year + 24, 25)];
        assert_eq!(looks(&steps), [Unproven, Jumped, Steady]);
    }

    /// A host that is off at night is believed, one that comes back a month later, or earlier, is not at once.
    #[test]
    fn a_start_of_the_host_is_believed_up_to_a_day() {
        use Clock::{Jumped, Steady, Unproven};
        let steps = [("a", 0, 0), ("a", 10, 10), ("b", 25, 1), ("b", 34, 10), ("c", 49, 1), ("c", 58, 10)];
        assert_eq!(looks(&steps), [Unproven, Unproven, Unproven, Unproven, Unproven, Steady]);
        assert_eq!(looks(&[("a", 0, 0), ("a", 30, 30), ("b", 30 + 720, 1)])[2], Jumped);
        assert_eq!(looks(&[("a", 0, 0), ("a", 30, 30), ("b", 2, 1)])[2], Jumped);
    }
}
