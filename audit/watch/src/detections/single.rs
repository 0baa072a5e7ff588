//! Detections that one record shows.

use audit::{Action, Decision};
use wire::router::INJECTION;

use super::program;
use crate::finding::{Finding, Kind};
use crate::recent::Recent;
use crate::seen::{SECOND, Seen};
use crate::settings::{CredentialMisuse, OutOfHoursChange, PromptInjection};

/// The level at which the proxy refuses placeholders that stand where they have no use.
const CREDENTIAL: &str = "credential";

/// A placeholder of a credential where it is not used. `reported`: when a host was reported last.
pub(crate) fn credential_misuse(
    reported: &mut Recent<String, u64>,
    seen: Seen<'_>,
    settings: &CredentialMisuse,
) -> Option<Finding> {
    let event = &seen.record.event;
    if event.decision != Some(Decision::Deny) || event.level.as_deref() != Some(CREDENTIAL) {
        return None;
    }
    let host = event.object.as_ref().and_then(|object| object.host.as_deref()).unwrap_or("an unknown host");
    let last = reported.entry(host.to_owned());
    if *last != 0 && seen.now.saturating_sub(*last) < settings.quiet * SECOND {
        return None;
    }
    *last = seen.now;
    let what = event.reason.as_deref().unwrap_or("a placeholder stands where its credential is not used");
    let reason = format!("{} towards {host}: {what}", program(seen.record));
    Some(Finding::new(Kind::CredentialMisuse, reason, vec![seen.record.sequence]))
}

/// Marks of an injected instruction in a prompt.
pub(crate) fn injected(seen: Seen<'_>, settings: &PromptInjection) -> Option<Finding> {
    let event = &seen.record.event;
    let categories = match event.action {
        Action::Inference => &event.inference.as_ref()?.categories,
        _other => return None,
    };
    let marks: u64 = categories
        .iter()
        .filter(|(name, _)| name.split('/').next() == Some(INJECTION))
        .map(|(_, count)| u64::from(*count))
        .sum();
    (marks >= settings.marks).then(|| {
        let reason =
            format!("{marks} marks of an injected instruction in a prompt of {}", program(seen.record));
        Finding::new(Kind::PromptInjection, reason, vec![seen.record.sequence])
    })
}

/// A change of the policy or of credentials when nobody should be at it.
pub(crate) fn out_of_hours(seen: Seen<'_>, settings: &OutOfHoursChange) -> Option<Finding> {
    let event = &seen.record.event;
    if !matches!(event.action, Action::PolicyChange | Action::CredentialChange | Action::Approval)
        || settings.from == settings.to
    {
        return None;
    }
    // RFC 3339: the hour stands at a fixed place.
    let hour: u64 = seen.record.time.get(11..13)?.parse().ok()?;
    let expected = if settings.from < settings.to {
        (settings.from..settings.to).contains(&hour)
    } else {
        hour >= settings.from || hour < settings.to
    };
    (!expected).then(|| {
        let reason = format!(
            "{} at {} UTC, outside {}:00 to {}:00",
            event.action.as_str(),
            seen.record.time,
            settings.from,
            settings.to
        );
        Finding::new(Kind::OutOfHoursChange, reason, vec![seen.record.sequence])
    })
}
