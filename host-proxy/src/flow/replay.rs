//! Which flow numbers were used: a window that slides with the highest number seen.
//!
//! guest-init numbers flows upwards, but their headers may arrive out of order by as many as there are flows
//! at once. A number below the window counts as used.

/// Numbers that may arrive out of order; a multiple of 64.
const WIDTH: u64 = 16_384;

/// The window.
#[derive(Debug)]
pub(super) struct Window {
    highest: u64,
    seen: Box<[u64]>,
}

impl Default for Window {
    fn default() -> Self {
        Self { highest: 0, seen: vec![0; usize::try_from(WIDTH / 64).unwrap_or(0)].into() }
    }
}

impl Window {
    /// Whether `number` was not used before; from now on it is.
    pub(super) fn admit(&mut self, number: u64) -> bool {
        if number.saturating_add(WIDTH) <= self.highest {
            return false;
        }
        if number > self.highest {
            self.slide_to(number);
        }
        let (word, bit) = place(number);
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }

    fn slide_to(&mut self, number: u64) {
        if number - self.highest >= WIDTH {
            self.seen.fill(0);
        } else {
            for passed in self.highest + 1..=number {
                let (word, bit) = place(passed);
                self.seen[word] &= !bit;
            }
        }
        self.highest = number;
    }
}

fn place(number: u64) -> (usize, u64) {
    let slot = number % WIDTH;
    (usize::try_from(slot / 64).unwrap_or(0), 1 << (slot % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_once_in_any_near_order() {
        let mut window = Window::default();
        for number in [1, 3, 2, 10, 4, 5000, 9, 16_000] {
            assert!(window.admit(number), "{number}");
            assert!(!window.admit(number), "{number} again");
        }
        assert!(window.admit(6) && !window.admit(6));
    }

    #[test]
    fn what_fell_out_of_the_window_is_used() {
        let mut window = Window::default();
        assert!(window.admit(WIDTH * 3));
        assert!(!window.admit(WIDTH * 2));
        assert!(window.admit(WIDTH * 2 + 1));
        assert!(window.admit(u64::MAX) && !window.admit(u64::MAX) && !window.admit(WIDTH * 3 + 1));
    }

    #[test]
    fn a_slot_is_clean_when_the_window_comes_round() {
        let mut window = Window::default();
        for number in 1..=WIDTH * 3 {
            assert!(window.admit(number), "{number}");
        }
    }
}
