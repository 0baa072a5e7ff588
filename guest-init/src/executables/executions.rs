//! What was executed and what was refused.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Pid;
use wire::control::{Execution, FromGuest, MAX_EXECUTIONS, RefusalReason};
use wire::subject::Digest;

use crate::identity::Version;
use crate::tally::{self, Counted, Tally, Tell};

/// Kinds that wait to be told at most, of each sort.
const ROOM: usize = 256;

/// Written by the thread that answers, taken by the agent's session.
#[derive(Debug)]
pub(crate) struct Executions {
    tally: Tally<Kind, First>,
    /// Held from before an answer until what was answered is counted.
    answering: Mutex<()>,
}

/// Executions that are told as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    program: String,
    caller: String,
    refused: Option<RefusalReason>,
    /// Another content under the same path is another kind, and so is another caller's.
    version: Option<Version>,
    caller_version: Option<Version>,
}

#[derive(Debug)]
struct First {
    thread: u32,
    sha256: Option<Digest>,
    caller_sha256: Option<Digest>,
}

impl Kind {
    pub(super) fn new(
        program: &[u8],
        (caller, caller_version): (&[u8], Option<Version>),
        (refused, version): (Option<RefusalReason>, Option<Version>),
    ) -> Self {
        Self { program: tally::text(program), caller: tally::text(caller), refused, version, caller_version }
    }
}

impl tally::Kind for Kind {
    fn is_refused(&self) -> bool {
        self.refused.is_some()
    }
}

impl Executions {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self { tally: Tally::new(ROOM)?, answering: Mutex::default() })
    }

    /// Nobody is told that all was told, until the result is dropped.
    pub(super) fn answering(&self) -> MutexGuard<'_, ()> {
        self.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more of a kind that waits to be told; whether there is one.
    pub(super) fn again(&self, kind: &Kind) -> bool {
        self.tally.again(kind)
    }

    /// The first of its kind since it was told last; `sha256` and what is `known` are asked only where there is room for it.
    pub(super) fn first(
        &self,
        kind: Kind,
        thread: Pid,
        (sha256, known): (impl FnOnce() -> Option<Digest>, impl FnOnce(&Version) -> Option<Digest>),
    ) {
        let thread = thread.as_raw_nonzero().get().unsigned_abs();
        let caller = kind.caller_version;
        let first = || First { thread, sha256: sha256(), caller_sha256: caller.as_ref().and_then(known) };
        self.tally.add(kind, 1, first);
    }
}

impl Tell for Executions {
    fn due(&self, now: Instant) -> Option<Duration> {
        self.tally.due(now)
    }

    fn heard(&self) {
        self.tally.heard();
    }

    fn settle(&self) {
        drop(self.answering());
    }

    fn take(&self, now: Instant) -> Option<FromGuest> {
        let mut places = 0..MAX_EXECUTIONS;
        let (taken, unlisted) = self.tally.take(now, |_kind| places.next().is_some())?;
        let told = |Counted { kind, first, times }| {
            let Kind { program, caller, refused, .. } = kind;
            let First { thread, sha256, caller_sha256 } = first;
            Execution { program, caller, caller_sha256, pid: thread, sha256, refused, times }
        };
        Some(FromGuest::Executed { executions: taken.into_iter().map(told).collect(), unlisted })
    }
}

impl AsFd for Executions {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tally.as_fd()
    }
}
