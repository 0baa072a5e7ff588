//! Which classes of sensitive data a text holds.
//!
//! Owns: the detectors ([`detect`]), the tagger of names ([`entities`]), what is the operator's ([`property`]), undoing disguises ([`fold`]) and encodings ([`decode`]), taking what is found
//! out of a text ([`redact`]), and remembering what was found in one ([`memory`]). Must never know: wire APIs, zones,
//! directives, records. Keeps no data: only categories, counts and places remain of what it saw.
//!
//! *Invariant:* the time is linear in the size of the text, hostile or not; what would cost more (too deep an encoding,
//! too much decoded text) is reported as unclassifiable instead of being skipped.

#![forbid(unsafe_code)]

pub mod category;
pub mod decode;
pub mod detect;
pub mod entities;
pub mod fold;
pub mod memory;
pub mod property;
pub mod redact;
mod seek;
pub mod unreadable;

pub use category::{Category, Class, Findings, Found};
pub use detect::injection::{FORGED_ROLE, FORGED_TOOL_CALL};

use std::ops::Range;

use decode::Decoded;
use detect::Detectors;
use property::Property;
use unreadable::{NESTED_TOO_DEEP, TOO_MUCH_ENCODED};

/// Stands between two texts that do not belong together: no detector looks across it. Whoever joins texts makes sure that
/// none of them holds it.
pub const BOUNDARY: char = '\u{1f}';

/// Encodings inside encodings that are undone.
const DEPTH: u32 = 2;

/// Decoded text beyond this many bytes, and this multiple of the text, is not looked at any more.
const DECODED_FLOOR: usize = 1 << 20;
const DECODED_FACTOR: usize = 6;

/// Every category that can be found, some more than once.
pub fn categories() -> impl Iterator<Item = Category> {
    detect::categories().chain(entities::CATEGORIES).chain(property::CATEGORIES).chain(unreadable::ALL)
}

/// The detectors over a text, and over all that is written in it in disguise.
#[derive(Debug)]
pub struct Scanner {
    detectors: Detectors,
    names: Names,
    property: Property,
}

/// Whether running text is searched for names, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Sought,
    Left,
}

struct Work {
    text: String,
    depth: u32,
}

impl Scanner {
    /// Compiles the detectors.
    #[must_use]
    pub fn new() -> Self {
        entities::load();
        Self { detectors: Detectors::new(), names: Names::Sought, property: Property::default() }
    }

    /// Without the tagger of names, which takes most of the time.
    #[must_use]
    pub fn without_names() -> Self {
        Self { names: Names::Left, ..Self::new() }
    }

    /// What belongs to the operator.
    #[must_use]
    pub fn property(&self) -> &Property {
        &self.property
    }

    /// With what belongs to the operator.
    #[must_use]
    pub fn with_property(self, property: Property) -> Self {
        Self { property, ..self }
    }

    /// Reports what `text` holds, and its marks of injected instructions.
    pub fn scan(&self, text: String, found: &mut Found) {
        self.scan_with(self.detectors, text, found);
    }

    /// The same without its marks: what an agent itself may tell a model.
    pub fn scan_data(&self, text: String, found: &mut Found) {
        self.scan_with(Detectors::of_data(), text, found);
    }

    /// Reports what a text holds of which the operator's own part, up to `own`, may say anything to a model: marks are
    /// looked for in the rest. No detector looks across.
    ///
    /// # Panics
    /// `own` is no border between characters of the text.
    pub fn scan_beside(&self, text: &str, own: usize, found: &mut Found) {
        let (own, rest) = text.split_at(own);
        self.scan_data(own.to_owned(), found);
        let place = |at: &Range<usize>| Some(own.len() + at.start..own.len() + at.end);
        found.elsewhere(|found| self.scan(rest.to_owned(), found), place);
    }

    fn scan_with(&self, detectors: Detectors, text: String, found: &mut Found) {
        let mut budget = text.len().saturating_mul(DECODED_FACTOR).saturating_add(DECODED_FLOOR);
        let mut work = vec![Work { text, depth: 0 }];
        while let Some(Work { text, depth }) = work.pop() {
            let folded = fold::fold(&text);
            self.detect(detectors, (&text, folded.as_deref(), depth), found);
            let readable = folded.as_deref().unwrap_or(&text);
            let decoded = decode::decode(readable);
            decoded.opaque.iter().for_each(|category| found.add_anonymous(*category));
            if depth == DEPTH {
                if decoded.is_deliberate() {
                    found.add_anonymous(NESTED_TOO_DEEP);
                }
                continue;
            }
            let Decoded { texts, .. } = decoded;
            for text in texts {
                let Some(left) = budget.checked_sub(text.len()) else {
                    found.add_anonymous(TOO_MUCH_ENCODED);
                    return;
                };
                budget = left;
                work.push(Work { text, depth: depth + 1 });
            }
        }
    }

    /// Looks at both views of a text, and for names at the one without disguises.
    fn detect(
        &self,
        detectors: Detectors,
        (text, folded, depth): (&str, Option<&str>, u32),
        found: &mut Found,
    ) {
        // Whatever shows nothing is folded away.
        let unseen = folded.is_some();
        if depth > 0 {
            // What was inside an encoding stands nowhere in the text that was given.
            let both = [Some(text), folded];
            let find = |found: &mut Found| {
                both.into_iter().flatten().for_each(|view| detectors.scan(view, found));
                if unseen {
                    detectors.scan_unseen(text, found);
                }
                // The operator's words may be of a script whose letters are folded away.
                both.into_iter().flatten().for_each(|view| self.property.scan(view, found));
            };
            found.elsewhere(find, |_at| None);
            if self.names == Names::Sought {
                found.elsewhere(|found| entities::scan_prose(folded.unwrap_or(text), found), |_at| None);
            }
            return;
        }
        detectors.scan(text, found);
        if unseen {
            detectors.scan_unseen(text, found);
            self.property.scan(text, found);
        }
        let origins = folded.filter(|_| found.keeps_spans()).map(|_folded| fold::origins(text));
        let place = |at: &Range<usize>| match &origins {
            Some(origins) => Some(*origins.get(at.start)?..*origins.get(at.end)?),
            None => Some(at.clone()),
        };
        let find = |found: &mut Found| {
            folded.into_iter().for_each(|folded| detectors.scan(folded, found));
            let plain = folded.unwrap_or(text);
            self.property.scan(plain, found);
            if self.names == Names::Sought {
                entities::scan(plain, found);
            }
        };
        found.elsewhere(find, place);
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}
