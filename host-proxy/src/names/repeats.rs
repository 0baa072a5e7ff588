//! Questions that repeat: the first of a kind is recorded before its answer, and what follows within the window is counted and told
//! after it, or when the process ends. A resolver asks again and again, and the log need not have a line for each.
//!
//! *Invariant:* nothing is counted but what is like a question that was recorded within the window. A count that could not be
//! recorded is kept, and until the log takes a record again each further question needs one of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use wire::subject::{Program, Subject};

use crate::journal::Asked;
use crate::judge::Judge;

/// Most kinds of questions remembered. Beyond it each question is recorded: that costs time, never truth.
const MOST: usize = 1024;

/// Recent questions.
#[derive(Debug)]
pub(super) struct Repeats {
    window: Duration,
    recent: Mutex<HashMap<Kind, Recent>>,
}

/// What tells questions apart, as a digest: what a guest asks for does not decide how much memory that takes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind([u8; 32]);

/// What is known of the questions of one kind.
#[derive(Debug)]
struct Recent {
    /// When one was recorded; `None`: not within the window, and none is counted before another one is recorded.
    told: Option<Instant>,
    /// The last one that was counted, and how many.
    more: Option<(Asked, u64)>,
}

impl Repeats {
    /// Questions of one kind are told once in `window`.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, recent: Mutex::default() }
    }

    /// Counts a question, if one like it is on the record; whether it is.
    pub(super) fn counts(&self, asked: &Asked) -> bool {
        let mut recent = self.recent();
        let known = recent.get_mut(&Kind::of(asked)).filter(|known| known.told.is_some());
        let Some(known) = known else { return false };
        let times = known.more.as_ref().map_or(0, |(_, times)| *times) + 1;
        known.more = Some((asked.clone(), times));
        true
    }

    /// A question is on the record: those that follow are counted.
    pub(super) fn told(&self, asked: &Asked, now: Instant) {
        let mut recent = self.recent();
        let kind = Kind::of(asked);
        if let Some(known) = recent.get_mut(&kind) {
            known.told = Some(now);
        } else if recent.len() < MOST {
            recent.insert(kind, Recent { told: Some(now), more: None });
        }
    }

    /// What is to be recorded by now, with how often it was. Nothing like it is counted before it is [settled](Self::settle) or
    /// another one is [told](Self::told).
    fn due(&self, now: Instant) -> Vec<(Asked, u64)> {
        let mut recent = self.recent();
        for known in recent.values_mut() {
            known.told = known.told.filter(|told| now.saturating_duration_since(*told) < self.window);
        }
        recent.retain(|_, known| known.told.is_some() || known.more.is_some());
        recent.values().filter(|known| known.told.is_none()).filter_map(|known| known.more.clone()).collect()
    }

    /// A count is on the record.
    fn settle(&self, asked: &Asked, times: u64, now: Instant) {
        let mut recent = self.recent();
        let Some(known) = recent.get_mut(&Kind::of(asked)) else { return };
        known.told = Some(now);
        // More may have been counted while that was recorded.
        known.more = known.more.take().filter(|(_, all)| *all > times).map(|(last, all)| (last, all - times));
    }

    /// Records what is due. What is not recorded stays so.
    pub(super) async fn tell(&self, judge: &Judge) {
        for (asked, times) in self.due(Instant::now()) {
            if judge.record_name(&asked, times).await.is_ok() {
                self.settle(&asked, times, Instant::now());
            }
        }
    }

    /// Records every count, as nothing follows.
    pub(super) async fn tell_all(&self, judge: &Judge) {
        for (asked, times) in self.counted() {
            // A log that takes nothing any more takes none of the rest either.
            if judge.record_name(&asked, times).await.is_err() {
                return;
            }
        }
    }

    /// What is counted and not told. From now on each question needs a record of its own.
    fn counted(&self) -> Vec<(Asked, u64)> {
        self.recent().drain().filter_map(|(_kind, known)| known.more).collect()
    }

    fn recent(&self) -> MutexGuard<'_, HashMap<Kind, Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn of(asked: &Asked) -> Self {
        let Asked { name, kind, subject, policy, refused } = asked;
        // Another file at the same path, or another script of the same interpreter, is another program: what it asks must not hide
        // behind what the first one did. A program that is started again is the same.
        let asker = match subject {
            Subject::Owners(owners) => Ok(owners.iter().map(identity).collect::<Vec<_>>()),
            Subject::Unknown(why) => Err(why),
        };
        let text = serde_json::to_vec(&(name, kind, policy, refused, asker));
        let digest = digest(&SHA256, &text.expect("texts and numbers are JSON"));
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// What a program is, whichever process runs it.
fn identity(program: &Program) -> impl serde::Serialize {
    let Program { path, sha256, script, pid: _, uid, parents: _ } = program;
    (path, sha256, script, uid)
}

#[cfg(test)]
mod tests {
    use wire::id::PolicyVersion;
    use wire::subject::Digest;

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
        repeats.told(&asked("a"), start);
        (0..7).for_each(|_| assert!(repeats.counts(&asked("a"))));
        assert!(repeats.due(start).is_empty());
        let after = |windows| start + WINDOW * windows;
        assert_eq!(repeats.due(after(1)), [(asked("a"), 7)]);
        repeats.settle(&asked("a"), 7, after(1));
        assert!(repeats.counts(&asked("a")));
        assert_eq!(repeats.due(after(2)), [(asked("a"), 1)]);
        assert!(!repeats.counts(&asked("a")), "that may not have been recorded");
        for number in 0..MOST * 2 {
            repeats.told(&asked(&number.to_string()), after(3));
        }
        assert!(repeats.recent().len() <= MOST);
    }

    #[test]
    fn what_another_policy_decided_is_another_question() {
        let repeats = Repeats::new(WINDOW);
        repeats.told(&asked("a"), Instant::now());
        let again = Asked { policy: PolicyVersion::FIRST.next(), ..asked("a") };
        assert!(repeats.counts(&asked("a")) && !repeats.counts(&again));
        assert!(!repeats.counts(&Asked { refused: Some("no".to_owned()), ..asked("a") }));
    }

    #[test]
    fn a_count_whose_record_failed_is_kept_and_nothing_is_added_to_it_before_a_record() {
        let (repeats, start) = (Repeats::new(WINDOW), Instant::now());
        let after = |windows| start + WINDOW * windows;
        repeats.told(&asked("a"), start);
        (0..3).for_each(|_| assert!(repeats.counts(&asked("a"))));
        // The log takes nothing.
        assert_eq!(repeats.due(after(1)), [(asked("a"), 3)]);
        assert!(!repeats.counts(&asked("a")));
        assert_eq!(repeats.due(after(2)), [(asked("a"), 3)]);
        // It does again, and one more question comes while the count is being recorded.
        repeats.told(&asked("a"), after(2));
        assert!(repeats.counts(&asked("a")));
        repeats.settle(&asked("a"), 3, after(2));
        assert_eq!(repeats.due(after(3)), [(asked("a"), 1)]);
        repeats.settle(&asked("a"), 1, after(3));
        assert!(repeats.due(after(4)).is_empty() && repeats.recent().is_empty());
    }

    #[test]
    fn at_the_end_every_count_is_told_and_nothing_is_counted_after_it() {
        let repeats = Repeats::new(WINDOW);
        for (name, times) in [("a", 2), ("b", 1), ("c", 0)] {
            repeats.told(&asked(name), Instant::now());
            (0..times).for_each(|_| assert!(repeats.counts(&asked(name))));
        }
        let mut counted = repeats.counted();
        counted.sort_by_key(|(asked, _times)| asked.name.clone());
        assert_eq!(counted, [(asked("a"), 2), (asked("b"), 1)]);
        assert!(!repeats.counts(&asked("a")) && repeats.counted().is_empty());
    }

    fn python(script: &str, sha256: u8) -> Program {
        Program {
            path: "/usr/bin/python3".to_owned(),
            sha256: Some(Digest([sha256; 32])),
            script: Some(script.to_owned()),
            pid: 100,
            uid: 1000,
            parents: Vec::new(),
        }
    }

    #[test]
    fn what_another_program_asks_is_another_question() {
        let by = |owners: &[Program]| Asked { subject: Subject::Owners(owners.to_vec()), ..asked("a") };
        let agent = python("/agent.py", 1);
        let repeats = Repeats::new(WINDOW);
        repeats.told(&by(std::slice::from_ref(&agent)), Instant::now());
        repeats.told(&asked("a"), Instant::now());
        let others = [
            by(&[python("/evil.py", 1)]),
            by(&[python("/agent.py", 2)]),
            by(&[Program { sha256: None, ..agent.clone() }]),
            by(&[Program { script: None, ..agent.clone() }]),
            by(&[Program { uid: 0, ..agent.clone() }]),
            by(&[agent.clone(), python("/evil.py", 1)]),
            Asked { subject: Subject::Unknown("gone".to_owned()), ..asked("a") },
        ];
        others.iter().for_each(|other| assert!(!repeats.counts(other), "{other:?}"));
        assert!(repeats.counts(&by(&[Program { pid: 101, parents: vec!["/bin/sh".to_owned()], ..agent }])));
        assert!(repeats.counts(&asked("a")));
    }
}
