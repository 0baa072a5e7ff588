//! An endpoint's `path`: which requests of its destination are the endpoint's.
//!
//! By OpenShell's reference: none, `**` and `/**` select every path; `/v1/**` selects `/v1` and what is
//! beneath it; in any other pattern a `*` crosses slashes; of several endpoints, the one whose path is most
//! specific decides. Specific is what has more characters that are not `*`
//! (`endpoint_path_specificity`).

use super::glob::{self, Allowed, Denied, EVERYTHING};
use crate::pattern::Side;
use crate::pattern::path::{Kind, PathPattern};

/// Which paths an endpoint is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    shape: Shape,
    specificity: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    All,
    /// No path.
    Never,
    /// This path and what is beneath it; without wildcards.
    Subtree(String),
    /// This path.
    Exactly(String),
    /// A pattern whose `*` cross slashes there and not here, if it can be said at all.
    Glob(Option<String>),
}

/// What is left of an allowed path within a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Narrowed {
    Paths(Vec<String>),
    /// The two have no path in common.
    Nothing,
    /// What they have in common cannot be written as patterns.
    Unsayable,
}

impl Selector {
    pub(super) fn parse(path: Option<&str>) -> Self {
        let path = path.unwrap_or_default();
        let shape = match path {
            "" | "**" | EVERYTHING => return Self { shape: Shape::All, specificity: 0 },
            _ => Shape::of(path),
        };
        Self { shape, specificity: 1 + path.chars().filter(|c| *c != '*').count() }
    }

    pub(super) fn is_never(&self) -> bool {
        self.shape == Shape::Never
    }

    /// Whether this one decides where both select; with equal weight, each may.
    pub(super) fn beats(&self, other: &Self) -> bool {
        self != other && self.shape != Shape::All && self.specificity >= other.specificity
    }

    /// The part of `path`, an allow pattern, that is the endpoint's.
    pub(super) fn narrow(&self, path: &str) -> Narrowed {
        let whole = path == EVERYTHING;
        match &self.shape {
            Shape::All => Narrowed::Paths(vec![path.to_owned()]),
            Shape::Never => Narrowed::Nothing,
            Shape::Subtree(folder) if whole => {
                Narrowed::Paths(vec![folder.clone(), format!("{folder}{EVERYTHING}")])
            }
            Shape::Subtree(folder) if within(glob::literal_prefix(path), folder) => {
                Narrowed::Paths(vec![path.to_owned()])
            }
            Shape::Exactly(only) if matches(path, only) => Narrowed::Paths(vec![only.clone()]),
            Shape::Exactly(_) => Narrowed::Nothing,
            Shape::Glob(Some(pattern)) if whole => Narrowed::Paths(vec![pattern.clone()]),
            Shape::Glob(Some(pattern)) if pattern == path => Narrowed::Paths(vec![pattern.clone()]),
            _ if glob::disjoint(path, &self.denied()) => Narrowed::Nothing,
            _ => Narrowed::Unsayable,
        }
    }

    /// A deny pattern that covers everything the endpoint is for.
    pub(super) fn denied(&self) -> String {
        match &self.shape {
            Shape::All | Shape::Never | Shape::Glob(None) => EVERYTHING.to_owned(),
            Shape::Subtree(folder) => format!("{folder}{EVERYTHING}"),
            Shape::Exactly(path) => path.clone(),
            // A star that crosses slashes: all that has the same beginning.
            Shape::Glob(Some(pattern)) => format!("{}{EVERYTHING}", glob::literal_prefix(pattern)),
        }
    }
}

impl Shape {
    fn of(path: &str) -> Self {
        let text = match (glob::allowed_path(path), glob::denied_path(path)) {
            (Allowed::Never, _) | (_, Denied::Never) => return Self::Never,
            (Allowed::Pattern(text), _) => text,
            (Allowed::Unsayable(_), _) => return Self::Glob(None),
        };
        let folder = text.strip_suffix(EVERYTHING).filter(|folder| !folder.contains('*'));
        match folder {
            Some(folder) => Self::Subtree(folder.to_owned()),
            None if text.contains('*') => Self::Glob(Some(text)),
            None => Self::Exactly(text),
        }
    }
}

/// Whether `path`, which has no wildcards, is `folder` or beneath it.
fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn matches(pattern: &str, path: &str) -> bool {
    PathPattern::parse(pattern, Kind::Request, Side::Allow).is_ok_and(|pattern| pattern.matches(path))
}
