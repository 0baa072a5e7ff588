//! Whether an agent that has ended is started again, and when: `restart` of agent.yaml, as one pure decision.
//!
//! ```text
//! Booting ── guest is ready ──► Starting ── agent is there ──► Running ── it ended ──► Waiting ── time is up ──► Starting …
//!                                                                 └──── that was its last end ──► Over
//! ```
//! The guest only says that the agent ended; this module must never know how it is started.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wire::control::Exit;

use crate::unit::Seconds;

/// The longest pause between two lives, unless `delay` is longer.
const LONGEST: Duration = Duration::from_mins(5);

/// A life of so long is a good one: what went wrong before it does not count any more.
const GOOD: Duration = Duration::from_mins(1);

/// `restart` of agent.yaml.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// After which ends.
    pub policy: RestartPolicy,
    /// How often in a row, at most; without it, as often as it takes.
    #[serde(default)]
    pub max: Option<NonZeroU32>,
    /// The first pause; each in a row is twice the one before, up to [`LONGEST`].
    #[serde(default)]
    pub delay: RestartDelay,
}

/// After which ends an agent is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// None.
    #[default]
    Never,
    /// A status other than 0, a signal, or no memory.
    OnFailure,
    /// All.
    Always,
}

/// The first pause: a second, if nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RestartDelay(pub Seconds);

impl Default for RestartDelay {
    fn default() -> Self {
        Self(Seconds(1))
    }
}

impl Restart {
    /// Whether there is anything to decide.
    pub(crate) fn is_possible(self) -> bool {
        self.policy != RestartPolicy::Never
    }
}

/// Where the agent is in its lives.
#[derive(Debug)]
pub(crate) struct Lives {
    restart: Restart,
    state: State,
    /// Restarts since the last good life.
    in_a_row: u32,
    /// Restarts in all.
    restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Booting,
    Starting,
    Running { since: Instant },
    Waiting { until: Instant },
    Over,
}

/// What follows an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is started again after a pause: which restart in a row, of how many.
    Again { after: Duration, attempt: u32, max: Option<NonZeroU32> },
    /// Nothing.
    Last,
    /// No agent was running.
    OutOfTurn,
}

impl Lives {
    pub(crate) fn new(restart: Restart) -> Self {
        Self { restart, state: State::Booting, in_a_row: 0, restarts: 0 }
    }

    /// Everything around the agent stands, which is so once, before its first life. Whether it was waited for.
    pub(crate) fn ready(&mut self) -> bool {
        let waited = self.state == State::Booting;
        if waited {
            self.state = State::Starting;
        }
        waited
    }

    /// The agent is there; which restart it is, 0 for the first life. `None`: nobody was waited for.
    pub(crate) fn begun(&mut self, now: Instant) -> Option<u32> {
        if self.state != State::Starting {
            return None;
        }
        self.state = State::Running { since: now };
        Some(self.restarts)
    }

    /// The agent has ended.
    pub(crate) fn ended(&mut self, exit: Exit, now: Instant) -> Verdict {
        // Without restarts nobody asks.
        let State::Running { since } = self.state else { return Verdict::OutOfTurn };
        if !self.restart.is_possible() {
            return Verdict::OutOfTurn;
        }
        if now.saturating_duration_since(since) >= GOOD {
            self.in_a_row = 0;
        }
        let Restart { policy, max, delay } = self.restart;
        let wanted = match policy {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => is_failure(exit),
            RestartPolicy::Always => !is_hopeless(exit),
        };
        if !wanted || max.is_some_and(|max| self.in_a_row >= max.get()) {
            self.state = State::Over;
            return Verdict::Last;
        }
        let after = pause(delay.0.duration(), self.in_a_row);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.state = State::Waiting { until: now + after };
        Verdict::Again { after, attempt: self.in_a_row, max }
    }

    /// When the next life is due, if one is waited for.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Booting | State::Starting | State::Running { .. } | State::Over => None,
        }
    }

    /// The next life was asked for.
    pub(crate) fn begins(&mut self) {
        self.state = State::Starting;
        self.restarts = self.restarts.saturating_add(1);
    }

    /// No life follows, if one was waited for. Whether that was so.
    pub(crate) fn give_up(&mut self) -> bool {
        let waited = self.is_waiting();
        if waited {
            self.state = State::Over;
        }
        waited
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }
}

fn is_failure(exit: Exit) -> bool {
    match exit {
        Exit::Code(code) => code != 0,
        Exit::Signal(_) | Exit::OutOfMemory => true,
        Exit::NotFound | Exit::NotExecutable => false,
    }
}

/// What was no program the first time is none the next time.
fn is_hopeless(exit: Exit) -> bool {
    matches!(exit, Exit::NotFound | Exit::NotExecutable)
}

/// The pause before a restart that has so many before it in a row.
fn pause(delay: Duration, before: u32) -> Duration {
    let doubled = delay.saturating_mul(2_u32.saturating_pow(before));
    doubled.min(LONGEST.max(delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Exit = Exit::Code(1);

    fn lives(policy: RestartPolicy, max: u32) -> (Lives, Instant) {
        let restart = Restart { policy, max: NonZeroU32::new(max), delay: RestartDelay::default() };
        let mut lives = Lives::new(restart);
        let now = Instant::now();
        assert!(lives.ready());
        assert_eq!(lives.begun(now), Some(0));
        (lives, now)
    }

    /// The next life, at once.
    fn begin(lives: &mut Lives, now: Instant) {
        assert!(lives.due().is_some());
        lives.begins();
        assert!(lives.begun(now).is_some());
    }

    #[test]
    fn the_policy_says_which_ends_count() {
        let follows = |policy, exit| {
            let (mut lives, now) = lives(policy, 0);
            matches!(lives.ended(exit, now), Verdict::Again { .. })
        };
        for exit in [FAILED, Exit::Signal(9), Exit::OutOfMemory] {
            assert!(
                follows(RestartPolicy::OnFailure, exit) && follows(RestartPolicy::Always, exit),
                "{exit:?}"
            );
        }
        assert!(follows(RestartPolicy::Always, Exit::Code(0)));
        assert!(!follows(RestartPolicy::OnFailure, Exit::Code(0)));
        for exit in [Exit::NotFound, Exit::NotExecutable] {
            assert!(!follows(RestartPolicy::OnFailure, exit) && !follows(RestartPolicy::Always, exit));
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let (mut lives, now) = lives(RestartPolicy::OnFailure, 0);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let Verdict::Again { after, .. } = lives.ended(FAILED, now) else { panic!("there is no bound") };
            assert_eq!(lives.due(), Some(now + after));
            pauses.push(after.as_secs());
            begin(&mut lives, now);
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(pauses[10..].iter().all(|pause| *pause == 300));
        assert_eq!(lives.restarts(), 40);
        let hour = Duration::from_hours(1);
        assert_eq!((pause(hour, 0), pause(hour, 9)), (hour, hour));
    }

    #[test]
    fn so_many_in_a_row_are_enough() {
        let (mut lives, now) = lives(RestartPolicy::Always, 2);
        for attempt in 1..=2 {
            let verdict = lives.ended(FAILED, now);
            assert!(
                matches!(verdict, Verdict::Again { attempt: found, .. } if found == attempt),
                "{verdict:?}"
            );
            begin(&mut lives, now);
        }
        assert_eq!(lives.ended(FAILED, now), Verdict::Last);
        assert_eq!((lives.due(), lives.is_waiting()), (None, false));
    }

    #[test]
    fn a_good_life_is_a_new_beginning() {
        let (mut lives, mut now) = lives(RestartPolicy::OnFailure, 1);
        for _ in 0..3 {
            let Verdict::Again { after, attempt, .. } = lives.ended(FAILED, now) else {
                panic!("it was good")
            };
            assert_eq!((after, attempt), (Duration::from_secs(1), 1));
            begin(&mut lives, now);
            now += GOOD;
        }
        begin_and_fail_early(&mut lives, now);
    }

    fn begin_and_fail_early(lives: &mut Lives, now: Instant) {
        assert!(matches!(lives.ended(FAILED, now), Verdict::Again { .. }));
        begin(lives, now);
        assert_eq!(lives.ended(FAILED, now + GOOD - Duration::from_millis(1)), Verdict::Last);
    }

    #[test]
    fn a_guest_that_speaks_out_of_turn_starts_nothing() {
        let (mut never, now) = lives(RestartPolicy::Never, 0);
        assert_eq!(never.ended(FAILED, now), Verdict::OutOfTurn);
        let mut lives = Lives::new(Restart { policy: RestartPolicy::Always, ..Restart::default() });
        assert_eq!((lives.ended(FAILED, now), lives.begun(now)), (Verdict::OutOfTurn, None));
        assert_eq!((lives.ready(), lives.ready()), (true, false));
        assert_eq!((lives.begun(now), lives.begun(now), lives.ready()), (Some(0), None, false));
        assert!(matches!(lives.ended(FAILED, now), Verdict::Again { .. }));
        assert_eq!((lives.ended(FAILED, now), lives.begun(now)), (Verdict::OutOfTurn, None));
        assert!(lives.give_up());
        assert!(!lives.give_up());
        assert_eq!((lives.due(), lives.begun(now)), (None, None));
    }
}
