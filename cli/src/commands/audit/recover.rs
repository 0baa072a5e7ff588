//! `openshell audit recover`.

use std::path::{Path, PathBuf};

use audit::checkpoint::VerifyingKey;
use audit::verify::looks_interrupted;
use manager::audit_log::{self, Recovery, Unsigned};
use manager::failure::Failure;
use manager::layout::Layout;
use manager::rundir;

use super::{NO, bad_log, logs, named};

pub(super) fn recover(
    names: &[String],
    unsigned: Unsigned,
    keys: &[VerifyingKey],
    layout: &Layout,
) -> Result<u8, Failure> {
    let mut answer = 0;
    let mut refuse = |log: &Path, failure: &Failure| {
        println!("{}: NOT recovered: {}\n  {}", log.display(), failure.cause, failure.remedy);
        answer = NO;
    };
    let chosen = if names.is_empty() {
        interrupted(layout, &mut refuse)
    } else {
        names.iter().map(|name| named(name, &layout.audit())).collect::<Result<_, _>>()?
    };
    for log in &chosen {
        match audit_log::recover(layout, log, keys, unsigned) {
            Ok(recovery) => println!("{}", told(log, recovery)),
            Err(failure) => refuse(log, &failure),
        }
    }
    if chosen.is_empty() && answer == 0 {
        println!("no log of an ended sandbox looks interrupted");
    }
    Ok(answer)
}

/// The logs that look as if they had not ended, of sandboxes that do not run. One that cannot be read keeps no other open.
fn interrupted(layout: &Layout, mut refuse: impl FnMut(&Path, &Failure)) -> Vec<PathBuf> {
    let running = rundir::running(layout);
    let runs = |log: &PathBuf| {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        running.iter().any(|id| id.as_str() == name)
    };
    let mut found = logs(&layout.audit());
    found.retain(|log| log.is_dir() && !runs(log));
    found.retain(|log| match looks_interrupted(log) {
        Ok(is_so) => is_so,
        Err(error) => {
            refuse(log, &bad_log(&error));
            false
        }
    });
    found
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
