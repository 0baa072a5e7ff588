//! The callers' connections of a sandbox's commands. One stays open after the command's end until its caller has read the rest, and
//! counts among the sessions as long.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Those that are open, by session.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Open>);

/// One of them, open until this is dropped.
#[derive(Debug)]
pub(super) struct Line {
    session: u32,
    all: Lines,
}

#[derive(Debug, Default)]
struct Open {
    sessions: Mutex<BTreeSet<u32>>,
    closed: Condvar,
}

impl Lines {
    pub(super) fn open(&self, session: u32) -> Line {
        self.sessions().insert(session);
        Line { session, all: self.clone() }
    }

    /// How many are open besides those of `running`.
    pub(super) fn besides(&self, running: &BTreeSet<u32>) -> usize {
        self.sessions().difference(running).count()
    }

    /// Waits until all are closed, at most so long.
    pub(super) fn wait_up_to(&self, patience: Duration) {
        let any = |open: &mut BTreeSet<u32>| !open.is_empty();
        drop(self.0.closed.wait_timeout_while(self.sessions(), patience, any));
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.all.sessions().remove(&self.session);
        self.all.0.closed.notify_all();
    }
}
