//! Which log a user means: by its sandbox, its agent, its path, or the newest; and what is said where there is none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use audit::log::{self, Stored, segments, stored};
use audit::record::REMOVED_LOG;
use audit::verify::CHECKPOINTS;
use manager::failure::Failure;
use manager::layout::Layout;

use crate::arguments::Log;

/// The logs that were named, or the newest.
pub(super) fn named_or_newest(names: &[String], layout: &Layout) -> Result<Vec<PathBuf>, Failure> {
    if names.is_empty() {
        return path(&Log { sandbox: None }, layout).map(|path| vec![path]);
    }
    names.iter().map(|name| named(name, &layout.audit())).collect()
}

/// The log that was named, or the newest.
pub(super) fn path(log: &Log, layout: &Layout) -> Result<PathBuf, Failure> {
    let directory = layout.audit();
    match &log.sandbox {
        Some(text) => named(text, &directory),
        None => logs(&directory).pop().ok_or_else(|| no_log(&directory)),
    }
}

/// The log and the number of a record that was named: `17 SANDBOX`, `SANDBOX/17` as answers have it, or `17` of the newest log.
pub(super) fn record(record: &str, sandbox: Option<&str>) -> Result<(Option<String>, u64), Failure> {
    let wrong = || {
        Failure::new(
            format_args!("'{record}' is not a record"),
            "write its number, or SANDBOX/NUMBER as `openshell audit query` prints it",
        )
    };
    let (sandbox, number) = match (record.rsplit_once('/'), sandbox) {
        (Some((sandbox, number)), None) => (Some(sandbox), number),
        (None, sandbox) => (sandbox, record),
        (Some(_), Some(_)) => return Err(wrong()),
    };
    Ok((sandbox.map(str::to_owned), number.parse().map_err(|_error| wrong())?))
}

/// The log that a user calls so: a path, a sandbox's id, or its agent's name if there is only one.
pub(super) fn named(text: &str, directory: &Path) -> Result<PathBuf, Failure> {
    if text.contains('/') {
        let path = PathBuf::from(text);
        return match fs::metadata(&path) {
            Ok(there) if there.is_dir() && segments::list(&path).is_ok_and(|found| found.is_empty()) => {
                Err(Failure::new(
                    format_args!("{text} holds no record: it is no log"),
                    "name a log's directory or its file; openshell audit ls lists those that are here",
                ))
            }
            Ok(_there) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(
                format_args!("there is no log at {text}"),
                "name a log's directory or its file; openshell audit ls lists those that are here",
            )),
            Err(error) => Err(unreadable(&path, &error)),
        };
    }
    let all = stored(directory).map_err(|error| unreadable(directory, &error))?;
    if let Some(exact) = all.iter().find(|log| log.sandbox == text) {
        return Ok(exact.path.clone());
    }
    let agents =
        all.iter().filter(|log| log.sandbox.rsplit_once('-').is_some_and(|(name, _id)| name == text));
    match agents.collect::<Vec<_>>()[..] {
        [one] => Ok(one.path.clone()),
        [] => Err(absent(text, &all)),
        ref several => {
            let ids: Vec<&str> = several.iter().map(|log| log.sandbox.as_str()).collect();
            Err(Failure::new(
                format_args!("there are {} logs of the agent '{text}'", several.len()),
                format_args!("name one of {}", ids.join(", ")),
            ))
        }
    }
}

fn absent(text: &str, all: &[Stored]) -> Failure {
    match removed(text, all) {
        Some((log, record)) => Failure::new(
            format_args!("the log of '{text}' was removed: record {record} of {} says why", log.sandbox),
            "log.keep and log.keep_days in audit.yaml say how long logs are kept",
        ),
        None => Failure::new(
            format_args!("there is no log of '{text}'"),
            "openshell audit ls lists the logs that there are",
        ),
    }
}

/// The log in which the removal of another is recorded, and the number of the record.
pub(super) fn removed<'a>(sandbox: &str, all: &'a [Stored]) -> Option<(&'a Stored, u64)> {
    let words = format!("{REMOVED_LOG}{sandbox}, ");
    all.iter().find_map(|log| {
        // What cannot be read tells nothing.
        let mut reader = log::read(&log.path).ok()?;
        while let Some(line) = reader.next_line().ok()? {
            let line = String::from_utf8_lossy(line);
            if line.contains("\"action\":\"log-retention\"") && line.contains(&words) {
                return Some((log, reader.summary().records));
            }
        }
        None
    })
}

pub(super) fn no_log(directory: &Path) -> Failure {
    match fs::read_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => unreadable(directory, &error),
        _empty => Failure::new(
            format_args!("there is no log in {}", directory.display()),
            "run an agent first, or name a log",
        ),
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        format_args!("cannot read {}: {error}", path.display()),
        "ask as the user whose logs they are, or make it readable for you",
    )
}

/// All logs in `directory` that hold something, that of the last change last. A start that came to nothing leaves an empty one.
pub(super) fn logs(directory: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<_> = stored(directory)
        .into_iter()
        .flatten()
        .filter_map(|Stored { path, .. }| Some((last_change(&path)?, path)))
        .collect();
    logs.sort();
    logs.into_iter().map(|(_when, path)| path).collect()
}

/// When a record or a checkpoint was added last; `None`: there is none.
fn last_change(log: &Path) -> Option<std::time::SystemTime> {
    let written = |path: &Path| {
        let metadata = fs::metadata(path).ok().filter(|metadata| metadata.len() > 0)?;
        metadata.modified().ok()
    };
    if !log.is_dir() {
        return written(log);
    }
    // One that cannot be read is not passed over: whoever reads it says so.
    let Ok(numbers) = segments::list(log) else { return fs::metadata(log).ok()?.modified().ok() };
    let names =
        numbers.into_iter().rev().flat_map(|number| [segments::name(number), segments::packed_name(number)]);
    names.chain([CHECKPOINTS.to_owned()]).find_map(|name| written(&log.join(name)))
}
