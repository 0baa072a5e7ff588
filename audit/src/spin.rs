//! Adaptive spinning: whether to look for what is to come for a moment, or to sleep until it comes.
//!
//! To be woken takes an idle processor some 20 µs, longer than the writer needs for a record. Who waits therefore looks
//! before it sleeps, *if* that served lately: what came while it looked, or soon after it slept, is to its credit, and
//! one look in vain costs several times as much. A quiet process sleeps. It is the exception to never looking again and
//! again where there is an event: each look is bounded, and followed by waiting for the event.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long to look: longer than a receipt takes among processes that are awake, and about as long as it takes to wake
/// both.
const LOOK: Duration = Duration::from_micros(50);
/// Who slept learns of it later, by what waking takes. Where that takes longer than this no look is made, and no harm.
const SOON: Duration = Duration::from_micros(100);

/// After a longer silence whoever is waited for sleeps too, and is woken soonest on the very processor that a look would
/// keep.
const SILENCE: Duration = Duration::from_millis(1);

/// What a look in vain costs, and what must be there for one: so many waits that ended soon.
const PRICE: u32 = 8;
/// Most that is remembered.
const MOST_CREDIT: u32 = 64;

/// After a silence of so long word is given ahead of what may be next.
const QUIET: Duration = Duration::from_micros(250);
/// Words that may be given in vain, at most, and how many more after each thing that came: a first message of a conversation that
/// leads to nothing, as in a handshake, does not use them up, and the pieces of a long body do.
const MOST_WORDS: u32 = 16;
const WORDS: u32 = 2;

/// How one process's waits for another went lately.
#[derive(Debug)]
pub(crate) struct Spin {
    credit: AtomicU32,
    began: Instant,
    /// When the last wait was over, or the last word ahead was given, in microseconds from then.
    last_us: AtomicU64,
    /// How many words ahead may be given in vain.
    words: AtomicU32,
    /// On one processor, looking keeps away whoever is waited for.
    processors: usize,
}

impl Spin {
    /// One that sleeps at first.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            credit: AtomicU32::new(0),
            began: Instant::now(),
            last_us: AtomicU64::new(0),
            words: AtomicU32::new(MOST_WORDS),
            processors,
        }
    }

    /// One that always sleeps.
    pub(crate) fn never() -> Self {
        Self { processors: 1, ..Self::new() }
    }

    /// How long to look before sleeping.
    pub(crate) fn budget(&self) -> Duration {
        self.budget_at(self.began.elapsed())
    }

    fn budget_at(&self, now: Duration) -> Duration {
        if self.pays() && self.silence(now) < SILENCE { LOOK } else { Duration::ZERO }
    }

    /// How long to look, where the other side gave word ahead: whether that serves, the other side learns.
    pub(crate) fn expecting(&self) -> Duration {
        if self.processors > 1 { LOOK } else { Duration::ZERO }
    }

    /// Whether to give word ahead of something that may come, so that whoever serves it is awake by then: after a silence,
    /// if something came after some of the last words.
    pub(crate) fn gives_word(&self) -> bool {
        self.gives_word_at(self.began.elapsed())
    }

    fn gives_word_at(&self, now: Duration) -> bool {
        let left = self.words.load(Ordering::Relaxed);
        if self.processors == 1 || left == 0 || self.silence(now) < QUIET {
            return false;
        }
        self.words.store(left - 1, Ordering::Relaxed);
        self.last_us.store(micros(now), Ordering::Relaxed);
        true
    }

    fn pays(&self) -> bool {
        self.processors > 1 && self.credit.load(Ordering::Relaxed) >= PRICE
    }

    fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_micros(self.last_us.load(Ordering::Relaxed)))
    }

    /// What was waited for came after `time`, of which up to `budget` was spent looking.
    pub(crate) fn learn(&self, time: Duration, budget: Duration) {
        self.learn_at(self.began.elapsed(), time, budget);
    }

    fn learn_at(&self, now: Duration, time: Duration, budget: Duration) {
        self.last_us.store(micros(now), Ordering::Relaxed);
        let words = self.words.load(Ordering::Relaxed);
        self.words.store((words + WORDS).min(MOST_WORDS), Ordering::Relaxed);
        let credit = self.credit.load(Ordering::Relaxed);
        let in_time = if budget.is_zero() { SOON } else { budget };
        let credit =
            if time < in_time { (credit + 1).min(MOST_CREDIT) } else { credit.saturating_sub(PRICE) };
        self.credit.store(credit, Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn spin() -> Spin {
        Spin { processors: 2, ..Spin::new() }
    }

    /// How many of `waits` that take `asleep` or `looking` are looked for, and how many of these in vain.
    fn looks(spin: &Spin, waits: usize, (asleep, looking): (Duration, Duration)) -> (usize, usize) {
        let (mut looked, mut in_vain) = (0, 0);
        for _wait in 0..waits {
            let budget = spin.budget_at(NOW);
            let time = if budget.is_zero() { asleep } else { looking };
            looked += usize::from(!budget.is_zero());
            in_vain += usize::from(!budget.is_zero() && time >= budget);
            spin.learn_at(NOW, time, budget);
        }
        (looked, in_vain)
    }

    #[test]
    fn who_is_answered_soon_looks_and_who_is_not_sleeps() {
        let micros = Duration::from_micros;
        let spin = spin();
        assert_eq!(looks(&spin, 1000, (micros(45), micros(10))), (1000 - 8, 0));
        // Silence: credit of a busy time is used up, and then nothing is looked for.
        assert_eq!(looks(&spin, 1000, (micros(5000), micros(5000))), (8, 8));
        assert_eq!(looks(&spin, 1000, (micros(5000), micros(5000))), (0, 0));
    }

    #[test]
    fn a_look_in_vain_is_rare_where_sleeping_is_quicker() {
        // A processor that is given to others while one looks comes back late.
        let micros = Duration::from_micros;
        assert_eq!(looks(&spin(), 900, (micros(70), micros(4000))), (100, 100));
        // Bursts of ten, each after a while: what they save outweighs what the silence between them costs.
        let spin = spin();
        for _burst in 0..100 {
            let _warming_up = looks(&spin, 9, (micros(45), micros(10)));
            let _silence = looks(&spin, 1, (micros(5000), micros(5000)));
        }
        assert_eq!(looks(&spin, 9, (micros(45), micros(10))), (9, 0));
    }

    #[test]
    fn after_a_silence_nobody_looks_at_once() {
        let spin = spin();
        let _credit = looks(&spin, 100, (Duration::from_micros(45), Duration::from_micros(10)));
        assert_eq!(spin.budget_at(NOW + SILENCE - Duration::from_micros(1)), LOOK);
        assert_eq!(spin.budget_at(NOW + SILENCE), Duration::ZERO);
    }

    #[test]
    fn word_is_given_ahead_after_a_silence_and_not_of_what_leads_to_nothing() {
        let soon = Duration::from_micros(20);
        let (spin, mut now) = (spin(), NOW);
        for _request in 0..1000 {
            for _handshake in 0..2 {
                now += QUIET;
                assert!(spin.gives_word_at(now));
                assert!(!spin.gives_word_at(now + soon), "once");
            }
            spin.learn_at(now + soon, soon, LOOK);
            assert!(!spin.gives_word_at(now + soon), "there was no silence");
            now += soon;
        }
        assert_eq!(spin.budget_at(now + soon), LOOK, "who gave word looks for the answer");
        // In the midst of an upload.
        let words = (1..1000).filter(|again| spin.gives_word_at(now + *again * QUIET)).count();
        assert_eq!(words, 16);
        now += 1000 * QUIET;
        spin.learn_at(now, soon, LOOK);
        assert!(spin.gives_word_at(now + QUIET));
    }

    #[test]
    fn on_one_processor_nobody_looks() {
        let micros = Duration::from_micros;
        for spin in [Spin { processors: 1, ..Spin::new() }, Spin::never()] {
            assert_eq!(looks(&spin, 100, (micros(10), micros(10))), (0, 0));
            assert_eq!(spin.expecting(), Duration::ZERO);
            assert!(!spin.gives_word_at(NOW + QUIET));
        }
    }
}
