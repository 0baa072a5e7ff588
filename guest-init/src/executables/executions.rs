//! What was executed and what was refused.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use wire::control::{Execution, FromGuest, MAX_EXECUTIONS, RefusalReason};
use wire::subject::{Digest, Program};

use super::facts::Caller;
use crate::identity::Version;
use crate::tally::{self, After, Counted, Room, Tally, Tell};

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
    pub(super) program: String,
    caller: String,
    script: Option<String>,
    refused: Option<RefusalReason>,
    /// Another content under the same path is another kind, and so is another caller's.
    version: Option<Version>,
    caller_version: Option<Version>,
}

/// What is told of the first of a kind.
#[derive(Debug)]
pub(super) struct First {
    pub(super) caller: Program,
    /// Of the file's content.
    pub(super) sha256: Option<Digest>,
}

impl Kind {
    pub(super) fn new(
        program: &[u8],
        Caller { path, version: caller_version, script }: Caller,
        (refused, version): (Option<RefusalReason>, Option<Version>),
    ) -> Self {
        Self { program: tally::text(program), caller: path, script, refused, version, caller_version }
    }

    /// The executable of whoever does it.
    pub(super) fn caller(&self) -> &str {
        &self.caller
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

    /// Counts one more of a kind that waits to be told; whether there is one. What scripts an agent has, it chooses: where many
    /// wait they are not told apart any more, so that they crowd out no program.
    pub(super) fn again(&self, kind: &mut Kind) -> bool {
        if kind.script.is_some() && self.tally.is_crowded(kind.refused.is_some()) {
            kind.script = None;
        }
        self.tally.again(kind)
    }

    /// The first of its kind since it was told last; `sha256` is asked only where there is room for it.
    pub(super) fn first(&self, kind: Kind, caller: Program, sha256: impl FnOnce() -> Option<Digest>) {
        self.tally.add(kind, 1, || First { caller, sha256: sha256() });
    }
}

impl Tell for Executions {
    fn due(&self, now: Instant) -> Option<Duration> {
        self.tally.due(now)
    }

    fn heard(&self) {
        self.tally.heard();
    }

    fn settle(&self, _after: After) {
        drop(self.answering());
    }

    fn take(&self, now: Instant) -> Option<FromGuest> {
        let mut room = Room::of(MAX_EXECUTIONS);
        let fits = |kind: &Kind, first: &First| room.takes(kind.program.len(), &first.caller);
        let (taken, unlisted) = self.tally.take(now, fits)?;
        let told = |Counted { kind, first, times }| {
            let Kind { program, refused, .. } = kind;
            let First { caller, sha256 } = first;
            Execution { program, caller, sha256, refused, times }
        };
        Some(FromGuest::Executed { executions: taken.into_iter().map(told).collect(), unlisted })
    }
}

impl AsFd for Executions {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tally.as_fd()
    }
}
