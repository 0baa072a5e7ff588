//! `openshell audit`: one module per command, and how a log is named.

mod export;
mod line;
mod tail;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::{NO, negative, unanswered};
use crate::arguments::{Audit, Log};

pub(super) fn run(command: Audit, layout: &Layout) -> Result<u8, Failure> {
    match command {
        Audit::Tail { log, lines, output } => {
            path(&log, layout).and_then(|path| tail::tail(&path, lines, output)).map_err(negative)
        }
        Audit::Export(export) => export::run(&export, layout).map_err(unanswered),
        Audit::Verify { log } => {
            path(&log, layout).and_then(|path| verify::verify(&path)).map_err(unanswered)
        }
    }
}

fn path(log: &Log, layout: &Layout) -> Result<PathBuf, Failure> {
    let directory = layout.audit();
    match &log.sandbox {
        Some(text) if text.contains('/') => Ok(PathBuf::from(text)),
        Some(id) => Ok(directory.join(format!("{id}.jsonl"))),
        None => newest(&directory).ok_or_else(|| {
            Failure::new(
                format_args!("there is no log in {}", directory.display()),
                "run an agent first, or name a log",
            )
        }),
    }
}

fn newest(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    entries
        .max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok())
        .map(|entry| entry.path())
}

fn bad_log(error: &dyn std::error::Error) -> Failure {
    Failure::new(chain(error), "openshell audit verify names the first record that is wrong")
}
