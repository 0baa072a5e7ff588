//! Entries of query and header conditions: a name, and what its value must be.
//!
//! `*` stands for any characters, in the name and in the value. A name alone is any value. In a deny list
//! letters match whatever their case, and a name matches every name that some server takes for it; in an allow list
//! the value matches exactly.

use super::wildcard::{self, Letters};
use super::{PatternError, Side};
use crate::parameter::folded;

const MAX_PAIR: usize = 1024;
const MAX_WILDCARDS: usize = 16;

/// A name and what its value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PairPattern {
    name: Vec<Box<[u8]>>,
    /// In a deny list: the name, folded.
    folded: Option<Vec<Box<[u8]>>>,
    /// `None`: any value.
    value: Option<Vec<Box<[u8]>>>,
    name_letters: Letters,
    value_letters: Letters,
}

impl PairPattern {
    /// `KEY` or `KEY=PATTERN`, over decoded parameters.
    pub(crate) fn query(text: &str, side: Side) -> Result<Self, PatternError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let letters = if side == Side::Deny { Letters::AnyCase } else { Letters::Exactly };
        Self::new((name, value), (letters, letters), side)
    }

    /// `NAME` or `NAME: PATTERN`. Names of fields have no case.
    pub(crate) fn field(text: &str, side: Side) -> Result<Self, PatternError> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.trim())),
            None => (text, None),
        };
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if let Some(odd) = name.chars().find(|c| !token(*c)) {
            let reason = format!("{odd:?} cannot stand in the name of a header field");
            return Err(PatternError::new(reason, "write 'name' or 'name: value'"));
        }
        if side == Side::Allow && name.contains('*') {
            let reason = format!("'{name}' requires a field but does not name it");
            return Err(PatternError::new(reason, "write the field's name out"));
        }
        let letters = if side == Side::Deny { Letters::AnyCase } else { Letters::Exactly };
        Self::new((name, value), (Letters::AnyCase, letters), side)
    }

    pub(crate) fn names(&self, name: &[u8]) -> bool {
        let is_folded = |pieces: &Vec<_>| wildcard::matches(pieces, &folded(name), self.name_letters);
        wildcard::matches(&self.name, name, self.name_letters) || self.folded.as_ref().is_some_and(is_folded)
    }

    pub(crate) fn matches(&self, name: &[u8], value: &[u8]) -> bool {
        let is = |pieces: &Vec<Box<[u8]>>| wildcard::matches(pieces, value, self.value_letters);
        self.names(name) && self.value.as_ref().is_none_or(is)
    }

    fn new(
        (name, value): (&str, Option<&str>),
        (name_letters, value_letters): (Letters, Letters),
        side: Side,
    ) -> Result<Self, PatternError> {
        let length = name.len() + value.map_or(0, str::len);
        let wildcards = |text: &str| text.matches('*').count();
        if length > MAX_PAIR || wildcards(name) + value.map_or(0, wildcards) > MAX_WILDCARDS {
            let reason = format!("an entry has at most {MAX_PAIR} bytes and {MAX_WILDCARDS} wildcards");
            return Err(PatternError::new(reason, "split it into several entries"));
        }
        if name.is_empty() {
            return Err(PatternError::new("the entry has no name", "write a name before the value"));
        }
        let pieces = |text: &[u8]| text.split(|byte| *byte == b'*').map(Box::from).collect();
        Ok(Self {
            name: pieces(name.as_bytes()),
            folded: (side == Side::Deny).then(|| pieces(&folded(name.as_bytes()))),
            value: value.map(|value| pieces(value.as_bytes())),
            name_letters,
            value_letters,
        })
    }
}
