//! `openshell audit tail`: the last records of one log or several, and what comes.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit::Record;
use audit::log::{self, Follow};
use manager::failure::Failure;
use rustix::event::{PollFd, PollFlags, poll};

use super::bad_log;
use super::line::line;
use crate::arguments::Output;

/// How records are shown.
#[derive(Clone, Copy)]
struct Shown {
    output: Output,
    /// Whether each line says whose it is: there is more than one log.
    is_one_of_many: bool,
}

/// The last lines of a log, each with the time of its record.
type Last = VecDeque<(String, String)>;

pub(super) fn tail(paths: &[PathBuf], lines: usize, output: Output) -> Result<u8, Failure> {
    let shown = Shown { output, is_one_of_many: paths.len() > 1 };
    let last: Result<Vec<Last>, Failure> = paths.iter().map(|path| last(path, lines, shown)).collect();
    // Whoever reads it may have had enough.
    let _closed = print(merged(last?, lines));
    Ok(0)
}

/// Prints the last records, then each as it comes, until the user has enough.
pub(super) fn follow(paths: &[PathBuf], lines: usize, output: Output) -> Result<u8, Failure> {
    let shown = Shown { output, is_one_of_many: paths.len() > 1 };
    let (mut follows, mut all) = (Vec::new(), Vec::new());
    for path in paths {
        let mut follow = Follow::all(path).map_err(|error| bad_log(&error))?;
        let mut last = VecDeque::new();
        while let Some(record) = follow.next_now().map_err(|error| bad_log(&error))? {
            keep(&mut last, lines, &record, || shown.line(&record, follow.reader().line()));
        }
        all.push(last);
        follows.push(follow);
    }
    if print(merged(all, lines)).is_err() {
        return Ok(0);
    }
    loop {
        for follow in &mut follows {
            while let Some(record) = follow.next_now().map_err(|error| bad_log(&error))? {
                if print([shown.line(&record, follow.reader().line())].into_iter()).is_err() {
                    return Ok(0);
                }
            }
        }
        wait(&follows)?;
    }
}

/// Until one of the logs may have changed since its end was seen.
fn wait(follows: &[Follow]) -> Result<(), Failure> {
    let mut waited: Vec<_> =
        follows.iter().map(|follow| PollFd::new(follow.changes(), PollFlags::IN)).collect();
    match poll(&mut waited, None) {
        Ok(_ready) => Ok(()),
        Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Failure::new(
            format_args!("cannot wait for changes: {error}"),
            "check the limit on open files",
        )),
    }
}

fn last(path: &Path, lines: usize, shown: Shown) -> Result<Last, Failure> {
    let mut reader = log::read(path).map_err(|error| bad_log(&error))?;
    let mut last = VecDeque::new();
    while let Some(record) = reader.next().transpose().map_err(|error| bad_log(&error))? {
        keep(&mut last, lines, &record, || shown.line(&record, reader.line()));
    }
    Ok(last)
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
    /// For machines a record is what stands in the log, to the byte.
    fn line(self, record: &Record, as_written: &[u8]) -> String {
        match self {
            Self { output: Output { json: true }, .. } => String::from_utf8_lossy(as_written).into_owned(),
            Self { is_one_of_many: true, .. } => format!("{}  {}", record.sandbox, line(record)),
            Self { .. } => line(record),
        }
    }
}

fn print(mut lines: impl Iterator<Item = String>) -> io::Result<()> {
    let mut out = crate::output::stdout();
    lines.try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
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
