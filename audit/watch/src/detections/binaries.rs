//! Programs that were not there before. What the records show are programs that were executed, that use the network or
//! execute others.

use std::collections::HashSet;

use audit::{Action, Decision, Record};

use super::owners;
use crate::finding::{Finding, Kind};
use crate::seen::{SECOND, Seen};
use crate::settings::NewBinary;

/// Programs that are remembered; a sandbox that has more of them is itself worth a look.
const MOST: usize = 8192;

#[derive(Debug)]
pub(crate) struct Binaries {
    /// Digests; paths, where the guest told no digest.
    known: HashSet<String>,
    began: Option<u64>,
}

impl Binaries {
    pub(crate) fn new(baseline: &[String]) -> Self {
        Self {
            known: baseline.iter().take(MOST).map(|digest| digest.to_ascii_lowercase()).collect(),
            began: None,
        }
    }

    pub(crate) fn observe(&mut self, seen: Seen<'_>, settings: &NewBinary) -> Option<Finding> {
        let began = *self.began.get_or_insert(seen.now);
        let learning = seen.now.saturating_sub(began) < settings.learn * SECOND;
        // Who executes was executed itself, and is told there with its content.
        let users = if seen.record.event.action == Action::Execution { &[] } else { owners(seen.record) };
        let users = users.iter().map(|owner| (owner.binary.as_str(), owner.sha256.as_deref()));
        let mut unknown = None;
        for (path, digest) in users.chain(executed(seen.record)) {
            let name = digest.unwrap_or(path);
            if self.known.contains(name) {
                continue;
            }
            if self.known.len() < MOST {
                self.known.insert(name.to_owned());
            }
            unknown = unknown.or(Some((path, digest)));
        }
        let (path, digest) = unknown.filter(|_| !learning)?;
        let digest = digest.unwrap_or("not told");
        let reason = format!("{path} (sha256 {digest}) was not seen in this sandbox before");
        Some(Finding::new(Kind::NewBinary, reason, vec![seen.record.sequence]))
    }
}

/// Path and digest of a program that was executed.
fn executed(record: &Record) -> Option<(&str, Option<&str>)> {
    let event = &record.event;
    if (event.action, event.decision) != (Action::Execution, Some(Decision::Allow)) {
        return None;
    }
    let object = event.object.as_ref()?;
    Some((object.path.as_deref()?, object.sha256.as_deref()))
}
