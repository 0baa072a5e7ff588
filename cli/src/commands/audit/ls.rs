//! `openshell audit ls`.

use std::fs;
use std::path::Path;

use audit::Record;
use audit::log::{self, LogError};
use manager::failure::Failure;
use manager::layout::Layout;

use super::{Faults, logs, no_log, print_json};
use crate::arguments::Output;

/// What is said of one log. Times are those of its records.
#[derive(serde::Serialize)]
struct Entry {
    sandbox: String,
    agent: String,
    records: u64,
    bytes: u64,
    from: String,
    to: String,
}

pub(super) fn ls(layout: &Layout, output: Output) -> Result<u8, Failure> {
    let directory = layout.audit();
    let (mut entries, mut faults) = (Vec::new(), Faults::default());
    for path in logs(&directory) {
        let (entry, fault) = entry(&path);
        entries.extend(entry);
        faults.extend(fault.map(|fault| (path, fault)));
    }
    if output.json {
        print_json(&entries)?;
        return Ok(faults.told());
    }
    if entries.is_empty() && faults.is_empty() {
        return Err(no_log(&directory));
    }
    for Entry { sandbox, agent, records, bytes, from, to } in entries {
        println!(
            "{sandbox:<40} {records:>10} records {:>9} KiB  {from:.19}Z to {to:.19}Z  {agent}",
            bytes.div_ceil(1024)
        );
    }
    Ok(faults.told())
}

/// The first and the last record of a log, and what is wrong behind them; the last one is the first that a reader finds from
/// behind.
fn entry(path: &Path) -> (Option<Entry>, Option<LogError>) {
    let mut reader = match log::read(path) {
        Ok(reader) => reader,
        Err(fault) => return (None, Some(fault)),
    };
    let first = match reader.next() {
        Some(Ok(first)) => first,
        Some(Err(fault)) => return (None, Some(fault)),
        None => return (None, None),
    };
    let mut line = Vec::new();
    let fault = loop {
        match reader.next_line() {
            Ok(Some(next)) => {
                line.clear();
                line.extend_from_slice(next);
            }
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    // Only the last one is read as a record; without any after the first there is none.
    let last: Option<Record> = serde_json::from_slice(&line).ok();
    let to = last.map_or_else(|| first.time.clone(), |last| last.time);
    let (records, bytes) = (reader.summary().records, size(path));
    let sandbox = first.sandbox.as_str().to_owned();
    (Some(Entry { sandbox, agent: first.agent, records, bytes, from: first.time, to }), fault)
}

fn size(path: &Path) -> u64 {
    let own = fs::metadata(path).map_or(0, |metadata| if metadata.is_dir() { 0 } else { metadata.len() });
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    own + files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_from_its_first_record_to_its_last() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../audit/tests/golden/record-v2.jsonl");
        let (entry, fault) = entry(Path::new(golden));
        assert!(fault.is_none());
        let entry = entry.unwrap();
        assert_eq!(entry.records, 9);
        assert_eq!(entry.from, "2026-11-29T05:20:47.000001Z");
        assert_eq!(entry.to, "2026-11-29T05:20:47.000009Z");
    }
}
