//! One record on one line of a table, for a person.

use audit::record::Owner;
use audit::{
    Configuration, Decision, Detection, Inference, Lifecycle, Object, Phase, PolicyChange, Proposal, Record,
    Response, Severity, Subject, Terms,
};
use audit_export::format::{ascii_controls, printable};

/// The columns and their widths, which do not depend on what comes: rows are printed as they are found. What is wider moves the rest
/// of its row, and is never cut; so the long ones stand last. Behind them stands what only some records have.
const COLUMNS: [(&str, usize); 8] = [
    ("TIME", 23),
    ("RECORD", 24),
    ("DECISION", 8),
    ("ACTION", 18),
    ("PROGRAM", 20),
    ("LEVEL", 11),
    ("RULE", 16),
    ("OBJECT", 32),
];

/// The heading of the last column.
const DETAILS: &str = "DETAILS";

/// What stands where a record has nothing.
const NOTHING: &str = "-";

/// A table that is printed row by row.
#[derive(Debug, Default)]
pub(super) struct Table {
    is_begun: bool,
}

impl Table {
    /// The row as it is to be printed; before the first, the heading.
    pub(super) fn next(&mut self, row: String) -> String {
        match std::mem::replace(&mut self.is_begun, true) {
            true => row,
            false => format!("{}\n{row}", heading()),
        }
    }
}

/// The line above the rows.
pub(super) fn heading() -> String {
    aligned(COLUMNS.map(|(name, _width)| name.to_owned()), DETAILS)
}

/// A record with its time as `shown`: its number in its log, by which `openshell audit show` and `prove` take it, what was decided,
/// about what, who wanted it, where and why it was decided so.
pub(super) fn row(record: &Record, shown: impl Fn(&str) -> String) -> String {
    let event = &record.event;
    let decision = match event.decision {
        Some(Decision::Allow) => "allow",
        Some(Decision::Deny) => "DENY",
        None => "",
    };
    let cells = [
        shown(&record.time),
        format!("{}/{}", record.sandbox, record.sequence),
        decision.to_owned(),
        event.action.as_str().to_owned(),
        event.subject.as_ref().map(who).unwrap_or_default(),
        event.level.clone().unwrap_or_default(),
        event.rule.clone().unwrap_or_default(),
        event.object.as_ref().map(what).unwrap_or_default(),
    ];
    aligned(cells.map(|text| cell(&text)), &details(record))
}

/// What only some records have, two spaces between each and the next.
fn details(record: &Record) -> String {
    let event = &record.event;
    let parts = [
        event.inference.as_ref().map(model),
        event.lifecycle.as_ref().map(life),
        event.proposal.as_ref().map(proposed),
        event.policy_change.as_ref().map(change),
        event.configuration.as_ref().map(made),
        event.detection.as_ref().map(noticed),
        (!event.credentials.is_empty()).then(|| format!("credentials {}", event.credentials.join(" "))),
        event.object.as_ref().and_then(fetched),
        event.status.map(|status| format!("status {status}")),
        event.policy.map(|policy| format!("policy {policy}")),
        event.reason.clone(),
        event.source.map(|source| format!("from {source}")),
        // Whose word it is, where it is not that of the process that is to say so.
        (!record.is_of_its_client()).then(|| format!("as told by {}", record.client)),
    ];
    parts.into_iter().flatten().map(|part| cell(part.trim_end())).collect::<Vec<_>>().join("  ")
}

/// A download that was judged.
fn fetched(object: &Object) -> Option<String> {
    let kind = object.kind.as_ref()?;
    let size = object.size.unwrap_or_default();
    let digest = object.sha256.as_ref().map(|sha256| format!(" sha256 {sha256:.12}…")).unwrap_or_default();
    Some(format!("download {kind} {size} bytes{digest}"))
}

fn aligned(cells: [String; COLUMNS.len()], details: &str) -> String {
    let padded = COLUMNS.iter().zip(cells).map(|((_name, width), cell)| format!("{cell:<width$}  "));
    let mut line = padded.collect::<String>() + details;
    line.truncate(line.trim_end().len());
    line
}

/// A text that cannot drive the reader's terminal, nor pass for the gap before another column: most of them come out of the guest.
fn cell(text: &str) -> String {
    let (text, mut shown) = (printable(text), String::new());
    for c in text.chars() {
        let is_after_text = shown.chars().last().is_some_and(|last| !last.is_whitespace());
        match c {
            ' ' if is_after_text => shown.push(c),
            c if c.is_whitespace() => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    if shown.is_empty() { NOTHING.to_owned() } else { shown }
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
    let path = object.path.as_deref().unwrap_or_default();
    // The router names a call of a model by its API's own name, `chat/completions`.
    let between = if host.is_empty() || path.is_empty() || path.starts_with('/') { "" } else { "/" };
    let place = format!("{host}{port}{between}{path}");
    let times = object.times.filter(|times| *times > 1).map(|times| format!("×{times}"));
    let parts = [object.method.as_deref(), Some(&*place), times.as_deref()];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn model(inference: &Inference) -> String {
    let categories = inference.categories.iter().map(|(name, count)| format!("{name}×{count}"));
    let found = categories.collect::<Vec<_>>().join(" ");
    let found = if found.is_empty() { "nothing classified" } else { &found };
    let served = inference.model_served.as_ref().or(inference.model_asked.as_ref());
    let region = inference.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    format!(
        "{found}, route {}{region} {}",
        inference.route.as_deref().unwrap_or("none"),
        served.map_or("", String::as_str)
    )
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
        Phase::CommandDetached => "command detached",
        Phase::CommandStopped => "command stopped",
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
        |name: &str, text: Option<&str>| text.map(|text| format!(", {name} {text}")).unwrap_or_default();
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
    format!("{}, {severity}, {response}, records {evidence}", detection.name)
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
            row(&Record { client: client.to_owned(), ..record }, str::to_owned)
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
        let line = row(&record, str::to_owned);
        assert!(line.contains("/\\u{202e}yned\\u{2066} \\u{1b}[2J\\u{d}\\u{a}\\u{9b}\\u{2028}"), "{line}");
        assert!(!line.chars().any(|c| c.is_control() || ('\u{2000}'..='\u{206f}').contains(&c)), "{line}");
        let written = serde_json::to_string(&record).unwrap();
        assert!(written.contains('\u{9b}'));
        let shown = json(written.as_bytes());
        assert!(!shown.chars().any(|c| c.is_control() || ('\u{2000}'..='\u{206f}').contains(&c)), "{shown}");
        assert_eq!(serde_json::from_str::<Record>(&shown).unwrap(), record);
    }

    fn golden() -> Vec<Record> {
        let records = include_str!("../../../../audit/export/tests/golden/records.jsonl");
        records.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Where each column of the heading begins, and the end.
    fn begins(heading: &str) -> Vec<usize> {
        let names = COLUMNS.iter().map(|(name, _width)| *name).chain([DETAILS]);
        names.map(|name| heading.find(name).unwrap()).collect()
    }

    #[test]
    fn values_stand_under_their_headings_and_nothing_is_cut() {
        let heading = heading();
        let begins = begins(&heading);
        assert!(begins.is_sorted() && begins[0] == 0);
        for record in golden() {
            let shown = row(&record, |time| time.chars().take(23).collect());
            let cells: Vec<&str> = shown.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            assert!(cells.len() >= COLUMNS.len(), "{shown}");
            assert_eq!(cells[1], format!("{}/{}", record.sandbox, record.sequence));
            assert_eq!(cells[3], record.event.action.as_str());
            let path =
                record.event.object.as_ref().and_then(|object| object.path.clone()).unwrap_or_default();
            assert!(shown.contains(&*printable(&path)), "{shown}");
            // As long as nothing is wider than its column.
            let widths = COLUMNS.iter().map(|(_name, width)| width);
            if cells.iter().zip(widths).all(|(cell, width)| cell.chars().count() <= *width) {
                let found = |at: usize| shown.chars().skip(at).take_while(|c| *c != ' ').collect::<String>();
                for (begin, cell) in begins.iter().zip(&cells) {
                    assert_eq!(Some(&*found(*begin)), cell.split(' ').next(), "{shown}");
                }
            }
        }
    }

    #[test]
    fn the_heading_stands_once_and_only_over_rows() {
        let mut table = Table::default();
        assert_eq!(table.next("a".to_owned()), format!("{}\na", heading()));
        assert_eq!(table.next("b".to_owned()), "b");
    }

    /// A program can be called anything: it must not say by itself that it was allowed, nor what it asked for.
    #[test]
    fn no_text_of_the_guest_begins_another_column() {
        let mut record = golden().into_iter().find(|record| record.event.level.is_some()).unwrap();
        let owner = |binary: &str| Owner {
            binary: binary.to_owned(),
            sha256: None,
            script: None,
            pid: 1,
            uid: 1,
            parents: Vec::new(),
        };
        for gap in ["  ", "   ", "\u{3000}", "\u{a0}\u{a0}", " \u{2003}", "\t"] {
            let names = format!("{gap}/bin/a{gap}path{gap}rule{gap}");
            record.event.subject = Some(Subject::Owners(vec![owner(&names)]));
            record.event.rule = Some(names.clone());
            record.event.reason = Some(names.clone());
            let shown = row(&record, str::to_owned);
            let gaps = |c: char| c.is_whitespace() && c != ' ';
            assert!(!shown.contains(gaps), "{gap:?}: {shown}");
            let program = shown.split("  ").map(str::trim).find(|cell| cell.contains("/bin/a")).unwrap();
            assert!(program.contains("path") && program.contains("rule"), "{gap:?}: {shown}");
        }
        assert_eq!(cell("/work/My Documents"), "/work/My Documents");
        assert_eq!((cell(""), cell(" ")), (NOTHING.to_owned(), "\\u{20}".to_owned()));
    }
}
