//! `openshell audit recover`.

use std::path::{Path, PathBuf};

use audit::checkpoint::VerifyingKey;
use audit::verify::{Looks, looks};
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
    found.retain(|log| match looks(log) {
        Ok(Looks::Ended) => false,
        Ok(Looks::Interrupted) => true,
        Ok(Looks::Endless) => {
            refuse(log, &endless());
            false
        }
        Err(error) => {
            refuse(log, &bad_log(&error));
            false
        }
    });
    found
}

/// A crash leaves that, and so does who cuts a log back: whoever closes it takes the blame.
fn endless() -> Failure {
    Failure::new(
        "all of it is signed, and its last record is not its end",
        "its sandbox was killed, or it was cut back together with its checkpoints: compare it with what was kept elsewhere (`openshell audit verify --checkpoint`), then name it to close it",
    )
}

fn told(log: &Path, recovery: Recovery) -> String {
    let log = log.display();
    match recovery {
        Recovery::Whole => format!("{log}: ended as it should"),
        Recovery::Closed { records, unsigned: 0, had_end: true } => {
            format!("{log}: closed; {records} records")
        }
        Recovery::Closed { records, unsigned: 0, had_end: false } => format!(
            "{log}: closed; {records} records, of which the last was not its end: whether something followed, nothing shows, and the log says so"
        ),
        Recovery::Closed { records, unsigned, .. } => format!(
            "{log}: closed; {records} records, of which the last {unsigned} were not signed before: the log says so"
        ),
    }
}
