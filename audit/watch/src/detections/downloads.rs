//! Programs from where the agent can write, after something was downloaded.
//!
//! What the records show: what was executed, what was to be and was refused, and programs that use the network.

use audit::{Action, Decision};

use super::owners;
use crate::finding::{Finding, Kind};
use crate::recent::Recent;
use crate::seen::{SECOND, Seen};
use crate::settings::DownloadedProgram;

const PROGRAMS: usize = 512;

#[derive(Debug)]
pub(crate) struct Downloads {
    /// Moment and number of the last download's record.
    last: Option<(u64, u64)>,
    /// Programs that were reported.
    said: Recent<String, bool>,
}

impl Default for Downloads {
    fn default() -> Self {
        Self { last: None, said: Recent::new(PROGRAMS) }
    }
}

impl Downloads {
    pub(crate) fn observe(&mut self, seen: Seen<'_>, settings: &DownloadedProgram) -> Option<Finding> {
        let event = &seen.record.event;
        let object = event.object.as_ref();
        if event.action == Action::NetworkOutcome
            && object.and_then(|object| object.bytes_received).is_some_and(|bytes| bytes > 0)
        {
            self.last = Some((seen.now, seen.record.sequence));
        }
        let (then, download) = self.last?;
        if seen.now.saturating_sub(then) > settings.window * SECOND || download == seen.record.sequence {
            return None;
        }
        let lies_there =
            |path: &&String| settings.directories.iter().any(|directory| is_below(path, directory));
        let executed = match event.action {
            Action::Execution => object.and_then(|object| object.path.as_ref()).filter(lies_there),
            _other => None,
        };
        let running = owners(seen.record).iter().map(|owner| &owner.binary).find(lies_there);
        let (path, what) = match (running, executed) {
            (Some(path), _) => (path, "runs"),
            (None, Some(path)) if event.decision == Some(Decision::Allow) => (path, "was executed"),
            (None, Some(path)) => (path, "was to be executed, and was refused"),
            (None, None) => return None,
        };
        if std::mem::replace(self.said.entry(path.clone()), true) {
            return None;
        }
        let seconds = seen.now.saturating_sub(then) / SECOND;
        let reason = format!("{path} {what}, {seconds} s after a download");
        Some(Finding::new(Kind::DownloadedProgram, reason, vec![download, seen.record.sequence]))
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}
