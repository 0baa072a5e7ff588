//! Programs from where the agent can write, after something was downloaded.
//!
//! What the records show: what was executed, what was to be and was refused, and programs and scripts that use the network.

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
    /// Programs that were reported, each with its content, and without for those of which it is not known.
    said: Recent<(String, Option<String>), bool>,
    /// Scripts that used the network, or were reported. Their content is not known, and the agent's own is one of them: one
    /// that was there before a download did not come with it.
    scripts: Recent<String, bool>,
}

/// A program that lies where the agent can write.
#[derive(Clone, Copy, Debug)]
struct Program<'a> {
    path: &'a String,
    sha256: Option<&'a String>,
    what: &'static str,
}

impl Default for Downloads {
    fn default() -> Self {
        Self { last: None, said: Recent::new(PROGRAMS), scripts: Recent::new(PROGRAMS) }
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
        let lies_there =
            |path: &String| settings.directories.iter().any(|directory| is_below(path, directory));
        let scripts = owners(seen.record).iter().filter_map(|owner| owner.script.as_ref());
        let mut news = scripts
            .filter(|path| lies_there(path))
            .filter(|path| !std::mem::replace(self.scripts.entry((*path).clone()), true));
        let recent = self.last.filter(|(then, download)| {
            seen.now.saturating_sub(*then) <= settings.window * SECOND && *download != seen.record.sequence
        });
        let Some((then, download)) = recent else {
            news.for_each(drop);
            return None;
        };
        let script = news.next().map(|path| Program { path, sha256: None, what: "is run by an interpreter" });
        let Program { path, sha256, what } = script.or_else(|| program(seen, lies_there))?;
        let of_path = std::mem::replace(self.said.entry((path.clone(), None)), true);
        let is_said = match sha256 {
            Some(sha256) => std::mem::replace(self.said.entry((path.clone(), Some(sha256.clone()))), true),
            None => of_path,
        };
        if is_said {
            return None;
        }
        let seconds = seen.now.saturating_sub(then) / SECOND;
        let reason = format!("{path} {what}, {seconds} s after a download");
        Some(Finding::new(Kind::DownloadedProgram, reason, vec![download, seen.record.sequence]))
    }
}

/// The program of the record that lies where the agent can write.
fn program(seen: Seen<'_>, lies_there: impl Fn(&String) -> bool) -> Option<Program<'_>> {
    let event = &seen.record.event;
    if let Some(owner) = owners(seen.record).iter().find(|owner| lies_there(&owner.binary)) {
        return Some(Program { path: &owner.binary, sha256: owner.sha256.as_ref(), what: "runs" });
    }
    let object = event.object.as_ref().filter(|_object| event.action == Action::Execution)?;
    let path = object.path.as_ref().filter(|path| lies_there(path))?;
    let what = match event.decision {
        Some(Decision::Allow) => "was executed",
        Some(Decision::Deny) | None => "was to be executed, and was refused",
    };
    Some(Program { path, sha256: object.sha256.as_ref(), what })
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}
