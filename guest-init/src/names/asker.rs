//! Who waits for an answer, and the connections among them (RFC 1035, section 4.2.2: two bytes of length
//! before each message).

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, sockopt};

/// Answers that wait for a client that does not read, in bytes; beyond, the connection is closed.
const MAX_QUEUED: usize = 256 * 1024;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A datagram from this address, on this socket of ours.
    Datagram { socket: usize, client: SocketAddr },
    /// A message on this connection.
    Connection(u64),
}

/// A connection that asks names.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    client: SocketAddr,
    destination: SocketAddr,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

/// The connection is over, for whatever reason.
#[derive(Debug)]
pub(super) struct Over;

impl Connection {
    /// Accepts one, if one is still there.
    pub(super) fn accept(listener: &OwnedFd) -> Option<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::accept_with(listener, flags).ok()?;
        let client = SocketAddr::try_from(rustix::net::getpeername(&socket).ok()??).ok()?;
        let destination = match client {
            SocketAddr::V4(_) => sockopt::ip_original_dst(&socket).ok().map(SocketAddr::from),
            SocketAddr::V6(_) => sockopt::ipv6_original_dst(&socket).ok().map(SocketAddr::from),
        };
        // Asked at our own address, there was no redirection.
        let destination = destination.or_else(|| {
            rustix::net::getsockname(&socket).ok().and_then(|own| SocketAddr::try_from(own).ok())
        })?;
        Some(Self { socket, client, destination, inbox: Vec::new(), outbox: Vec::new() })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn client(&self) -> SocketAddr {
        self.client
    }

    pub(super) fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Queues an answer.
    pub(super) fn queue(&mut self, answer: &[u8]) {
        let Ok(length) = u16::try_from(answer.len()) else { return };
        self.outbox.extend(length.to_be_bytes());
        self.outbox.extend(answer);
    }

    /// Writes and reads what can be; returns the questions that are whole.
    pub(super) fn turn(&mut self, longest: usize) -> Result<Vec<Vec<u8>>, Over> {
        self.write()?;
        let mut chunk = [0; 4096];
        match rustix::net::recv(&self.socket, &mut chunk, RecvFlags::empty()) {
            Ok((0, _)) => return Err(Over),
            Ok((length, _)) => self.inbox.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_reset) => return Err(Over),
        }
        let mut questions = Vec::new();
        while let Some(prefix) = self.inbox.first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*prefix));
            if length > longest {
                return Err(Over);
            }
            let Some(question) = self.inbox.get(2..2 + length) else { break };
            questions.push(question.to_vec());
            self.inbox.drain(..2 + length);
        }
        Ok(questions)
    }

    fn write(&mut self) -> Result<(), Over> {
        if self.outbox.len() > MAX_QUEUED {
            return Err(Over);
        }
        match rustix::net::send(&self.socket, &self.outbox, SendFlags::NOSIGNAL) {
            Ok(length) => {
                self.outbox.drain(..length);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_gone) => Err(Over),
        }
    }
}
