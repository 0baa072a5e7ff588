//! Pieces of documents, recognised by winnowing: of every run of letters and digits as long as [`GUARANTEE`], whatever stands
//! between them and in whatever case, at least one hash is kept, of documents and of texts alike.
//!
//! Only hashes are kept of a document. What two documents share is a piece of both: to leave it to neither would let it go as
//! soon as a second version of a document is registered.
//!
//! What is too short to be a piece is a trace: it counts in a call from which a piece was taken.
//!
//! *Invariant:* the time of a scan is linear in the text and its memory bounded, whatever the documents share.

mod winnow;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use wire::router::Document;

use super::rules::{List, RuleMistake, category};
use crate::BOUNDARY;
use crate::category::{Category, Found};
use winnow::{GUARANTEE, Print, WINDOW};

/// Different hashes of one document that a text must hold: a sentence or two.
const FEWEST: usize = 4;

/// Documents by name.
const MOST: usize = 128;

/// Pieces of one document in one text that are told apart; the last of more goes on to the end.
const MOST_PIECES: usize = 1024;

/// The documents, by their hashes.
#[derive(Debug, Default)]
pub struct Documents {
    /// What a piece of each is.
    kinds: Vec<Category>,
    first: HashMap<u64, u8>,
    /// The other documents that have a hash, where there are any.
    further: HashMap<u64, Vec<u8>>,
}

/// What a text shares with one document.
#[derive(Default)]
struct Shared {
    /// As many different hashes as it takes, and no more.
    hashes: Vec<u64>,
    pieces: Vec<Range<usize>>,
}

/// What is kept of a document: of its texts the hashes, each once.
#[must_use]
pub fn prints<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<u64> {
    let mut hashes = Vec::new();
    texts.into_iter().for_each(|text| winnow::prints(text, |print| hashes.push(print.hash)));
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

impl Documents {
    /// Those that the operator has registered; several of one name are one.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new(registered: &[Document]) -> Result<Self, RuleMistake> {
        let mut documents = Self::default();
        for (index, Document { name, prints }) in registered.iter().enumerate() {
            let mistake = |wrong| RuleMistake::of(List::Documents, index, wrong);
            if index == MOST {
                let cause = format!("there are {} documents, more than {MOST}", registered.len());
                return Err(mistake((cause, "put those that belong together into one directory".to_owned())));
            }
            if prints.len() < FEWEST {
                let cause = format!("'{name}' has too little text for a piece of it to be recognised");
                let remedy = format!(
                    "register a text of some sentences ({SURE} letters are enough), or write short ones as `terms` of inference.detect"
                );
                return Err(mistake((cause, remedy)));
            }
            let kind = category(wire::rules::DataClass::Property, name).map_err(mistake)?;
            if crate::categories().any(|known| known == kind) {
                let cause = format!("'{name}' is a kind of property that is found without documents");
                return Err(mistake((cause, "give the document another name".to_owned())));
            }
            documents.add(kind, prints);
        }
        Ok(documents)
    }

    /// What their pieces are.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        self.kinds.iter().copied()
    }

    fn add(&mut self, kind: Category, prints: &[u64]) {
        let place = self.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        });
        let place = u8::try_from(place).expect("there are no more than fit");
        for hash in prints {
            let first = *self.first.entry(*hash).or_insert(place);
            if first != place {
                let further = self.further.entry(*hash).or_default();
                if !further.contains(&place) {
                    further.push(place);
                }
            }
        }
    }

    pub(super) fn scan(&self, text: &str, found: &mut Found) {
        if self.kinds.is_empty() {
            return;
        }
        let mut shared: BTreeMap<u8, Shared> = BTreeMap::new();
        winnow::prints(text, |print| {
            let Some(first) = self.first.get(&print.hash) else { return };
            let further = self.further.get(&print.hash).into_iter().flatten();
            for document in further.chain([first]) {
                shared.entry(*document).or_default().take(&print);
            }
        });
        for (document, Shared { hashes, pieces }) in shared {
            let Some(kind) = self.kinds.get(usize::from(document)) else { continue };
            if hashes.len() < FEWEST {
                found.add_trace(*kind);
            } else {
                pieces.iter().for_each(|at| found.add(*kind, whole(text, at), &[]));
            }
        }
    }
}

/// A text of so many letters and digits holds as many hashes as it takes, whatever it says, if no run comes twice in it.
const SURE: usize = GUARANTEE + (FEWEST - 1) * WINDOW;

impl Shared {
    /// Takes one hash more; places that touch or nearly do are one piece.
    fn take(&mut self, print: &Print) {
        const GAP: usize = 2 * GUARANTEE;
        if self.hashes.len() < FEWEST && !self.hashes.contains(&print.hash) {
            self.hashes.push(print.hash);
        }
        let is_full = self.pieces.len() == MOST_PIECES;
        match self.pieces.last_mut() {
            Some(last) if is_full || print.at.start <= last.end + GAP => {
                last.end = last.end.max(print.at.end)
            }
            _ => self.pieces.push(print.at.clone()),
        }
    }
}

/// The piece with all that it may share beyond its first and last hash: one letter more, and there were another hash.
fn whole(text: &str, at: &Range<usize>) -> Range<usize> {
    const BEYOND: usize = WINDOW - 1;
    let (head, tail) = (&text[..at.start], &text[at.end..]);
    let near = |(_at, c): &(usize, char)| *c != BOUNDARY;
    let is_letter = |(_at, c): &(usize, char)| c.is_alphanumeric();
    let before = head.char_indices().rev().take_while(near).filter(is_letter).take(BEYOND).last();
    let after = tail.char_indices().take_while(near).filter(is_letter).take(BEYOND).last();
    let start = before.map_or(at.start, |(start, _c)| start);
    start..after.map_or(at.end, |(end, c)| at.end + end + c.len_utf8())
}

#[cfg(test)]
mod tests;
