//! `openshell audit recover`.

use std::path::{Path, PathBuf};

use audit::checkpoint::VerifyingKey;
use audit::verify::looks_interrupted;
use manager::audit_log::{self, Recovery};
use manager::failure::Failure;
use manager::layout::Layout;
use manager::rundir;

use super::{NO, bad_log, logs, named};

pub(super) fn recover(names: &[String], keys: &[VerifyingKey], layout: &Layout) -> Result<u8, Failure> {
    let chosen = if names.is_empty() {
        interrupted(layout)?
    } else {
        names.iter().map(|name| named(name, &layout.audit())).collect::<Result<_, _>>()?
    };
    let mut answer = 0;
    for log in &chosen {
        match audit_log::recover(layout, log, keys) {
            Ok(recovery) => println!("{}", told(log, recovery)),
            Err(failure) => {
                println!("{}: NOT recovered: {}\n  {}", log.display(), failure.cause, failure.remedy);
                answer = NO;
            }
        }
    }
    if chosen.is_empty() {
        println!("every log of an ended sandbox ended as it should");
    }
    Ok(answer)
}

/// The logs that look as if they had not ended, of sandboxes that do not run.
fn interrupted(layout: &Layout) -> Result<Vec<PathBuf>, Failure> {
    let running = rundir::running(layout);
    let mut found = Vec::new();
    for log in logs(&layout.audit()).into_iter().filter(|log| log.is_dir()) {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let runs = running.iter().any(|id| id.as_str() == name);
        if !runs && looks_interrupted(&log).map_err(|error| bad_log(&error))? {
            found.push(log);
        }
    }
    Ok(found)
}

fn told(log: &Path, recovery: Recovery) -> String {
    let log = log.display();
    match recovery {
        Recovery::Whole => format!("{log}: ended as it should"),
        Recovery::Closed { records, unsigned: 0 } => format!("{log}: closed; {records} records"),
        Recovery::Closed { records, unsigned } => format!(
            "{log}: closed; {records} records, of which the last {unsigned} were not signed before: the log says so"
        ),
    }
}
