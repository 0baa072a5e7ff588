//! What was signed of a log, beside the walk over its records: of the log's own checkpoints one is in memory at a time, as they
//! are read in the order in which the log grew; those that were kept elsewhere are few, and all are.

use std::collections::BTreeMap;

use super::{LastNote, Notes, VerifyError, signed};
use crate::checkpoint::{self, Checkpoint, Note, VerifyingKey};
use crate::tree::{Frontier, TreeHash};

/// The checkpoints, and how far the walk is with them.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    notes: Notes,
    keys: &'a [VerifyingKey],
    /// Whose log all of them must be of; `None`: it has no record that says so.
    origin: Option<String>,
    /// The log's own that comes next, and the note that it is in.
    next: Option<(Checkpoint, Note)>,
    number: usize,
    /// The one of the log's own that was compared last, and its note.
    passed: Option<(Checkpoint, Note)>,
    others: BTreeMap<u64, TreeHash>,
    count: usize,
    newest: Option<Checkpoint>,
}

impl<'a> Claims<'a> {
    /// Reads those of others, and the first of the log's own.
    pub(super) fn new(
        notes: Notes,
        others: &[Note],
        keys: &'a [VerifyingKey],
        sandbox: Option<&str>,
    ) -> Result<Self, VerifyError> {
        let origin = sandbox.map(checkpoint::origin);
        let mut claims = Self {
            notes,
            keys,
            origin,
            next: None,
            number: 0,
            passed: None,
            others: BTreeMap::new(),
            count: 0,
            newest: None,
        };
        for (note, number) in others.iter().zip(1..) {
            let added = claims.add(note, number);
            added.map_err(|error| VerifyError::Elsewhere(Box::new(error)))?;
        }
        claims.advance()?;
        Ok(claims)
    }

    fn add(&mut self, note: &Note, number: usize) -> Result<(), VerifyError> {
        let checkpoint = self.signed(note, number)?;
        let (size, root) = (checkpoint.size, checkpoint.root);
        if *self.others.entry(size).or_insert(root) != root {
            return Err(VerifyError::Root { since: 1, after: size });
        }
        Ok(())
    }

    /// The checkpoint in a note, counted.
    fn signed(&mut self, note: &Note, number: usize) -> Result<Checkpoint, VerifyError> {
        let checkpoint = signed(note, self.keys).map_err(|source| VerifyError::Note { number, source })?;
        if self.origin.as_ref().is_some_and(|origin| *origin != checkpoint.origin) {
            return Err(VerifyError::Origin { number, origin: checkpoint.origin });
        }
        self.count += 1;
        if self.newest.as_ref().is_none_or(|newest| newest.size <= checkpoint.size) {
            self.newest = Some(checkpoint.clone());
        }
        Ok(checkpoint)
    }

    /// Goes to the log's next checkpoint; the signer writes them in the order of their sizes.
    fn advance(&mut self) -> Result<(), VerifyError> {
        self.passed = self.next.take().or(self.passed.take());
        let Some(note) = self.notes.next().transpose()? else { return Ok(()) };
        self.number += 1;
        let checkpoint = self.signed(&note, self.number)?;
        if let Some((passed, _note)) = &self.passed {
            if checkpoint.size < passed.size {
                return Err(VerifyError::Order { number: self.number });
            }
            if checkpoint.size == passed.size && checkpoint.root != passed.root {
                return Err(VerifyError::Root { since: 1, after: checkpoint.size });
            }
        }
        self.next = Some((checkpoint, note));
        Ok(())
    }

    /// Passes over those of fewer records than `size`, of which only the signatures can be checked; returns how many.
    pub(super) fn pass_below(&mut self, size: u64) -> Result<usize, VerifyError> {
        let mut passed = self.others.range(..size).count();
        while self.next.as_ref().is_some_and(|(next, _note)| next.size < size) {
            self.advance()?;
            passed += 1;
        }
        Ok(passed)
    }

    /// Whether the log was signed at the size of this tree, which must have the root that was signed then. `since`: the first
    /// record that no checkpoint before covers.
    pub(super) fn check(&mut self, tree: &Frontier, since: u64) -> Result<bool, VerifyError> {
        let size = tree.size();
        let other = self.others.get(&size).copied();
        let mut is_signed = other.is_some();
        let mut fits = other.is_none_or(|root| tree.root() == root);
        while let Some((next, _note)) = self.next.as_ref().filter(|(next, _note)| next.size == size) {
            fits &= tree.root() == next.root;
            is_signed = true;
            self.advance()?;
        }
        if fits { Ok(is_signed) } else { Err(VerifyError::Root { since, after: size }) }
    }

    /// Whether there is any.
    pub(super) fn is_any(&self) -> bool {
        self.count > 0
    }

    /// The last one of the log's own that was compared, as it stands there.
    pub(super) fn passed(&self) -> Option<&(Checkpoint, Note)> {
        self.passed.as_ref()
    }

    /// Checks the signatures of those that are left. Returns how many there are in all, the newest, what stands behind the
    /// last one, and where that ends.
    pub(super) fn finish(mut self) -> Result<(usize, Option<Checkpoint>, LastNote, u64), VerifyError> {
        while self.next.is_some() {
            self.advance()?;
        }
        Ok((self.count, self.newest, self.notes.behind(), self.notes.end()))
    }
}
