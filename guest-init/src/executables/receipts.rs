//! Executions that wait until they are on the record.
//!
//! ```text
//! the first of a kind ──► waits ──► told ──► the manager's word that it is in the log ──► runs
//! the same again      ─────────────────────────────────────────────────────────────────► runs, and is counted
//! ```
//! *Invariant:* nobody runs a program before the log holds that its kind was executed. One message is under way at a time:
//! what comes meanwhile goes with the next one.

use std::collections::{HashMap, VecDeque};

use wire::control::{Execution, FromGuest, MAX_EXECUTIONS, ToGuest, Unlisted};
use wire::frame;
use wire::subject::Digest;
use wire::vsock::EXECUTIONS;

use super::executions::{First, Kind};
use crate::control::{Control, ControlError};
use crate::host::Host;
use crate::tally::Room;

/// Kinds that are known to be on the record. One that is forgotten waits, and is told, again.
const KNOWN: usize = 4096;

/// Who waits for the log, and what is in it. `Q`: whoever waits.
#[derive(Debug)]
pub(super) struct Receipts<Q> {
    /// Whether each was met again since it was last considered for being forgotten.
    known: HashMap<Kind, bool>,
    /// Who is considered first stands first.
    order: VecDeque<Kind>,
    waiting: HashMap<Kind, (First, Vec<Q>)>,
    /// As they came.
    untold: VecDeque<Kind>,
    told: Vec<Kind>,
    /// How many wait.
    held: usize,
}

/// One who need not wait any longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released<Q> {
    pub(super) who: Q,
    /// What it was told as, with the content; `None`: another one of its kind was told.
    pub(super) told: Option<(Kind, Option<Digest>)>,
}

/// The connection on which the manager hears of executions, and says that they are in the log.
#[derive(Debug)]
pub(super) struct Line(pub(super) Control);

impl Line {
    pub(super) fn connect(host: &dyn Host) -> Result<Self, ControlError> {
        Control::connect(host, EXECUTIONS).map(Self)
    }

    /// Reads what is there. For each message that may be acted upon: whether it is in the log. (An operator can want that actions go
    /// on while the disk is full.)
    pub(super) fn receipts(&mut self) -> Result<Vec<bool>, ControlError> {
        self.0.fill()?;
        let mut receipts = Vec::new();
        while let Some(message) = self.0.next(frame::SMALL)? {
            match message {
                ToGuest::Recorded { in_log } => receipts.push(in_log),
                other => return Err(ControlError::OutOfTurn(format!("{other:?}"))),
            }
        }
        Ok(receipts)
    }
}

impl<Q> Receipts<Q> {
    pub(super) fn new() -> Self {
        Self {
            known: HashMap::new(),
            order: VecDeque::new(),
            waiting: HashMap::new(),
            untold: VecDeque::new(),
            told: Vec::new(),
            held: 0,
        }
    }

    /// Whether the log holds that a program of this kind was executed.
    pub(super) fn has(&mut self, kind: &Kind) -> bool {
        self.known.get_mut(kind).map(|met| *met = true).is_some()
    }

    /// Waits for that. `first` is asked of the first one of the kind: to look at a file can take long.
    pub(super) fn wait(&mut self, kind: Kind, who: Q, first: impl FnOnce(&Q) -> First) {
        self.held += 1;
        if let Some((_first, all)) = self.waiting.get_mut(&kind) {
            return all.push(who);
        }
        self.untold.push_back(kind.clone());
        let first = first(&who);
        self.waiting.insert(kind, (first, vec![who]));
    }

    /// How many wait.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Gives back those who are not to wait any longer.
    pub(super) fn give_up(&mut self, mut is_over: impl FnMut(&Q) -> bool) -> Vec<Q> {
        let mut over = Vec::new();
        let told = &self.told;
        self.waiting.retain(|kind, (_first, all)| {
            over.extend(all.extract_if(.., |who| is_over(who)));
            // Of one that is under way it stays known what was told.
            !all.is_empty() || told.contains(kind)
        });
        self.untold.retain(|kind| self.waiting.contains_key(kind));
        self.held -= over.len();
        over
    }

    /// What is to be told now, if there is anything and no message is under way.
    pub(super) fn tell(&mut self) -> Option<FromGuest> {
        if !self.told.is_empty() {
            return None;
        }
        let (mut room, mut executions) = (Room::of(MAX_EXECUTIONS), Vec::new());
        while let Some(kind) = self.untold.pop_front() {
            let Some((first, _all)) = self.waiting.get(&kind) else { continue };
            if !room.takes(kind.program.len(), &first.caller) {
                self.untold.push_front(kind);
                break;
            }
            let (program, caller) = (kind.program.clone(), first.caller.clone());
            executions.push(Execution { program, caller, sha256: first.sha256, refused: None, times: 1 });
            self.told.push(kind);
        }
        (!executions.is_empty()).then(|| FromGuest::Executed { executions, unlisted: Unlisted::default() })
    }

    /// What was told may be acted upon; `in_log`: it is in the log, and need not be told again.
    pub(super) fn recorded(&mut self, in_log: bool) -> Vec<Released<Q>> {
        let mut released = Vec::new();
        for kind in std::mem::take(&mut self.told) {
            let Some((first, all)) = self.waiting.remove(&kind) else { continue };
            self.held -= all.len();
            let mut told = Some((kind.clone(), first.sha256));
            released.extend(all.into_iter().map(|who| Released { who, told: told.take() }));
            if in_log && self.known.insert(kind.clone(), false).is_none() {
                self.order.push_back(kind);
                self.forget_one();
            }
        }
        released
    }

    /// Forgets one if there are too many: one that was not met again since its last turn.
    fn forget_one(&mut self) {
        while self.order.len() > KNOWN
            && let Some(next) = self.order.pop_front()
        {
            match self.known.get_mut(&next) {
                Some(met) if *met => {
                    *met = false;
                    self.order.push_back(next);
                }
                _ => drop(self.known.remove(&next)),
            }
        }
    }
}
