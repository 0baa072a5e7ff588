//! `openshell audit tail`: the last records of one log or several, and what comes.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit::Record;
use audit::log::{self, Follow, LogError};
use audit_query::moment;
use manager::failure::Failure;
use rustix::event::{PollFd, PollFlags, poll};

use super::Faults;
use super::line::{Table, json, row};
use crate::arguments::Output;

/// How records are shown.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) output: Output,
    /// Times in UTC instead of this machine's zone.
    pub(super) utc: bool,
}

/// The last lines of a log, each with the time of its record.
type Last = VecDeque<(String, String)>;

pub(super) fn tail(paths: &[PathBuf], lines: usize, shown: Shown) -> u8 {
    let (mut all, mut faults) = (Vec::new(), Faults::default());
    for path in paths {
        let (last, fault) = last(path, lines, shown);
        all.push(last);
        faults.extend(fault.map(|fault| (path.clone(), fault)));
    }
    // Whoever reads it may have had enough.
    let _closed = shown.print(merged(all, lines), &mut Table::default());
    faults.told()
}

/// Prints the last records, then each as it comes, until the user has enough, or until no log is left that can be read.
pub(super) fn follow(paths: &[PathBuf], lines: usize, shown: Shown) -> Result<u8, Failure> {
    let (mut follows, mut all, mut faults) = (Vec::new(), Vec::new(), Faults::default());
    for path in paths {
        let mut last = VecDeque::new();
        match begun(path, |record, as_written| {
            keep(&mut last, lines, record, || shown.line(record, as_written))
        }) {
            Ok(follow) => follows.push((path, follow)),
            Err(fault) => faults.extend([(path.clone(), fault)]),
        }
        all.push(last);
    }
    let mut table = Table::default();
    let mut code = match shown.print(merged(all, lines), &mut table) {
        Ok(()) => faults.told(),
        Err(_closed) => return Ok(0),
    };
    while !follows.is_empty() {
        let (mut left, mut faults) = (Vec::new(), Faults::default());
        for (path, mut follow) in follows {
            match show_new(&mut follow, (shown, &mut table)) {
                Ok(true) => left.push((path, follow)),
                Ok(false) => return Ok(code),
                Err(fault) => faults.extend([(path.clone(), fault)]),
            }
        }
        follows = left;
        code = code.max(faults.told());
        wait(&follows)?;
    }
    Ok(code)
}

/// Prints what came; whether whoever reads it wants more.
fn show_new(follow: &mut Follow, (shown, table): (Shown, &mut Table)) -> Result<bool, LogError> {
    while let Some(record) = follow.next_now()? {
        let line = shown.line(&record, follow.reader().line());
        if shown.print(std::iter::once(line), table).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A log at the end of what is there, which was `seen`.
fn begun(path: &Path, mut seen: impl FnMut(&Record, &[u8])) -> Result<Follow, LogError> {
    let mut follow = Follow::all(path)?;
    while let Some(record) = follow.next_now()? {
        seen(&record, follow.reader().line());
    }
    Ok(follow)
}

/// Until one of the logs may have changed since its end was seen.
fn wait(follows: &[(&PathBuf, Follow)]) -> Result<(), Failure> {
    if follows.is_empty() {
        return Ok(());
    }
    let mut waited: Vec<_> =
        follows.iter().map(|(_path, follow)| PollFd::new(follow.changes(), PollFlags::IN)).collect();
    match poll(&mut waited, None) {
        Ok(_ready) => Ok(()),
        Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Failure::new(
            format_args!("cannot wait for changes: {error}"),
            "check the limit on open files",
        )),
    }
}

/// The last lines of a log, and what is wrong behind them.
fn last(path: &Path, lines: usize, shown: Shown) -> (Last, Option<LogError>) {
    let mut last = VecDeque::new();
    let mut reader = match log::read(path) {
        Ok(reader) => reader,
        Err(fault) => return (last, Some(fault)),
    };
    loop {
        match reader.next() {
            Some(Ok(record)) => keep(&mut last, lines, &record, || shown.line(&record, reader.line())),
            Some(Err(fault)) => return (last, Some(fault)),
            None => return (last, None),
        }
    }
}

fn keep(last: &mut Last, most: usize, record: &Record, line: impl FnOnce() -> String) {
    if last.len() == most {
        last.pop_front();
    }
    if most > 0 {
        last.push_back((record.time.clone(), line()));
    }
}

/// The last ones of all, by time; each log keeps its own order.
fn merged(all: Vec<Last>, most: usize) -> impl Iterator<Item = String> {
    let mut lines: Vec<(String, String)> = all.into_iter().flatten().collect();
    lines.sort_by(|(one, _), (other, _)| one.cmp(other));
    let surplus = lines.len().saturating_sub(most);
    lines.into_iter().skip(surplus).map(|(_time, line)| line)
}

impl Shown {
    fn print(self, mut lines: impl Iterator<Item = String>, table: &mut Table) -> io::Result<()> {
        let mut out = crate::output::stdout();
        lines.try_for_each(|line| {
            let line = if self.output.json { line } else { table.next(line) };
            writeln!(out, "{line}")
        })?;
        out.flush()
    }

    /// For machines a record is what stands in the log.
    fn line(self, record: &Record, as_written: &[u8]) -> String {
        match self {
            Self { output: Output { json: true }, .. } => json(as_written),
            Self { utc, .. } => {
                // Made anew for each: following may go on over a change of the zone's hour.
                let now = moment::now(utc);
                row(record, |time| moment::shown(time, &now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_of_all_logs_are_in_the_order_of_time() {
        let log = |lines: &[(&str, &str)]| -> Last {
            lines.iter().map(|(time, line)| ((*time).to_owned(), (*line).to_owned())).collect()
        };
        let all = || vec![log(&[("1", "a"), ("4", "b"), ("4", "c")]), log(&[("2", "x"), ("4", "y")])];
        assert_eq!(merged(all(), 9).collect::<Vec<_>>(), ["a", "x", "b", "c", "y"]);
        assert_eq!(merged(all(), 2).collect::<Vec<_>>(), ["c", "y"]);
        assert_eq!(merged(all(), 0).count(), 0);
    }
}
