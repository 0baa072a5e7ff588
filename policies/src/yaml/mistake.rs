//! What is wrong with a document, and how its author is told.

use std::fmt::{self, Display};

use serde::de::{Expected, Unexpected};

use super::{LoadError, offer};
use crate::place::Place;

const CORRECT: &str = "correct the YAML at this place";

/// One mistake. Boxed, because a result is passed through a function for each value of every type.
#[derive(Debug)]
pub(super) struct Mistake(Box<Found>);

#[derive(Debug)]
struct Found {
    place: Option<Place>,
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Composing stopped here; the tree knows why.
    Broken,
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    UnknownValue {
        value: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
    Twice(String),
    /// A value of another type than serde's visitor takes.
    Type {
        found: String,
        expected: String,
    },
    Length {
        found: usize,
        expected: String,
    },
    /// Another kind of node stands here: what should.
    Wanted(&'static str),
    /// A scalar that cannot be read as what it should be.
    Unreadable(&'static str),
    SecondDocument,
    MergeKey,
    TooLarge(String),
    /// What a type's own reading says.
    Custom(String),
    /// Anything else that is wrong with the YAML.
    Other(String),
}

impl Mistake {
    #[cold]
    #[inline(never)]
    pub(super) fn at(place: Place, kind: Kind) -> Self {
        Self(Box::new(Found { place: Some(place), kind }))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn other(place: Place, reason: impl Into<String>) -> Self {
        Self::at(place, Kind::Other(reason.into()))
    }

    /// A mistake whose place is known by who called.
    #[cold]
    #[inline(never)]
    fn somewhere(kind: Kind) -> Self {
        Self(Box::new(Found { place: None, kind }))
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.0.kind, Kind::Broken)
    }

    /// Whether a type's own reading made it, and not what serde generates.
    pub(super) fn is_custom(&self) -> bool {
        matches!(self.0.kind, Kind::Custom(_))
    }

    /// Gives it this place, whatever it had.
    #[cold]
    #[inline(never)]
    pub(super) fn moved(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// Gives it this place if it has none.
    #[cold]
    #[inline(never)]
    pub(super) fn placed(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// Gives it this place, if there is one and it has none.
    #[cold]
    #[inline(never)]
    pub(super) fn about(self, place: Option<Place>) -> Self {
        match place {
            Some(place) => self.placed(place),
            None => self,
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn explain(&self, file: &str) -> LoadError {
        let (reason, remedy) = self.words();
        let error = LoadError::new(file, self.0.place.unwrap_or_else(|| Place::at(1, 1)), reason, remedy);
        match &self.0.kind {
            Kind::UnknownKey { key, .. } | Kind::Twice(key) => error.about(key),
            _ => error,
        }
    }

    /// The reason and the remedy.
    fn words(&self) -> (String, String) {
        match &self.0.kind {
            Kind::UnknownKey { key, known } => (format!("unknown key '{key}'"), offer(key, known)),
            Kind::UnknownValue { value, known } => (format!("unknown value '{value}'"), offer(value, known)),
            Kind::Missing(key) => (format!("'{key}' is missing"), format!("add '{key}: …' here")),
            Kind::Twice(key) => {
                (format!("the key '{key}' stands here for the second time"), "keep one of the two".into())
            }
            Kind::Type { found, expected } => {
                (format!("this is {found}, not {expected}"), format!("write {expected}"))
            }
            Kind::Length { found, expected } => {
                (format!("invalid length {found}, expected {expected}"), CORRECT.into())
            }
            Kind::Wanted(wanted) => (format!("{wanted} is expected here"), format!("write {wanted}")),
            Kind::Unreadable(wanted) => (format!("this is not {wanted}"), format!("write {wanted}")),
            Kind::SecondDocument => {
                ("a second document starts here".into(), "keep one document in the file".into())
            }
            Kind::MergeKey => ("merge keys ('<<') are not read".into(), "write the keys out".into()),
            Kind::TooLarge(reason) => {
                (reason.clone(), "make the document smaller, and write aliases out".into())
            }
            Kind::Custom(reason) | Kind::Other(reason) => (reason.clone(), CORRECT.into()),
            Kind::Broken => ("the document breaks off".into(), CORRECT.into()),
        }
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().0)
    }
}

impl std::error::Error for Mistake {}

impl serde::de::Error for Mistake {
    #[cold]
    #[inline(never)]
    fn custom<T: Display>(reason: T) -> Self {
        Self::somewhere(Kind::Custom(reason.to_string()))
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::somewhere(Kind::Type { found: found.to_string(), expected: expected.to_string() })
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    #[cold]
    #[inline(never)]
    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Self::somewhere(Kind::Length { found, expected: expected.to_string() })
    }

    #[cold]
    #[inline(never)]
    fn unknown_variant(value: &str, known: &'static [&'static str]) -> Self {
        Self::somewhere(Kind::UnknownValue { value: value.to_owned(), known })
    }

    #[cold]
    #[inline(never)]
    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::somewhere(Kind::UnknownKey { key: key.to_owned(), known })
    }

    #[cold]
    #[inline(never)]
    fn missing_field(key: &'static str) -> Self {
        Self::somewhere(Kind::Missing(key))
    }
}
