//! Policies of other engines → [`Document`], with a report of what could not be said exactly.
//!
//! Pure: text in, document and findings out. *Invariant:* an imported document never allows a request
//! that the other engine would refuse; where the two languages differ, the import allows less and a
//! [`Finding`] says so by name.

pub mod openshell;

use std::fmt;

use crate::document::Document;
use crate::place::Place;

pub use openshell::lint::Lint;

/// A policy that was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The policy in our form.
    pub document: Document,
    /// What could not be said exactly, in the order of the imported file.
    pub report: Vec<Finding>,
}

/// One thing that does not mean exactly what it meant to the other engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub lint: Lint,
    /// Where it stands in the imported file.
    pub place: Place,
    /// What it is about, as a path of keys: `network_policies.github.endpoints[0]`.
    pub subject: String,
    /// What becomes of it, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub remedy: String,
}

/// `line:column: subject: message [lint]`, on one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column, .. } = self.place;
        write!(f, "{line}:{column}: {}: {} [{}]", self.subject, self.message, self.lint)
    }
}
