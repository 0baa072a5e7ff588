//! What was executed and what was refused, counted until it is told: repeats cost nothing, and nothing is lost without
//! a count. Refusals have room of their own: no number of programs that may run hides one that may not.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;
use rustix::io::Errno;
use rustix::process::Pid;
use wire::control::{Execution, FromGuest, MAX_EXECUTIONS, MAX_PATH, RefusalReason, Unlisted};
use wire::subject::Digest;

use crate::identity::Version;

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(500);

/// Kinds that wait to be told at most, of each sort.
const ROOM: usize = 256;

/// Written by the thread that answers, taken by the agent's session.
#[derive(Debug)]
pub(crate) struct Executions {
    counts: Mutex<Counts>,
    /// Held from before an answer until what was answered is counted.
    answering: Mutex<()>,
    /// Readable when there is something to tell.
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Counts {
    allowed: Table,
    refused: Table,
    told: Option<Instant>,
}

#[derive(Debug, Default)]
struct Table {
    kinds: BTreeMap<Kind, Count>,
    unlisted: u64,
}

/// Executions that are told as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    program: String,
    caller: String,
    refused: Option<RefusalReason>,
    /// Another content under the same path is another kind.
    version: Option<Version>,
}

#[derive(Debug)]
struct Count {
    first: u32,
    sha256: Option<Digest>,
    times: u64,
}

impl Kind {
    pub(super) fn new(
        program: &[u8],
        caller: &[u8],
        (refused, version): (Option<RefusalReason>, Option<Version>),
    ) -> Self {
        Self { program: text(program), caller: text(caller), refused, version }
    }
}

impl Executions {
    pub(super) fn new() -> Result<Self, Errno> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { counts: Mutex::default(), answering: Mutex::default(), wake })
    }

    /// Nobody is told that all was told, until the result is dropped.
    pub(super) fn answering(&self) -> MutexGuard<'_, ()> {
        self.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every execution that was answered so far is counted.
    pub(crate) fn settle(&self) {
        drop(self.answering());
    }

    /// Counts one more of a kind that waits to be told; whether there is one.
    pub(super) fn again(&self, kind: &Kind) -> bool {
        let mut counts = self.counts();
        let count = counts.table(kind).kinds.get_mut(kind);
        count.map(|count| count.times += 1).is_some()
    }

    /// The first of its kind since it was told last; `sha256` is asked only where there is room for it.
    pub(super) fn first(&self, kind: Kind, thread: Pid, sha256: impl FnOnce() -> Option<Digest>) {
        // Nobody else adds one.
        let room = self.counts().table(&kind).kinds.len() < ROOM;
        let sha256 = if room { sha256() } else { None };
        let mut counts = self.counts();
        let table = counts.table(&kind);
        if room {
            let first = thread.as_raw_nonzero().get().unsigned_abs();
            table.kinds.insert(kind, Count { first, sha256, times: 1 });
        } else {
            table.unlisted += 1;
        }
        drop(counts);
        // A counter that is full is as readable as one that is not.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// How long to wait before there is something that may be told; `None` if there is nothing.
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        let counts = self.counts();
        if counts.is_empty() {
            return None;
        }
        Some(counts.told.map_or(Duration::ZERO, |told| (told + PAUSE).saturating_duration_since(now)))
    }

    /// Waits for the next execution to wake: what woke is about to be looked at.
    pub(crate) fn heard(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// What has not been told, as much as fits into a message; refusals first.
    pub(crate) fn take(&self, now: Instant) -> Option<FromGuest> {
        self.heard();
        let mut counts = self.counts();
        if counts.is_empty() {
            return None;
        }
        counts.told = Some(now);
        let unlisted = Unlisted {
            allowed: std::mem::take(&mut counts.allowed.unlisted),
            refused: std::mem::take(&mut counts.refused.unlisted),
        };
        let mut executions = Vec::with_capacity(MAX_EXECUTIONS);
        while executions.len() < MAX_EXECUTIONS {
            let refused = counts.refused.kinds.pop_first();
            let Some((kind, count)) = refused.or_else(|| counts.allowed.kinds.pop_first()) else { break };
            let Kind { program, caller, refused, .. } = kind;
            let Count { first, sha256, times } = count;
            executions.push(Execution { program, caller, pid: first, sha256, refused, times });
        }
        Some(FromGuest::Executed { executions, unlisted })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn table(&mut self, kind: &Kind) -> &mut Table {
        if kind.refused.is_some() { &mut self.refused } else { &mut self.allowed }
    }

    fn is_empty(&self) -> bool {
        [&self.allowed, &self.refused].iter().all(|table| table.kinds.is_empty() && table.unlisted == 0)
    }
}

impl AsFd for Executions {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

fn text(path: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(path).into_owned();
    let mut end = MAX_PATH.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
