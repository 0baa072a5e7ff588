//! Which hashes of a text are kept (Schleimer, Wilkerson, Aiken 2003), and where they stand in it.
//!
//! Only letters and digits count, in whatever case. The state is of a fixed size, however long the text is.

use std::collections::VecDeque;
use std::ops::Range;

/// Letters and digits that are hashed together.
const GRAM: usize = 24;

/// Hashes of which the least is kept.
pub(super) const WINDOW: usize = 17;

/// A shared run of so many letters and digits leaves a hash for sure.
pub(super) const GUARANTEE: usize = GRAM + WINDOW - 1;

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash that is kept, and the bytes that it stands for.
#[derive(Clone, Debug)]
pub(super) struct Print {
    pub(super) hash: u64,
    pub(super) at: Range<usize>,
}

/// The hash of the last [`GRAM`] letters.
#[derive(Default)]
struct Rolling {
    letters: VecDeque<(usize, u64)>,
    hash: u64,
}

/// The least of the last [`WINDOW`] hashes, the last of equals.
#[derive(Default)]
struct Least {
    count: usize,
    kept: Option<usize>,
    /// Candidates, rising: each is looked at twice at most.
    rising: VecDeque<(usize, Print)>,
}

/// Gives every hash of `text` that is kept, in order.
pub(super) fn prints(text: &str, mut each: impl FnMut(Print)) {
    let (mut rolling, mut least) = (Rolling::default(), Least::default());
    for (at, c) in text.char_indices().filter(|(_at, c)| c.is_alphanumeric()) {
        if let Some((hash, start)) = rolling.take(at, c) {
            let print = Print { hash, at: start..at + c.len_utf8() };
            least.take(print).into_iter().for_each(&mut each);
        }
    }
}

impl Rolling {
    /// The hash with `c` as the last letter, and where its first stands.
    fn take(&mut self, at: usize, c: char) -> Option<(u64, usize)> {
        if self.letters.len() == GRAM {
            let (_gone, old) = self.letters.pop_front()?;
            self.hash = self.hash.wrapping_sub(old.wrapping_mul(OLDEST));
        }
        let value = value(c);
        self.letters.push_back((at, value));
        self.hash = self.hash.wrapping_mul(BASE).wrapping_add(value);
        let (first, _value) = self.letters.front().filter(|_first| self.letters.len() == GRAM)?;
        // Low bits of a product say little: the least hash is chosen by mixed ones.
        Some(((self.hash ^ self.hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9), *first))
    }
}

impl Least {
    /// The hash that is kept because of this one, if it is not kept already.
    fn take(&mut self, print: Print) -> Option<Print> {
        let at = self.count;
        self.count += 1;
        while self.rising.back().is_some_and(|(_at, last)| last.hash >= print.hash) {
            self.rising.pop_back();
        }
        self.rising.push_back((at, print));
        while self.rising.front().is_some_and(|(first, _print)| first + WINDOW <= at) {
            self.rising.pop_front();
        }
        let (least, print) = self.rising.front().filter(|_least| at + 1 >= WINDOW)?;
        (self.kept.replace(*least) != Some(*least)).then(|| print.clone())
    }
}

/// What the oldest letter of a hash counts for.
const OLDEST: u64 = {
    let (mut power, mut letter) = (1_u64, 1);
    while letter < GRAM {
        power = power.wrapping_mul(BASE);
        letter += 1;
    }
    power
};

fn value(c: char) -> u64 {
    u64::from(if c.is_ascii() {
        u32::from(c.to_ascii_lowercase())
    } else {
        c.to_lowercase().next().map_or(0, u32::from)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TEXT: &str = "The second stage of the compressor is cooled by a closed loop of helium, which leaves the turbine at \
        four kelvin and is led back through the heat exchanger.";

    fn hashes(text: &str) -> Vec<u64> {
        let mut hashes = Vec::new();
        prints(text, |print| hashes.push(print.hash));
        hashes
    }

    #[test]
    fn a_run_as_long_as_promised_leaves_a_hash() {
        let all: HashSet<u64> = hashes(TEXT).into_iter().collect();
        let letters: String = TEXT.chars().filter(|c| c.is_alphanumeric()).collect();
        for start in 0..letters.len() - GUARANTEE {
            let run = &letters[start..start + GUARANTEE];
            assert!(hashes(run).iter().any(|hash| all.contains(hash)), "{run}");
        }
        assert!(hashes(&letters[..GUARANTEE - 1]).is_empty());
    }

    #[test]
    fn only_letters_count_and_in_no_case() {
        assert_eq!(hashes(&TEXT.to_uppercase().replace(' ', "\n  > ")), hashes(TEXT));
        assert_ne!(hashes(&TEXT.replace("helium", "oxygen")), hashes(TEXT));
    }
}
