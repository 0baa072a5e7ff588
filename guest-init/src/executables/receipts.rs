//! Executions that wait until they are on the record.
//!
//! ```text
//! the first of a kind ──► waits ──► told ──► the manager's word that it is in the log ──► runs
//! the same again      ─────────────────────────────────────────────────────────────────► runs, and is counted
//! ```
//! *Invariant:* nobody runs a program before the log holds that its kind was executed. One message is under way at a time:
//! what comes meanwhile goes with the next one.

use std::collections::{HashMap, HashSet, VecDeque};

use wire::control::{Execution, FromGuest, MAX_EXECUTIONS, ToGuest, Unlisted};
use wire::frame;
use wire::vsock::EXECUTIONS;

use super::executions::{First, Kind};
use crate::control::{Control, ControlError};
use crate::host::Host;
use crate::tally::Room;

/// Kinds that are known to be on the record. One that is forgotten waits, and is told, again.
const KNOWN: usize = 2048;

/// Who waits for the log, and what is in it. `Q`: whoever waits.
#[derive(Debug)]
pub(super) struct Receipts<Q> {
    known: HashSet<Kind>,
    /// Oldest first.
    order: VecDeque<Kind>,
    waiting: HashMap<Kind, (First, Vec<Q>)>,
    /// As they came.
    untold: VecDeque<Kind>,
    told: Vec<Kind>,
}

/// One who need not wait any longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released<Q> {
    pub(super) who: Q,
    /// What it was told as; `None`: another one of its kind was.
    pub(super) told: Option<Kind>,
}

/// The connection on which the manager hears of executions, and says that they are in the log.
#[derive(Debug)]
pub(super) struct Line(pub(super) Control);

impl Line {
    pub(super) fn connect(host: &dyn Host) -> Result<Self, ControlError> {
        Control::connect(host, EXECUTIONS).map(Self)
    }

    /// Reads what is there; how many messages are in the log by it.
    pub(super) fn receipts(&mut self) -> Result<usize, ControlError> {
        self.0.fill()?;
        let mut receipts = 0;
        while let Some(message) = self.0.next(frame::SMALL)? {
            match message {
                ToGuest::Recorded => receipts += 1,
                other => return Err(ControlError::OutOfTurn(format!("{other:?}"))),
            }
        }
        Ok(receipts)
    }
}

impl<Q> Receipts<Q> {
    pub(super) fn new() -> Self {
        Self {
            known: HashSet::new(),
            order: VecDeque::new(),
            waiting: HashMap::new(),
            untold: VecDeque::new(),
            told: Vec::new(),
        }
    }

    /// Whether the log holds that a program of this kind was executed.
    pub(super) fn has(&self, kind: &Kind) -> bool {
        self.known.contains(kind)
    }

    /// Waits for that. `first` is asked of the first one of the kind.
    pub(super) fn wait(&mut self, kind: Kind, who: Q, first: impl FnOnce() -> First) {
        if let Some((_first, all)) = self.waiting.get_mut(&kind) {
            return all.push(who);
        }
        self.untold.push_back(kind.clone());
        self.waiting.insert(kind, (first(), vec![who]));
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

    /// What was told is in the log.
    pub(super) fn recorded(&mut self) -> Vec<Released<Q>> {
        let mut released = Vec::new();
        for kind in std::mem::take(&mut self.told) {
            let Some((_first, all)) = self.waiting.remove(&kind) else { continue };
            let mut told = Some(kind.clone());
            released.extend(all.into_iter().map(|who| Released { who, told: told.take() }));
            if self.known.insert(kind.clone()) {
                self.order.push_back(kind);
            }
            if self.order.len() > KNOWN
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        released
    }
}
