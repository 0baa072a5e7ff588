//! Whether the host's clock may say what is old. One that stands a year ahead for a minute must not take all logs with it: until it
//! has gone on steadily for a day, nothing is removed for its age.
//!
//! What shows it is the clock that counts from the host's start and that nobody sets. What both showed at the last look lies beside
//! the logs. Time in which the host was off no clock measures: up to a day of it is believed.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Name of what is seen, in the directory of all logs.
const FILE: &str = "clock";

const DAY: u64 = 24 * 60 * 60;

/// Seconds that a clock may be set by in a day, in one step or many: corrections.
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
    /// Seconds that it was set by since it was held against nothing before, forward if more than 0, and those that went by since.
    #[serde(default)]
    set_by: i64,
    #[serde(default)]
    set_within: u64,
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
    match file.try_lock() {
        Ok(()) => {}
        // Another manager looks, and writes it down. Whoever holds the file for longer keeps nobody from his work.
        Err(TryLockError::WouldBlock) => return Ok(Clock::Unproven),
        Err(TryLockError::Error(error)) => return Err(error),
    }
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
        let anew = Self { boot, wall, up, steady: 0, set_by: 0, set_within: 0 };
        let Some(last) = last else { return (anew, Clock::Unproven) };
        let (measured, off) =
            if last.boot == anew.boot { (up.saturating_sub(last.up), 0) } else { (up, DAY) };
        // In more bits than the file has: what stands there may be anything.
        let ahead = i128::from(wall) - i128::from(last.wall) - i128::from(measured);
        let set_now = ahead - ahead.clamp(0, i128::from(off));
        let (before, within) = if last.set_within < DAY { (last.set_by, last.set_within) } else { (0, 0) };
        let set_by = i64::try_from(i128::from(before) + set_now).ok();
        let Some(set_by) = set_by.filter(|by| by.unsigned_abs() <= SLACK) else {
            return (anew, Clock::Jumped);
        };
        let steady = last.steady.saturating_add(measured);
        let set_within = within.saturating_add(measured);
        let clock = if steady >= DAY { Clock::Steady } else { Clock::Unproven };
        (Self { steady, set_by, set_within, ..anew }, clock)
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

    /// Small steps come to a large one, whoever looks how often.
    #[test]
    fn a_clock_that_is_set_step_by_step_is_not_believed() {
        let mut seen = None;
        let mut look = |wall: u64, up: u64| {
            let (next, clock) = Seen::next(seen.as_ref(), Now { boot: "a".to_owned(), wall, up });
            seen = Some(next);
            clock
        };
        look(START, 0);
        assert_eq!(look(START + DAY, DAY), Clock::Steady);
        // Nine minutes a minute.
        let steps: Vec<Clock> = (1..=3).map(|step| look(START + DAY + step * 600, DAY + step * 60)).collect();
        assert_eq!(steps, [Clock::Steady, Clock::Jumped, Clock::Unproven]);
        // A correction a day is none.
        let mut look = |wall: u64, up: u64| {
            let (next, clock) = Seen::next(seen.as_ref(), Now { boot: "a".to_owned(), wall, up });
            seen = Some(next);
            clock
        };
        let from = START + DAY + 1800;
        let days = (1..=30).map(|day| look(from + day * (DAY + 300), DAY + 180 + day * DAY));
        assert_eq!(days.last(), Some(Clock::Steady));
    }

    /// The file is anybody's who can write there.
    #[test]
    fn what_is_said_to_have_been_seen_may_be_anything() {
        let far = Seen {
            boot: "a".to_owned(),
            wall: u64::MAX,
            up: 0,
            steady: u64::MAX,
            set_by: i64::MIN,
            set_within: u64::MAX - 1,
        };
        let now = || Now { boot: "a".to_owned(), wall: START, up: u64::MAX };
        assert_eq!(Seen::next(Some(&far), now()).1, Clock::Jumped);
        let near = Seen { wall: START, ..far };
        assert_eq!(Seen::next(Some(&near), now()).1, Clock::Jumped);
    }

    /// A manager that answers nobody while another one holds a file would be one that anybody can stop.
    #[test]
    fn a_look_waits_for_nobody() {
        let logs = tempfile::tempdir().unwrap();
        look(logs.path()).unwrap();
        let held = File::options().read(true).open(logs.path().join(FILE)).unwrap();
        held.lock().unwrap();
        assert_eq!(look(logs.path()).unwrap(), Clock::Unproven);
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
