//! What a crash leaves in a log.

use std::fs;
use std::io::Write as _;
use std::path::Path;

/// A log of one record of every kind.
pub(crate) const LOG: &str = include_str!("../../../audit/export/tests/golden/records.jsonl");

pub(crate) fn append(file: &Path, text: &str) {
    fs::File::options().append(true).create(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}
