//! One client's socket: frames in, replies out, both bounded.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::journal::{Journal, StageError, Staged};
use crate::protocol::{self, MAX_HANDED_IN, MAX_REPLY, Reply};

/// Bytes that are read at once, at least.
const CHUNK: usize = 64 * 1024;

/// Longest event that is kept, to be rehearsed.
const MAX_REHEARSED: usize = 4096;

/// Replies that a client may leave unread before no more of its events are read.
const MAX_UNREAD: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Client {
    name: String,
    pub(crate) socket: UnixStream,
    incoming: Vec<u8>,
    outgoing: VecDeque<u8>,
    /// Whether more events may come.
    open: bool,
    /// Whether it gave word that one is about to.
    gave_word: bool,
    /// Its last event, if that is not long.
    last: Vec<u8>,
}

impl Client {
    pub(crate) fn new(name: String, socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (incoming, outgoing) = (Vec::new(), VecDeque::new());
        Ok(Self { name, socket, incoming, outgoing, open: true, gave_word: false, last: Vec::new() })
    }

    /// Whether its events should be waited for.
    pub(crate) fn wants_to_read(&self) -> bool {
        self.open && self.outgoing.len() < MAX_UNREAD
    }

    /// Whether it gave word of an event that has not come; once. What that is likely to take has been done once more then.
    pub(crate) fn take_word(&mut self, journal: &Journal) -> bool {
        let gave_word = std::mem::take(&mut self.gave_word);
        if gave_word {
            journal.rehearse(&self.name, &self.last);
        }
        gave_word
    }

    /// Whether replies wait for room in its socket.
    pub(crate) fn wants_to_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether nothing more will come from it or go to it.
    pub(crate) fn is_finished(&self) -> bool {
        !self.open && self.outgoing.is_empty()
    }

    /// Reads once and stages every whole event. The replies wait until [`Client::flush`].
    pub(crate) fn read(&mut self, journal: &mut Journal) {
        self.incoming.reserve(CHUNK);
        match rustix::io::read(&self.socket, spare_capacity(&mut self.incoming)) {
            Ok(0) => self.open = false,
            Ok(_more) => self.stage_events(journal),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_broken) => self.close(),
        }
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self) {
        while !self.outgoing.is_empty() {
            let (front, _rest) = self.outgoing.as_slices();
            match self.socket.write(front) {
                Ok(0) => return self.close(),
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_broken) => return self.close(),
            }
        }
    }

    /// Throws away the replies to what was not written, and refuses everything.
    pub(crate) fn refuse(&mut self, why: &str) {
        self.outgoing.extend(protocol::reply_frame(&Reply::Refused(why.to_owned())));
        self.open = false;
        self.flush();
    }

    /// Length of the replies so far, to return to if the records are not written.
    pub(crate) fn mark(&self) -> usize {
        self.outgoing.len()
    }

    /// Takes back the replies after `mark`.
    pub(crate) fn take_back(&mut self, mark: usize) {
        self.outgoing.truncate(mark);
    }

    /// What was staged after `mark` is not in the log, and goes on all the same.
    pub(crate) fn leave_unrecorded(&mut self, mark: usize) {
        let staged: Vec<u8> = self.outgoing.drain(mark.min(self.outgoing.len())..).collect();
        let mut used = 0;
        while let Ok(Some((body, length))) = protocol::first_frame(&staged[used..], MAX_REPLY) {
            let reply = protocol::parse_reply(body).expect("it is our own");
            self.reply(&if matches!(reply, Reply::Written(_)) { Reply::Unrecorded } else { reply });
            used += length;
        }
    }

    fn stage_events(&mut self, journal: &mut Journal) {
        let mut used = 0;
        loop {
            let frame = protocol::first_frame(&self.incoming[used..], MAX_HANDED_IN);
            let Ok(Some((event, length))) = frame else {
                if frame.is_err() {
                    self.reply(&Reply::Refused("an event is too long".to_owned()));
                    self.open = false;
                }
                break;
            };
            self.gave_word = event.is_empty();
            if self.gave_word {
                used += length;
                continue;
            }
            Self::keep(&mut self.last, event);
            let reply = match journal.stage(&self.name, event) {
                Ok(Staged::Chained(receipt)) => Reply::Written(receipt),
                Ok(Staged::Lost) => Reply::Unrecorded,
                Err(error) => Reply::Refused(describe(&error)),
            };
            used += length;
            self.reply(&reply);
        }
        self.incoming.drain(..used);
    }

    /// Keeps what may be rehearsed.
    fn keep(last: &mut Vec<u8>, event: &[u8]) {
        last.clear();
        if event.len() <= MAX_REHEARSED {
            last.extend_from_slice(event);
        }
    }

    fn reply(&mut self, reply: &Reply) {
        self.outgoing.extend(protocol::reply_frame(reply));
    }

    fn close(&mut self) {
        self.open = false;
        self.outgoing.clear();
    }
}

fn describe(error: &StageError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
