//! Why a rule cannot be used.

use std::fmt;

/// One of the lists of rules, or that of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `terms`.
    Terms,
    /// `patterns`.
    Patterns,
    /// `fields`.
    Fields,
    /// `paths`.
    Paths,
    /// `inference.documents`.
    Documents,
}

/// What is wrong with one rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{list}: {cause}")]
pub struct RuleMistake {
    /// The list that it stands in.
    pub list: List,
    /// Which of the list, from zero.
    pub index: usize,
    /// What is wrong, in one line.
    pub cause: String,
    /// What to do about it, in one line.
    pub remedy: String,
}

/// A cause and a remedy, before it is known which rule they are about.
pub(in crate::property) type Wrong = (String, String);

impl RuleMistake {
    /// `wrong` of rule `index`.
    pub(crate) fn of(list: List, index: usize, (cause, remedy): Wrong) -> Self {
        Self { list, index, cause, remedy }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terms => "terms",
            Self::Patterns => "patterns",
            Self::Fields => "fields",
            Self::Paths => "paths",
            Self::Documents => "documents",
        })
    }
}
