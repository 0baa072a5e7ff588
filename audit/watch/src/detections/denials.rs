//! Repeated denials: somebody tries doors.

use audit::{Action, Decision};

use super::program;
use crate::finding::{Finding, Kind};
use crate::recent::{Recent, Tally};
use crate::seen::{SECOND, Seen};
use crate::settings::RepeatedDenials;

/// Pairs of a program and what it is refused.
const PAIRS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Denials {
    pairs: Recent<(String, String), Tally>,
    all: Tally,
}

impl Default for Denials {
    fn default() -> Self {
        Self { pairs: Recent::new(PAIRS), all: Tally::default() }
    }
}

impl Denials {
    pub(crate) fn observe(&mut self, seen: Seen<'_>, settings: &RepeatedDenials) -> Option<Finding> {
        let event = &seen.record.event;
        if event.decision != Some(Decision::Deny) || !is_the_agents(event.action) {
            return None;
        }
        let object = event.object.as_ref();
        // Nor is a look at a file, or a file that cannot be made: searches meet directories that they may not enter, and interpreters
        // try to keep what they compiled beside its source.
        let verb = object.and_then(|object| object.method.as_deref());
        if event.action == Action::FileAccess && matches!(verb, Some("inspect" | "create")) {
            return None;
        }
        // Nor is a proposal that is not taken a door: the proxy itself answers there, and it leads nowhere.
        if object.is_some_and(|object| object.host.as_deref() == Some(wire::proposal::HOST)) {
            return None;
        }
        let target = object.and_then(|object| object.host.as_ref().or(object.path.as_ref()));
        let target = target.map_or("something without a name", String::as_str);
        let times = object.and_then(|object| object.times).unwrap_or(1);
        let at = (seen.now, seen.record.sequence);
        let window = settings.window * SECOND;
        let pair = self.pairs.entry((program(seen.record).to_owned(), target.to_owned()));
        let same = pair.add(at, times, settings.same, window);
        let all = self.all.add(at, times, settings.all, window);
        let (reason, evidence) = match (same, all) {
            (Some((count, evidence)), _) => (
                format!(
                    "{} was refused {target} {count} times in {} s",
                    program(seen.record),
                    settings.window
                ),
                evidence,
            ),
            (None, Some((count, evidence))) => {
                (format!("{count} denials in {} s, of {target} last", settings.window), evidence)
            }
            (None, None) => return None,
        };
        Some(Finding::new(Kind::RepeatedDenials, reason, evidence))
    }
}

/// Whether the agent does it. An operator's mistakes are not the agent's, and who is not let in from outside must not be able to
/// have the sandbox stopped.
fn is_the_agents(action: Action) -> bool {
    match action {
        Action::NetworkFlow
        | Action::NetworkRequest
        | Action::NetworkOutcome
        | Action::NameQuery
        | Action::Inference
        | Action::InferenceOutcome
        | Action::Execution
        | Action::Proposal
        | Action::FileAccess
        | Action::SystemCall => true,
        Action::InboundConnection
        | Action::InboundRequest
        | Action::InboundOutcome
        | Action::Lifecycle
        | Action::PolicyChange
        | Action::CredentialChange
        | Action::Configuration
        | Action::Detection
        | Action::LogRetention
        | Action::LogRepair
        | Action::LogGap
        | Action::ClockChange
        | Action::LogEnd
        | Action::Approval => false,
    }
}
