//! The words at which detectors begin: one automaton over all of them, one pass over a text.
//!
//! The pass reads a plain copy of the text: lower case, with `_`, `-` and line breaks as spaces, so that `Patient-ID`,
//! `patient_id` and `PATIENT ID` are one word. Offsets are those of the text. Must never know: what a word stands for.
//!
//! The automaton tells fewer bytes apart than the words do: its table is as wide as there are different ones, and a
//! narrow one stays in the processor's caches. So each hit is compared once more.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// The compiled automaton, and what it was compiled from.
#[derive(Debug)]
pub(crate) struct Words {
    automaton: AhoCorasick,
    plain: Vec<Vec<u8>>,
}

/// A word of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Words {
    /// Compiles `words`; each is found in every writing of its separators and cases.
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        let plain: Vec<Vec<u8>> = words.map(|word| word.bytes().map(plain).collect()).collect();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            // The automatic choice shuns a table for so many words; they share most of their bytes, and it stays small.
            .kind(Some(AhoCorasickKind::DFA))
            .build(plain.iter().map(|word| coarse(word)))
            .expect("a fixed list of short words compiles");
        Self { automaton, plain }
    }

    /// Calls `seen` with the index of every word in `text`, overlapping ones too, in the order of their ends.
    pub(crate) fn each<'a>(&self, text: &'a [u8], mut seen: impl FnMut(usize, Word<'a>)) {
        for hit in self.automaton.find_overlapping_iter(&coarse(text)) {
            let index = hit.pattern().as_usize();
            if text[hit.range()]
                .iter()
                .zip(&self.plain[index])
                .all(|(byte, expected)| plain(*byte) == *expected)
            {
                seen(index, Word { text, start: hit.start(), end: hit.end() });
            }
        }
    }
}

/// The writings of a word that are not one to the automaton: `medical record` and `medicalrecord`, `studyId` and `study id`,
/// and the capitals of letters beyond ASCII.
pub(crate) fn spellings(word: &str) -> impl Iterator<Item = String> + use<> {
    let mut parted = String::with_capacity(word.len());
    let mut before = ' ';
    for c in word.chars() {
        if before.is_lowercase() && c.is_uppercase() {
            parted.push(' ');
        }
        before = c;
        parted.extend(if matches!(c, '_' | '-') { ' '.to_lowercase() } else { c.to_lowercase() });
    }
    let joined = parted.contains(' ').then(|| parted.replace(' ', ""));
    let capitals = (!parted.is_ascii()).then(|| parted.to_uppercase());
    std::iter::once(parted).chain(joined).chain(capitals)
}

/// One writing of a byte.
fn plain(byte: u8) -> u8 {
    match byte {
        b'_' | b'-' | b'\n' | b'\r' | b'\t' => b' ',
        other => other.to_ascii_lowercase(),
    }
}

/// A text as the automaton reads it: letters beyond ASCII are one byte, and signs that stand in few words another.
fn coarse(text: &[u8]) -> Vec<u8> {
    let coarse = |byte: u8| match plain(byte) {
        0x80.. => 0x80,
        b'"'..=b'&' | b'('..=b',' | b';' | b'>'..=b'?' | b'\\'..=b'`' | b'{' | b'}'..=0x7f => b'#',
        other => other,
    };
    text.iter().map(|byte| coarse(*byte)).collect()
}

impl<'a> Word<'a> {
    /// The byte before the word.
    pub(crate) fn before(self) -> Option<u8> {
        self.start.checked_sub(1).map(|at| self.text[at])
    }

    /// Everything behind the word.
    pub(crate) fn behind(self) -> &'a [u8] {
        &self.text[self.end..]
    }

    /// Whether the text writes the word exactly so.
    pub(crate) fn is_written(self, word: &str) -> bool {
        &self.text[self.start..self.end] == word.as_bytes()
    }

    /// Whether the word is one by itself: no letter touches it, but for the humps of `patientId`. A digit may follow.
    pub(crate) fn stands_alone(self) -> bool {
        self.begins_alone() && self.ends_alone()
    }

    /// The same of its begin.
    pub(crate) fn begins_alone(self) -> bool {
        self.before().is_none_or(|before| {
            let hump = before.is_ascii_lowercase() && self.text[self.start].is_ascii_uppercase();
            hump || !(is_letter(before) || before.is_ascii_digit())
        })
    }

    /// The same of its end.
    pub(crate) fn ends_alone(self) -> bool {
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
