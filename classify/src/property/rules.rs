//! Rules of the operator's own: values by how they are written ([`patterns`]), by the name before them ([`fields`]), by where
//! they stand in a call ([`paths`]).
//!
//! ```text
//! wire::rules::Rules ── compiled, bounded, tried on their examples ──▶ Rules
//! ```
//! *Invariant:* the time of a scan is linear in the text, whatever the rules are; see [`patterns`].

mod fields;
mod mistake;
mod names;
mod paths;
mod patterns;
#[cfg(test)]
mod tests;

pub use mistake::{List, RuleMistake};
pub(super) use names::category;
pub use paths::Paths;

use wire::rules;

use crate::category::{Category, Found};
use fields::Fields;
use patterns::Patterns;

/// Rules, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    patterns: Patterns,
    fields: Fields,
    paths: Paths,
}

impl Rules {
    /// Compiles what the operator wrote, and tries it on its examples.
    ///
    /// # Errors
    /// The first rule that is wrong.
    pub fn new(written: &rules::Rules) -> Result<Self, RuleMistake> {
        Ok(Self {
            patterns: Patterns::new(&written.patterns)?,
            fields: Fields::new(&written.fields)?,
            paths: Paths::new(&written.paths)?,
        })
    }

    /// What they find; some of it more than once.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        self.patterns.categories().chain(self.fields.categories()).chain(self.paths.categories())
    }

    /// The places in calls whose texts are values.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Reports what `text` holds.
    pub(super) fn scan(&self, text: &str, found: &mut Found) {
        self.patterns.scan(text, found);
        self.fields.scan(text, found);
    }
}
