//! One record on one line, for a person.

use audit::record::Owner;
use audit::{
    Configuration, Decision, Detection, Inference, Lifecycle, Object, Phase, PolicyChange, Proposal, Record,
    Response, Severity, Subject, Terms,
};
use audit_export::format::{ascii_controls, printable};

/// One record for a person: when, what was decided, who, about what, and why. Text that came out of the
/// guest is made printable: it must not drive the reader's terminal.
pub(super) fn line(record: &Record) -> String {
    let event = &record.event;
    let decision = match event.decision {
        Some(Decision::Allow) => "allow",
        Some(Decision::Deny) => "DENY",
        None => "",
    };
    let words = [
        record.time.clone(),
        event.action.as_str().to_owned(),
        decision.to_owned(),
        event.subject.as_ref().map(who).unwrap_or_default(),
        event.object.as_ref().map(what).unwrap_or_default(),
        event.inference.as_ref().map(model).unwrap_or_default(),
        event.lifecycle.as_ref().map(life).unwrap_or_default(),
        event.proposal.as_ref().map(proposed).unwrap_or_default(),
        event.policy_change.as_ref().map(change).unwrap_or_default(),
        event.configuration.as_ref().map(made).unwrap_or_default(),
        event.detection.as_ref().map(noticed).unwrap_or_default(),
        carried(&event.credentials),
        event.status.map(|status| format!("status {status}")).unwrap_or_default(),
        event.level.as_ref().map(|level| format!("level {level}")).unwrap_or_default(),
        event.rule.as_ref().map(|rule| format!("rule {rule}")).unwrap_or_default(),
        event.policy.map(|policy| format!("policy {policy}")).unwrap_or_default(),
        event.reason.clone().unwrap_or_default(),
        event.source.map(|source| format!("from {source}")).unwrap_or_default(),
        // Whose word it is, where it is not that of the process that is to say so.
        if record.is_of_its_client() { String::new() } else { format!("as told by {}", record.client) },
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    printable(&words.join("  ")).into_owned()
}

/// The same with its number in its log, by which `openshell audit show` and `prove` take it, and its time as `shown`.
pub(super) fn numbered(record: &Record, shown: impl Fn(&str) -> String) -> String {
    let rest = line(record);
    format!("{}  {}/{}{}", shown(&record.time), record.sandbox, record.sequence, &rest[record.time.len()..])
}

/// A record as it stands in the log, with what could drive a terminal as escapes of JSON's: it means the same. To the byte, as its
/// hash is of it, `openshell audit export` gives it.
pub(super) fn json(as_written: &[u8]) -> String {
    let mut out = Vec::with_capacity(as_written.len());
    ascii_controls(&String::from_utf8_lossy(as_written), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn who(subject: &Subject) -> String {
    let name = |owner: &Owner| owner.script.as_ref().unwrap_or(&owner.binary).clone();
    match subject {
        Subject::Owners(owners) => owners.iter().map(name).collect::<Vec<_>>().join("+"),
        Subject::Unknown(why) => format!("unknown ({why})"),
    }
}

fn what(object: &Object) -> String {
    let host = object.host.as_deref().unwrap_or_default();
    let port = object.port.map(|port| format!(":{port}")).unwrap_or_default();
    let method = object.method.as_ref().map(|method| format!("{method} ")).unwrap_or_default();
    let times =
        object.times.filter(|times| *times > 1).map(|times| format!("  ×{times}")).unwrap_or_default();
    let path = object.path.as_deref().unwrap_or_default();
    // The router names a call of a model by its API's own name, `chat/completions`.
    let between = if host.is_empty() || path.is_empty() || path.starts_with('/') { "" } else { "/" };
    format!("{method}{host}{port}{between}{path}{times}")
}

fn model(inference: &Inference) -> String {
    let categories = inference.categories.iter().map(|(name, count)| format!("{name}×{count}"));
    let found = categories.collect::<Vec<_>>().join(" ");
    let found = if found.is_empty() { "nothing classified" } else { &found };
    let served = inference.model_served.as_ref().or(inference.model_asked.as_ref());
    let region = inference.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    format!(
        "{found}  route {}{region} {}",
        inference.route.as_deref().unwrap_or("none"),
        served.map_or("", String::as_str)
    )
}

fn carried(credentials: &[String]) -> String {
    if credentials.is_empty() { String::new() } else { format!("credentials {}", credentials.join(" ")) }
}

fn life(lifecycle: &Lifecycle) -> String {
    let phase = match lifecycle.phase {
        Phase::Started => "started",
        Phase::AgentStarted => "agent started",
        Phase::AgentRestarting => "agent restarting",
        Phase::AgentExited => "agent exited",
        Phase::Paused => "paused",
        Phase::Resumed => "resumed",
        Phase::CommandStarted => "command started",
        Phase::CommandEnded => "command ended",
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
    };
    let code = lifecycle.code.map(|code| format!(" ({code})")).unwrap_or_default();
    format!("{phase}{code} {}", lifecycle.detail.as_deref().unwrap_or_default())
}

fn change(change: &PolicyChange) -> String {
    let PolicyChange { new, old, source, uid } = change;
    let new = new.as_ref().map_or_else(
        || "no policy".to_owned(),
        |new| format!("policy {} (sha256 {:.12}…)", new.version, new.sha256),
    );
    format!("{new} from {source} for policy {} (sha256 {:.12}…), by user {uid}", old.version, old.sha256)
}

fn proposed(proposal: &Proposal) -> String {
    let Proposal { binary, expires, terms, until, sha256 } = proposal;
    let part =
        |name: &str, text: Option<&String>| text.map(|text| format!(" {name} {text}")).unwrap_or_default();
    let terms = match terms {
        Some(Terms::Once) => " once",
        Some(Terms::Sandbox) => " to the sandbox's end",
        Some(Terms::Until) | None => "",
    };
    let seen = sha256.as_ref().map(|digest| format!(" (sha256 {digest:.12}…)")).unwrap_or_default();
    format!("for {binary}{terms}{}{}{seen}", part("until", until.as_ref()), part("expires", expires.as_ref()))
}

fn made(configuration: &Configuration) -> String {
    let part =
        |name: &str, text: Option<&str>| text.map(|text| format!("  {name} {text}")).unwrap_or_default();
    let short = |digest: Option<&String>| digest.map(|digest| format!("{digest:.12}…"));
    format!(
        "sha256 {:.12}…{}{}{}{}{}",
        configuration.sha256,
        part("from", configuration.source.as_deref()),
        part("image", configuration.image.as_deref()),
        part("network policy", short(configuration.network_sha256.as_ref()).as_deref()),
        part("by user", configuration.uid.map(|uid| uid.to_string()).as_deref()),
        part("openshell", configuration.openshell.as_deref()),
    )
}

fn noticed(detection: &Detection) -> String {
    let severity = match detection.severity {
        Severity::Informational => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    };
    let response = match detection.response {
        Response::Record => "recorded",
        Response::Pause => "paused",
        Response::Quarantine => "quarantined",
        Response::Stop => "stopped",
    };
    let evidence = detection.evidence.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    format!("{}  {severity}  {response}  records {evidence}", detection.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator's act that the proxy tells of is shown as the proxy's word.
    #[test]
    fn a_record_of_another_process_than_its_own_says_so() {
        let golden = include_str!("../../../../audit/tests/golden/record-v2.jsonl").lines().nth(3).unwrap();
        let told = |client: &str| {
            let record: Record = serde_json::from_str(golden).unwrap();
            line(&Record { client: client.to_owned(), ..record })
        };
        assert!(!told("manager").contains("told by"), "{}", told("manager"));
        assert!(told("proxy").ends_with("as told by proxy"), "{}", told("proxy"));
    }

    /// A path that turns the direction of writing would show another rule, or another host, than the record has.
    #[test]
    fn nothing_in_a_record_drives_the_terminal_of_its_reader() {
        let golden = include_str!("../../../../audit/tests/golden/record-v2.jsonl").lines().next().unwrap();
        let mut record: Record = serde_json::from_str(golden).unwrap();
        let object = record.event.object.as_mut().unwrap();
        object.path = Some("/\u{202e}yned\u{2066} \u{1b}[2J\r\n\u{9b}\u{2028}".to_owned());
        let line = line(&record);
        assert!(line.contains("/\\u{202e}yned\\u{2066} \\u{1b}[2J\\u{d}\\u{a}\\u{9b}\\u{2028}"), "{line}");
        assert!(!line.chars().any(|c| c.is_control() || ('\u{2000}'..='\u{206f}').contains(&c)), "{line}");
        let written = serde_json::to_string(&record).unwrap();
        assert!(written.contains('\u{9b}'));
        let shown = json(written.as_bytes());
        assert!(!shown.chars().any(|c| c.is_control() || ('\u{2000}'..='\u{206f}').contains(&c)), "{shown}");
        assert_eq!(serde_json::from_str::<Record>(&shown).unwrap(), record);
    }
}
