//! `openshell audit`: one module per command, and how a log and a key are named.

mod check;
mod consistency;
mod evidence;
mod export;
mod keys;
mod line;
mod ls;
mod named;
mod policies;
mod prove;
mod query;
mod recover;
mod report;
mod show;
mod tail;
mod timestamp;
mod verify;
mod watch;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use audit::checkpoint::Note;
use audit::log::LogError;
use audit_export::format::printable;
use audit_query::{Found, How, SearchError};
use manager::audit_log::Unsigned;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::{NO, UNANSWERED, negative, print_json, unanswered, write};
use crate::arguments::{Audit, Log, Reading};
use named::{logs, named, named_or_newest, no_log, path};

pub(super) fn run(command: Audit, layout: &Layout) -> Result<u8, Failure> {
    match command {
        Audit::Ls(output) => ls::ls(layout, output).map_err(unanswered),
        Audit::Tail { logs, lines, follow, utc, output } => {
            let shown = tail::Shown { output, utc };
            let paths = named_or_newest(&logs, layout).map_err(unanswered)?;
            if follow {
                tail::follow(&paths, lines, shown).map_err(unanswered)
            } else {
                Ok(tail::tail(&paths, lines, shown))
            }
        }
        Audit::Check(output) => check::check(output, layout).map_err(negative),
        Audit::Export(export) => export::run(&export, layout).map_err(unanswered),
        Audit::Query(query) => query::query(&query, layout).map_err(unanswered),
        Audit::Show(typed) => show::run(&typed, layout).map_err(unanswered),
        Audit::Verify(typed) => verify::run(&typed, layout).map_err(unanswered),
        Audit::Timestamp(typed) => timestamp::run(&typed, layout).map_err(unanswered),
        Audit::Recover { logs, unsigned, keys } => {
            let keys = keys::named(&keys, layout).map_err(unanswered)?;
            let unsigned = if unsigned { Unsigned::Accepted } else { Unsigned::Refused };
            recover::recover(&logs, unsigned, &keys, layout).map_err(unanswered)
        }
        Audit::Prove { record, log, keys, checkpoint, output } => {
            let keys = keys::named(&keys, layout).map_err(negative)?;
            let proof = named::record(&record, log.sandbox.as_deref()).and_then(|(sandbox, number)| {
                let path = path(&Log { sandbox }, layout)?;
                prove::prove(&path, number, &keys, checkpoint.as_deref())
            });
            proof.and_then(|proof| print_or_write(&proof, output.as_deref())).map_err(negative)
        }
        Audit::CheckProof { file, keys, witnesses } => {
            let trusted = keys::trusted(&keys, &witnesses, layout).map_err(unanswered)?;
            prove::check(&file, &trusted).map_err(unanswered)
        }
        Audit::ProveConsistency { old, log, keys, output } => {
            let keys = keys::named(&keys, layout).map_err(negative)?;
            let proof = path(&log, layout).and_then(|path| consistency::prove(&path, &old, &keys));
            proof.and_then(|proof| print_or_write(&proof, output.as_deref())).map_err(negative)
        }
        Audit::CheckConsistency { file, old, keys } => {
            let keys = keys::named(&keys, layout).map_err(unanswered)?;
            consistency::check(&file, &old, &keys).map_err(unanswered)
        }
        Audit::Checkpoint { log } => {
            path(&log, layout).and_then(|path| prove::checkpoint(&path)).map_err(negative)
        }
        Audit::Key => keys::print(layout).map_err(negative),
        Audit::Watch(typed) => watch::run(&typed, layout).map_err(negative),
        Audit::Report(typed) => report::report(&typed, layout).map_err(unanswered),
        Audit::FeedSchema => {
            print!("{}", audit_watch::feed::SCHEMA);
            Ok(0)
        }
        Audit::Schema => {
            print!("{}", audit::record::SCHEMA);
            Ok(0)
        }
    }
}

fn print_or_write(proof: &impl Display, output: Option<&Path>) -> Result<u8, Failure> {
    match output {
        Some(file) => write(file, proof.to_string())?,
        None => print!("{proof}"),
    }
    Ok(0)
}

/// The signed notes in a file, one at least: as `openshell audit checkpoint` prints it, or many as a log keeps them.
fn read_notes(file: &Path) -> Result<Vec<Note>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format_args!("cannot read {}: {error}", file.display()), "name a file of checkpoints")
    })?;
    let remedy = "name a file of checkpoints, as `openshell audit checkpoint` prints them";
    let many = if text.ends_with("\n\n") { text } else { text + "\n" };
    match Note::parse_all(&many) {
        Ok((notes, _rest)) if notes.is_empty() => {
            Err(Failure::new(format_args!("{} holds no checkpoint", file.display()), remedy))
        }
        Ok((notes, _rest)) => Ok(notes),
        Err((number, error)) => Err(Failure::new(
            format_args!("{}: checkpoint {number}: {}", file.display(), chain(&error)),
            remedy,
        )),
    }
}

/// The last of the notes in a file.
fn read_note(file: &Path) -> Result<Note, Failure> {
    Ok(read_notes(file)?.pop().expect("there is one at least"))
}

impl Reading {
    /// Somebody who can write the index can hide records in it: what is to be proven is read from the log.
    fn how(&self) -> How {
        if self.no_index || self.prove { How::Scan } else { How::Index }
    }
}

/// Logs that are not whole, or cannot be read: what stands before a fault, and the other logs, are shown all the same.
#[derive(Default)]
struct Faults(BTreeMap<PathBuf, String>);

impl Faults {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The records alone; what is wrong with logs is kept, to be told behind them.
    fn passed(
        &mut self,
        found: impl Iterator<Item = Result<Found, SearchError>>,
    ) -> impl Iterator<Item = Found> {
        found.filter_map(|found| match found {
            Ok(found) => Some(found),
            Err(SearchError::Log(log, fault)) => {
                self.extend([(log, fault)]);
                None
            }
        })
    }

    /// Tells them, and returns the exit code.
    fn told(&self) -> u8 {
        for (log, cause) in &self.0 {
            let log = printable(&log.display().to_string()).into_owned();
            let remedy = format!("openshell audit verify {log} names the first record that is wrong");
            crate::report(&Failure::new(format_args!("{log}: {cause}"), remedy));
        }
        if self.is_empty() { 0 } else { UNANSWERED }
    }
}

impl Extend<(PathBuf, LogError)> for Faults {
    fn extend<T: IntoIterator<Item = (PathBuf, LogError)>>(&mut self, faults: T) {
        // Of one log, the first that was found.
        for (log, fault) in faults {
            self.0.entry(log).or_insert_with(|| chain(&fault));
        }
    }
}

fn bad_log(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let io = causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let remedy = match io {
        Some(io::ErrorKind::PermissionDenied) => {
            "ask as the user whose log it is, or make it readable for you"
        }
        Some(io::ErrorKind::NotFound) => "openshell audit ls lists the logs that there are",
        _other => "openshell audit verify names the first record that is wrong",
    };
    Failure::new(chain(error), remedy)
}
