//! The tree's leaves on their way to the signer, which nobody's receipt waits for.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;

/// Bytes of leaves that a signer may leave unread: a million records. One that is further behind does not work any more.
const MOST_UNREAD: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Leaves {
    pub(crate) socket: UnixStream,
    outgoing: VecDeque<u8>,
}

impl Leaves {
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, outgoing: VecDeque::new() })
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Sends what the signer takes, after these leaves were added.
    pub(crate) fn send(&mut self, leaves: &[u8]) -> io::Result<()> {
        self.outgoing.extend(leaves);
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

    /// Sends the rest, waiting for the signer as long as it reads.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_write_timeout(Some(std::time::Duration::from_secs(10)))?;
        self.send(&[])
    }
}
