//! The file `tree` beside a log: the tree's hash over every [`LEAVES`] records, and where the next record stands. With it one
//! proof reads two thousand records at most and not the whole log; it takes 80 bytes for every 1024 records, 0.8 MB for ten
//! million. Whoever proves makes and extends it; it may be deleted at any time.
//!
//! Nobody believes it: a proof is checked against the signed root before it is handed out, and made again from the records
//! if it does not fit.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::chain::ChainHash;
use crate::log::{Mark, Position, open_file};
use crate::tree::TreeHash;

/// Its name.
const TREE: &str = "tree";

/// Height of a block's tree.
pub(super) const HEIGHT: u32 = 10;

/// Records in a block.
pub(super) const LEAVES: u64 = 1 << HEIGHT;

const ENTRY: usize = 80;

/// A block whose hash is not known: it is a hash of nothing.
const UNKNOWN: [u8; 32] = [0; 32];

/// What is known of a log's blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    entries: Vec<Entry>,
    has_grown: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    root: TreeHash,
    /// Where the record behind the block stands.
    position: Position,
    last_hash: ChainHash,
}

/// The records of a block, from 0.
pub(super) fn range(block: u64) -> Range<u64> {
    block * LEAVES..(block + 1) * LEAVES
}

impl Blocks {
    /// What is known of a log of `size` records: nothing, if the file is not there or cannot be read.
    pub(super) fn read(log: &Path, size: u64) -> Self {
        let mut bytes = Vec::new();
        let entry = u64::try_from(ENTRY).expect("an entry is short");
        let limit = (size / LEAVES).saturating_mul(entry);
        let read = open_file(&log.join(TREE)).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        let entries =
            if read.is_ok() { bytes.as_chunks().0.iter().map(Entry::parse).collect() } else { Vec::new() };
        Self { entries, has_grown: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The hash of a block, and where to read on behind it.
    pub(super) fn get(&self, block: u64) -> Option<(TreeHash, Mark)> {
        let Entry { root, position, last_hash } = self.entries.get(usize::try_from(block).ok()?)?;
        let mark = Mark { position: *position, sequence: range(block).end, last_hash: *last_hash };
        (*root.as_bytes() != UNKNOWN).then_some((*root, mark))
    }

    /// A block was read.
    pub(super) fn set(&mut self, block: u64, root: TreeHash, behind: Mark) {
        let Ok(at) = usize::try_from(block) else { return };
        let unknown = Entry {
            root: TreeHash::from_bytes(UNKNOWN),
            position: Position::default(),
            last_hash: ChainHash::START,
        };
        if self.entries.len() <= at {
            self.entries.resize(at + 1, unknown);
        }
        self.entries[at] = Entry { root, position: behind.position, last_hash: behind.last_hash };
        self.has_grown = true;
    }

    /// Writes the file, if there is more in it than before.
    pub(super) fn write(&self, log: &Path) -> io::Result<()> {
        if !self.has_grown || !log.is_dir() {
            return Ok(());
        }
        let unfinished = log.join(format!("{TREE}.{}.new", std::process::id()));
        let written = self.write_to(&unfinished).and_then(|()| fs::rename(&unfinished, log.join(TREE)));
        if written.is_err() {
            // It may not be there at all.
            let _gone = fs::remove_file(&unfinished);
        }
        written
    }

    fn write_to(&self, file: &Path) -> io::Result<()> {
        let bytes: Vec<u8> = self.entries.iter().flat_map(Entry::bytes).collect();
        File::options().write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(&bytes)
    }
}

impl Entry {
    fn parse(bytes: &[u8; ENTRY]) -> Self {
        let hash = |at: usize| std::array::from_fn(|index| bytes[at + index]);
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
        Self {
            root: TreeHash::from_bytes(hash(0)),
            position: Position { segment: number(32), offset: number(40) },
            last_hash: ChainHash::from_bytes(hash(48)),
        }
    }

    fn bytes(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..32].copy_from_slice(self.root.as_bytes());
        bytes[32..40].copy_from_slice(&self.position.segment.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.position.offset.to_le_bytes());
        bytes[48..].copy_from_slice(self.last_hash.as_bytes());
        bytes
    }
}
