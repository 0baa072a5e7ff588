//! The stream of questions to the host: one at a time, opened by the first question and after a break.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};
use wire::frame;
use wire::name::{Query, Reply};
use wire::vsock::NAMES;

use crate::host::Host;

/// Questions that wait for a host that does not read, in bytes.
const MAX_QUEUED: usize = 256 * 1024;

const PREFIX: usize = 4;

/// The stream, if there is one.
pub(super) struct Upstream {
    host: Arc<dyn Host>,
    stream: Option<Stream>,
}

struct Stream {
    socket: OwnedFd,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

/// The host cannot be asked now.
#[derive(Debug)]
pub(super) struct Unreachable;

impl Upstream {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        Self { host, stream: None }
    }

    /// What to wait for on the stream.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let stream = self.stream.as_ref()?;
        let events = if stream.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        Some((stream.socket.as_fd(), events))
    }

    /// Queues a question.
    pub(super) fn send(&mut self, query: &Query) -> Result<(), Unreachable> {
        let frame = frame::encode(query).map_err(|_too_long| Unreachable)?;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(Stream {
                socket: self.host.connect(NAMES).map_err(|_refused| Unreachable)?,
                inbox: Vec::new(),
                outbox: Vec::new(),
            }),
        };
        if stream.outbox.len() + frame.len() > MAX_QUEUED {
            return Err(Unreachable);
        }
        stream.outbox.extend(frame);
        Ok(())
    }

    /// Writes and reads what can be; returns the replies that are whole. After an error the stream is gone.
    pub(super) fn turn(&mut self, events: PollFlags) -> Result<Vec<Reply>, Unreachable> {
        let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
        let outcome = stream.turn(events);
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }
}

impl Stream {
    fn turn(&mut self, events: PollFlags) -> Result<Vec<Reply>, Unreachable> {
        if !matches!(sockopt::socket_error(&self.socket), Ok(Ok(()))) {
            return Err(Unreachable);
        }
        if events.contains(PollFlags::OUT) {
            self.write()?;
        }
        if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.read()?;
        }
        let mut replies = Vec::new();
        while let Some(reply) = self.next()? {
            replies.push(reply);
        }
        Ok(replies)
    }

    fn write(&mut self) -> Result<(), Unreachable> {
        match rustix::net::send(&self.socket, &self.outbox, SendFlags::NOSIGNAL) {
            Ok(length) => {
                self.outbox.drain(..length);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_gone) => Err(Unreachable),
        }
    }

    fn read(&mut self) -> Result<(), Unreachable> {
        let mut chunk = [0; 16 * 1024];
        match rustix::net::recv(&self.socket, &mut chunk, RecvFlags::empty()) {
            Ok((0, _)) => Err(Unreachable),
            Ok((length, _)) => {
                self.inbox.extend_from_slice(chunk.get(..length).unwrap_or_default());
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_gone) => Err(Unreachable),
        }
    }

    fn next(&mut self) -> Result<Option<Reply>, Unreachable> {
        let Some(prefix) = self.inbox.first_chunk::<PREFIX>() else { return Ok(None) };
        let end = PREFIX + frame::body_length(*prefix, frame::SMALL).map_err(|_too_long| Unreachable)?;
        let Some(body) = self.inbox.get(PREFIX..end) else { return Ok(None) };
        let reply = frame::decode(body).map_err(|_malformed| Unreachable)?;
        self.inbox.drain(..end);
        Ok(Some(reply))
    }
}
