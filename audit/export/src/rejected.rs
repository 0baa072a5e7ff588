//! Records that the receiver refused for what they hold: kept aside with the reason, so that the others go on.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;

use crate::sink::Item;

#[derive(Serialize)]
struct Rejected<'a> {
    /// Seconds since 1970.
    at: u64,
    sandbox: &'a str,
    sequence: u64,
    hash: &'a str,
    reason: &'a str,
    /// The line of the log.
    record: String,
}

/// Adds to the file, and returns once it is on stable storage.
pub(crate) fn keep(path: &Path, rejected: &[(&Item, String)]) -> io::Result<()> {
    if rejected.is_empty() {
        return Ok(());
    }
    let mut lines = Vec::new();
    for (item, reason) in rejected {
        let line = Rejected {
            at: crate::now(),
            sandbox: &item.sandbox,
            sequence: item.sequence,
            hash: &item.hash,
            reason,
            record: String::from_utf8_lossy(&item.line).into_owned(),
        };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(&lines)?;
    file.sync_data()
}
