//! Removing what was kept long enough: whole logs of ended sandboxes, and closed segments of the one that runs. Each is
//! recorded before it goes, with its last record's number and hash.
//!
//! A log that loses its first segments keeps the tree's [`Frontier`] before what is left, in `frontier`: with it every later
//! checkpoint can still be checked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use audit::Appended;
use audit::log::{self, Mark, segments};
use audit::tree;
use audit::verify::{self, Begun};

use crate::failure::{Failure, chain};
use crate::record::Recorder;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes the closed segments of `log` that were written more than `days` ago, up to record `delivered`: both by the file's date,
/// which anybody sets who can write it, and by what the last record bears.
pub(super) fn remove_segments(
    log: &Path,
    (days, delivered): (u32, u64),
    recorder: &mut Recorder,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| cannot(log, error);
    let numbers = segments::list(log).map_err(|error| failed(&error))?;
    for pair in numbers.windows(2) {
        let (oldest, next) = (pair[0], pair[1]);
        if !is_over(&segment_file(log, oldest), days) {
            break;
        }
        let begun = verify::begun(log).map_err(|error| failed(&error))?;
        let (kept, written) = read_segment(log, begun, next).map_err(|error| failed(&error))?;
        let is_old = written.is_some_and(|when| age(when) > DAY * days);
        if !is_old || kept.mark.sequence > delivered {
            break;
        }
        match verify::begin_removal(log, &kept) {
            // It would be to be recorded as well.
            Err(error) if audit::writer::is_full(&error) => break,
            begun => begun.map_err(|error| failed(&error))?,
        }
        if recorder.removed(&kept.removal())? == Appended::Unrecorded {
            break;
        }
        on_disk(log).map_err(|error| failed(&error))?;
        fs::remove_file(segment_file(log, oldest)).map_err(|error| failed(&error))?;
        verify::end_removal(log).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// What of ended logs is kept; `None`: everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// So many days.
    pub(super) days: Option<u32>,
    /// So many bytes.
    pub(super) bytes: Option<u64>,
}

/// Removes ended logs beside `own` that are older than what is kept, and the oldest of those that are too many.
/// `is_free` says up to which record a log may go; `None`: its sandbox runs.
pub(super) fn remove_logs(
    own: &Path,
    kept: Kept,
    (is_free, recorder): (impl Fn(&Path) -> Option<u64>, &mut Recorder),
) -> Result<(), Failure> {
    let Some(directory) = own.parent().filter(|_all| kept.days.is_some() || kept.bytes.is_some()) else {
        return Ok(());
    };
    let failed = |error: io::Error| cannot(directory, &error);
    let logs = super::all(directory).map_err(failed)?;
    let mut total: u64 = logs.iter().map(|(_when, log)| size(log)).sum();
    for (when, log) in logs {
        let too_old = kept.days.is_some_and(|days| age(when) > DAY * days);
        let too_many = kept.bytes.is_some_and(|bytes| total > bytes);
        if log == own || !(too_old || too_many) {
            continue;
        }
        let Some(delivered) = is_free(&log) else { continue };
        let name = log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let end = match log::verify(&log) {
            Ok(summary) if summary.records > delivered => continue,
            // Exports do not deliver it, and it does not say how old it is; it stays for whoever asks why.
            Err(_damaged) if delivered < u64::MAX || !too_many => continue,
            Ok(summary) => format!("up to record {} ({})", summary.records, summary.last_hash),
            Err(error) => format!("which was not whole: {}", chain(&error)),
        };
        if recorder.removed_log(&format!("{name}, {end}"))? == Appended::Unrecorded {
            break;
        }
        on_disk(own).map_err(failed)?;
        total -= size(&log);
        fs::remove_dir_all(&log).map_err(failed)?;
    }
    Ok(())
}

/// Goes on from `begun` to the start of segment `next`, and says when the last record before it was written, as it bears it.
fn read_segment(log: &Path, begun: Begun, next: u64) -> Result<(Begun, Option<SystemTime>), log::LogError> {
    let Begun { mark, mut frontier } = begun;
    let mut reader = log::read_from(log, &mark)?;
    let (mut last, mut time) = (mark, String::new());
    while let Some(line) = reader.next_line()? {
        let leaf = tree::leaf(line);
        if reader.at().segment >= next {
            break;
        }
        frontier.push(leaf);
        last = reader.mark();
        reader.time().clone_into(&mut time);
    }
    let position = log::Position { segment: next, offset: 0 };
    Ok((Begun { mark: Mark { position, ..last }, frontier }, log::moment(&time)))
}

/// Waits until what was recorded last is on the disk: after a power failure nothing must be missing of which no record tells. A
/// segment that the writer has left is there.
fn on_disk(log: &Path) -> io::Result<()> {
    let newest = segments::list(log)?.last().map(|number| segment_file(log, *number));
    newest.map_or(Ok(()), |newest| fs::File::open(newest)?.sync_data())
}

fn segment_file(log: &Path, number: u64) -> PathBuf {
    let packed = log.join(segments::packed_name(number));
    if packed.exists() { packed } else { log.join(segments::name(number)) }
}

fn is_over(file: &Path, days: u32) -> bool {
    fs::metadata(file).and_then(|metadata| metadata.modified()).is_ok_and(|when| age(when) > DAY * days)
}

/// A moment in the future is not old.
fn age(when: SystemTime) -> Duration {
    SystemTime::now().duration_since(when).unwrap_or_default()
}

fn size(log: &Path) -> u64 {
    let files = fs::read_dir(log).into_iter().flatten().flatten();
    files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn cannot(log: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(
        format_args!("cannot remove old records in {}: {}", log.display(), chain(error)),
        "look at it with `openshell audit verify`; keep_days and keep in audit.yaml say what is removed",
    )
}
