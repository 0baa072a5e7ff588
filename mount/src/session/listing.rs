//! Directories: their entries.

use std::ffi::CStr;
use std::sync::Mutex;

use rustix::fs::{FileType, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use super::Session;
use crate::answer::Answer;
use crate::directory::Attributes;
use crate::handles::{Open, Writing};
use crate::message::{Listing, NodeId, Range};
use crate::nodes::locked;

/// Bytes of an entry beside its name.
const ENTRY: usize = 24;

/// Bytes of a node before an entry.
const NODE: usize = 40 + Attributes::LENGTH;

/// How much of a directory is read at once, by how much room the answer has: what is read and has no room is read again.
const NAMES: (usize, usize) = (4, 5);
const NODES: (usize, usize) = (1, 5);

/// Room for at least one name of any length.
const LEAST: usize = 1024;

/// An entry of a directory.
struct Entry<'a> {
    name: &'a CStr,
    inode: u64,
    /// Where the next one is.
    next: u64,
    kind: FileType,
}

impl Session {
    pub(super) fn open_directory(&self, id: NodeId, answer: &mut Answer) -> Result<(), Errno> {
        let node = self.directory.enter(id)?;
        let (file, _) = self.directory.open_node(&node, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let open = Open { node: id, file, writing: Writing::No, position: Mutex::new(Some(0)) };
        let (handle, _open) = locked(&self.handles).add(open)?;
        answer.u64(handle.0);
        answer.u64(0);
        Ok(())
    }

    pub(super) fn list(
        &self,
        id: NodeId,
        range: Range,
        listing: Listing,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let open = self.opened(range.handle)?;
        let room = answer.room(range.size).len();
        let (part, whole) = if listing == Listing::Names { NAMES } else { NODES };
        let mut buffer = Vec::with_capacity((room * part / whole).max(LEAST));
        let mut position = locked(&open.position);
        if *position != Some(range.offset) {
            rustix::fs::seek(&open.file, SeekFrom::Start(range.offset))?;
        }
        *position = None;
        let mut next = range.offset;
        let mut entries = RawDir::new(&open.file, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // What was looked up so far is told, or the guest would never forget it; the next request meets the error.
                Err(_later) if answer.content() > 0 => return Ok(()),
                Err(error) => return Err(error),
            };
            let entry = Entry {
                name: entry.file_name(),
                inode: entry.ino(),
                next: entry.next_entry_cookie(),
                kind: entry.file_type(),
            };
            if answer.content() + entry.length(listing) > room {
                return Ok(());
            }
            if listing == Listing::Nodes {
                self.tell_node(id, &open, entry.name, answer);
            }
            entry.put(answer);
            next = entry.next;
            // Reading on is for the next request, if there is no more room for an entry of any length.
            if entries.is_buffer_empty() && answer.content() + NODE + ENTRY + LEAST > room {
                break;
            }
        }
        *position = Some(next);
        Ok(())
    }

    /// As looked up; a name that cannot be is told without a node, and the guest asks for it.
    fn tell_node(&self, id: NodeId, open: &Open, name: &CStr, answer: &mut Answer) {
        let itself = matches!(name.to_bytes(), b"." | b"..");
        let found = (!itself).then(|| self.directory.look_beneath(&open.file, name).ok()).flatten();
        let node = found.and_then(|found| {
            let node = locked(self.directory.nodes()).look_up(found.key, id, name).ok()?;
            Some((node, found.attributes))
        });
        match node {
            Some((node, attributes)) => answer.entry(node.id(), &attributes),
            None => answer.put(&[0; NODE]),
        }
    }
}

impl Entry<'_> {
    fn length(&self, listing: Listing) -> usize {
        let node = if listing == Listing::Nodes { NODE } else { 0 };
        (node + ENTRY + self.name.count_bytes()).next_multiple_of(8)
    }

    fn put(&self, answer: &mut Answer) {
        let name = self.name.to_bytes();
        answer.u64(self.inode);
        answer.u64(self.next);
        answer.u32(u32::try_from(name.len()).expect("a name is short"));
        // As in a listing: the upper bits of the mode.
        answer.u32(self.kind.as_raw_mode() >> 12);
        answer.put(name);
        let padding = name.len().next_multiple_of(8) - name.len();
        answer.put([0; 8].get(..padding).unwrap_or_default());
    }
}
