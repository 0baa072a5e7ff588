//! System calls that the agent's profile does not allow.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use wire::control::{FromGuest, MAX_EXECUTIONS, RefusedCall, Unlisted};

use crate::tally::{self, Counted, Tally, Tell};

/// Kinds that wait to be told at most.
const ROOM: usize = 128;

/// Written by the thread that reads of accesses, taken by the agent's session.
#[derive(Debug)]
pub(crate) struct Calls(Tally<Kind, u32>);

/// Calls that are told as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) number: u32,
    pub(super) program: String,
    pub(super) killed: bool,
}

impl tally::Kind for Kind {
    fn is_refused(&self) -> bool {
        true
    }
}

impl Calls {
    pub(super) fn new() -> Result<Self, Errno> {
        Tally::new(ROOM).map(Self)
    }

    pub(super) fn count(&self, kind: Kind, process: u32) {
        self.0.add(kind, 1, || process);
    }
}

impl Tell for Calls {
    fn due(&self, now: Instant) -> Option<Duration> {
        self.0.due(now)
    }

    fn heard(&self) {
        self.0.heard();
    }

    /// They are read with the accesses, which settle before.
    fn settle(&self) {}

    fn take(&self, now: Instant) -> Option<FromGuest> {
        let mut places = 0..MAX_EXECUTIONS;
        let (taken, Unlisted { refused, .. }) = self.0.take(now, |_kind| places.next().is_some())?;
        let told = |Counted { kind, first, times }| {
            let Kind { number, program, killed } = kind;
            RefusedCall { number, program, pid: first, killed, times }
        };
        Some(FromGuest::Called { calls: taken.into_iter().map(told).collect(), unlisted: refused })
    }
}

impl AsFd for Calls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
