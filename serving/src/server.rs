//! One server as all see it: its state, who has a turn and who waits, and counts. What happens to it and when is
//! [`crate::life`]'s.
//!
//! *Invariant:* turns are given only while it is open, and a turn has the place to which the server was open.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Pid;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use wire::id::SandboxId;
use wire::serving::{Report, ServerConfig, Source, State};

use crate::dial::Target;
use crate::queue::{Full, Queue, Ticket};

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// What the operator wants of it.
    pub config: ServerConfig,
    /// Where it prints to; `None`: it is somebody else's.
    pub log: Option<PathBuf>,
    inner: Mutex<Inner>,
    /// Whether a turn can be had.
    available: watch::Sender<bool>,
    /// Somebody waits.
    asked: Notify,
    /// Somebody has gone.
    left: Notify,
}

#[derive(Debug)]
struct Inner {
    queue: Queue<oneshot::Sender<Target>>,
    state: State,
    cause: Option<String>,
    since: SystemTime,
    answered: Option<SystemTime>,
    target: Option<Target>,
    plan: Option<String>,
    pid: Option<i32>,
    turns: u64,
    refused: u64,
    restarts: u64,
    /// When the last turn ended, or the server became ready.
    idle_since: Instant,
}

/// A turn. It ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    /// Where the server is.
    pub target: Target,
    _seat: Seat,
}

/// A place in the queue or a slot, given back when dropped.
#[derive(Debug)]
struct Seat {
    server: Arc<Server>,
    ticket: Ticket,
}

/// Why there is no turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTurn {
    /// It has none to give.
    /// Why is for the operator alone: a server's last words may be another sandbox's.
    #[error("the model server '{name}' is {state}")]
    Unavailable {
        /// Which server.
        name: String,
        /// How it stands.
        state: &'static str,
    },
    /// Too many wait.
    #[error(transparent)]
    Full(#[from] Full),
}

impl Server {
    /// A server that is not there yet.
    #[must_use]
    pub fn new(name: &str, config: ServerConfig, logs: &std::path::Path) -> Arc<Self> {
        let is_ours = !matches!(config.source, Source::Running(_));
        let queue = Queue::new(config.slots, config.waiting);
        Arc::new(Self {
            name: name.to_owned(),
            log: is_ours.then(|| logs.join(format!("{name}.log"))),
            config,
            inner: Mutex::new(Inner {
                queue,
                state: State::Starting,
                cause: None,
                since: SystemTime::now(),
                answered: None,
                target: None,
                plan: None,
                pid: None,
                turns: 0,
                refused: 0,
                restarts: 0,
                idle_since: Instant::now(),
            }),
            available: watch::Sender::new(false),
            asked: Notify::new(),
            left: Notify::new(),
        })
    }

    /// What it calls its model.
    #[must_use]
    pub fn model(&self) -> &str {
        match &self.config.source {
            Source::Command(own) => &own.model,
            Source::Running(running) => &running.model,
            // It is told to call it so.
            Source::Model(_) => &self.name,
        }
    }

    /// Tells whether a turn can be had, from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.available.subscribe()
    }

    /// Waits for a turn. Who drops this leaves the queue.
    ///
    /// # Errors
    /// There is none to wait for.
    pub async fn turn(self: &Arc<Self>, sandbox: SandboxId) -> Result<Turn, NoTurn> {
        let (told, hears) = oneshot::channel();
        let ticket = {
            let mut inner = self.lock();
            if !*self.available.borrow() {
                inner.refused += 1;
                return Err(self.unavailable(&inner));
            }
            match inner.queue.join(sandbox, told) {
                Ok(ticket) => ticket,
                Err(full) => {
                    inner.refused += 1;
                    return Err(full.into());
                }
            }
        };
        let seat = Seat { server: Arc::clone(self), ticket };
        self.asked.notify_one();
        self.call();
        match hears.await {
            Ok(target) => Ok(Turn { target, _seat: seat }),
            Err(_dismissed) => {
                let mut inner = self.lock();
                inner.refused += 1;
                Err(self.unavailable(&inner))
            }
        }
    }

    /// Gives turns to who is next.
    fn call(&self) {
        let mut inner = self.lock();
        let Some(target) = inner.target else { return };
        while let Some(waits) = inner.queue.call() {
            // Who has gone since gives the slot back by going.
            if waits.send(target).is_ok() {
                inner.turns += 1;
            }
        }
    }

    /// Whether a turn that was given for there may still go there.
    #[must_use]
    pub fn is_at(&self, target: Target) -> bool {
        self.lock().target == Some(target)
    }

    /// Why there is none any more.
    #[must_use]
    pub fn gone(&self) -> NoTurn {
        self.unavailable(&self.lock())
    }

    /// Whether all calls that it takes at a time are at it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lock().queue.active() >= self.config.slots
    }

    fn unavailable(&self, inner: &Inner) -> NoTurn {
        NoTurn::Unavailable { name: self.name.clone(), state: inner.state.as_str() }
    }

    /// It is not there; the first who waits wakes it.
    pub fn sleeps(&self) {
        self.become_state(State::Asleep, None);
        self.available.send_replace(true);
    }

    /// It is being started. Who `waits` for it already, waits on.
    pub fn starts(&self, waits: Waits) {
        self.become_state(State::Starting, None);
        self.available.send_replace(waits == Waits::ForStart);
    }

    /// Why it is started as it is.
    pub fn planned(&self, plan: Option<String>) {
        self.lock().plan = plan;
    }

    /// The process that it is.
    pub fn runs_as(&self, pid: Option<Pid>) {
        self.lock().pid = pid.map(|pid| pid.as_raw_nonzero().get());
    }

    /// It has answered: turns are given.
    pub fn answers(&self, target: Target) {
        let was_ready = {
            let mut inner = self.lock();
            inner.answered = Some(SystemTime::now());
            inner.state == State::Ready
        };
        if was_ready {
            return;
        }
        self.become_state(State::Ready, None);
        {
            let mut inner = self.lock();
            inner.target = Some(target);
            inner.idle_since = Instant::now();
            inner.queue.open();
        }
        self.available.send_replace(true);
        self.call();
    }

    /// It gives no turns any more, and who waits for one is told so. What goes on, goes on.
    pub fn closes(&self, state: State, cause: Option<String>) {
        self.become_state(state, cause);
        self.available.send_replace(false);
        let mut inner = self.lock();
        inner.target = None;
        inner.queue.close();
        if state == State::Down {
            inner.restarts += 1;
            inner.pid = None;
        }
        drop(inner.queue.dismiss());
    }

    fn become_state(&self, state: State, cause: Option<String>) {
        let mut inner = self.lock();
        if inner.state != state {
            inner.since = SystemTime::now();
            tracing::info!(server = %self.name, state = state.as_str(), cause = cause.as_deref().unwrap_or_default(), "a model server");
        }
        inner.state = state;
        inner.cause = cause;
    }

    /// Waits until somebody wants a turn.
    pub async fn is_asked(&self) {
        loop {
            let asked = self.asked.notified();
            if self.lock().queue.waiting() > 0 {
                return;
            }
            asked.await;
        }
    }

    /// Waits until nobody has a turn.
    pub async fn is_empty(&self) {
        loop {
            let left = self.left.notified();
            if self.lock().queue.active() == 0 {
                return;
            }
            left.await;
        }
    }

    /// Since when nobody has wanted anything; `None`: somebody does.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        let inner = self.lock();
        (inner.queue.active() == 0 && inner.queue.waiting() == 0).then_some(inner.idle_since)
    }

    /// It goes to sleep, unless somebody wants something after all.
    #[must_use]
    pub fn falls_asleep(&self) -> bool {
        let mut inner = self.lock();
        if inner.queue.active() > 0 || inner.queue.waiting() > 0 {
            return false;
        }
        inner.queue.close();
        inner.target = None;
        inner.pid = None;
        true
    }

    /// How it stands.
    #[must_use]
    pub fn report(&self) -> Report {
        let inner = self.lock();
        Report {
            name: self.name.clone(),
            state: inner.state,
            cause: inner.cause.clone(),
            model: self.model().to_owned(),
            plan: inner.plan.clone(),
            pid: inner.pid,
            since: seconds(inner.since),
            answered: inner.answered.map(seconds),
            turns: inner.turns,
            active: inner.queue.active(),
            waiting: inner.queue.waiting(),
            refused: inner.refused,
            restarts: inner.restarts,
            log: self.log.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether who asks while it starts waits, or is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It is started because somebody asked.
    ForStart,
    /// It was there and is not.
    No,
}

impl Drop for Seat {
    fn drop(&mut self) {
        {
            let mut inner = self.server.lock();
            inner.queue.leave(&self.ticket);
            inner.idle_since = Instant::now();
        }
        self.server.left.notify_one();
        self.server.call();
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
