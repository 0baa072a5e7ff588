//! One export of all logs, for as long as it is wanted.
//!
//! ```text
//! changed logs ─► Feed ─► batch ─► receiver has it ─► refused ones kept ─► cursor moved ─► next batch
//! ```
//! What a receiver does not take waits, and the other logs have their turn: one record that it never takes holds up no
//! other sandbox.
//!
//! One batch is in memory at a time. Where it is stopped, at any point, the next run begins at the cursor: a record may
//! come twice, and its hash tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::log::LogError;
use tokio::time::Instant;

use crate::backoff::Pace;
use crate::cursor::{Cursor, CursorError, State, Trouble};
use crate::delivery::{Delivery, NotNow, Repeated};
use crate::feed::{Batch, Feed};
use crate::format::Format;
use crate::logs::{self, Changes, Log};
use crate::only::Only;
use crate::rejected;
use crate::sink::Sink;

/// How long more records are waited for after the first: one request for many.
const LINGER: Duration = Duration::from_millis(200);
/// Batches of one log before the others have their turn.
const TURN: usize = 16;
/// How often a log that cannot be read is tried by an export that is to end.
const READS: u32 = 5;

/// What an export is.
#[derive(Debug)]
pub struct Export {
    /// Its name, an RFC 1123 label.
    pub name: String,
    /// How records are written.
    pub format: Format,
    /// Where they go.
    pub sink: Sink,
    /// Which records it is for.
    pub only: Only,
    /// The directory of the logs.
    pub logs: PathBuf,
    /// The directory of its cursors; nobody else may have it.
    pub state: PathBuf,
    /// How long it waits after a failure.
    pub pace: Pace,
}

/// Something that the operator should know while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The receiver does not take records; it is tried again after the wait.
    NotNow {
        /// What it said.
        cause: String,
        /// How often it was tried.
        attempt: u32,
        /// Until the next attempt.
        wait: Duration,
    },
    /// It takes them again.
    Again,
    /// The system cannot read a log now; it is tried again after the wait.
    Unreadable {
        /// Whose.
        sandbox: String,
        /// Why, in one line.
        cause: String,
        /// How often it was tried.
        attempt: u32,
        /// Until the next attempt.
        wait: Duration,
    },
    /// It can be read again.
    Readable {
        /// Whose.
        sandbox: String,
    },
    /// The log cannot be trusted: nothing of it goes out any more.
    Halted {
        /// Whose.
        sandbox: String,
        /// Why, in one line.
        cause: String,
    },
    /// Records were refused and kept aside.
    Rejected {
        /// Whose.
        sandbox: String,
        /// How many.
        records: usize,
        /// What the receiver said of the first.
        reason: String,
    },
    /// Records were removed for their age before they were delivered.
    Lost {
        /// Whose.
        sandbox: String,
        /// How many.
        records: u64,
    },
}

/// Why an export ends.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The directory cannot be used.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process runs this export.
    #[error("the export '{0}' is running already")]
    Busy(String),
    /// A cursor cannot be read or kept.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Refused records cannot be kept.
    #[error("cannot keep refused records in {}", path.display())]
    Rejected {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The logs cannot be watched.
    #[error("cannot watch {}", path.display())]
    Watch {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A running export.
pub struct Service<R> {
    delivery: Delivery,
    format: Format,
    only: Only,
    logs: PathBuf,
    state: PathBuf,
    pace: Pace,
    report: R,
    /// Raised when files are to be opened again.
    reopen: Arc<AtomicU64>,
    reopened: u64,
    halted: BTreeSet<String>,
    /// Logs whose next batch was not taken, or cannot be read.
    waiting: BTreeMap<String, Waiting>,
    /// Attempts in a row that took nothing, of whatever log, and when the receiver may be asked again.
    failures: u32,
    rests_until: Option<Instant>,
    _lock: fs::File,
}

/// What became of a batch until now.
#[derive(Debug)]
struct Waiting {
    on: On,
    attempts: u32,
    repeated: Repeated,
    since: u64,
    until: Instant,
}

/// Who is to do better the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Receiver,
    Log,
}

/// Whether the receiver has a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Whole,
    NotNow,
}

/// Whether there is more of a log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    None,
    More,
}

impl<R: Fn(Notice)> Service<R> {
    /// Takes an export's directory; `report` is told what happens.
    ///
    /// # Errors
    /// The directory cannot be used, or another process uses it.
    pub fn new(export: Export, reopen: Arc<AtomicU64>, report: R) -> Result<Self, ServiceError> {
        let lock = lock(&export)?;
        Ok(Self {
            delivery: Delivery::new(export.sink),
            format: export.format,
            only: export.only,
            logs: export.logs,
            state: export.state,
            pace: export.pace,
            report,
            reopened: reopen.load(Ordering::Relaxed),
            reopen,
            halted: BTreeSet::new(),
            waiting: BTreeMap::new(),
            failures: 0,
            rests_until: None,
            _lock: lock,
        })
    }

    /// Delivers what is there and what comes; it can be dropped at any await.
    ///
    /// # Errors
    /// It cannot go on without a risk of losing or repeating records.
    pub async fn run(&mut self) -> Result<std::convert::Infallible, ServiceError> {
        let mut changes = Changes::new(&self.logs, LINGER).map_err(|source| self.unwatched(source))?;
        let mut left: BTreeSet<String> = BTreeSet::new();
        loop {
            // Of those that wait, the first that need not any more.
            let due = left.iter().filter_map(|sandbox| self.waiting.get(sandbox)).map(|log| log.until).min();
            let now = Instant::now();
            let (waiting, ready) =
                left.into_iter().partition::<BTreeSet<String>, _>(|sandbox| self.waits(sandbox, now));
            left = waiting;
            let changed = changes.next(ready);
            let changed = match due {
                Some(due) => tokio::time::timeout_at(due, changed).await.unwrap_or(Ok(Vec::new())),
                None => changed.await,
            };
            let changed = changed.map_err(|source| self.unwatched(source))?;
            left.extend(self.round(&changed).await?);
        }
    }

    /// Delivers all that is there now. A log that cannot be read is left behind after some attempts.
    ///
    /// # Errors
    /// As [`Service::run`].
    pub async fn drain(&mut self) -> Result<(), ServiceError> {
        let mut logs = logs::list(&self.logs).map_err(|source| self.unwatched(source))?;
        while !logs.is_empty() {
            let left = self.round(&logs).await?;
            logs.retain(|log| left.contains(&log.sandbox) && !self.is_given_up(&log.sandbox));
            let now = Instant::now();
            if !logs.is_empty() && logs.iter().all(|log| self.waits(&log.sandbox, now)) {
                let due = logs.iter().filter_map(|log| self.waiting.get(&log.sandbox)).map(|log| log.until);
                tokio::time::sleep_until(due.min().unwrap_or(now)).await;
            }
        }
        Ok(())
    }

    /// Sandboxes whose logs were stopped.
    pub fn halted(&self) -> impl Iterator<Item = &str> {
        self.halted.iter().map(String::as_str)
    }

    fn unwatched(&self, source: io::Error) -> ServiceError {
        ServiceError::Watch { path: self.logs.clone(), source }
    }

    fn waits(&self, sandbox: &str, now: Instant) -> bool {
        self.waiting.get(sandbox).is_some_and(|log| log.until > now)
    }

    fn is_given_up(&self, sandbox: &str) -> bool {
        self.waiting.get(sandbox).is_some_and(|log| log.on == On::Log && log.attempts >= READS)
    }

    /// A turn of each log; returns those of which more is left.
    async fn round(&mut self, logs: &[Log]) -> Result<BTreeSet<String>, ServiceError> {
        let mut left = BTreeSet::new();
        for log in logs {
            if self.waits(&log.sandbox, Instant::now()) || self.turn(log).await? == Rest::More {
                left.insert(log.sandbox.clone());
            }
        }
        Ok(left)
    }

    /// Some batches of one log.
    async fn turn(&mut self, log: &Log) -> Result<Rest, ServiceError> {
        let is_for = self.only.is_for_sandbox(&log.sandbox);
        if !is_for || self.halted.contains(&log.sandbox) || !log.path.exists() {
            return Ok(Rest::None);
        }
        let path = self.state.join(format!("{}.json", log.sandbox));
        let mut cursor = Cursor::load(&path)?;
        let mut feed = match Feed::open(&log.path, &cursor) {
            Ok(feed) => feed.only(&self.only),
            Err(error) => return self.stop(log, &path, cursor, &error),
        };
        for _ in 0..TURN {
            let batch = match feed.batch(&self.delivery.sink, self.format) {
                Ok(batch) => batch,
                Err(error) => return self.stop(log, &path, cursor, &error),
            };
            self.can_be_read(log);
            if batch.is_the_end {
                // Whatever stood in the way, nothing is left behind it.
                if cursor.trouble.take().is_some() {
                    cursor.store(&path)?;
                }
                return Ok(Rest::None);
            }
            if batch.items.is_empty() {
                self.tell_lost(log, batch.lost);
                cursor.mark = batch.mark;
                cursor.lost += batch.lost;
                cursor.trouble = None;
                cursor.store(&path)?;
                continue;
            }
            if self.deliver(log, &path, &mut cursor, batch).await? == Taken::NotNow {
                break;
            }
        }
        Ok(Rest::More)
    }

    /// One batch: receiver, dead letters, cursor, in this order.
    async fn deliver(
        &mut self,
        log: &Log,
        path: &Path,
        cursor: &mut Cursor,
        batch: Batch,
    ) -> Result<Taken, ServiceError> {
        let refused = match self.attempt(log, &batch).await {
            Ok(refused) => refused,
            Err(trouble) => {
                cursor.trouble = Some(trouble);
                cursor.store(path)?;
                return Ok(Taken::NotNow);
            }
        };
        if let Some((_item, reason)) = refused.first() {
            let (sandbox, records, reason) = (log.sandbox.clone(), refused.len(), reason.clone());
            (self.report)(Notice::Rejected { sandbox, records, reason });
        }
        self.tell_lost(log, batch.lost);
        let kept = self.state.join("rejected.jsonl");
        rejected::keep(&kept, &refused).map_err(|source| ServiceError::Rejected { path: kept, source })?;
        cursor.mark = batch.mark;
        cursor.delivered += (batch.items.len() - refused.len()) as u64;
        cursor.rejected += refused.len() as u64;
        cursor.lost += batch.lost;
        cursor.time = batch.time;
        cursor.trouble = None;
        cursor.store(path)?;
        Ok(Taken::Whole)
    }

    /// Hands over a batch, when the receiver may be asked again; or why it was not taken.
    async fn attempt<'a>(
        &mut self,
        log: &Log,
        batch: &'a Batch,
    ) -> Result<Vec<(&'a crate::sink::Item, String)>, Trouble> {
        if let Some(until) = self.rests_until.take() {
            tokio::time::sleep_until(until).await;
        }
        self.reopen_if_asked();
        let mut waiting = self.waiting(log, On::Receiver);
        let not_now = match self.delivery.send(&batch.items, &waiting.repeated).await {
            Ok(refused) => {
                self.failures = 0;
                if waiting.attempts > 0 {
                    (self.report)(Notice::Again);
                }
                return Ok(refused);
            }
            Err(not_now) => not_now,
        };
        waiting.attempts += 1;
        waiting.repeated.note(&not_now);
        self.failures += 1;
        let NotNow { cause, after, .. } = not_now;
        let now = Instant::now();
        let (attempts, since) = (waiting.attempts, waiting.since);
        let rest = self.pace.wait(self.failures, after);
        let wait = self.pace.wait(attempts, after).max(rest);
        self.rests_until = Some(now + rest);
        waiting.until = now + wait;
        self.waiting.insert(log.sandbox.clone(), waiting);
        (self.report)(Notice::NotNow { cause: cause.clone(), attempt: attempts, wait });
        Err(Trouble { cause, state: State::Retrying, attempts, since })
    }

    fn reopen_if_asked(&mut self) {
        let asked = self.reopen.load(Ordering::Relaxed);
        if asked != self.reopened {
            self.reopened = asked;
            self.delivery.sink.reopen();
        }
    }

    /// A log that is not whole sends nothing more, one that cannot be read now is tried again; the other logs go on.
    fn stop(
        &mut self,
        log: &Log,
        path: &Path,
        mut cursor: Cursor,
        error: &LogError,
    ) -> Result<Rest, ServiceError> {
        let cause = one_line(error);
        let (trouble, rest) = if error.passes() {
            (self.put_off(log, cause), Rest::More)
        } else {
            self.halted.insert(log.sandbox.clone());
            (self.report)(Notice::Halted { sandbox: log.sandbox.clone(), cause: cause.clone() });
            (Trouble { cause, state: State::Halted, attempts: 1, since: crate::now() }, Rest::None)
        };
        cursor.trouble = Some(trouble);
        cursor.store(path)?;
        Ok(rest)
    }

    /// Has a log that cannot be read wait: what made it so may change without a word from the kernel, and a log that ended never
    /// changes itself.
    fn put_off(&mut self, log: &Log, cause: String) -> Trouble {
        let mut waiting = self.waiting(log, On::Log);
        waiting.attempts += 1;
        let (attempts, since) = (waiting.attempts, waiting.since);
        let wait = self.pace.wait(attempts, None);
        waiting.until = Instant::now() + wait;
        self.waiting.insert(log.sandbox.clone(), waiting);
        let sandbox = log.sandbox.clone();
        (self.report)(Notice::Unreadable { sandbox, cause: cause.clone(), attempt: attempts, wait });
        Trouble { cause, state: State::Retrying, attempts, since }
    }

    /// Takes what is known of a log's attempts, if they failed for the same side.
    fn waiting(&mut self, log: &Log, on: On) -> Waiting {
        let before = self.waiting.remove(&log.sandbox).filter(|before| before.on == on);
        before.unwrap_or_else(|| Waiting {
            on,
            attempts: 0,
            repeated: Repeated::default(),
            since: crate::now(),
            until: Instant::now(),
        })
    }

    fn can_be_read(&mut self, log: &Log) {
        if self.waiting.get(&log.sandbox).is_some_and(|waiting| waiting.on == On::Log) {
            self.waiting.remove(&log.sandbox);
            (self.report)(Notice::Readable { sandbox: log.sandbox.clone() });
        }
    }

    fn tell_lost(&self, log: &Log, records: u64) {
        if records > 0 {
            (self.report)(Notice::Lost { sandbox: log.sandbox.clone(), records });
        }
    }
}

impl<R> std::fmt::Debug for Service<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Two processes with one cursor would each think that the other's records are theirs.
fn lock(export: &Export) -> Result<fs::File, ServiceError> {
    let bad = |source| ServiceError::Directory { path: export.state.clone(), source };
    fs::create_dir_all(&export.state).map_err(bad)?;
    let file = fs::File::create(export.state.join("lock")).map_err(bad)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ServiceError::Busy(export.name.clone())),
        Err(error) => Err(bad(error.into())),
    }
}

pub(crate) fn one_line(error: &LogError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}
