//! Pieces of documents, recognised by winnowing (Schleimer, Wilkerson, Aiken 2003): of every run of letters and digits as long
//! as [`GUARANTEE`], whatever stands between them and in whatever case, at least one hash is kept, of documents and of texts
//! alike.
//!
//! Only hashes are kept of a document. What two documents share (a licence, a letterhead) counts for neither.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::category::{Category, Found};

/// A piece of a document of the operator's.
pub(super) const DOCUMENT: Category = Category::property("document");

/// Letters and digits that are hashed together.
const GRAM: usize = 24;

/// Hashes of which the least is kept.
const WINDOW: usize = 17;

/// A shared run of so many letters and digits leaves a hash for sure.
const GUARANTEE: usize = GRAM + WINDOW - 1;

/// Different hashes of one document that a text must hold: a sentence or two.
const FEWEST: usize = 4;

/// The documents, by the hashes that are theirs alone.
#[derive(Debug, Default)]
pub struct Documents {
    /// `None`: in more than one of them.
    by_hash: HashMap<u64, Option<usize>>,
    count: usize,
}

/// A hash that is kept, and the bytes that it stands for.
#[derive(Debug)]
struct Print {
    hash: u64,
    at: Range<usize>,
}

impl Documents {
    /// Adds one.
    pub fn add(&mut self, text: &str) {
        let document = self.count;
        self.count += 1;
        for print in prints(text) {
            let owner = self.by_hash.entry(print.hash).or_insert(Some(document));
            if *owner != Some(document) {
                *owner = None;
            }
        }
    }

    pub(super) fn scan(&self, text: &str, found: &mut Found) {
        if self.by_hash.is_empty() {
            return;
        }
        let mut shared: HashMap<usize, (HashSet<u64>, Vec<Range<usize>>)> = HashMap::new();
        for print in prints(text) {
            let Some(Some(document)) = self.by_hash.get(&print.hash) else { continue };
            let (hashes, places) = shared.entry(*document).or_default();
            hashes.insert(print.hash);
            places.push(print.at);
        }
        for (document, (hashes, places)) in shared {
            if hashes.len() >= FEWEST {
                let pieces = pieces(places);
                pieces.into_iter().for_each(|at| found.add(DOCUMENT, at, &document.to_le_bytes()));
            }
        }
    }
}

/// Places that touch or nearly do, as one.
fn pieces(places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    const GAP: usize = 2 * GUARANTEE;
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for at in places {
        match pieces.last_mut() {
            Some(last) if at.start <= last.end + GAP => last.end = last.end.max(at.end),
            _ => pieces.push(at),
        }
    }
    pieces
}

/// The hashes of `text` that are kept: of each window the least, the last of equals.
fn prints(text: &str) -> Vec<Print> {
    let letters: Vec<(usize, char)> = text.char_indices().filter(|(_at, c)| c.is_alphanumeric()).collect();
    let hashes = grams(&letters);
    let mut prints = Vec::new();
    let mut kept = None;
    // Candidates for the least of the window, rising: each is looked at twice at most.
    let mut rising: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    for (at, hash) in hashes.iter().enumerate() {
        while rising.back().is_some_and(|last| hashes[*last] >= *hash) {
            rising.pop_back();
        }
        rising.push_back(at);
        while rising.front().is_some_and(|first| first + WINDOW <= at) {
            rising.pop_front();
        }
        let least = rising.front().copied().filter(|_least| at + 1 >= WINDOW || at + 1 == hashes.len());
        if let Some(least) = least.filter(|least| kept != Some(*least)) {
            kept = Some(least);
            let (last, c) = letters[least + GRAM - 1];
            prints.push(Print { hash: hashes[least], at: letters[least].0..last + c.len_utf8() });
        }
    }
    prints
}

/// The hash of every [`GRAM`] letters, each from the one before it.
fn grams(letters: &[(usize, char)]) -> Vec<u64> {
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
    let value = |c: char| {
        u64::from(if c.is_ascii() {
            u32::from(c.to_ascii_lowercase())
        } else {
            c.to_lowercase().next().map_or(0, u32::from)
        })
    };
    let gone = (1..GRAM).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hashes = Vec::with_capacity(letters.len().saturating_sub(GRAM - 1));
    let mut hash = 0_u64;
    for (at, (_offset, c)) in letters.iter().enumerate() {
        if let Some(old) = at.checked_sub(GRAM) {
            hash = hash.wrapping_sub(value(letters[old].1).wrapping_mul(gone));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(value(*c));
        if at + 1 >= GRAM {
            // Low bits of a product say little: the least hash is chosen by mixed ones.
            hashes.push((hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9));
        }
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "The second stage of the compressor is cooled by a closed loop of helium, which leaves the turbine at \
        four kelvin and is led back through the heat exchanger. The seal between the stages is a ring of sintered bronze, \
        pressed at nine hundred bar; its clearance is what makes the machine possible, and it is not to be told to anyone.";

    fn count(documents: &Documents, text: &str) -> u32 {
        let mut found = Found::default();
        documents.scan(text, &mut found);
        found.into_findings().count("property/document")
    }

    fn documents() -> Documents {
        let mut documents = Documents::default();
        documents.add(PLAN);
        documents.add(&format!(
            "All rights reserved by nobody in particular, whoever that may be in the end of the day. {}",
            PLAN.len()
        ));
        documents
    }

    #[test]
    fn a_piece_is_found_however_it_is_set() {
        let piece = &PLAN[110..290];
        let wrapped = piece.replace(' ', "\n  > ").to_uppercase();
        let documents = documents();
        for text in [PLAN.to_owned(), format!("Please review: {piece} Thanks!"), wrapped] {
            assert_eq!(count(&documents, &text), 1, "{text}");
        }
    }

    #[test]
    fn other_texts_share_nothing() {
        let documents = documents();
        for text in [
            "",
            "helium",
            "The second stage of the compressor",
            "A closed loop of helium cools the magnets of the scanner in the hospital, at about four kelvin.",
        ] {
            assert_eq!(count(&documents, text), 0, "{text}");
        }
    }

    #[test]
    fn what_documents_share_is_nobodys() {
        let mut documents = Documents::default();
        documents.add(PLAN);
        documents.add(&format!("{PLAN} And more that stands in this one only, at a length that leaves a few hashes of its own, surely."));
        assert_eq!(count(&documents, PLAN), 0);
    }

    #[test]
    fn a_run_as_long_as_promised_leaves_a_hash() {
        let all: HashSet<u64> = prints(PLAN).into_iter().map(|print| print.hash).collect();
        let letters: String = PLAN.chars().filter(|c| c.is_alphanumeric()).collect();
        for start in 0..letters.len() - GUARANTEE {
            let run = &letters[start..start + GUARANTEE];
            assert!(prints(run).iter().any(|print| all.contains(&print.hash)), "{run}");
        }
    }
}
