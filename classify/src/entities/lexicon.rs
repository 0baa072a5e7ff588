//! First and last names of people in twenty countries, as hints: a name in the list may be a word, and the other way round.

use std::sync::LazyLock;

const FIRST: &str = include_str!("../../data/first-names.txt");
const LAST: &str = include_str!("../../data/last-names.txt");

/// Hashes of names, sorted, each with what it is: 1 a first name, 2 a last one, 3 both.
static NAMES: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| {
    let hashed = |list: &'static str, what: u32| {
        list.lines().map(move |name| (super::features::lower_hash(name), what))
    };
    let mut names: Vec<(u32, u32)> = hashed(FIRST, 1).chain(hashed(LAST, 2)).collect();
    names.sort_unstable();
    names.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 |= next.1;
        }
        same
    });
    names
});

/// What the word with this hash of its lower case may be; 0: no name.
pub(super) fn what(hash: u32) -> u32 {
    NAMES.binary_search_by_key(&hash, |(known, _what)| *known).map_or(0, |at| NAMES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::features::lower_hash;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(what(lower_hash("jane")) & 1, 1);
        assert_eq!(what(lower_hash("SCHMIDT")) & 2, 2);
        assert_eq!(what(lower_hash("Müller")) & 2, 2);
        assert_eq!(what(lower_hash("iterator")), 0);
    }
}
