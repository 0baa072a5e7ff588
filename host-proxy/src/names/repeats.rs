//! Refusals that repeat: the first is recorded at once, and what follows is counted and told every few seconds. A resolver asks again and
//! again, and the log need not have a line for each; but none is left out but those of the proxy's last seconds.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wire::subject::Subject;

/// Between two records of identical refusals.
pub(super) const WINDOW: Duration = Duration::from_secs(5);

/// Most refusals remembered. Beyond it every refusal is recorded: that costs time, never truth.
const MOST: usize = 1024;

/// Recent refusals.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<String, Recent>>);

/// A question that gets no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// What was asked for.
    pub(super) name: String,
    /// The type of record.
    pub(super) kind: String,
    /// Who asked.
    pub(super) subject: Subject,
    /// Why it gets none.
    pub(super) reason: String,
}

/// What is known of identical refusals.
#[derive(Debug)]
struct Recent {
    told: Instant,
    /// The last one since then, and how many.
    more: Option<(Refused, u64)>,
}

impl Refused {
    fn key(&self) -> String {
        format!("{} {} {} {}", self.name, self.kind, crate::flow::binary_of(&self.subject), self.reason)
    }
}

impl Repeats {
    /// Whether this one is to be recorded now; if not, it is counted.
    pub(super) fn is_new(&self, refused: &Refused, now: Instant) -> bool {
        let key = refused.key();
        let mut recent = self.recent();
        if let Some(known) = recent.get_mut(&key) {
            let times = known.more.as_ref().map_or(0, |(_, times)| *times) + 1;
            known.more = Some((refused.clone(), times));
            return false;
        }
        if recent.len() < MOST {
            recent.insert(key, Recent { told: now, more: None });
        }
        true
    }

    /// What is to be recorded by now, with how often it was; what did not repeat is forgotten.
    pub(super) fn due(&self, now: Instant) -> Vec<(Refused, u64)> {
        let mut due = Vec::new();
        self.recent().retain(|_, known| {
            if now.saturating_duration_since(known.told) < WINDOW {
                return true;
            }
            known.told = now;
            let more = known.more.take();
            let repeats = more.is_some();
            due.extend(more);
            repeats
        });
        due
    }

    fn recent(&self) -> MutexGuard<'_, HashMap<String, Recent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Refused {
        let subject = Subject::Unknown("test".to_owned());
        Refused { name: name.to_owned(), kind: "A".to_owned(), subject, reason: "no".to_owned() }
    }

    #[test]
    fn repeats_are_counted_and_memory_is_bounded() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        assert!(repeats.is_new(&refused("a"), start));
        (0..7).for_each(|_| assert!(!repeats.is_new(&refused("a"), start)));
        assert!(repeats.due(start).is_empty());
        let after = |windows| start + WINDOW * windows;
        assert_eq!(repeats.due(after(1)), [(refused("a"), 7)]);
        assert!(!repeats.is_new(&refused("a"), after(1)));
        assert_eq!(repeats.due(after(2)), [(refused("a"), 1)]);
        assert!(repeats.due(after(3)).is_empty());
        assert!(repeats.is_new(&refused("a"), after(3)), "it was forgotten");
        for number in 0..MOST * 2 {
            assert!(repeats.is_new(&refused(&number.to_string()), after(3)));
        }
        assert!(repeats.recent().len() <= MOST);
    }
}
