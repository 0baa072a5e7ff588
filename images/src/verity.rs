//! Hash trees of root images, by which the guest's kernel checks every block that it reads (dm-verity). A tree is a
//! file of its own beside the image: the superblock of `veritysetup`, then the levels from the top down, as the kernel's
//! documentation describes format 1 (`Documentation/admin-guide/device-mapper/verity.rst`).
//!
//! The root hash is a function of the image's bytes alone, so whoever has the image can compute it again.
//! Must never know where images and trees are kept.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::stop::Stop;

/// Bytes of a block, of the image and of the tree: a page, so that one read of the guest's checks one block.
pub const BLOCK: usize = 4096;

/// How many digests a block of the tree holds.
const FANOUT: usize = BLOCK / 32;

/// What every block is hashed with: no hash of these trees is one that somebody computed for other blocks.
const SALT: &[u8] = b"openshell vm: root image, hash 1";

/// What the kernel must be told, beside the tree itself. The tree's levels begin at its block 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The hash over all others.
    pub root: Digest,
    /// What every block was hashed with.
    pub salt: Digest,
    /// Blocks of the image that the tree covers.
    pub data_blocks: u64,
}

/// An image's tree.
#[derive(Clone, PartialEq, Eq)]
pub struct HashTree {
    /// What the kernel must be told.
    pub seal: Seal,
    /// The tree's file.
    pub bytes: Vec<u8>,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The image cannot be read.
    #[error("cannot read the image")]
    Read(#[source] io::Error),
    /// Its length is no multiple of [`BLOCK`], or it is empty.
    #[error("the image's length, {0} bytes, is not a multiple of {BLOCK}")]
    Ragged(u64),
    /// Somebody wished to stop.
    #[error("computing the hash tree was interrupted")]
    Interrupted,
}

impl std::fmt::Debug for HashTree {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "HashTree {{ {:?}, {} bytes }}", self.seal, self.bytes.len())
    }
}

/// Computes the tree of an image, and the SHA-256 of its bytes, in one reading.
///
/// # Errors
/// The image cannot be read, has no whole number of blocks, or `stop` was asked meanwhile.
pub fn grow(mut image: impl Read, stop: &Stop) -> Result<(HashTree, Digest), GrowError> {
    let (mut leaves, mut whole) = (Vec::new(), Sha256::new());
    let mut chunk = vec![0; 64 * BLOCK];
    let mut total = 0;
    loop {
        if stop.is_asked() {
            return Err(GrowError::Interrupted);
        }
        let filled = fill(&mut image, &mut chunk).map_err(GrowError::Read)?;
        let bytes = chunk.get(..filled).unwrap_or_default();
        total += filled as u64;
        whole.update(bytes);
        let blocks = bytes.chunks_exact(BLOCK);
        if !blocks.remainder().is_empty() {
            return Err(GrowError::Ragged(total));
        }
        leaves.extend(blocks.map(hash));
        if filled < chunk.len() {
            break;
        }
    }
    if leaves.is_empty() {
        return Err(GrowError::Ragged(total));
    }
    Ok((plant(leaves), Digest::from_bytes(whole.finalize().into())))
}

/// Whether `tree` looks like the tree of `seal`: the superblock speaks of it, its length is right, and the last block of each level
/// leads to the root and holds no hash of a block beyond the image's end, so that no tree passes for that of an image which was cut
/// short. What lies beside is for the kernel to check, block by block, when it is read.
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_tree_of(tree: &File, seal: &Seal) -> io::Result<bool> {
    if seal.data_blocks == 0 || tree.metadata()?.len() != tree_bytes(seal.data_blocks) {
        return Ok(false);
    }
    let read = |block: u64| {
        let mut bytes = [0; BLOCK];
        tree.read_exact_at(&mut bytes, block * BLOCK as u64).map(|()| bytes)
    };
    if seal.salt.as_bytes() != SALT || read(0)?[..] != superblock(seal.data_blocks)[..] {
        return Ok(false);
    }
    // An image of one block has no tree above it: its own hash is the root.
    let (mut expected, mut begin) = (*seal.root.as_bytes(), 1);
    for (blocks, below) in levels(seal.data_blocks).into_iter().rev() {
        let last = read(begin + blocks - 1)?;
        let used =
            usize::try_from(below - (blocks - 1) * FANOUT as u64).expect("a block holds few hashes") * 32;
        let (hashes, rest) = last.split_at(used);
        if hash(&last) != expected || rest.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        expected = hashes[used - 32..].try_into().expect("a hash has 32 bytes");
        begin += blocks;
    }
    Ok(true)
}

/// Of each level from below, how many blocks it has and how many are hashed in it.
fn levels(data_blocks: u64) -> Vec<(u64, u64)> {
    let (mut below, mut levels) = (data_blocks, Vec::new());
    while below > 1 {
        let blocks = below.div_ceil(FANOUT as u64);
        levels.push((blocks, below));
        below = blocks;
    }
    levels
}

/// The length of a tree's file.
fn tree_bytes(data_blocks: u64) -> u64 {
    let blocks: u64 = levels(data_blocks).iter().map(|(blocks, _below)| blocks).sum();
    (1 + blocks) * BLOCK as u64
}

/// Builds the levels above the image's own hashes.
fn plant(leaves: Vec<[u8; 32]>) -> HashTree {
    let data_blocks = leaves.len() as u64;
    let mut levels = Vec::new();
    let mut hashes = leaves;
    while hashes.len() > 1 {
        let level: Vec<[u8; BLOCK]> = hashes.chunks(FANOUT).map(block).collect();
        hashes = level.iter().map(|block| hash(block)).collect();
        levels.push(level);
    }
    let root = hashes.first().copied().expect("an image has at least one block");
    let mut bytes = superblock(data_blocks);
    bytes.extend(levels.iter().rev().flatten().flatten());
    let seal = Seal { root: Digest::from_bytes(root), salt: salt(), data_blocks };
    HashTree { seal, bytes }
}

fn block(hashes: &[[u8; 32]]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (place, hash) in block.chunks_exact_mut(32).zip(hashes) {
        place.copy_from_slice(hash);
    }
    block
}

fn hash(block: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(SALT).chain_update(block).finalize().into()
}

fn salt() -> Digest {
    Digest::from_bytes(SALT.try_into().expect("the salt has 32 bytes"))
}

/// The block that `veritysetup` finds the tree's parameters in (`struct verity_sb`).
fn superblock(data_blocks: u64) -> Vec<u8> {
    let size = u32::try_from(BLOCK).expect("a page is small").to_le_bytes();
    let mut block = Vec::with_capacity(BLOCK);
    block.extend(b"verity\0\0");
    block.extend(1_u32.to_le_bytes());
    block.extend(1_u32.to_le_bytes());
    // The identity of the pair: nothing asks for it, and a random one would change the bytes.
    block.extend(b"openshell verity");
    block.extend(b"sha256\0\0");
    block.extend([0; 24]);
    block.extend(size);
    block.extend(size);
    block.extend(data_blocks.to_le_bytes());
    block.extend(u16::try_from(SALT.len()).expect("the salt is short").to_le_bytes());
    block.extend([0; 6]);
    block.extend(SALT);
    block.resize(BLOCK, 0);
    block
}

/// Reads until `buffer` is full or nothing is left.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
