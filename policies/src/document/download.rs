//! What a rule asks of the bodies that come back, as it is written: `downloads`.

use serde::{Deserialize, Serialize};

use super::Lists;
use crate::place::At;

/// What may be downloaded from the rule's endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with 'max_bytes', 'types', 'executables', 'sha256', 'packages', 'scanner' and 'on_absence'"
)]
pub struct Downloads {
    /// Longest body: `64MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<At<String>>,
    /// What a body may be, by its content: `zip`, `text`, …. Anything, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<At<Vec<At<String>>>>,
    /// What happens to a body that is a program, or an archive with one in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executables: Option<At<Executables>>,
    /// SHA-256 of bodies, in lower-case hexadecimal. Any, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<At<Lists>>,
    /// The endpoint is a registry, and which of its packages may be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<At<Packages>>,
    /// Who looks into bodies, by the name that the operator gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanner: Option<At<String>>,
    /// What happens when it cannot be asked, or has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_absence: Option<At<OnAbsence>>,
}

/// What happens to a body of which a scanner says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnAbsence {
    /// It does not go on.
    #[default]
    Deny,
    /// It goes on, and the record says so.
    Allow,
}

/// Packages of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with 'registry', 'allow', 'deny', 'min_age' and 'metadata'"
)]
pub struct Packages {
    /// How its paths are written: `npm`, `pypi`, `crates` or `debian`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<At<String>>,
    /// `NAME` or `NAME@VERSION`, with `*` for any characters. Any package, if it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<At<String>>,
    /// Packages that may not be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<At<String>>,
    /// How long ago a version must have been published: `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_age: Option<At<String>>,
    /// Where that is asked, if not at the host of the file: `HOST` or `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<At<String>>,
}

/// What happens to programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executables {
    /// They go on.
    #[default]
    Allow,
    /// They go on, and the record says so.
    Audit,
    /// They do not, and neither does what cannot be looked into.
    Deny,
}

impl Downloads {
    /// Whether there is anything that holds for other rules too, when a later rule took this one's place.
    pub(crate) fn denies_anything(&self) -> bool {
        self.sha256.as_ref().is_some_and(|lists| !lists.value.deny.is_empty())
            || self.packages.as_ref().is_some_and(|packages| !packages.value.deny.is_empty())
    }

    /// What of it is denied, and nothing else that it asks.
    pub(crate) fn denials(self) -> Self {
        let mut sha256 = self.sha256.filter(|lists| !lists.value.deny.is_empty());
        if let Some(lists) = &mut sha256 {
            lists.value.allow.clear();
        }
        let denied = |At { value: Packages { registry, deny, .. }, place }: At<Packages>| At {
            value: Packages { registry, deny, ..Packages::default() },
            place,
        };
        let packages = self.packages.filter(|packages| !packages.value.deny.is_empty()).map(denied);
        Self { sha256, packages, ..Self::default() }
    }
}
