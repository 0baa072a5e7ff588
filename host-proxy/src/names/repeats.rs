//! Which refusals were recorded a moment ago: a resolver repeats its question, the log need not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an identical refusal is the same refusal.
const WINDOW: Duration = Duration::from_secs(10);

/// Most refusals remembered. Beyond it every refusal is recorded: that costs time, never truth.
const MOST: usize = 1024;

/// Recent refusals.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<String, Instant>>);

impl Repeats {
    /// Whether `what` was not refused within the window; from now on it was.
    pub(super) fn is_new(&self, what: String, now: Instant) -> bool {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.get(&what).is_some_and(|at| now.duration_since(*at) < WINDOW) {
            return false;
        }
        if recent.len() >= MOST {
            recent.retain(|_, at| now.duration_since(*at) < WINDOW);
        }
        if recent.len() < MOST {
            recent.insert(what, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_noticed_for_a_while_and_memory_is_bounded() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        assert!(repeats.is_new("a".to_owned(), start));
        assert!(!repeats.is_new("a".to_owned(), start));
        assert!(repeats.is_new("a".to_owned(), start + WINDOW));
        for number in 0..MOST * 2 {
            assert!(repeats.is_new(number.to_string(), start + WINDOW));
        }
        assert!(repeats.0.lock().unwrap().len() <= MOST);
    }
}
