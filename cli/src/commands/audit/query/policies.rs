//! Who allowed it: the policies that the shown records name, each with its digest, where it came from, and who put it in force.

use std::collections::BTreeSet;
use std::path::PathBuf;

use audit::record::MANAGER;
use audit::{Action, Decision, Record};
use audit_export::format::printable;
use audit_query::filter::Pattern;
use audit_query::{Filter, Found, How, search};
use wire::id::{PolicyVersion, SandboxId};

use super::super::Faults;
use super::whole;

/// The policies that were named so far.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeSet<(SandboxId, PolicyVersion)>);

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
        let filter = Filter {
            action: vec![Action::Configuration, Action::PolicyChange],
            decision: Some(Decision::Allow),
            // Only the manager puts policies in force, whoever else writes so.
            client: vec![Pattern::from(MANAGER)],
            ..Filter::default()
        };
        for log in logs {
            for Found { record, .. } in
                whole(search(log.clone(), filter.clone(), (how, false)).iter(), faults)
            {
                let Some((version, line)) = put_in_force(&record) else { continue };
                if self.0.remove(&(record.sandbox.clone(), version)) {
                    let when = shown(&record.time);
                    let (sandbox, number) = (&record.sandbox, record.sequence);
                    let line = format!("policy {version} of {sandbox}: {line}, {when}, record {number}");
                    // Names of files are anybody's.
                    lines.push(printable(&line).into_owned());
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

/// The policy that a record puts in force, and what it says of it.
fn put_in_force(record: &Record) -> Option<(PolicyVersion, String)> {
    let event = &record.event;
    let by = |uid: Option<u32>| uid.map_or(String::new(), |uid| format!(" by user {uid}"));
    if let Some(change) = &event.policy_change {
        let new = change.new.as_ref()?;
        let line = format!("sha256 {}, {} set{}", new.sha256, change.source, by(Some(change.uid)));
        return Some((new.version, line));
    }
    let configuration = event.configuration.as_ref()?;
    let sha256 = configuration.network_sha256.as_ref()?;
    let source = configuration.source.as_deref().unwrap_or("the sandbox's description");
    Some((event.policy?, format!("sha256 {sha256}, {source} started{}", by(configuration.uid))))
}
