//! `openshell audit tail`.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use audit::Record;
use audit::log::{self, Follow};
use manager::failure::Failure;

use super::bad_log;
use super::line::line;
use crate::arguments::Output;

/// How long one wait is; it ends sooner when something comes.
const PATIENCE: Duration = Duration::from_secs(3600);

pub(super) fn tail(path: &Path, lines: usize, output: Output) -> Result<u8, Failure> {
    let mut reader = log::read(path).map_err(|error| bad_log(&error))?;
    let mut last = VecDeque::with_capacity(lines.min(1024));
    while let Some(record) = reader.next().transpose().map_err(|error| bad_log(&error))? {
        keep(&mut last, lines, shown(&record, reader.line(), output));
    }
    // Whoever reads it may have had enough.
    let _closed = print(last.into_iter());
    Ok(0)
}

/// Prints the last records, then each as it comes, until the user has enough.
pub(super) fn follow(path: &Path, lines: usize, output: Output) -> Result<u8, Failure> {
    let mut follow = Follow::all(path).map_err(|error| bad_log(&error))?;
    let mut last = VecDeque::with_capacity(lines.min(1024));
    while let Some(record) = follow.next_now().map_err(|error| bad_log(&error))? {
        keep(&mut last, lines, shown(&record, follow.reader().line(), output));
    }
    if print(last.into_iter()).is_err() {
        return Ok(0);
    }
    loop {
        let next = follow.next_within(PATIENCE).map_err(|error| bad_log(&error))?;
        let line = next.map(|record| shown(&record, follow.reader().line(), output));
        if print(line.into_iter()).is_err() {
            return Ok(0);
        }
    }
}

fn keep(last: &mut VecDeque<String>, most: usize, line: String) {
    if last.len() == most {
        last.pop_front();
    }
    if most > 0 {
        last.push_back(line);
    }
}

/// For machines a record is what stands in the log, to the byte.
fn shown(record: &Record, as_written: &[u8], output: Output) -> String {
    if output.json { String::from_utf8_lossy(as_written).into_owned() } else { line(record) }
}

fn print(mut lines: impl Iterator<Item = String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    lines.try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}
