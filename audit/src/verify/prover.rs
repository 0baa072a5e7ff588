//! Makes proofs of a log: goes over its tree, by whole blocks where the file [`super::blocks`] knows them, by records
//! elsewhere.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::blocks::{self, Blocks, HEIGHT, LEAVES};
use super::{Begun, CHECKPOINTS, Consistency, Proof, ProofError, VerifyError, begun, open, signed};
use crate::checkpoint::{Checkpoint, MAX_NOTE, Note, VerifyingKey};
use crate::log::{self, LogError, Mark, Reader, Segments, open_file};
use crate::tree::{Collector, Frontier, TreeHash, check_consistency, check_inclusion, leaf};

/// Proves record `sequence` by a checkpoint which one of `keys` must have signed: by this one, or by the newest in the log.
///
/// # Errors
/// There is no such record, or nothing signed covers it.
pub fn prove(
    log: &Path,
    sequence: u64,
    keys: &[VerifyingKey],
    by: Option<&Note>,
) -> Result<Proof, ProofError> {
    let begun = begun(log)?;
    let index = sequence.checked_sub(1).ok_or(ProofError::NoRecord(sequence))?;
    if index < begun.mark.sequence {
        return Err(ProofError::Removed(begun.mark.sequence + 1));
    }
    let by = by.cloned().map_or_else(|| newest_note(log), |note| Ok(Some(note)))?;
    let covering = covering(by, keys)?.filter(|(checkpoint, _note)| checkpoint.size >= sequence);
    let Some((Checkpoint { size, root, .. }, note)) = covering else {
        let records = open(log, &begun)?.verify_here().map_err(VerifyError::from)?.records;
        return Err(if sequence <= records {
            ProofError::Unsigned(sequence)
        } else {
            ProofError::NoRecord(sequence)
        });
    };
    let collector = || Collector::inclusion(index, size).ok_or(ProofError::NoRecord(sequence));
    with_blocks(log, size, |blocks| {
        let mut walk = Walk::new(log, &begun, blocks, collector()?)?;
        let line = walk.over(size, index)?;
        let path = walk.collector.proof().ok_or(ProofError::NoRecord(sequence))?;
        check_inclusion(leaf(&line), (index, size), &path, root)?;
        Ok(Proof { line, index, path, note: note.clone() })
    })
}

/// Proves that the newest checkpoint in the log goes on from what the log was at `old` records.
///
/// # Errors
/// The log was not so large, or not signed since.
pub fn prove_consistency(log: &Path, old: u64, keys: &[VerifyingKey]) -> Result<Consistency, ProofError> {
    let begun = begun(log)?;
    if old < begun.mark.sequence.max(1) {
        return Err(ProofError::Removed(begun.mark.sequence + 1));
    }
    let covering = covering(newest_note(log)?, keys)?.filter(|(checkpoint, _note)| checkpoint.size >= old);
    let (Checkpoint { size, root, .. }, note) = covering.ok_or(ProofError::Unsigned(old))?;
    with_blocks(log, size, |blocks| {
        let collector = Collector::consistency(old, size).ok_or(ProofError::Unsigned(old))?;
        let mut walk = Walk::new(log, &begun, blocks, collector)?;
        let old_root = walk.over_with_root(size, old)?;
        let path = walk.collector.proof().ok_or(ProofError::Unsigned(old))?;
        check_consistency((old, old_root), (size, root), &path)?;
        Ok(Consistency { old, path, note: note.clone() })
    })
}

/// What `make` makes with the blocks that are known, or else without them.
fn with_blocks<T>(
    log: &Path,
    size: u64,
    mut make: impl FnMut(&mut Blocks) -> Result<T, ProofError>,
) -> Result<T, ProofError> {
    let mut blocks = Blocks::read(log, size);
    let mut made = make(&mut blocks);
    if made.is_err() && !blocks.is_empty() {
        blocks = Blocks::default();
        made = make(&mut blocks);
    }
    if made.is_ok() {
        // Without it the next proof reads the log again.
        let _dearer = blocks.write(log);
    }
    made
}

/// The checkpoint in a note, if one of the keys has signed it.
fn covering(note: Option<Note>, keys: &[VerifyingKey]) -> Result<Option<(Checkpoint, Note)>, ProofError> {
    let Some(note) = note else { return Ok(None) };
    Ok(Some((signed(&note, keys)?, note)))
}

/// The last whole note in a log's directory; the signer writes them in the order in which the log grows.
///
/// # Errors
/// It cannot be read, or is none.
pub fn newest_note(log: &Path) -> Result<Option<Note>, VerifyError> {
    let bytes = match end(&log.join(CHECKPOINTS)) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(VerifyError::Read(CHECKPOINTS, error)),
    };
    // What was cut through at the front belongs to an older note.
    let text = String::from_utf8_lossy(&bytes);
    let mut parts: Vec<&str> = text.split("\n\n").collect();
    // Behind the last note stands nothing, or one that is not finished.
    parts.pop();
    let Some(at) = parts.iter().rposition(|part| part.starts_with("— ")).filter(|at| *at > 0) else {
        return Ok(None);
    };
    let note = format!("{}\n\n{}\n", parts[at - 1], parts[at]);
    Note::parse(&note).map(Some).map_err(|source| VerifyError::Newest { source })
}

/// The end of a file: two notes at least.
pub(super) fn end(file: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_file(file)?;
    // One that is not finished may stand behind the last whole one.
    let most = u64::try_from(2 * MAX_NOTE + 4).expect("a note is short");
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// On the way over a log's tree.
struct Walk<'a> {
    log: &'a Path,
    blocks: &'a mut Blocks,
    collector: Collector,
    /// Leaves that went by, and where the next record stands.
    seen: u64,
    mark: Mark,
    reader: Option<Reader<Segments>>,
    /// The block that the next leaf belongs to, so far; `None`: its beginning is not known.
    block: Option<Frontier>,
}

impl<'a> Walk<'a> {
    fn new(
        log: &'a Path,
        begun: &Begun,
        blocks: &'a mut Blocks,
        collector: Collector,
    ) -> Result<Self, ProofError> {
        let seen = begun.frontier.size();
        let collector = collector.after(&begun.frontier).ok_or(ProofError::Removed(seen + 1))?;
        let block = begun.frontier.within(&blocks::range(seen / LEAVES));
        Ok(Self { log, blocks, collector, seen, mark: begun.mark, reader: None, block })
    }

    /// Goes over `size` leaves, and returns the line of record `index`.
    fn over(&mut self, size: u64, index: u64) -> Result<Vec<u8>, ProofError> {
        let mut kept = Vec::new();
        while self.seen < size {
            let wanted = blocks::range(self.seen / LEAVES).contains(&index);
            if !wanted && self.skip_block(size) {
                continue;
            }
            let at = self.seen;
            let (_leaf, line) = self.read(size)?;
            if at == index {
                kept = line.to_vec();
            }
        }
        Ok(kept)
    }

    /// The same, and returns the root that the tree had at `old` leaves, which are no fewer than were removed.
    fn over_with_root(&mut self, size: u64, old: u64) -> Result<TreeHash, ProofError> {
        let begun = begun(self.log)?;
        let mut tree = begun.frontier;
        while self.seen < size {
            let at = self.seen;
            let in_old = blocks::range(at / LEAVES).contains(&old) && at < old;
            if !in_old && self.skip_block(size) {
                if at < old
                    && let Some((root, _mark)) = self.blocks.get(at / LEAVES)
                {
                    tree.push_subtree(root, HEIGHT);
                }
                continue;
            }
            let (leaf, _line) = self.read(size)?;
            if at < old {
                tree.push(leaf);
            }
        }
        Ok(tree.root())
    }

    /// Passes over a whole block, if it is known and no proof needs a part of it.
    fn skip_block(&mut self, size: u64) -> bool {
        let block = self.seen / LEAVES;
        if !self.seen.is_multiple_of(LEAVES) || self.seen + LEAVES > size || !self.collector.takes(HEIGHT) {
            return false;
        }
        let Some((root, behind)) = self.blocks.get(block) else { return false };
        self.collector.subtree(root, HEIGHT);
        (self.seen, self.mark, self.reader) = (self.seen + LEAVES, behind, None);
        true
    }

    /// The next record.
    fn read(&mut self, size: u64) -> Result<(TreeHash, &[u8]), ProofError> {
        if self.seen.is_multiple_of(LEAVES) {
            self.block = Some(Frontier::default());
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(log::read_from(self.log, &self.mark).map_err(bad)?),
        };
        let cut_off = VerifyError::Truncated { records: self.seen, signed: size };
        let leaf = leaf(reader.next_line().map_err(bad)?.ok_or(cut_off)?);
        self.collector.leaf(leaf);
        self.seen += 1;
        if let Some(block) = &mut self.block {
            block.push(leaf);
            if self.seen.is_multiple_of(LEAVES) {
                self.blocks.set(self.seen / LEAVES - 1, block.root(), reader.mark());
            }
        }
        Ok((leaf, reader.line()))
    }
}

fn bad(error: LogError) -> ProofError {
    VerifyError::from(error).into()
}
