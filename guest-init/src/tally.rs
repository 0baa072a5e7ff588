//! What happens in the guest, counted until the manager is told: repeats cost nothing, and nothing is lost without a
//! count. What was refused has room of its own: no number of things that may be done hides one that may not.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;
use rustix::io::Errno;
use wire::control::{FromGuest, MAX_PATH, MAX_TEXTS, Unlisted};
use wire::subject::Program;

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(500);

/// What the agent's session tells the manager of, while it runs and at its end.
pub(crate) trait Tell: AsFd + Send + Sync {
    /// How long to wait before there is something that may be told; `None` if there is nothing.
    fn due(&self, now: Instant) -> Option<Duration>;

    /// What has not been told, as much as fits into a message; what was refused first.
    fn take(&self, now: Instant) -> Option<FromGuest>;

    /// Waits for the next thing to wake: what woke is about to be looked at.
    fn heard(&self);

    /// Waits until everything that happened before an end is counted, and counts repeats that were kept back for later.
    fn settle(&self, after: After);
}

/// After which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// That of one life of the agent: the warden is still there, and nobody else.
    Life,
    /// The last one, which is the warden's too.
    All,
}

/// Things that are told as one.
pub(crate) trait Kind: Clone + Eq + Hash {
    /// Whether they were refused.
    fn is_refused(&self) -> bool;
}

/// Filled by the threads that see what happens, emptied by the agent's session. `F` is what is known of the first of a kind.
#[derive(Debug)]
pub(crate) struct Tally<K, F> {
    /// Kinds that wait to be told at most, of each sort.
    room: usize,
    counts: Mutex<Counts<K, F>>,
    /// Readable when there is something to tell.
    wake: OwnedFd,
}

/// One kind, to be told.
#[derive(Debug)]
pub(crate) struct Counted<K, F> {
    pub(crate) kind: K,
    pub(crate) first: F,
    pub(crate) times: u64,
}

#[derive(Debug)]
struct Counts<K, F> {
    allowed: Table<K, F>,
    refused: Table<K, F>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Table<K, F> {
    kinds: HashMap<K, (F, u64)>,
    /// As they came: whoever chooses names must not choose who is told first.
    order: VecDeque<K>,
    unlisted: u64,
}

impl<K: Kind, F> Tally<K, F> {
    pub(crate) fn new(room: usize) -> Result<Self, Errno> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { room, counts: Mutex::default(), wake })
    }

    /// Counts one more of a kind that waits to be told; whether there is one.
    pub(crate) fn again(&self, kind: &K) -> bool {
        let mut counts = self.counts();
        let count = counts.table(kind.is_refused()).kinds.get_mut(kind);
        count.map(|(_, times)| *times += 1).is_some()
    }

    /// Whether more than half of the room is taken.
    pub(crate) fn is_crowded(&self, refused: bool) -> bool {
        2 * self.counts().table(refused).kinds.len() > self.room
    }

    /// Adds to a kind. `first` is asked only if it is the first since it was told, and where there is room for it.
    pub(crate) fn add(&self, kind: K, times: u64, first: impl FnOnce() -> F) {
        let refused = kind.is_refused();
        let mut counts = self.counts();
        let table = counts.table(refused);
        if let Some((_, present)) = table.kinds.get_mut(&kind) {
            *present += times;
            return;
        }
        let room = table.kinds.len() < self.room;
        drop(counts);
        // Nobody else adds a kind meanwhile: each is one thread's.
        let first = room.then(first);
        let mut counts = self.counts();
        let table = counts.table(refused);
        match first {
            Some(first) => {
                table.order.push_back(kind.clone());
                table.kinds.insert(kind, (first, times));
            }
            None => table.unlisted = table.unlisted.saturating_add(times),
        }
        drop(counts);
        self.wake();
    }

    /// Counts what nobody can name.
    pub(crate) fn add_unlisted(&self, unlisted: Unlisted) {
        let mut counts = self.counts();
        for (refused, times) in [(false, unlisted.allowed), (true, unlisted.refused)] {
            let table = counts.table(refused);
            table.unlisted = table.unlisted.saturating_add(times);
        }
        drop(counts);
        self.wake();
    }

    /// See [`Tell::due`].
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        let counts = self.counts();
        if counts.is_empty() {
            return None;
        }
        Some(counts.told.map_or(Duration::ZERO, |told| (told + PAUSE).saturating_duration_since(now)))
    }

    /// See [`Tell::heard`].
    pub(crate) fn heard(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// What has not been told, refusals first, until one does not fit.
    pub(crate) fn take(
        &self,
        now: Instant,
        mut fits: impl FnMut(&K, &F) -> bool,
    ) -> Option<(Vec<Counted<K, F>>, Unlisted)> {
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
        let mut taken = Vec::new();
        for refused in [true, false] {
            let Table { kinds, order, .. } = counts.table(refused);
            while let Some(kind) =
                order.pop_front_if(|kind| kinds.get(kind).is_some_and(|(first, _times)| fits(kind, first)))
            {
                let Some((first, times)) = kinds.remove(&kind) else { continue };
                taken.push(Counted { kind, first, times });
            }
            if !order.is_empty() {
                break;
            }
        }
        Some((taken, unlisted))
    }

    fn wake(&self) {
        // A counter that is full is as readable as one that is not.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn counts(&self) -> MutexGuard<'_, Counts<K, F>> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, F> Default for Counts<K, F> {
    fn default() -> Self {
        let empty = || Table { kinds: HashMap::new(), order: VecDeque::new(), unlisted: 0 };
        Self { allowed: empty(), refused: empty(), told: None }
    }
}

impl<K, F> Counts<K, F> {
    fn table(&mut self, refused: bool) -> &mut Table<K, F> {
        if refused { &mut self.refused } else { &mut self.allowed }
    }

    fn is_empty(&self) -> bool {
        [&self.allowed, &self.refused].iter().all(|table| table.kinds.is_empty() && table.unlisted == 0)
    }
}

impl<K, F> AsFd for Tally<K, F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// A path as it is told: cut, and what is no text replaced.
pub(crate) fn text(path: &[u8]) -> String {
    cut(String::from_utf8_lossy(path).into_owned(), MAX_PATH)
}

/// As much of a text as `most` bytes hold.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// Room of one message.
#[derive(Debug)]
pub(crate) struct Room {
    texts: usize,
    places: usize,
}

impl Room {
    /// For this many things.
    pub(crate) fn of(places: usize) -> Self {
        Self { texts: MAX_TEXTS, places }
    }

    /// Whether there is room for one more that a process did, with that many bytes of its own.
    pub(crate) fn takes(&mut self, own: usize, by: &Program) -> bool {
        let of_process = by.path.len() + by.script.as_deref().map_or(0, str::len);
        let texts = own + of_process + by.parents.iter().map(|parent| parent.len() + 1).sum::<usize>();
        match (self.texts.checked_sub(texts), self.places.checked_sub(1)) {
            (Some(texts), Some(places)) => {
                *self = Self { texts, places };
                true
            }
            _ => false,
        }
    }
}
