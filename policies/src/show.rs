//! A resolved document as text, with the origin of every rule and of every entry of a list.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::document::Document;
use crate::place::{Place, with_origins};

/// A rule, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleOrigin {
    /// Its name.
    pub rule: String,
    /// `FILE:LINE`, or the name of a policy that comes with the product instead of the file.
    pub origin: String,
}

impl Document {
    /// The document as YAML that loads again; `# FILE:LINE` after each value says where it was written.
    ///
    /// # Errors
    /// It cannot be written as YAML; a bug.
    pub fn with_origins(&self) -> Result<String, serde_saphyr::SerializeError> {
        let sources = self.sources.clone();
        let naming = move |place: Place| format!("{}:{}", sources.name(place.source), place.line);
        with_origins(Box::new(naming), || serde_saphyr::to_string(self))
    }

    /// Where `place` is, for a person: `FILE:LINE`.
    #[must_use]
    pub fn origin(&self, place: Place) -> String {
        format!("{}:{}", self.source_name(place), place.line)
    }

    /// Every rule and its origin, in the order of evaluation.
    #[must_use]
    pub fn rule_origins(&self) -> Vec<RuleOrigin> {
        let origin = |rule: &crate::place::At<crate::document::RuleEntry>| RuleOrigin {
            rule: rule.value.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
            origin: self.origin(rule.place),
        };
        self.network.iter().map(origin).collect()
    }
}
