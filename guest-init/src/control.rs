//! The control channel: frames to and from the manager, never blocking once the agent runs.
//!
//! What is queued for the manager is bounded by the caller, who stops taking the agent's output while the
//! queue is long; so a slow terminal on the host slows the agent down instead of filling guest memory.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use wire::control::{Execute, FromGuest, Setup, ToGuest};
use wire::copy::Copy;
use wire::frame::{self, FrameError};
use wire::vsock::Port;

use crate::host::Host;

/// Bytes of the length that precedes every frame.
const PREFIX: usize = 4;

/// How long the manager may take to close the channel after the last message.
const CLOSING: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Why the channel cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// No connection to the manager.
    #[error("cannot connect to the manager")]
    Connect(#[source] std::io::Error),
    /// The connection failed.
    #[error("the control channel failed")]
    Channel(#[source] Errno),
    /// The manager closed it.
    #[error("the manager closed the control channel")]
    Closed,
    /// What came is not a message.
    #[error("malformed message from the manager")]
    Frame(#[source] FrameError),
    /// A message that has no place here.
    #[error("the manager sent {0} out of turn")]
    OutOfTurn(String),
}

/// What a further session is for.
#[derive(Debug)]
pub(crate) enum Task {
    /// A command.
    Execute(Box<Execute>),
    /// A copy.
    Copy(Box<Copy>),
}

/// The connection, with what is read and not yet a message, and what is queued and not yet written.
#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

impl Control {
    /// Connects to a port of the manager's.
    ///
    /// # Errors
    /// The manager does not listen.
    pub(crate) fn connect(host: &dyn Host, port: Port) -> Result<Self, ControlError> {
        let socket = host.connect(port).map_err(ControlError::Connect)?;
        let control = Self { socket, inbox: Vec::new(), outbox: Vec::new() };
        control.wait(PollFlags::OUT)?;
        let outcome = rustix::net::sockopt::socket_error(&control.socket).map_err(ControlError::Channel)?;
        outcome.map_err(|error| ControlError::Connect(error.into()))?;
        Ok(control)
    }

    /// Waits for the setup. The bytes it came in are wiped: they held the flow key.
    ///
    /// # Errors
    /// The channel failed, or another message came.
    pub(crate) fn receive_setup(&mut self) -> Result<Box<Setup>, ControlError> {
        match self.receive(frame::LARGE)? {
            ToGuest::Setup(setup) => Ok(setup),
            other => Err(ControlError::OutOfTurn(format!("{other:?}"))),
        }
    }

    /// Waits for what a session is for.
    ///
    /// # Errors
    /// The channel failed, or another message came.
    pub(crate) fn receive_task(&mut self) -> Result<Task, ControlError> {
        match self.receive(frame::SMALL)? {
            ToGuest::Execute(execute) => Ok(Task::Execute(execute)),
            ToGuest::Copy(copy) => Ok(Task::Copy(copy)),
            other => Err(ControlError::OutOfTurn(format!("{other:?}"))),
        }
    }

    fn receive(&mut self, limit: usize) -> Result<ToGuest, ControlError> {
        loop {
            if let Some(message) = self.next(limit)? {
                return Ok(message);
            }
            self.wait(PollFlags::IN)?;
            self.fill()?;
        }
    }

    /// Queues a message and writes what can be written now.
    ///
    /// # Errors
    /// The channel failed.
    pub(crate) fn send(&mut self, message: &FromGuest) -> Result<(), ControlError> {
        self.outbox.extend(frame::encode(message).map_err(ControlError::Frame)?);
        self.drain()
    }

    /// Writes all that is queued, however long it takes.
    ///
    /// # Errors
    /// The channel failed.
    pub(crate) fn flush(&mut self) -> Result<(), ControlError> {
        self.drain()?;
        while !self.outbox.is_empty() {
            self.wait(PollFlags::OUT)?;
            self.drain()?;
        }
        Ok(())
    }

    /// Says that nothing more will be sent, and waits until the manager has closed its side: then it has
    /// read everything. A manager that does not close in time is not waited for.
    pub(crate) fn close(mut self) {
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write);
        while self.wait_until(PollFlags::IN, Some(&CLOSING)).is_ok_and(|ready| ready > 0)
            && self.fill().is_ok()
        {
            self.inbox.clear();
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// The manager closed the channel, or it failed.
    pub(crate) fn fill(&mut self) -> Result<(), ControlError> {
        let mut chunk = [0; 16 * 1024];
        match rustix::io::read(&self.socket, &mut chunk) {
            Ok(0) => Err(ControlError::Closed),
            Ok(length) => {
                self.inbox.extend_from_slice(chunk.get(..length).unwrap_or_default());
                chunk.fill(0);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(ControlError::Channel(error)),
        }
    }

    /// Takes the next message of at most `limit` bytes out of what was read.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn next(&mut self, limit: usize) -> Result<Option<ToGuest>, ControlError> {
        let Some(prefix) = self.inbox.first_chunk::<PREFIX>() else { return Ok(None) };
        let end = PREFIX + frame::body_length(*prefix, limit).map_err(ControlError::Frame)?;
        let Some(body) = self.inbox.get(PREFIX..end) else { return Ok(None) };
        let message = frame::decode(body).map_err(ControlError::Frame)?;
        let rest = self.inbox.split_off(end);
        let mut used = std::mem::replace(&mut self.inbox, rest);
        wipe(&mut used);
        Ok(Some(message))
    }

    /// Writes what can be written without waiting.
    ///
    /// # Errors
    /// The channel failed.
    pub(crate) fn drain(&mut self) -> Result<(), ControlError> {
        let mut written = 0;
        while let Some(rest) = self.outbox.get(written..).filter(|rest| !rest.is_empty()) {
            match rustix::net::send(&self.socket, rest, rustix::net::SendFlags::NOSIGNAL) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(ControlError::Channel(error)),
            }
        }
        self.outbox.drain(..written);
        Ok(())
    }

    /// Bytes that wait for the manager.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.len()
    }

    fn wait(&self, events: PollFlags) -> Result<(), ControlError> {
        self.wait_until(events, None).map(drop)
    }

    fn wait_until(&self, events: PollFlags, limit: Option<&Timespec>) -> Result<usize, ControlError> {
        let mut poll = [PollFd::new(&self.socket, events)];
        match rustix::event::poll(&mut poll, limit) {
            Ok(ready) => Ok(ready),
            Err(Errno::INTR) => Ok(1),
            Err(error) => Err(ControlError::Channel(error)),
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Overwrites bytes that held a secret. `black_box` keeps the compiler from dropping a write that nobody
/// reads.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}
