//! Sets of methods, as OpenShell compares them.
//!
//! Verified in its policy (`method_matches`): `*` is every method, case makes no difference, and a rule for
//! `GET` is one for `HEAD` too. The presets are those of `access_preset_rules`.

use std::collections::BTreeSet;

use crate::pattern::method::MethodPattern;

/// Methods that a rule allows or denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Methods {
    Any,
    These(BTreeSet<String>),
}

/// What `access` may say.
pub(super) const PRESETS: [&str; 3] = ["read-only", "read-write", "full"];

const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
const WRITING: [&str; 3] = ["POST", "PUT", "PATCH"];

impl Methods {
    /// The methods of a rule; in the error, why there is no such method.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        match MethodPattern::parse(&upper) {
            Ok(MethodPattern::Any) => Ok(Self::Any),
            Ok(MethodPattern::Exactly("GET")) => Ok(Self::these(["GET", "HEAD"])),
            Ok(MethodPattern::Exactly(name)) => Ok(Self::these([name])),
            Err(error) => Err(error.reason),
        }
    }

    /// The methods of an access preset.
    pub(super) fn preset(name: &str) -> Self {
        match name {
            "full" => Self::Any,
            "read-write" => Self::these(READING.into_iter().chain(WRITING)),
            _ => Self::these(READING),
        }
    }

    pub(super) fn these<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::These(names.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn add(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::These(mine), Self::These(more)) => mine.extend(more.iter().cloned()),
            (Self::Any, _) => {}
            (_, Self::Any) => *self = Self::Any,
        }
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::These(_), Self::Any) => false,
            (Self::These(mine), Self::These(other)) => mine.is_superset(other),
        }
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::These(mine), Self::These(other)) => !mine.is_disjoint(other),
            (Self::These(some), Self::Any) | (Self::Any, Self::These(some)) => !some.is_empty(),
            (Self::Any, Self::Any) => true,
        }
    }

    /// Without those of `denied`; if that takes a deny list, what goes into it.
    pub(super) fn without(&mut self, denied: &Self) -> Option<Self> {
        match (&mut *self, denied) {
            (Self::These(mine), Self::These(denied)) => {
                mine.retain(|name| !denied.contains(name));
                None
            }
            (_, Self::Any) => {
                *self = Self::These(BTreeSet::new());
                None
            }
            (Self::Any, Self::These(_)) => Some(denied.clone()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }

    /// As entries of our method lists.
    pub(super) fn entries(&self) -> Vec<String> {
        match self {
            Self::Any => vec!["*".to_owned()],
            Self::These(names) => names.iter().cloned().collect(),
        }
    }
}
