//! `openshell audit ls`.

use std::fs;
use std::path::Path;

use audit::Record;
use audit::log::{self, LogError};
use manager::failure::Failure;
use manager::layout::Layout;

use super::{bad_log, logs, no_log, print_json};
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
    let entries: Result<Vec<Entry>, LogError> =
        logs(&directory).iter().filter_map(|path| entry(path).transpose()).collect();
    let entries = entries.map_err(|error| bad_log(&error))?;
    if output.json {
        print_json(&entries)?;
        return Ok(0);
    }
    if entries.is_empty() {
        return Err(no_log(&directory));
    }
    for Entry { sandbox, agent, records, bytes, from, to } in entries {
        println!(
            "{sandbox:<40} {records:>10} records {:>9} KiB  {from:.19}Z to {to:.19}Z  {agent}",
            bytes.div_ceil(1024)
        );
    }
    Ok(0)
}

/// The first and the last record of a log; the last one is the first that a reader finds from behind.
fn entry(path: &Path) -> Result<Option<Entry>, LogError> {
    let mut reader = log::read(path)?;
    let Some(first) = reader.next().transpose()? else { return Ok(None) };
    let mut line = Vec::new();
    while let Some(next) = reader.next_line()? {
        line.clear();
        line.extend_from_slice(next);
    }
    // Only the last one is read as a record; without any after the first there is none.
    let last: Option<Record> = serde_json::from_slice(&line).ok();
    let to = last.map_or_else(|| first.time.clone(), |last| last.time);
    let (records, bytes) = (reader.summary().records, size(path));
    let sandbox = first.sandbox.as_str().to_owned();
    Ok(Some(Entry { sandbox, agent: first.agent, records, bytes, from: first.time, to }))
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
        let entry = entry(Path::new(golden)).unwrap().unwrap();
        assert_eq!(entry.records, 8);
        assert_eq!(entry.from, "2026-11-29T05:20:47.000001Z");
        assert_eq!(entry.to, "2026-11-29T05:20:47.000008Z");
    }
}
