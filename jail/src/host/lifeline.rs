//! Ties the process to the manager's life, and closes it to debuggers.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{DumpableBehavior, Signal};

use super::JailError;

pub(super) fn tie(status: BorrowedFd<'_>) -> Result<(), JailError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(JailError::Lifeline)?;
    // A parent that died before the line above sends no signal; its end of the status pipe is closed then.
    if manager_is_gone(status)? {
        return Err(JailError::Orphan);
    }
    // No ptrace by the same user, no core file, and /proc/<pid> belongs to root.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(JailError::Lifeline)
}

fn manager_is_gone(status: BorrowedFd<'_>) -> Result<bool, JailError> {
    let mut poll = [PollFd::from_borrowed_fd(status, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut poll, Some(&now)).map_err(JailError::Lifeline)?;
    Ok(poll[0].revents().intersects(PollFlags::ERR | PollFlags::HUP))
}
