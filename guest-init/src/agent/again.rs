//! The agent's next life, in the namespaces of the one before: the warden splits a new process, which is confined anew, and gets
//! new streams. Pipes are made; a terminal stays the same, so that whoever looks at it goes on.
//!
//! *Invariant:* nobody of the life before is left when the next one begins; the warden saw to that before it told the end.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios};
use wire::control::Size;

use super::channel::{Channel, Order};
use super::{AgentError, Inner, Streams, executing_as, streams, warden};

/// What outlasts a life.
#[derive(Debug)]
pub(crate) struct Lives {
    terminal: Option<Kept>,
}

/// A terminal between two lives.
#[derive(Debug)]
struct Kept {
    master: OwnedFd,
    /// As it was before anybody changed it.
    settings: Termios,
}

impl Lives {
    /// Keeps what the first life's streams have that the next ones need.
    ///
    /// # Errors
    /// The terminal cannot be kept.
    pub(crate) fn of(streams: &Streams) -> Result<Self, AgentError> {
        let terminal = match streams {
            Streams::Pipes { .. } => None,
            Streams::Terminal(master) => Some(Kept::of(master).map_err(AgentError::Terminal)?),
        };
        Ok(Self { terminal })
    }

    /// Starts the next life; the warden must have told the end of the one before.
    ///
    /// # Errors
    /// It could not be confined, or has no streams.
    pub(super) fn begin(&self, channel: &mut Channel) -> Result<(Pid, Streams), AgentError> {
        let (outer, inner) = match &self.terminal {
            Some(kept) => kept.reopen().map_err(AgentError::Terminal)?,
            None => match streams(None)? {
                (Some(outer), Inner::Pipes(inner)) => (outer, inner),
                _ => return Err(AgentError::OutOfTurn),
            },
        };
        channel.send_with(&Order::Again, &inner.each_ref().map(AsFd::as_fd))?;
        drop(inner);
        Ok((executing_as(channel)?, outer))
    }

    /// The size that the next life finds.
    pub(super) fn resize(&self, size: Size) {
        if let Some(kept) = &self.terminal {
            let _ = rustix::termios::tcsetwinsize(&kept.master, warden::winsize(size));
        }
    }
}

impl Kept {
    fn of(master: &OwnedFd) -> Result<Self, Errno> {
        let settings = rustix::termios::tcgetattr(master)?;
        Ok(Self { master: rustix::io::fcntl_dupfd_cloexec(master, 3)?, settings })
    }

    /// Opens the agent's side anew: the end of the session before hung it up, for whoever still had it.
    fn reopen(&self) -> Result<(Streams, [OwnedFd; 3]), Errno> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&self.master, flags)?;
        // What was typed to nobody is dropped.
        rustix::termios::tcsetattr(&slave, OptionalActions::Flush, &self.settings)?;
        let copy = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
        Ok((Streams::Terminal(copy(&self.master)?), [copy(&slave)?, copy(&slave)?, slave]))
    }
}

#[cfg(test)]
mod tests;
