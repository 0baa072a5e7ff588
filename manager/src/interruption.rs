//! The user's wish to stop, for the part of a command that waits for tools instead of events.

use std::time::Duration;

use images::Stop;

use crate::failure::{ExitStatus, Failure};
use crate::signals::{Received, Watch};

/// How much later than a failure that the user's signal caused the signal itself may be heard of.
const SAME_MOMENT: Duration = Duration::from_millis(100);

/// Watches for the signals that end a command, until dropped.
#[derive(Debug)]
pub struct Interruption {
    stop: Stop,
    _signals: Watch,
}

impl Interruption {
    /// Starts to watch; `deliver` hears of every signal too.
    ///
    /// # Errors
    /// The kernel refuses the handlers, or no descriptor is left.
    pub fn watch(deliver: impl Fn(Received) + Send + 'static) -> Result<Self, Failure> {
        let stop = Stop::new().map_err(|error| {
            Failure::new(format_args!("cannot watch for signals: {error}"), "check the limit on open files")
        })?;
        let asked = stop.clone();
        let signals = Watch::start(move |signal| {
            if signal.ends() {
                asked.ask();
            }
            deliver(signal);
        })?;
        Ok(Self { stop, _signals: signals })
    }

    /// Asked as soon as the user wants to stop.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// What failed because of the user's signal did not fail by itself.
    #[must_use]
    pub fn explain(&self, failure: Failure) -> Failure {
        if self.stop.is_asked_within(SAME_MOMENT) { interrupted() } else { failure }
    }
}

/// The user asked for the end.
pub(crate) fn interrupted() -> Failure {
    Failure::new("interrupted", "nothing is left running").with_status(ExitStatus::Interrupted)
}
