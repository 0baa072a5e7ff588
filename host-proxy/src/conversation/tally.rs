//! What one exchange comes to, for its record: counts, digests, and why it went no further.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use policies::{Kind, Permit};
use wire::subject::Digest;

use crate::clock::now;
use crate::credentials::{Misplaced, Watch};
use crate::digest::{Digests, Passing, SHORTEST};
use crate::journal::{self, Outcome};
use crate::quota::{Budget, Spent};
use crate::refusal::Refusal;

/// Counts of one exchange, which outlive it when it is broken off.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    /// Whether the client may have a part of an answer, which no other answer can follow.
    pub(super) answering: AtomicBool,
    pub(super) status: AtomicU16,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    digests: Digests,
    sent_sha256: OnceLock<Digest>,
    received_sha256: OnceLock<Digest>,
    budget: Budget,
    spent: OnceLock<Spent>,
    stray: OnceLock<Misplaced>,
    /// Why we broke off what was under way.
    pub(super) cut: OnceLock<Refusal>,
    /// What else there is to say of it in the end.
    pub(super) note: OnceLock<String>,
    fetched: Arc<OnceLock<Fetched>>,
}

/// What a download was found to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    pub(super) kind: Option<Kind>,
    /// Bytes that came, or were announced where it was refused for that.
    pub(super) bytes: u64,
    pub(super) sha256: Option<Digest>,
    notes: Vec<String>,
}

impl Fetched {
    /// Notes something once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl Tally {
    pub(super) fn new(budget: Budget, digests: Digests) -> Self {
        Self {
            started: Instant::now(),
            answering: AtomicBool::new(false),
            status: AtomicU16::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            digests,
            sent_sha256: OnceLock::new(),
            received_sha256: OnceLock::new(),
            budget,
            spent: OnceLock::new(),
            stray: OnceLock::new(),
            cut: OnceLock::new(),
            note: OnceLock::new(),
            fetched: Arc::default(),
        }
    }

    /// The body of the request, of `announced` bytes if that is known.
    pub(super) fn passing_up(&self, announced: Option<u64>) -> Passing<'_> {
        Passing::new(self.digests, announced, &self.sent_sha256)
    }

    /// The body of the answer, likewise.
    pub(super) fn passing_down(&self, announced: Option<u64>) -> Passing<'_> {
        Passing::new(self.digests, announced, &self.received_sha256)
    }

    /// Where what a download was found to be is kept.
    pub(super) fn fetched(&self) -> Arc<OnceLock<Fetched>> {
        Arc::clone(&self.fetched)
    }

    /// Counts bytes of a body before they go on.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Spent> {
        self.budget.spend(bytes, now()).inspect_err(|spent| {
            let _first_is_kept = self.spent.set(*spent);
        })
    }

    /// Looks at what a client sends before it goes on.
    pub(super) fn watch(&self, watch: &mut Option<Watch>, piece: &[u8]) -> Result<(), Misplaced> {
        let seen = watch.as_mut().map_or(Ok(()), |watch| watch.see(piece));
        seen.inspect_err(|misplaced| {
            let _first_is_kept = self.stray.set(misplaced.clone());
        })
    }

    /// Why the request goes no further with a credential, noted for its record.
    pub(super) fn misplaced(&self, why: Misplaced) -> Refusal {
        Refusal::from(self.stray.get_or_init(|| why))
    }

    /// The same of a body that is too long for a credential.
    pub(super) fn too_much(&self, (name, most): (&Arc<str>, u64)) -> Refusal {
        self.misplaced(Misplaced::TooMuch { name: Arc::clone(name), most })
    }

    /// The limit that was reached, or what was found: the client must hear that, not what came of it.
    pub(super) fn limit(&self, permit: &Permit) -> Option<Refusal> {
        let spent = self.spent.get().map(|spent| Refusal::spent(permit.rule(), *spent));
        spent.or_else(|| self.stray.get().map(Refusal::from))
    }

    pub(super) fn outcome(&self) -> Outcome {
        let status = self.status.load(Ordering::Relaxed);
        let (spent, stray) = (self.spent.get(), self.stray.get());
        let why = [spent.map(ToString::to_string), stray.map(ToString::to_string)];
        let fetched = self.fetched.get().cloned().unwrap_or_default();
        let notes = why.into_iter().chain([self.note.get().cloned()]);
        let notes: Vec<String> = notes.flatten().chain(fetched.notes).collect();
        let download = fetched.kind.map(|kind| {
            let sha256 = fetched.sha256.filter(|_sha256| fetched.bytes >= SHORTEST);
            journal::Download { kind, bytes: fetched.bytes, sha256 }
        });
        Outcome {
            status: (status != 0).then_some(status),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            sent_sha256: self.sent_sha256.get().copied(),
            received_sha256: self.received_sha256.get().copied(),
            latency_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            download,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        }
    }
}
