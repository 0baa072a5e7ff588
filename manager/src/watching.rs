//! Looks at the sandbox's own log while it grows, and tells the sandbox's loop what was noticed.
//!
//! On a thread of its own: a record's receipt never waits for it. It reads what the writer wrote, from whichever client, so that
//! no record passes it by; what it asks for comes milliseconds after the record, not before the action.

use std::path::PathBuf;
use std::time::Duration;

use audit::Response;
use audit::log::{Follow, LogError};
use audit_watch::{Detector, Finding, Kind, Settings};

use crate::failure::{Failure, chain};

/// How long one wait is; it ends sooner when something comes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What was noticed, or why nothing more will be.
pub(crate) type Noticed = Result<Finding, LogError>;

/// Follows the log in `directory`; `noticed` is called for every finding.
pub(crate) fn watch(directory: PathBuf, settings: Settings, noticed: impl Fn(Noticed) + Send + 'static) {
    std::thread::spawn(move || {
        if let Err(error) = follow(&directory, settings, &noticed) {
            noticed(Err(error));
        }
    });
}

fn follow(
    directory: &std::path::Path,
    settings: Settings,
    noticed: &impl Fn(Noticed),
) -> Result<(), LogError> {
    let mut detector = Detector::new(settings);
    let mut follow = Follow::all(directory)?;
    loop {
        if let Some(record) = follow.next_within(PATIENCE)? {
            detector.observe(&record).into_iter().for_each(|finding| noticed(Ok(finding)));
        }
    }
}

/// A log that cannot be followed: where a detection is to do something, a sandbox that nobody watches does not go on.
pub(crate) fn blind(error: &LogError, settings: &Settings) -> Result<(), Failure> {
    let acts = |kind| settings.response(kind).is_some_and(|response| response != Response::Record);
    if !Kind::ALL.into_iter().any(acts) {
        return Ok(());
    }
    Err(Failure::new(
        format_args!(
            "the sandbox's own log cannot be followed, and its detections are to respond: {}",
            chain(error)
        ),
        "openshell audit verify names the first record that is wrong",
    ))
}

/// The sandbox is ended for what was noticed.
pub(crate) fn stopped(finding: &Finding) -> Failure {
    Failure::new(
        format_args!("the sandbox was stopped by detection {}: {}", finding.kind.as_str(), finding.reason),
        "openshell audit watch --from-start --once --surface finding shows the records behind it",
    )
}
