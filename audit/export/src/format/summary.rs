//! What every format says of a record in its own words: how bad it is, when it was, and one line for a person.

use audit::record::Phase;
use audit::text::printable;
use audit::{Action, Decision, Record, Severity, Subject};

use super::fields::name_of;
use super::text::cut;

/// Longest line for a person, in bytes.
const MAX_MESSAGE: usize = 1024;

/// How bad a record is.
pub(super) fn severity(record: &Record) -> Severity {
    let event = &record.event;
    if let Some(detection) = &event.detection {
        return detection.severity;
    }
    let failed = event.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.phase == Phase::Failed);
    match (event.action, event.decision) {
        // The writer cut the log's end off: somebody should know why it was torn.
        (Action::LogRepair | Action::LogGap, _) => Severity::High,
        // What comes next may be dated as somebody liked.
        (Action::ClockChange, _) | (_, Some(Decision::Deny)) => Severity::Medium,
        (Action::Lifecycle, _) if failed => Severity::Medium,
        (Action::PolicyChange | Action::CredentialChange | Action::Approval, _) => Severity::Low,
        _ => Severity::Informational,
    }
}

/// Microseconds since 1970; 0 if the time cannot be read, which no record of ours has.
#[must_use]
pub fn micros(record: &Record) -> i64 {
    use time::format_description::well_known::Rfc3339;
    let nanos = time::OffsetDateTime::parse(&record.time, &Rfc3339).map(|time| time.unix_timestamp_nanos());
    nanos.ok().and_then(|nanos| i64::try_from(nanos / 1000).ok()).unwrap_or(0)
}

/// One printable line.
pub(super) fn message(record: &Record) -> String {
    let event = &record.event;
    let mut line = event.action.as_str().to_owned();
    let mut add = |text: &str| {
        if !text.is_empty() && line.len() < MAX_MESSAGE {
            line.push(' ');
            line.push_str(text);
        }
    };
    match event.decision {
        Some(Decision::Allow) => add("allowed"),
        Some(Decision::Deny) => add("denied"),
        None => {}
    }
    if let Some(object) = &event.object {
        add(object.method.as_deref().unwrap_or_default());
        let port = object.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = object.host.as_deref().unwrap_or_default();
        add(&format!("{host}{port}{}", object.path.as_deref().unwrap_or_default()));
    }
    if let Some(Subject::Owners(owners)) = &event.subject {
        owners.first().into_iter().for_each(|owner| add(&format!("by {}", owner.binary)));
    }
    if let Some(lifecycle) = &event.lifecycle {
        add(&name_of(lifecycle.phase));
    }
    if let Some(detection) = &event.detection {
        add(&detection.name);
    }
    if let Some(reason) = &event.reason {
        add(&format!("({reason})"));
    }
    cut(&printable(&line), MAX_MESSAGE).into_owned()
}
