//! Stage one: which classes of data a prompt holds.
//!
//! Owns: turning a parsed body into text ([`render`]). Finding is the crate `classify`'s.

pub mod render;

use ::classify::{Category, Findings, Found, Scanner};

use crate::json::Node;

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

    /// What `body` holds. `opaque` names the parts that hold no text to look at.
    #[must_use]
    pub fn classify(&self, body: &Node, opaque: &[Category]) -> Findings {
        let mut found = Found::default();
        opaque.iter().for_each(|category| found.add_anonymous(*category));
        let rendered = render::render(body, &mut found);
        self.scanner.scan(rendered, &mut found);
        found.into_findings()
    }
}

#[cfg(test)]
mod tests;
