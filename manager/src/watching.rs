//! Looks at the sandbox's own log while it grows, and tells the sandbox's loop what was noticed.
//!
//! On a thread of its own: a record's receipt never waits for it. It reads what the writer wrote, from whichever client, so that
//! no record passes it by; what it asks for comes milliseconds after the record, not before the action.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use audit::Response;
use audit::log::{Follow, LogError};
use audit_watch::{Detector, Finding, Kind, Settings};

use crate::failure::{Failure, chain};

/// How long one wait is; it ends sooner when something comes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What was noticed, or why nothing more will be.
pub(crate) type Noticed = Result<Finding, Blind>;

/// Why nobody looks any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Blind {
    /// The log cannot be followed.
    #[error("the log cannot be followed")]
    Log(#[source] LogError),
    /// A fault of ours.
    #[error("the thread that looks at the log has panicked")]
    Panicked,
}

/// Follows the log in `directory`; `noticed` is called for every finding.
pub(crate) fn watch(directory: PathBuf, settings: Settings, noticed: impl Fn(Noticed) + Send + 'static) {
    let _goes_on_by_itself = look(noticed, move |noticed| follow(&directory, settings, noticed));
}

/// Looks on a thread of its own. That it has ended is told, however it has.
fn look<F: Fn(Noticed) + Send + 'static>(
    noticed: F,
    work: impl FnOnce(&F) -> Result<(), LogError> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let told = ToldOfPanic(noticed);
        if let Err(error) = work(&told.0) {
            (told.0)(Err(Blind::Log(error)));
        }
    })
}

struct ToldOfPanic<F: Fn(Noticed)>(F);

impl<F: Fn(Noticed)> Drop for ToldOfPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(Err(Blind::Panicked));
        }
    }
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
pub(crate) fn blind(error: &Blind, settings: &Settings) -> Result<(), Failure> {
    let acts = |kind| settings.response(kind).is_some_and(|response| response != Response::Record);
    if !Kind::ALL.into_iter().any(acts) {
        return Ok(());
    }
    Err(Failure::new(
        format_args!(
            "nobody looks at the sandbox's log any more, and its detections are to respond: {}",
            chain(error)
        ),
        match error {
            Blind::Log(_) => "openshell audit verify names the first record that is wrong",
            Blind::Panicked => "this is a fault of openshell: please report it",
        },
    ))
}

/// The sandbox is ended for what was noticed.
pub(crate) fn stopped(finding: &Finding) -> Failure {
    Failure::new(
        format_args!("the sandbox was stopped by detection {}: {}", finding.kind.as_str(), finding.reason),
        "openshell audit watch --from-start --once --surface finding shows the records behind it",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A sandbox that nobody watches does not go on where a detection is to respond.
    #[test]
    fn a_watch_that_panics_is_told_of() {
        let (tell, told) = mpsc::channel();
        let thread = look(move |noticed| tell.send(noticed).unwrap(), |_noticed| panic!("a fault of ours"));
        assert!(thread.join().is_err());
        let blinded = told.recv().unwrap().unwrap_err();
        assert!(matches!(blinded, Blind::Panicked));
        let mut settings = Settings::default();
        blind(&blinded, &settings).unwrap();
        settings.credential_misuse.response = Response::Stop;
        assert!(blind(&blinded, &settings).unwrap_err().cause.contains("panicked"));
    }
}
