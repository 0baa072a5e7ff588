//! The words at which detectors begin: one automaton over all of them, one pass over a text.
//!
//! The pass reads a plain copy of the text: lower case, with `_`, `-` and line breaks as spaces, so that `Patient-ID`,
//! `patient_id` and `PATIENT ID` are one word. Offsets are those of the text. Must never know: what a word stands for.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// The compiled automaton.
#[derive(Debug)]
pub(super) struct Words(AhoCorasick);

/// A word of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Words {
    /// Compiles `words`; each is found in every writing of its separators and cases.
    pub(super) fn new(words: impl Iterator<Item = String>) -> Self {
        let plain = words.map(|word| plain(word.as_bytes()));
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            // The automatic choice shuns a table for so many words; they share most of their bytes, and it stays small.
            .kind(Some(AhoCorasickKind::DFA))
            .build(plain)
            .expect("a fixed list of short words compiles");
        Self(automaton)
    }

    /// Calls `seen` with the index of every word in `text`, overlapping ones too, in the order of their ends.
    pub(super) fn each<'a>(&self, text: &'a [u8], mut seen: impl FnMut(usize, Word<'a>)) {
        let plain = plain(text);
        for hit in self.0.find_overlapping_iter(&plain) {
            seen(hit.pattern().as_usize(), Word { text, start: hit.start(), end: hit.end() });
        }
    }
}

fn plain(text: &[u8]) -> Vec<u8> {
    let plain = |byte: u8| match byte {
        b'_' | b'-' | b'\n' | b'\r' | b'\t' => b' ',
        other => other.to_ascii_lowercase(),
    };
    text.iter().map(|byte| plain(*byte)).collect()
}

impl<'a> Word<'a> {
    /// The byte before the word.
    pub(super) fn before(self) -> Option<u8> {
        self.start.checked_sub(1).map(|at| self.text[at])
    }

    /// Everything behind the word.
    pub(super) fn behind(self) -> &'a [u8] {
        &self.text[self.end..]
    }

    /// Whether the text writes the word exactly so.
    pub(super) fn is_written(self, word: &str) -> bool {
        &self.text[self.start..self.end] == word.as_bytes()
    }

    /// Whether the word is one by itself: no letter touches it, but for the humps of `patientId`. A digit may follow.
    pub(super) fn stands_alone(self) -> bool {
        let starts = self.before().is_none_or(|before| {
            let hump = before.is_ascii_lowercase() && self.text[self.start].is_ascii_uppercase();
            hump || !(is_letter(before) || before.is_ascii_digit())
        });
        starts && self.ends_alone()
    }

    /// The same of its end.
    pub(super) fn ends_alone(self) -> bool {
        self.behind().first().is_none_or(|after| {
            let last = self.text[self.end - 1];
            !is_letter(*after) || !is_letter(last) || last.is_ascii_lowercase() && after.is_ascii_uppercase()
        })
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(text: &str) -> Vec<&str> {
        let words = Words::new(["mrn", "patient id"].into_iter().map(str::to_owned));
        let mut seen = Vec::new();
        words.each(text.as_bytes(), |_index, word| {
            if word.stands_alone() {
                seen.push(&text[word.start..word.end]);
            }
        });
        seen
    }

    #[test]
    fn a_word_is_found_in_every_writing() {
        assert_eq!(alone("MRN: mrn_no Mrn12 theMrn"), ["MRN", "mrn", "Mrn", "Mrn"]);
        assert_eq!(alone("PATIENT-ID patient_id Patient\nId"), ["PATIENT-ID", "patient_id", "Patient\nId"]);
        assert!(alone("hmrn mrnx émrn mrné 1mrn").is_empty());
    }
}
