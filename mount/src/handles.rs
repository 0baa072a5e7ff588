//! What the guest has open.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use crate::message::{Handle, NodeId};

/// Most files and directories that a guest may have open at once.
pub const MAX_OPEN: usize = 16_384;

/// An open file or directory.
#[derive(Debug)]
pub struct Open {
    /// Of which node.
    pub node: NodeId,
    /// The descriptor.
    pub file: OwnedFd,
    /// Whether the guest may write through it.
    pub writing: Writing,
    /// Of a directory: the descriptor's position, if it is one that the guest was told of. Held while it is read.
    pub position: Mutex<Option<u64>>,
}

/// Whether something was opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// It was.
    Yes,
    /// It was not.
    No,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Handles {
    open: HashMap<Handle, Arc<Open>>,
    next: u64,
}

impl Handles {
    /// Adds one.
    ///
    /// # Errors
    /// As many as possible are open.
    pub fn add(&mut self, open: Open) -> Result<(Handle, Arc<Open>), Errno> {
        if self.open.len() >= MAX_OPEN {
            return Err(Errno::NFILE);
        }
        let handle = Handle(self.next);
        self.next += 1;
        let open = Arc::new(open);
        self.open.insert(handle, Arc::clone(&open));
        Ok((handle, open))
    }

    /// What is open there.
    ///
    /// # Errors
    /// Nothing is.
    pub fn get(&self, handle: Handle) -> Result<Arc<Open>, Errno> {
        self.open.get(&handle).cloned().ok_or(Errno::BADF)
    }

    /// Takes one, to be closed.
    ///
    /// # Errors
    /// Nothing is open there.
    pub fn close(&mut self, handle: Handle) -> Result<Arc<Open>, Errno> {
        self.open.remove(&handle).ok_or(Errno::BADF)
    }

    /// Takes all, to be closed.
    #[must_use]
    pub fn clear(&mut self) -> Vec<Arc<Open>> {
        self.open.drain().map(|(_handle, open)| open).collect()
    }
}
