//! Records as a writer chains them.

use audit::ChainHash;

/// The lines of a log of `sandbox`; each event is the fields between `agent` and `prev`, as JSON.
pub(crate) fn chained(sandbox: &str, events: impl IntoIterator<Item = String>) -> String {
    let (mut text, mut prev) = (String::new(), ChainHash::START);
    for (sequence, event) in (1..).zip(events) {
        let line = format!(
            r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T05:20:47.00000{sequence}Z","monotonic_ns":{sequence},"tenant":"local","sandbox":"{sandbox}","agent":"test",{event},"prev":"{prev}"}}"#
        );
        prev = audit::chain::digest(line.as_bytes());
        text += &format!("{},\"hash\":\"{prev}\"}}\n", line.strip_suffix('}').unwrap());
    }
    text
}
