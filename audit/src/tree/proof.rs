//! Proofs of inclusion and consistency (RFC 6962, sections 2.1.1 and 2.1.2): made, and checked without the tree.

use std::ops::Range;

use super::{Frontier, TreeHash, node};

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The sizes cannot be.
    #[error("the record is not in a tree of that size")]
    Size,
    /// There are too few hashes, or too many.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The hashes of a proof, while the leaves of the tree go by.
#[derive(Debug)]
pub struct Collector {
    /// The subtrees of the proof by the leaves below them, in the proof's order.
    subtrees: Vec<(Range<u64>, Frontier)>,
    seen: u64,
}

impl Collector {
    /// The proof that leaf `index` (from 0) is in the tree of `size`; `None`: it is not.
    #[must_use]
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        (index < size).then(|| {
            let mut subtrees = Vec::new();
            path(index, 0..size, &mut subtrees);
            Self::of(subtrees)
        })
    }

    /// The proof that the tree of `new` leaves begins with the one of `old`; `None`: it cannot be asked.
    #[must_use]
    pub fn consistency(old: u64, new: u64) -> Option<Self> {
        (0 < old && old <= new).then(|| {
            let mut subtrees = Vec::new();
            if old < new {
                common(old, 0..new, true, &mut subtrees);
            }
            Self::of(subtrees)
        })
    }

    fn of(subtrees: Vec<Range<u64>>) -> Self {
        Self { subtrees: subtrees.into_iter().map(|leaves| (leaves, Frontier::default())).collect(), seen: 0 }
    }

    /// The next leaf of the tree, from the first on.
    pub fn leaf(&mut self, leaf: TreeHash) {
        for (leaves, frontier) in &mut self.subtrees {
            if leaves.contains(&self.seen) {
                frontier.push(leaf);
            }
        }
        self.seen += 1;
    }

    /// The proof, once all leaves went by; `None`: some did not.
    #[must_use]
    pub fn proof(self) -> Option<Vec<TreeHash>> {
        let whole = |(leaves, frontier): (Range<u64>, Frontier)| {
            (frontier.size() == leaves.end - leaves.start).then(|| frontier.root())
        };
        self.subtrees.into_iter().map(whole).collect()
    }
}

/// Largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The siblings on the way from a leaf to the root of the tree over `leaves`, the lowest first.
fn path(index: u64, leaves: Range<u64>, siblings: &mut Vec<Range<u64>>) {
    let size = leaves.end - leaves.start;
    if size == 1 {
        return;
    }
    let middle = leaves.start + split(size);
    let (within, sibling) = if index < middle {
        (leaves.start..middle, middle..leaves.end)
    } else {
        (middle..leaves.end, leaves.start..middle)
    };
    path(index, within, siblings);
    siblings.push(sibling);
}

/// SUBPROOF of RFC 6962: `whole` says whether the old tree is a subtree by itself, whose hash its owner knows.
fn common(old: u64, leaves: Range<u64>, whole: bool, subtrees: &mut Vec<Range<u64>>) {
    let size = leaves.end - leaves.start;
    if old == size {
        if !whole {
            subtrees.push(leaves);
        }
        return;
    }
    let half = split(size);
    let middle = leaves.start + half;
    if old <= half {
        common(old, leaves.start..middle, whole, subtrees);
        subtrees.push(middle..leaves.end);
    } else {
        common(old - half, middle..leaves.end, false, subtrees);
        subtrees.push(leaves.start..middle);
    }
}

/// Checks that `leaf` is the one at `index` (from 0) in the tree of `size` whose root is `root` (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// It is not, as far as the proof shows.
pub fn check_inclusion(
    leaf: TreeHash,
    at: (u64, u64),
    proof: &[TreeHash],
    root: TreeHash,
) -> Result<(), Wrong> {
    let (index, size) = at;
    if index >= size {
        return Err(Wrong::Size);
    }
    let (mut here, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(Wrong::Length);
        }
        if here & 1 == 1 || here == last {
            hash = node(sibling, &hash);
            while here & 1 == 0 && here != 0 {
                (here, last) = (here >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (here, last) = (here >> 1, last >> 1);
    }
    match (last, hash == root) {
        (0, true) => Ok(()),
        (0, false) => Err(Wrong::Root),
        _more => Err(Wrong::Length),
    }
}

/// Checks that the tree `new` begins with the tree `old`, each a size and a root (RFC 9162, section 2.1.4.2).
///
/// # Errors
/// It does not, as far as the proof shows.
pub fn check_consistency(
    old: (u64, TreeHash),
    new: (u64, TreeHash),
    proof: &[TreeHash],
) -> Result<(), Wrong> {
    if old.0 == 0 || old.0 > new.0 {
        return Err(Wrong::Size);
    }
    if old.0 == new.0 {
        return if !proof.is_empty() {
            Err(Wrong::Length)
        } else if old.1 == new.1 {
            Ok(())
        } else {
            Err(Wrong::Root)
        };
    }
    // A whole old tree is its own first hash.
    let mut hashes = old.0.is_power_of_two().then_some(&old.1).into_iter().chain(proof);
    let (mut here, mut last) = (old.0 - 1, new.0 - 1);
    while here & 1 == 1 {
        (here, last) = (here >> 1, last >> 1);
    }
    let first = hashes.next().ok_or(Wrong::Length)?;
    let (mut was, mut is) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return Err(Wrong::Length);
        }
        if here & 1 == 1 || here == last {
            (was, is) = (node(hash, &was), node(hash, &is));
            while here & 1 == 0 && here != 0 {
                (here, last) = (here >> 1, last >> 1);
            }
        } else {
            is = node(&is, hash);
        }
        (here, last) = (here >> 1, last >> 1);
    }
    match (last, was == old.1 && is == new.1) {
        (0, true) => Ok(()),
        (0, false) => Err(Wrong::Root),
        _more => Err(Wrong::Length),
    }
}
