//! How long to wait before the next attempt.

use std::time::Duration;

/// The shortest and the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After the first failure.
    pub first: Duration,
    /// At most, unless the receiver asks for more.
    pub longest: Duration,
}

/// One second to five minutes.
impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(300) }
    }
}

impl Pace {
    /// The wait after the failure number `attempt`, from 1: twice as long each time, and a random part of it off, so that
    /// many senders do not come back together. Never less than the receiver asked for.
    #[must_use]
    pub fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
        let whole = doubled.min(self.longest);
        let wait = whole.mul_f64(0.5 + 0.5 * random());
        asked.map_or(wait, |asked| wait.max(asked))
    }
}

/// 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the whole wait is still a wait.
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.is_ok() { f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_has_a_random_part_and_two_bounds() {
        let pace = Pace::default();
        for attempt in 1..100 {
            let whole = Duration::from_secs(300.min(1 << (attempt - 1).min(20)));
            let waits: Vec<_> = (0..50).map(|_| pace.wait(attempt, None)).collect();
            assert!(waits.iter().all(|wait| *wait >= whole / 2 && *wait <= whole), "{attempt}: {waits:?}");
            assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
        }
        let asked = Duration::from_secs(1000);
        assert_eq!(pace.wait(1, Some(asked)), asked);
        assert!(pace.wait(9, Some(Duration::ZERO)) >= Duration::from_secs(64));
    }
}
