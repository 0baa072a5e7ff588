//! One direction of a flow: what one socket received and the other has not taken yet.
//!
//! ```text
//! Open ──end of input──► Ending (the rest is written) ──► Ended (shut down for writing)
//!   └──receiver gone──► Discarding ──end of input──► Ended
//! ```
//! Nothing is read while something waits to be written: that is the back-pressure.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

/// Reads before another flow has its turn.
const READS_PER_TURN: usize = 16;

/// The scratch buffer that a thread's flows share; a flow keeps bytes of its own only while its receiver is
/// slower than its sender.
pub(super) const SCRATCH: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ending,
    Discarding,
    Ended,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: State,
    waiting: Vec<u8>,
    written: usize,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing more until a socket is ready again.
    Waiting,
    /// There may be more.
    Unfinished,
    /// The direction is over.
    Ended,
    /// The sender reset the connection.
    Reset,
}

impl Pipe {
    /// An open direction in which `first` is to be written before anything else.
    pub(crate) fn starting_with(first: Vec<u8>) -> Self {
        Self { state: State::Open, waiting: first, written: 0 }
    }

    /// Moves what can be moved.
    pub(crate) fn pump(&mut self, from: &OwnedFd, to: &OwnedFd, scratch: &mut [u8]) -> Progress {
        for _turn in 0..READS_PER_TURN {
            if self.state == State::Ended {
                return Progress::Ended;
            }
            if !self.flush(to) {
                return Progress::Waiting;
            }
            if self.state == State::Ending {
                let _ = rustix::net::shutdown(to, Shutdown::Write);
                self.state = State::Ended;
                return Progress::Ended;
            }
            match rustix::net::recv(from, &mut *scratch, RecvFlags::empty()) {
                Ok((0, _)) => self.end(),
                Ok((length, _)) => self.forward(to, scratch.get(..length).unwrap_or_default()),
                Err(Errno::AGAIN) => return Progress::Waiting,
                Err(Errno::INTR) => {}
                Err(_reset) => return Progress::Reset,
            }
        }
        Progress::Unfinished
    }

    /// Whether everything that was read has been written.
    fn flush(&mut self, to: &OwnedFd) -> bool {
        while let Some(rest) = self.waiting.get(self.written..).filter(|rest| !rest.is_empty()) {
            match rustix::net::send(to, rest, SendFlags::NOSIGNAL) {
                Ok(length) => self.written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                Err(_receiver_gone) => self.discard(),
            }
        }
        self.waiting.clear();
        self.written = 0;
        true
    }

    fn forward(&mut self, to: &OwnedFd, bytes: &[u8]) {
        if self.state != State::Open {
            return;
        }
        let sent = match rustix::net::send(to, bytes, SendFlags::NOSIGNAL) {
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_receiver_gone) => return self.discard(),
        };
        self.waiting.extend_from_slice(bytes.get(sent..).unwrap_or_default());
    }

    fn end(&mut self) {
        self.state = if self.state == State::Open { State::Ending } else { State::Ended };
    }

    /// A receiver that closed may still be sending, for example the answer that made it stop reading. So the
    /// sender is not cut off: what it sends is read, and goes nowhere.
    fn discard(&mut self) {
        self.state = State::Discarding;
        self.waiting.clear();
        self.written = 0;
    }
}
