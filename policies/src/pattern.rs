//! What the lists of a rule hold: patterns over binaries, destinations, methods and paths.
//!
//! A pattern is parsed once, when the policy is loaded; what it cannot mean exactly is refused there.
//! Patterns of a deny list match wider than the same text in an allow list (see each module): where a
//! server or an author might see two spellings as one thing, the deny covers both.

pub(crate) mod binary;
pub(crate) mod host;
pub(crate) mod method;
pub(crate) mod pair;
pub(crate) mod path;
pub(crate) mod wildcard;

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;

/// The list that a pattern stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Allow,
    Deny,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// What is wrong, in one line.
    pub reason: String,
    /// What to do about it, in one line.
    pub remedy: String,
}

impl PatternError {
    pub(crate) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}
