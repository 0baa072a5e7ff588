//! Signals to the manager, as messages.

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

use crate::failure::Failure;

/// A signal that the manager received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The terminal's size changed.
    Resized,
    /// The manager, and whoever is in its group, was stopped, and goes on.
    Continued,
    /// A signal that is passed on to the agent.
    ForAgent(i32),
}

/// Delivers signals until dropped.
#[derive(Debug)]
pub struct Watch(Handle);

impl Watch {
    /// Starts calling `deliver`, on a thread of its own, for every signal.
    ///
    /// # Errors
    /// The kernel refuses the handlers.
    pub fn start(deliver: impl Fn(Received) + Send + 'static) -> Result<Self, Failure> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT]).map_err(
                |error| {
                    Failure::new(
                        format_args!("cannot watch for signals: {error}"),
                        "check the limit on open files",
                    )
                },
            )?;
        let handle = signals.handle();
        std::thread::spawn(move || {
            for number in signals.forever() {
                deliver(match number {
                    SIGWINCH => Received::Resized,
                    SIGCONT => Received::Continued,
                    other => Received::ForAgent(other),
                });
            }
        });
        Ok(Self(handle))
    }
}

impl Received {
    /// Whether it asks the manager itself to come to an end.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::ForAgent(SIGINT | SIGTERM | SIGHUP | SIGQUIT))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.close();
    }
}
