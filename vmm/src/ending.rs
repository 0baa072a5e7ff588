//! How a machine ends.

use crate::failure::Failure;

/// Why the machine no longer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The guest switched itself off or reset itself.
    Stopped,
    /// The guest's kernel panicked, with its own reason.
    Panicked(String),
    /// The manager asked the process to end.
    Terminated,
    /// The hypervisor cannot go on with this guest.
    Unrunnable(String),
    /// The host can no longer give the guest what it was promised.
    Failed(Failure),
}
