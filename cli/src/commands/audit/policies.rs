//! Who allowed it: the policies that the shown records name, each with its digest, where it came from, and who put it in force.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use audit::record::MANAGER;
use audit::{Action, Decision, Record};
use audit_export::format::printable;
use audit_query::{Filter, Found, How, search};
use wire::id::{PolicyVersion, SandboxId};

use super::Faults;

/// The policies that were named so far.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeSet<(SandboxId, PolicyVersion)>);

/// A policy, and the record that put it in force.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) part: Part,
    /// SHA-256 of its text, as the record has it.
    pub(super) sha256: String,
    /// How, and by whom.
    pub(super) how: String,
    /// The record that says so.
    pub(super) record: Record,
}

/// Which half of a policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What the host decides by.
    Network(PolicyVersion),
    /// What the guest's kernel decides by, from its start to its end.
    Confinement,
}

impl Named {
    /// Notes the policy that a record names.
    pub(super) fn add(&mut self, record: &Record) {
        if let Some(version) = record.event.policy {
            self.0.insert((record.sandbox.clone(), version));
        }
    }

    /// One line for each, as the logs' own records of them say it.
    /// `shown` is how times are shown.
    pub(super) fn explained(
        mut self,
        (logs, how): (&[PathBuf], How),
        shown: impl Fn(&str) -> String,
        faults: &mut Faults,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        if self.0.is_empty() {
            return lines;
        }
        for log in logs {
            for policy in in_force(log, how, faults) {
                let Part::Network(version) = policy.part else { continue };
                if self.0.remove(&(policy.record.sandbox.clone(), version)) {
                    lines.push(policy.line(&shown));
                }
            }
        }
        let unknown = |(sandbox, version): (SandboxId, PolicyVersion)| {
            format!("policy {version} of {sandbox}: the log does not hold the record of it")
        };
        lines.extend(self.0.into_iter().map(unknown));
        lines
    }
}

impl InForce {
    /// What is said of it, in one line.
    pub(super) fn line(&self, shown: impl Fn(&str) -> String) -> String {
        let Self { part, sha256, how, record } = self;
        let part = match part {
            Part::Network(version) => format!("policy {version}"),
            Part::Confinement => "confinement".to_owned(),
        };
        let (sandbox, number, when) = (&record.sandbox, record.sequence, shown(&record.time));
        // Names of files are anybody's.
        printable(&format!("{part} of {sandbox}: sha256 {sha256}, {how}, {when}, record {number}"))
            .into_owned()
    }

    /// Those that a record puts in force.
    fn of(record: &Record) -> Vec<Self> {
        let event = &record.event;
        let by = |uid: Option<u32>| uid.map_or(String::new(), |uid| format!(" by user {uid}"));
        let policy = |part: Part, sha256: &String, how: &String| Self {
            part,
            sha256: sha256.clone(),
            how: how.clone(),
            record: record.clone(),
        };
        if let Some(change) = &event.policy_change {
            let by = by(Some(change.uid));
            let how = match (&event.action, &event.request) {
                (Action::Approval, Some(request)) => format!("proposal {} approved{by}", request.0),
                _set => format!("{} set{by}", change.source),
            };
            let new = change.new.iter();
            return new.map(|new| policy(Part::Network(new.version), &new.sha256, &how)).collect();
        }
        let Some(made) = &event.configuration else { return Vec::new() };
        let source = made.source.as_deref().unwrap_or("the sandbox's description");
        let how = format!("{source} started{}", by(made.uid));
        let network = event.policy.zip(made.network_sha256.as_ref());
        let network = network.map(|(version, sha256)| policy(Part::Network(version), sha256, &how));
        let confinement =
            made.confinement_sha256.as_ref().map(|sha256| policy(Part::Confinement, sha256, &how));
        network.into_iter().chain(confinement).collect()
    }
}

/// The policies of one log, in the order in which they were put in force.
pub(super) fn in_force(log: &Path, how: How, faults: &mut Faults) -> Vec<InForce> {
    let filter = Filter {
        action: vec![Action::Configuration, Action::PolicyChange, Action::Approval],
        decision: Some(Decision::Allow),
        ..Filter::default()
    };
    let found = search(log.to_owned(), filter, (how, false));
    // Only the manager puts policies in force, whoever else writes so.
    let by_manager = |found: &Found| found.record.client == MANAGER;
    faults
        .passed(found.iter())
        .filter(by_manager)
        .flat_map(|Found { record, .. }| InForce::of(&record))
        .collect()
}
