//! What was signed of a log, beside the walk over its records: of the log's own checkpoints, and of each copy of them, one is in
//! memory at a time, as they are read in the order in which the log grew; those that a user names are few, and all are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Elsewhere, LastNote, Notes, VerifyError, signed};
use crate::checkpoint::{self, Checkpoint, Note, VerifyingKey};
use crate::tree::{Frontier, TreeHash};

/// The checkpoints, and how far the walk is with them.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    judge: Judge<'a>,
    own: File,
    copies: Vec<File>,
    others: BTreeMap<u64, TreeHash>,
    /// How many `others` were named.
    named: usize,
}

/// What the checkpoints come to.
#[derive(Debug)]
pub(super) struct Signed {
    /// Checkpoints in the log's own file, and those that a user named.
    pub(super) count: usize,
    /// The newest of all.
    pub(super) newest: Option<Checkpoint>,
    /// Records under the newest in the log's own file.
    pub(super) own: Option<u64>,
    /// The copy that knows most, and records under its newest.
    pub(super) copy: Option<(PathBuf, u64)>,
    /// What stands behind the last one in the log's own file.
    pub(super) last: LastNote,
}

/// Whose checkpoints count.
#[derive(Debug)]
struct Judge<'a> {
    keys: &'a [VerifyingKey],
    /// Whose log all of them must be of; `None`: it has no record that says so.
    origin: Option<String>,
    newest: Option<Checkpoint>,
}

/// A file of checkpoints that is being read.
#[derive(Debug)]
struct File {
    /// Where, if it is a copy.
    copy: Option<PathBuf>,
    notes: Notes,
    /// The one that comes next, and the note that it is in.
    next: Option<(Checkpoint, Note)>,
    number: usize,
    /// The one that was compared last, and its note.
    passed: Option<(Checkpoint, Note)>,
}

impl Judge<'_> {
    /// The checkpoint in a note.
    fn signed(&mut self, note: &Note, number: usize) -> Result<Checkpoint, VerifyError> {
        let checkpoint = signed(note, self.keys).map_err(|source| VerifyError::Note { number, source })?;
        if self.origin.as_ref().is_some_and(|origin| *origin != checkpoint.origin) {
            return Err(VerifyError::Origin { number, origin: checkpoint.origin });
        }
        if self.newest.as_ref().is_none_or(|newest| newest.size <= checkpoint.size) {
            self.newest = Some(checkpoint.clone());
        }
        Ok(checkpoint)
    }
}

impl File {
    fn new(notes: Notes, copy: Option<PathBuf>) -> Self {
        Self { copy, notes, next: None, number: 0, passed: None }
    }

    /// Goes to the next checkpoint; the signer writes them in the order of their sizes.
    fn advance(&mut self, judge: &mut Judge<'_>) -> Result<(), VerifyError> {
        let next = self.read(judge);
        next.map_err(|error| match &self.copy {
            Some(path) => VerifyError::Copy { path: path.clone(), source: Box::new(error) },
            None => error,
        })
    }

    fn read(&mut self, judge: &mut Judge<'_>) -> Result<(), VerifyError> {
        self.passed = self.next.take().or(self.passed.take());
        let Some(note) = self.notes.next().transpose()? else { return Ok(()) };
        self.number += 1;
        let checkpoint = judge.signed(&note, self.number)?;
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
}

impl<'a> Claims<'a> {
    /// Reads those that a user named, and the first of every file.
    pub(super) fn new(
        log: &Path,
        elsewhere: &Elsewhere,
        keys: &'a [VerifyingKey],
        sandbox: Option<&str>,
    ) -> Result<Self, VerifyError> {
        let mut judge = Judge { keys, origin: sandbox.map(checkpoint::origin), newest: None };
        let mut others = BTreeMap::new();
        for (note, number) in elsewhere.notes.iter().zip(1..) {
            let added = judge.signed(note, number).and_then(|Checkpoint { size, root, .. }| {
                let is_one = *others.entry(size).or_insert(root) == root;
                is_one.then_some(()).ok_or(VerifyError::Root { since: 1, after: size })
            });
            added.map_err(|error| VerifyError::Elsewhere(Box::new(error)))?;
        }
        let copies: Result<Vec<File>, VerifyError> = elsewhere
            .copies
            .iter()
            .map(|path| Ok(File::new(Notes::in_file(path)?, Some(path.clone()))))
            .collect();
        let own = File::new(Notes::of(log)?, None);
        let mut claims = Self { judge, own, copies: copies?, others, named: elsewhere.notes.len() };
        for file in std::iter::once(&mut claims.own).chain(&mut claims.copies) {
            file.advance(&mut claims.judge)?;
        }
        Ok(claims)
    }

    /// Passes over those of fewer records than `size`; returns how many. There are no records to hold against them: only their
    /// signatures can be checked, and that no two say different things.
    pub(super) fn pass_below(&mut self, size: u64) -> Result<usize, VerifyError> {
        let mut passed = self.others.range(..size).count();
        while let Some((least, root)) = self.least_below(size) {
            let mut agree = self.others.get(&least).is_none_or(|other| *other == root);
            for file in std::iter::once(&mut self.own).chain(&mut self.copies) {
                while let Some((next, _note)) = file.next.as_ref().filter(|(next, _note)| next.size == least)
                {
                    agree &= next.root == root;
                    passed += usize::from(file.copy.is_none());
                    file.advance(&mut self.judge)?;
                }
            }
            if !agree {
                return Err(VerifyError::Root { since: 1, after: least });
            }
        }
        Ok(passed)
    }

    /// The next checkpoint of any file that is below `size`.
    fn least_below(&self, size: u64) -> Option<(u64, TreeHash)> {
        let next = std::iter::once(&self.own).chain(&self.copies).filter_map(|file| file.next.as_ref());
        let below = next.map(|(next, _note)| (next.size, next.root)).filter(|(next, _root)| *next < size);
        below.min_by_key(|(next, _root)| *next)
    }

    /// Whether the log was signed at the size of this tree, which must have the root that was signed then. `since`: the first
    /// record that no checkpoint before covers.
    pub(super) fn check(&mut self, tree: &Frontier, since: u64) -> Result<bool, VerifyError> {
        let size = tree.size();
        let other = self.others.get(&size).copied();
        let mut is_signed = other.is_some();
        let mut fits = other.is_none_or(|root| tree.root() == root);
        for file in std::iter::once(&mut self.own).chain(&mut self.copies) {
            while let Some((next, _note)) = file.next.as_ref().filter(|(next, _note)| next.size == size) {
                fits &= tree.root() == next.root;
                is_signed = true;
                file.advance(&mut self.judge)?;
            }
        }
        if fits { Ok(is_signed) } else { Err(VerifyError::Root { since, after: size }) }
    }

    /// Whether there is any in the log's own file.
    pub(super) fn is_any(&self) -> bool {
        self.own.number > 0
    }

    /// The last one of the log's own that was compared, as it stands there.
    pub(super) fn passed(&self) -> Option<&(Checkpoint, Note)> {
        self.own.passed.as_ref()
    }

    /// Checks the signatures of those that are left.
    pub(super) fn finish(mut self) -> Result<Signed, VerifyError> {
        for file in std::iter::once(&mut self.own).chain(&mut self.copies) {
            while file.next.is_some() {
                file.advance(&mut self.judge)?;
            }
        }
        let size = |file: &File| file.passed.as_ref().map(|(passed, _note)| passed.size);
        let copies = self.copies.iter().filter_map(|file| Some((file.copy.clone()?, size(file)?)));
        Ok(Signed {
            count: self.own.number + self.named,
            newest: self.judge.newest,
            own: size(&self.own),
            copy: copies.max_by_key(|(_path, size)| *size),
            last: self.own.notes.behind(),
        })
    }
}
