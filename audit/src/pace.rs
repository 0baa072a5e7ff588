//! Whether to look for what is to come, or to sleep until it comes.
//!
//! To be woken takes a processor longer (some 20 microseconds, on one that was idle) than the writer needs for a record. Who waits
//! therefore looks again for a moment before sleeping, *if* what it waits for came soon the last time: a quiet process looks for
//! nothing, and neither does one on a busy machine, where the kernel is quicker to hand a processor to who was woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to look: longer than a receipt takes among processes that are awake, and about as long as it takes to wake both.
const LOOK_FOR: Duration = Duration::from_micros(50);

/// Who slept learns of it later, by what waking takes.
const SOON: Duration = Duration::from_micros(100);

/// How long what was waited for took lately.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    is_quick: AtomicBool,
}

impl Pace {
    /// How long to look before sleeping.
    pub(crate) fn look_for(&self) -> Duration {
        if self.is_quick.load(Ordering::Relaxed) { LOOK_FOR } else { Duration::ZERO }
    }

    /// It came after so long.
    pub(crate) fn waited(&self, time: Duration) {
        self.is_quick.store(time < SOON, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_answered_soon_looks() {
        let pace = Pace::default();
        assert_eq!(pace.look_for(), Duration::ZERO);
        pace.waited(SOON - Duration::from_nanos(1));
        assert_eq!(pace.look_for(), LOOK_FOR);
        pace.waited(SOON);
        assert_eq!(pace.look_for(), Duration::ZERO);
    }
}
