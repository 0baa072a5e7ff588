//! Which classes of sensitive data a text holds.
//!
//! Owns: the detectors ([`detect`]), undoing disguises ([`fold`]) and encodings ([`decode`]), and taking what is found
//! out of a text ([`redact`]). Must never know: wire APIs, zones, directives, records. Keeps nothing: only categories and
//! counts remain of what it saw.
//!
//! *Invariant:* the time is linear in the size of the text, hostile or not; what would cost more (too deep an encoding,
//! too much decoded text) is reported as unclassifiable instead of being skipped.

#![forbid(unsafe_code)]

pub mod category;
pub mod decode;
pub mod detect;
pub mod fold;
pub mod redact;
mod seek;

pub use category::{Category, Findings, Found};

use std::ops::Range;

use decode::Decoded;
use detect::Detectors;

/// Stands between two texts that do not belong together: no detector looks across it. Whoever joins texts makes sure that
/// none of them holds it.
pub const BOUNDARY: char = '\u{1f}';

/// Encodings inside encodings that are undone.
const DEPTH: u32 = 2;

/// Decoded text beyond this many bytes, and this multiple of the text, is not looked at any more.
const DECODED_FLOOR: usize = 1 << 20;
const DECODED_FACTOR: usize = 6;

/// Decoded text did not fit the budget.
pub const TOO_MUCH_ENCODED: Category = Category::unclassifiable("too-much-encoded-text");

/// Text was still encoded below the deepest layer that is undone.
pub const NESTED_TOO_DEEP: Category = Category::unclassifiable("nested-encoding");

/// The detectors over a text, and over all that is written in it in disguise.
#[derive(Debug, Default)]
pub struct Scanner {
    detectors: Detectors,
}

struct Work {
    text: String,
    depth: u32,
}

impl Scanner {
    /// Compiles the detectors.
    #[must_use]
    pub fn new() -> Self {
        Self { detectors: Detectors::new() }
    }

    /// Reports what `text` holds.
    pub fn scan(&self, text: String, found: &mut Found) {
        let mut budget = text.len().saturating_mul(DECODED_FACTOR).saturating_add(DECODED_FLOOR);
        let mut work = vec![Work { text, depth: 0 }];
        while let Some(Work { text, depth }) = work.pop() {
            let folded = fold::fold(&text);
            self.scan_view(&text, depth, found);
            if let Some(folded) = &folded {
                let origins = if found.keeps_spans() { fold::origins(&text) } else { Vec::new() };
                let place = |at: &Range<usize>| Some(*origins.get(at.start)?..*origins.get(at.end)?);
                found.elsewhere(|found| self.scan_view(folded, depth, found), place);
            }
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

    /// One view of a text; values of a decoded one stand nowhere in the text that was given.
    fn scan_view(&self, text: &str, depth: u32, found: &mut Found) {
        if depth == 0 {
            self.detectors.scan(text, found);
        } else {
            found.elsewhere(|found| self.detectors.scan(text, found), |_at| None);
        }
    }
}
