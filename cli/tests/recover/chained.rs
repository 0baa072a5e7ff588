//! Records as a writer chains them.

use audit::ChainHash;

/// The lines of a log of `sandbox`; each event is the fields between `agent` and `prev`, as JSON.
pub(crate) fn chained(sandbox: &str, events: impl IntoIterator<Item = String>) -> String {
    chained_on(sandbox, events.into_iter().map(|event| ("2026-11-29", event)))
}

/// The same, each event with its day.
pub(crate) fn chained_on(sandbox: &str, events: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let (mut text, mut prev) = (String::new(), ChainHash::START);
    for (sequence, (day, event)) in (1_u64..).zip(events) {
        let line = format!(
            r#"{{"version":2,"sequence":{sequence},"time":"{day}T05:20:47.{sequence:06}Z","monotonic_ns":{sequence},"tenant":"local","sandbox":"{sandbox}","agent":"test",{event},"prev":"{prev}"}}"#
        );
        prev = audit::chain::digest(line.as_bytes());
        text += &format!("{},\"hash\":\"{prev}\"}}\n", line.strip_suffix('}').unwrap());
    }
    text
}
