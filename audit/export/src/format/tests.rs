//! Golden files, and what must hold for records with hostile text.

mod golden;
mod hostile;
mod parse;
mod schema;

use audit::Record;

/// One record of every action, and one that attacks the formats.
const RECORDS: &str = include_str!("../../tests/golden/records.jsonl");

fn records() -> Vec<Record> {
    audit::log::Reader::new(RECORDS.as_bytes())
        .map(|record| record.expect("the golden log is whole"))
        .collect()
}
