//! Stage one: which classes of data a prompt holds.
//!
//! Owns: turning a parsed body into text ([`render`]), undoing disguises ([`fold`], [`decode`]) and the
//! detectors ([`detect`]). Must never know: zones, servers, directives. Keeps nothing: the data that it
//! saw is gone when [`Classifier::classify`] returns, only categories and counts remain.
//!
//! *Invariant:* the time is linear in the size of the prompt, hostile or not; what would cost more (too
//! deep an encoding, too much decoded text) is reported as unclassifiable instead of being skipped.

pub mod category;
pub mod decode;
pub mod detect;
pub mod fold;
pub mod render;

use crate::json::Node;
use category::{Category, Findings, Found};
use decode::Decoded;
use detect::Detectors;

/// Encodings inside encodings that are undone.
const DEPTH: u32 = 2;

/// Decoded text beyond this many bytes, and this multiple of the prompt, is not looked at any more.
const DECODED_FLOOR: usize = 1 << 20;
const DECODED_FACTOR: usize = 6;

/// Decoded text did not fit the budget.
pub const TOO_MUCH_ENCODED: Category = Category::unclassifiable("too-much-encoded-text");

/// Text was still encoded below [`DEPTH`] layers.
pub const NESTED_TOO_DEEP: Category = Category::unclassifiable("nested-encoding");

/// The pattern stage.
#[derive(Debug)]
pub struct Classifier {
    detectors: Detectors,
}

struct Work {
    text: String,
    depth: u32,
}

impl Classifier {
    /// Compiles the detectors.
    #[must_use]
    pub fn new() -> Self {
        Self { detectors: Detectors::new() }
    }

    /// What `body` holds. `opaque` names the parts that hold no text to look at.
    #[must_use]
    pub fn classify(&self, body: &Node, opaque: &[Category]) -> Findings {
        let mut found = Found::default();
        opaque.iter().for_each(|category| found.add_anonymous(*category));
        let rendered = render::render(body, &mut found);
        let budget = rendered.len().saturating_mul(DECODED_FACTOR).saturating_add(DECODED_FLOOR);
        self.scan_all(rendered, budget, &mut found);
        found.into_findings()
    }

    fn scan_all(&self, text: String, mut budget: usize, found: &mut Found) {
        let mut work = vec![Work { text, depth: 0 }];
        while let Some(Work { text, depth }) = work.pop() {
            let folded = fold::fold(&text);
            self.detectors.scan(&text, found);
            if let Some(folded) = &folded {
                self.detectors.scan(folded, found);
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
}

impl Default for Classifier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
