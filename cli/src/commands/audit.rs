//! `openshell audit`: one module per command, and how a log and a key are named.

mod export;
mod keys;
mod line;
mod ls;
mod prove;
mod tail;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use audit::log::segments;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::{NO, negative, print_json, unanswered, write};
use crate::arguments::{Audit, Log};

pub(super) fn run(command: Audit, layout: &Layout) -> Result<u8, Failure> {
    match command {
        Audit::Ls(output) => ls::ls(layout, output).map_err(negative),
        Audit::Tail { log, lines, follow, output } => {
            let path = path(&log, layout);
            let told = if follow {
                path.and_then(|path| tail::follow(&path, lines, output))
            } else {
                path.and_then(|path| tail::tail(&path, lines, output))
            };
            told.map_err(negative)
        }
        Audit::Export(export) => export::run(&export, layout).map_err(unanswered),
        Audit::Verify { log, keys, checkpoint } => {
            let keys = keys::named(&keys, layout).map_err(unanswered)?;
            path(&log, layout).and_then(|path| verify::verify(&path, &keys, &checkpoint)).map_err(unanswered)
        }
        Audit::Prove { record, log, keys, output } => {
            let keys = keys::named(&keys, layout).map_err(negative)?;
            let proof = path(&log, layout).and_then(|path| prove::prove(&path, record, &keys));
            proof.and_then(|proof| prove::write(&proof, output.as_deref())).map_err(negative)
        }
        Audit::CheckProof { file, keys } => {
            let keys = keys::named(&keys, layout).map_err(unanswered)?;
            prove::check(&file, &keys).map_err(unanswered)
        }
        Audit::Checkpoint { log } => {
            path(&log, layout).and_then(|path| prove::checkpoint(&path)).map_err(negative)
        }
        Audit::Key => keys::print(layout).map_err(negative),
        Audit::Schema => {
            print!("{}", audit::record::SCHEMA);
            Ok(0)
        }
    }
}

fn path(log: &Log, layout: &Layout) -> Result<PathBuf, Failure> {
    let directory = layout.audit();
    match &log.sandbox {
        Some(text) if text.contains('/') => Ok(PathBuf::from(text)),
        Some(id) => {
            // Logs of older versions were single files.
            let old = directory.join(format!("{id}.jsonl"));
            Ok(if old.is_file() { old } else { directory.join(id) })
        }
        None => logs(&directory).pop().ok_or_else(|| no_log(&directory)),
    }
}

fn no_log(directory: &Path) -> Failure {
    Failure::new(
        format_args!("there is no log in {}", directory.display()),
        "run an agent first, or name a log",
    )
}

/// All logs in `directory`, that of the last change last.
fn logs(directory: &Path) -> Vec<PathBuf> {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let mut logs: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            if path.is_dir() {
                let last = segments::list(&path).ok()?.pop()?;
                let names = [segments::name(last), segments::packed_name(last)];
                return names.iter().find_map(|name| changed(&path.join(name))).map(|when| (when, path));
            }
            let is_log = path.extension().is_some_and(|extension| extension == "jsonl");
            changed(&path).filter(|_when| is_log).map(|when| (when, path))
        })
        .collect();
    logs.sort();
    logs.into_iter().map(|(_when, path)| path).collect()
}

fn bad_log(error: &dyn std::error::Error) -> Failure {
    Failure::new(chain(error), "openshell audit verify names the first record that is wrong")
}
