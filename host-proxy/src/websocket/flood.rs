//! Frames that carry nothing are free for who sends them: they are counted.

use std::time::{Duration, Instant};

/// How many may come at once.
const MOST: u32 = 256;

/// How long it takes until another one may come after that.
const REFILL: Duration = Duration::from_millis(100);

/// A bucket that control frames and empty fragments empty, and that time fills.
#[derive(Debug)]
pub(super) struct Bucket {
    left: u32,
    since: Option<Instant>,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self { left: MOST, since: None }
    }

    /// Takes one; `false`: there is none left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_millis() / REFILL.as_millis();
        let earned = u32::try_from(passed).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(MOST);
            self.since = Some(now);
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_ends_and_time_allows_more() {
        let (mut bucket, start) = (Bucket::new(), Instant::now());
        assert_eq!((0..1000).filter(|_nth| bucket.take(start)).count(), 256);
        assert!(bucket.take(start + REFILL));
        assert!(!bucket.take(start + REFILL));
        let day = start + Duration::from_secs(24 * 60 * 60);
        assert_eq!((0..1000).filter(|_nth| bucket.take(day)).count(), 256);
    }
}
