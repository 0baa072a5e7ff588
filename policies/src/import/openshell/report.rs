//! Collects what an import finds: findings, and mistakes that refuse the policy.

use super::lint::Lint;
use crate::import::Finding;
use crate::place::{At, Place};
use crate::yaml::{LoadError, nearest, printable};

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) place: Place,
    /// Path of keys.
    pub(super) subject: String,
}

#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) file: &'a str,
    pub(super) findings: Vec<Finding>,
    pub(super) mistakes: Vec<LoadError>,
}

impl Site {
    pub(super) fn new(place: Place, subject: impl Into<String>) -> Self {
        Self { place, subject: subject.into() }
    }
}

impl Report<'_> {
    /// Notes a finding, once.
    pub(super) fn note(
        &mut self,
        site: &Site,
        lint: Lint,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let finding = Finding {
            lint,
            place: site.place,
            subject: printable(&site.subject),
            message: printable(&message.into()),
            remedy: printable(&remedy.into()),
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Notes a mistake: the policy is not imported.
    pub(super) fn refuse(&mut self, place: Place, key: &str, reason: impl Into<String>, remedy: &str) {
        self.mistakes.push(LoadError::new(self.file, place, reason, remedy).about(key));
    }

    /// The one of `known` that the value is, whatever its case; nothing if it is absent or empty. Another
    /// value is a mistake.
    pub(super) fn choose<'k>(
        &mut self,
        key: &str,
        value: Option<&At<String>>,
        known: &[&'k str],
    ) -> Option<&'k str> {
        let At { value, place } = value.filter(|value| !value.value.is_empty())?;
        let found = known.iter().find(|known| known.eq_ignore_ascii_case(value));
        if found.is_none() {
            let remedy = match nearest(value, known.iter().copied()) {
                Some(close) => format!("did you mean '{close}'?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let known_already = self.mistakes.iter().any(|mistake| mistake.place() == *place);
            if !known_already {
                self.refuse(*place, key, format!("unknown value '{value}'"), &remedy);
            }
        }
        found.copied()
    }
}
