//! What was refused, counted until it is told: repeats cost nothing, and nothing is lost without a count.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;
use rustix::io::Errno;
use rustix::process::Pid;
use wire::control::{FromGuest, MAX_PATH, MAX_REFUSALS, Refusal, RefusalReason};

/// Between two messages.
const PAUSE: Duration = Duration::from_secs(1);

/// Written by the thread that answers, taken by the agent's session.
#[derive(Debug)]
pub(crate) struct Refusals {
    counts: Mutex<Counts>,
    /// Readable when there is something to tell.
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Counts {
    kinds: BTreeMap<Kind, Count>,
    unlisted: u64,
    told: Option<Instant>,
}

/// Refusals that are told as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    program: String,
    caller: String,
    reason: RefusalReason,
}

#[derive(Debug)]
struct Count {
    first: u32,
    times: u64,
}

impl Refusals {
    pub(super) fn new() -> Result<Self, Errno> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { counts: Mutex::default(), wake })
    }

    pub(super) fn add(&self, program: &[u8], caller: &[u8], thread: Pid, reason: RefusalReason) {
        let kind = Kind { program: text(program), caller: text(caller), reason };
        let mut counts = self.counts();
        if let Some(count) = counts.kinds.get_mut(&kind) {
            count.times += 1;
        } else if counts.kinds.len() < MAX_REFUSALS {
            let first = thread.as_raw_nonzero().get().unsigned_abs();
            counts.kinds.insert(kind, Count { first, times: 1 });
        } else {
            counts.unlisted += 1;
        }
        drop(counts);
        // A counter that is full is as readable as one that is not.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// How long to wait before there is something that may be told; `None` if there is nothing.
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        let counts = self.counts();
        if counts.kinds.is_empty() {
            return None;
        }
        Some(counts.told.map_or(Duration::ZERO, |told| (told + PAUSE).saturating_duration_since(now)))
    }

    /// Waits for the next refusal to wake: what woke is about to be looked at.
    pub(crate) fn heard(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// What has not been told.
    pub(crate) fn take(&self, now: Instant) -> Option<FromGuest> {
        self.heard();
        let mut counts = self.counts();
        if counts.kinds.is_empty() {
            return None;
        }
        counts.told = Some(now);
        let unlisted = std::mem::take(&mut counts.unlisted);
        let kinds = std::mem::take(&mut counts.kinds);
        drop(counts);
        let refusal = |(kind, count): (Kind, Count)| {
            let Kind { program, caller, reason } = kind;
            Refusal { program, caller, pid: count.first, reason, times: count.times }
        };
        Some(FromGuest::NotExecuted { refusals: kinds.into_iter().map(refusal).collect(), unlisted })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Refusals {
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
