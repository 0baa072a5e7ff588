//! Stage one: which classes of data a prompt holds.
//!
//! Owns: turning a parsed body into text ([`render`]). Finding is the crate `classify`'s.

pub mod render;

use ::classify::{BOUNDARY, Category, Findings, Found, Scanner};

use crate::json::Node;
use crate::redact::names::Names;

/// The pattern stage.
#[derive(Debug, Default)]
pub struct Classifier {
    scanner: Scanner,
}

impl Classifier {
    /// Compiles the detectors.
    #[must_use]
    pub fn new() -> Self {
        Self { scanner: Scanner::new() }
    }

    /// What `body` holds beside the placeholders that stand in it.
    #[must_use]
    pub fn classify_between(&self, body: &Node, opaque: &[Category], names: &Names) -> Findings {
        let mut found = Found::default();
        opaque.iter().for_each(|category| found.add_anonymous(*category));
        let rendered = render::render(body, &mut found);
        self.scanner.scan(names.blank(&rendered, BOUNDARY), &mut found);
        found.into_findings()
    }

    /// What `body` holds. `opaque` names the parts that hold no text to look at.
    #[must_use]
    pub fn classify(&self, body: &Node, opaque: &[Category]) -> Findings {
        self.classify_between(body, opaque, &Names::default())
    }
}

#[cfg(test)]
mod tests;
