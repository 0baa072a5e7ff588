//! What has been told lately: the first of a kind is told at once, repeats within a minute with the next one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wire::subject::Program;

use super::{First, Kind};
use crate::tally::Tally;

/// Between two records of the same kind.
const MINUTE: Duration = Duration::from_secs(60);

/// Kinds that are remembered. Others are told as often as they come.
const ROOM: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Known {
    kinds: HashMap<Kind, Repeats>,
}

#[derive(Debug)]
struct Repeats {
    told: Instant,
    /// Since then: the first, and how many.
    repeated: Option<(First, u64)>,
}

impl Known {
    /// Counts one. Who did it is asked only if that will be told.
    pub(super) fn count(
        &mut self,
        kind: Kind,
        by: impl FnOnce(&str) -> Program,
        now: Instant,
        tally: &Tally<Kind, First>,
    ) {
        let first = |program: &str| First { by: by(program), at: now };
        if let Some(repeats) = self.kinds.get_mut(&kind) {
            match &mut repeats.repeated {
                Some((_first, times)) => *times += 1,
                none => *none = Some((first(&kind.program), 1)),
            }
            return;
        }
        if self.kinds.len() < ROOM {
            self.kinds.insert(kind.clone(), Repeats { told: now, repeated: None });
        }
        let program = kind.program.clone();
        tally.add(kind, 1, || first(&program));
    }

    /// When something is to be told again; `None` if nothing was repeated.
    pub(super) fn due(&self, now: Instant) -> Option<Duration> {
        let repeated = self.kinds.values().filter(|repeats| repeats.repeated.is_some());
        repeated.map(|repeats| (repeats.told + MINUTE).saturating_duration_since(now)).min()
    }

    /// Tells what was repeated a minute ago, and forgets what was not.
    pub(super) fn forget(&mut self, now: Instant, tally: &Tally<Kind, First>) {
        self.kinds.retain(|kind, repeats| {
            if now.saturating_duration_since(repeats.told) < MINUTE {
                return true;
            }
            let repeated = repeats.repeated.is_some();
            repeats.tell(kind, tally);
            repeats.told = now;
            repeated
        });
    }

    /// Tells whatever was repeated.
    pub(super) fn tell_all(&mut self, tally: &Tally<Kind, First>) {
        self.kinds.iter_mut().for_each(|(kind, repeats)| repeats.tell(kind, tally));
    }
}

impl Repeats {
    fn tell(&mut self, kind: &Kind, tally: &Tally<Kind, First>) {
        if let Some((first, times)) = self.repeated.take() {
            tally.add(kind.clone(), times, || first);
        }
    }
}
