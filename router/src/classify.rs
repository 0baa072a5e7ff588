//! Stage one: which classes of data a prompt holds.
//!
//! Owns: turning a parsed body into text ([`render`]). Finding is the crate `classify`'s.

pub mod render;

use std::collections::BTreeSet;
use std::sync::Arc;

use ::classify::category::Span;
use ::classify::memory::Memory;
use ::classify::{BOUNDARY, Category, FORGED_ROLE, FORGED_TOOL_CALL, Findings, Found};

use crate::json::Node;
use crate::redact::names::Names;
use render::Rendered;

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
#[derive(Debug)]
pub struct Classifier {
    memory: Arc<Memory>,
}

impl Classifier {
    /// One that finds what `memory` does.
    #[must_use]
    pub fn of(memory: Arc<Memory>) -> Self {
        Self { memory }
    }

    /// What `body` holds beside the placeholders that stand in it, and of what there are traces.
    #[must_use]
    pub fn classify_between(
        &self,
        body: &Node,
        opaque: &[Category],
        names: &Names,
    ) -> (Findings, BTreeSet<Category>) {
        let mut found = self.found(opaque);
        let rendered = self.render(body, &mut found);
        let blank = |text: &str| names.blank(text, BOUNDARY);
        for (whose, text, _at) in rendered.parts() {
            self.memory.scan((&blank(text), 0), whose, &mut found);
        }
        let is_left = |text: &str| blank(text).contains(|c: char| c != BOUNDARY && !c.is_whitespace());
        for (category, at) in &rendered.placed {
            let text = &rendered.text[at.clone()];
            if is_left(text) {
                found.add(*category, at.clone(), text.as_bytes());
            }
        }
        let traces = found.traces().clone();
        (found.into_findings(), traces)
    }

    /// All texts of `body`, without the placeholders in it.
    #[must_use]
    pub fn text_between(&self, body: &Node, names: &Names) -> String {
        names.blank(&self.render(body, &mut Found::default()).text, BOUNDARY)
    }

    /// What `body` holds. `opaque` names the parts that hold no text to look at.
    #[must_use]
    pub fn classify(&self, body: &Node, opaque: &[Category]) -> Findings {
        self.look(body, opaque).findings
    }

    /// The same, with the values.
    #[must_use]
    pub fn look(&self, body: &Node, opaque: &[Category]) -> Look {
        let mut found = self.found(opaque);
        let rendered = self.render(body, &mut found);
        for (whose, text, at) in rendered.parts() {
            self.memory.scan((text, at), whose, &mut found);
        }
        for (category, at) in &rendered.placed {
            found.add(*category, at.clone(), rendered.text[at.clone()].as_bytes());
        }
        let (findings, spans) = found.into_parts();
        Look { findings, rendered: rendered.text, spans }
    }

    fn found(&self, opaque: &[Category]) -> Found {
        let mut found = self.memory.found();
        opaque.iter().for_each(|category| found.add_anonymous(*category));
        found
    }

    fn render(&self, body: &Node, found: &mut Found) -> Rendered {
        render::render(body, self.memory.scanner().property().rules.paths(), found)
    }
}

#[cfg(test)]
mod tests;
