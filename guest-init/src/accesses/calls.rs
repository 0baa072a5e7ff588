//! System calls that the agent's profile does not allow.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use wire::control::{FromGuest, MAX_EXECUTIONS, RefusedCall, Unlisted};
use wire::subject::Program;

use crate::tally::{self, After, Counted, Room, Tally, Tell};

/// Kinds that wait to be told at most.
const ROOM: usize = 128;

/// Written by the thread that reads of accesses, taken by the agent's session.
#[derive(Debug)]
pub(crate) struct Calls(Tally<Kind, Program>);

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

    /// Counts one more; `by` is asked if it is the first.
    pub(super) fn count(&self, kind: Kind, by: impl FnOnce(&str) -> Program) {
        let program = kind.program.clone();
        self.0.add(kind, 1, || by(&program));
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
    fn settle(&self, _after: After) {}

    fn take(&self, now: Instant) -> Option<FromGuest> {
        let mut room = Room::of(MAX_EXECUTIONS);
        let (taken, Unlisted { refused, .. }) = self.0.take(now, |_kind, by| room.takes(0, by))?;
        let told = |Counted { kind: Kind { number, killed, .. }, first: by, times }| RefusedCall {
            number,
            by,
            killed,
            times,
        };
        Some(FromGuest::Called { calls: taken.into_iter().map(told).collect(), unlisted: refused })
    }
}

impl AsFd for Calls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
