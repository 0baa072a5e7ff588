//! The agent's next life, in the namespaces of the one before: the warden splits a new process, which is confined anew, and gets
//! new streams. Pipes are made; a terminal stays the same, so that whoever looks at it goes on.
//!
//! *Invariant:* nobody of the life before, and nobody whom an operator started since, is left when the next one begins: the
//! warden sees to it when it tells the end, and once more before the new streams are made, which nobody else can take.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::{Action, OptionalActions, QueueSelector, Termios, Winsize};
use wire::control::Size;

use super::channel::{Channel, Order, Report};
use super::{AgentError, Inner, Streams, executing_as, streams, warden};
use crate::sys;

/// What a terminal may do to its file: its owner reads and writes, others write if they are of its group.
const TERMINAL: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::WGRP);

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
    /// As the manager said last, whatever the agent has made of it.
    size: Winsize,
}

impl Lives {
    /// Keeps what the first life's streams have that the next ones need. The agent must not have been started.
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

    /// Ends whoever runs, and what they left in memory; the warden must have told the end of the life before.
    ///
    /// # Errors
    /// It could not be ended.
    pub(super) fn clear(channel: &mut Channel) -> Result<(), AgentError> {
        channel.send(&Order::Again)?;
        match channel.receive()?.0 {
            Report::Viewed => Ok(()),
            Report::Failed(cause) => Err(AgentError::Refused(cause)),
            _other => Err(AgentError::OutOfTurn),
        }
    }

    /// Starts the next life, after [`Self::clear`].
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
        channel.send_with(&Order::Start, &inner.each_ref().map(AsFd::as_fd))?;
        drop(inner);
        Ok((executing_as(channel)?, outer))
    }

    /// The size that this life and the next find.
    pub(super) fn resize(&mut self, size: Size) {
        if let Some(kept) = &mut self.terminal {
            kept.size = warden::winsize(size);
            let _ = rustix::termios::tcsetwinsize(&kept.master, kept.size);
        }
    }
}

impl Kept {
    fn of(master: &OwnedFd) -> Result<Self, Errno> {
        let settings = rustix::termios::tcgetattr(master)?;
        let size = rustix::termios::tcgetwinsize(master)?;
        Ok(Self { master: rustix::io::fcntl_dupfd_cloexec(master, 3)?, settings, size })
    }

    /// Opens the agent's side anew, as it was at first: the end of the session before hung it up, for whoever still had it, and
    /// left it as that session wanted it. It may have been stopped, be for its first user only, or of another discipline.
    fn reopen(&self) -> Result<(Streams, [OwnedFd; 3]), Errno> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&self.master, flags)?;
        rustix::termios::ioctl_tiocnxcl(&slave)?;
        sys::reset_discipline(slave.as_fd())?;
        // What a program stopped only a program lets go on, and what a key stopped only a key: for it to be both, it is stopped once more.
        rustix::termios::tcflow(&slave, Action::OOff)?;
        rustix::termios::tcflow(&slave, Action::OOn)?;
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &self.settings)?;
        rustix::termios::tcsetwinsize(&slave, self.size)?;
        // What was typed to nobody is dropped, and so is what others have shown since.
        rustix::termios::tcflush(&slave, QueueSelector::IOFlush)?;
        rustix::fs::fchmod(&slave, TERMINAL)?;
        let copy = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
        Ok((Streams::Terminal(copy(&self.master)?), [copy(&slave)?, copy(&slave)?, slave]))
    }
}

#[cfg(test)]
mod tests;
