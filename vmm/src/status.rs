//! The manager's ear: one JSON line per event.

#![expect(unsafe_code, reason = "the status descriptor is inherited by number")]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};
use std::process::ExitCode;

use wire::machine::MachineEvent;
use wire::spawn::{EXIT_FAILED, STATUS_FD};

use crate::ending::Ending;
use crate::failure::Failure;

/// The status descriptor.
#[derive(Debug)]
pub(crate) struct Status(File);

impl Status {
    /// Takes the inherited descriptor.
    pub(crate) fn open() -> Self {
        // SAFETY: the manager hands over this number for us alone, and `main` calls this once.
        Self(unsafe { File::from_raw_fd(STATUS_FD.0) })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reports one event. A manager that no longer listens has gone, and takes the process with it.
    pub(crate) fn report(&self, event: &MachineEvent) {
        let mut line = serde_json::to_vec(event).expect("an event has no map with other keys than strings");
        line.push(b'\n');
        if let Err(error) = (&self.0).write_all(&line) {
            log(&format!("cannot report {event:?}: {error}"));
        }
    }

    /// Reports how the machine ended, and says what the process exits with.
    pub(crate) fn ended(&self, ending: &Ending) -> ExitCode {
        match ending {
            Ending::Stopped => self.report(&MachineEvent::Stopped),
            Ending::Panicked(reason) => self.report(&MachineEvent::Panicked { reason: reason.clone() }),
            Ending::Terminated => {}
            Ending::Failed(failure) => return self.failed(failure),
            Ending::Unrunnable(cause) => {
                let remedy =
                    "run `openshell doctor`: it tells whether this host's KVM can run a Linux kernel";
                return self.failed(&Failure { cause: cause.clone(), remedy: remedy.to_owned() });
            }
        }
        ExitCode::SUCCESS
    }

    /// Reports a failure, and says what the process exits with.
    pub(crate) fn failed(&self, failure: &Failure) -> ExitCode {
        let Failure { cause, remedy } = failure.clone();
        self.report(&MachineEvent::Failed { cause, remedy });
        ExitCode::from(u8::try_from(EXIT_FAILED).expect("an exit status fits in a byte"))
    }
}

/// A line for the operator, on the process's log.
#[expect(clippy::print_stderr, reason = "standard error is this process's log file")]
pub(crate) fn log(line: &str) {
    eprintln!("openshell-vmm: {line}");
}
