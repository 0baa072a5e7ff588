//! What has been told lately: the first of a kind is told at once, repeats within a minute with the next one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

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
    first: First,
    times: u64,
}

impl Known {
    /// Counts one.
    pub(super) fn count(&mut self, kind: Kind, process: u32, now: Instant, tally: &Tally<Kind, First>) {
        if let Some(repeats) = self.kinds.get_mut(&kind) {
            if repeats.times == 0 {
                repeats.first = First { process, at: now };
            }
            repeats.times += 1;
            return;
        }
        if self.kinds.len() < ROOM {
            self.kinds
                .insert(kind.clone(), Repeats { told: now, first: First { process, at: now }, times: 0 });
        }
        tally.add(kind, 1, || First { process, at: now });
    }

    /// When something is to be told again; `None` if nothing was repeated.
    pub(super) fn due(&self, now: Instant) -> Option<Duration> {
        let repeated = self.kinds.values().filter(|repeats| repeats.times > 0);
        repeated.map(|repeats| (repeats.told + MINUTE).saturating_duration_since(now)).min()
    }

    /// Tells what was repeated a minute ago, and forgets what was not.
    pub(super) fn forget(&mut self, now: Instant, tally: &Tally<Kind, First>) {
        self.kinds.retain(|kind, repeats| {
            if now.saturating_duration_since(repeats.told) < MINUTE {
                return true;
            }
            let repeated = repeats.times > 0;
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
        let times = std::mem::take(&mut self.times);
        if times > 0 {
            tally.add(kind.clone(), times, || self.first);
        }
    }
}
