//! Stage one: which classes of data a prompt holds.
//!
//! Owns: turning a parsed body into text ([`render`]). Finding is the crate `classify`'s.

pub mod render;

use ::classify::category::Span;
use ::classify::{BOUNDARY, Category, FORGED_ROLE, FORGED_TOOL_CALL, Findings, Found, Scanner};

use crate::json::Node;
use crate::redact::names::Names;

/// What was found, and where.
#[derive(Debug)]
pub struct Look {
    /// What was found.
    pub findings: Findings,
    rendered: String,
    spans: Vec<Span>,
}

impl Look {
    /// The same of a prompt that the agent has written in a model's own template: its marks of turns and calls are the
    /// agent's.
    #[must_use]
    pub fn of_template(self) -> Self {
        let findings = self.findings.without(FORGED_ROLE).without(FORGED_TOOL_CALL);
        Self { findings, ..self }
    }

    /// The values, each with what it is. What stands across two texts is not one of them.
    pub fn values(&self) -> impl Iterator<Item = (Category, &str)> {
        let value = |span: &Span| Some((span.category, self.rendered.get(span.at.clone())?));
        self.spans.iter().filter_map(value).filter(|(_, value)| !value.contains(BOUNDARY))
    }
}

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
        let rendered = render::render(body, &mut found).map(|text| names.blank(text, BOUNDARY));
        self.scanner.scan_beside(&rendered.text, rendered.own, &mut found);
        found.into_findings()
    }

    /// All texts of `body`, without the placeholders in it.
    #[must_use]
    pub fn text_between(&self, body: &Node, names: &Names) -> String {
        render::render(body, &mut Found::default()).map(|text| names.blank(text, BOUNDARY)).text
    }

    /// What `body` holds. `opaque` names the parts that hold no text to look at.
    #[must_use]
    pub fn classify(&self, body: &Node, opaque: &[Category]) -> Findings {
        self.look(body, opaque).findings
    }

    /// The same, with the values.
    #[must_use]
    pub fn look(&self, body: &Node, opaque: &[Category]) -> Look {
        let mut found = Found::with_spans();
        opaque.iter().for_each(|category| found.add_anonymous(*category));
        let rendered = render::render(body, &mut found);
        self.scanner.scan_beside(&rendered.text, rendered.own, &mut found);
        let (findings, spans) = found.into_parts();
        Look { findings, rendered: rendered.text, spans }
    }
}

#[cfg(test)]
mod tests;
