//! The tree's leaves on their way to the signer, which nobody's receipt waits for.
//!
//! A leaf goes only once its record is on the disk: a checkpoint over records that power loss takes would make a log that lost
//! them pass for one whose end was cut off.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;

use super::journal::LEAF;

/// Bytes of leaves that a signer may leave unread: a million records. One that is further behind does not work any more.
const MOST_UNREAD: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Leaves {
    pub(crate) socket: UnixStream,
    /// Of records that may not be on the disk yet.
    held: VecDeque<u8>,
    /// Number of the last record whose leaf is not held any more.
    passed: u64,
    outgoing: VecDeque<u8>,
}

impl Leaves {
    /// The leaves of the records after number `passed` are to come.
    pub(crate) fn new(socket: UnixStream, passed: u64) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, held: VecDeque::new(), passed, outgoing: VecDeque::new() })
    }

    /// Adds the leaves of the next records.
    pub(crate) fn hold(&mut self, leaves: &[u8]) {
        self.held.extend(leaves);
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Sends what the signer takes, now that the records up to number `synced` are on the disk.
    pub(crate) fn send(&mut self, synced: u64) -> io::Result<()> {
        let more = usize::try_from(synced.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        let more = more.saturating_mul(LEAF).min(self.held.len());
        self.outgoing.extend(self.held.drain(..more));
        self.passed = self.passed.max(synced);
        while !self.outgoing.is_empty() {
            let (front, _rest) = self.outgoing.as_slices();
            match self.socket.write(front) {
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.outgoing.len() > MOST_UNREAD {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it has not kept up for a million records"));
        }
        Ok(())
    }

    /// Sends the rest up to number `synced`, waiting for the signer as long as it reads.
    pub(crate) fn finish(&mut self, synced: u64) -> io::Result<()> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_write_timeout(Some(std::time::Duration::from_secs(10)))?;
        self.send(synced)
    }
}
