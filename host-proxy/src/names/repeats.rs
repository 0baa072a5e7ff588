//! Questions that repeat: the first is recorded at once, and what follows is counted and told after a while. A resolver asks again
//! and again, and the log need not have a line for each; but none is left out but those of the proxy's last moments.
//!
//! *Invariant:* only what is on the record is counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::flow::binary_of;
use crate::journal::Asked;
use crate::judge::Judge;

/// Most questions remembered. Beyond it each is recorded: that costs time, never truth.
const MOST: usize = 1024;

/// Recent questions.
#[derive(Debug)]
pub(super) struct Repeats {
    window: Duration,
    recent: Mutex<HashMap<String, Recent>>,
}

/// What is known of identical questions.
#[derive(Debug)]
struct Recent {
    told: Instant,
    /// The last one since then, and how many.
    more: Option<(Asked, u64)>,
}

impl Repeats {
    /// Identical questions are told once in `window`.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, recent: Mutex::default() }
    }

    /// Counts a question, if one like it is on the record; whether it is.
    pub(super) fn counts(&self, asked: &Asked) -> bool {
        let mut recent = self.recent();
        let Some(known) = recent.get_mut(&key(asked)) else { return false };
        let times = known.more.as_ref().map_or(0, |(_, times)| *times) + 1;
        known.more = Some((asked.clone(), times));
        true
    }

    /// A question is on the record: those that follow are counted.
    pub(super) fn told(&self, asked: Asked, now: Instant) {
        let mut recent = self.recent();
        if recent.len() < MOST {
            recent.entry(key(&asked)).or_insert(Recent { told: now, more: None });
        }
    }

    /// What is to be recorded by now, with how often it was. It is forgotten until it is [told](Self::told).
    fn due(&self, now: Instant) -> Vec<(Asked, u64)> {
        let is_due = |known: &Recent| now.saturating_duration_since(known.told) >= self.window;
        let mut recent = self.recent();
        recent.extract_if(|_, known| is_due(known)).filter_map(|(_, known)| known.more).collect()
    }

    /// Records what is due. What is not recorded is forgotten: the next question like it is recorded first.
    pub(super) async fn tell(&self, judge: &Judge) {
        for (asked, times) in self.due(Instant::now()) {
            if judge.record_name(&asked, times).await.is_ok() {
                self.told(asked, Instant::now());
            }
        }
    }

    fn recent(&self) -> MutexGuard<'_, HashMap<String, Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(asked: &Asked) -> String {
    let Asked { name, kind, subject, policy, refused } = asked;
    let reason = refused.as_deref().unwrap_or_default();
    format!("{name} {kind} {} {policy} {reason}", binary_of(subject))
}

#[cfg(test)]
mod tests {
    use wire::id::PolicyVersion;
    use wire::subject::Subject;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    fn asked(name: &str) -> Asked {
        Asked {
            name: name.to_owned(),
            kind: "A".to_owned(),
            subject: Subject::Unknown("test".to_owned()),
            policy: PolicyVersion::FIRST,
            refused: None,
        }
    }

    #[test]
    fn repeats_are_counted_and_memory_is_bounded() {
        let (repeats, start) = (Repeats::new(WINDOW), Instant::now());
        assert!(!repeats.counts(&asked("a")) && !repeats.counts(&asked("a")), "it is not on the record");
        repeats.told(asked("a"), start);
        (0..7).for_each(|_| assert!(repeats.counts(&asked("a"))));
        assert!(repeats.due(start).is_empty());
        let after = |windows| start + WINDOW * windows;
        assert_eq!(repeats.due(after(1)), [(asked("a"), 7)]);
        repeats.told(asked("a"), after(1));
        assert!(repeats.counts(&asked("a")));
        assert_eq!(repeats.due(after(2)), [(asked("a"), 1)]);
        assert!(!repeats.counts(&asked("a")), "that may not have been recorded");
        for number in 0..MOST * 2 {
            repeats.told(asked(&number.to_string()), after(3));
        }
        assert!(repeats.recent().len() <= MOST);
    }

    #[test]
    fn what_another_policy_decided_is_another_question() {
        let repeats = Repeats::new(WINDOW);
        repeats.told(asked("a"), Instant::now());
        let again = Asked { policy: PolicyVersion::FIRST.next(), ..asked("a") };
        assert!(repeats.counts(&asked("a")) && !repeats.counts(&again));
        assert!(!repeats.counts(&Asked { refused: Some("no".to_owned()), ..asked("a") }));
    }
}
