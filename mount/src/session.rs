//! What becomes of each request. Threads share a session: each serves one request at a time.

mod changes;
mod content;
mod listing;
mod names;
#[cfg(test)]
mod testbed;
#[cfg(test)]
mod tests;

use std::ffi::CStr;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use crate::answer::Answer;
use crate::directory::Directory;
use crate::handles::{Handles, Open};
use crate::kept::Kept;
use crate::message::{Fault, Handle, Init, NodeId, Operation, Request, flags};
use crate::nodes::{Node, locked};

/// The version of the protocol that is spoken here.
const VERSION: (u32, u32) = (7, 31);

/// What is asked of the guest's kernel, if it can. Not among it: that it keeps what is written for later. A host that writes the same
/// file would not be seen, and what the guest's end loses would be the user's work.
const WANTED: u32 = flags::ASYNC_READ
    | flags::ATOMIC_TRUNCATE
    | flags::BIG_WRITES
    | flags::AUTO_INVALIDATE
    | flags::LISTING_NODES
    | flags::LISTING_NODES_AUTO
    | flags::ASYNC_DIRECT
    | flags::PARALLEL_DIRECTORIES
    | flags::MAX_PAGES;

/// Requests that nobody in the guest waits for, at most at once; and from how many on its kernel holds back.
const BACKGROUND: [u16; 2] = [64, 48];

/// Bytes of the guest's pages.
const PAGE: u32 = 4096;

/// One guest's use of the directory.
#[derive(Debug)]
pub struct Session {
    directory: Directory,
    handles: Mutex<Handles>,
    kept: Kept,
    believed: u32,
}

impl Session {
    /// Begins. For `believed` seconds the guest need not ask again for names and attributes.
    #[must_use]
    pub fn new(directory: Directory, kept: Kept, believed: u32) -> Self {
        Self { directory, handles: Mutex::default(), kept, believed }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The answer to a message.
    pub fn answer<'a>(&self, message: &[u8], answer: &'a mut Answer) -> &'a [u8] {
        answer.begin(self.believed);
        match Request::parse(message) {
            Ok(Request { unique, node, operation }) => {
                let outcome = self.perform(node, operation, answer);
                answer.finish(unique, outcome)
            }
            Err((unique, fault)) => {
                let error = if fault == Fault::LongName { Errno::NAMETOOLONG } else { Errno::INVAL };
                answer.finish(unique.unwrap_or_default(), Err(error))
            }
        }
    }

    fn perform(&self, node: NodeId, operation: Operation<'_>, answer: &mut Answer) -> Result<(), Errno> {
        match operation {
            Operation::Init(init) => self.begin(init, answer),
            Operation::Destroy => self.forget_all(),
            Operation::Forget(nodes) => self.forget(&nodes),
            Operation::Lookup(name) => self.look_up(node, name, answer),
            Operation::GetAttributes(handle) => self.attributes(node, handle, answer),
            Operation::SetAttributes(changes) => self.change(node, &changes, answer),
            Operation::ReadLink => self.read_link(node, answer),
            Operation::SymbolicLink(name, target) => self.make_link(node, name, target, answer),
            Operation::MakeNode(name, mode) => self.make_node(node, name, mode, answer),
            Operation::MakeDirectory(name, mode) => self.make_directory(node, name, mode, answer),
            Operation::Unlink(name) => self.remove(node, name, names::Removed::File),
            Operation::RemoveDirectory(name) => self.remove(node, name, names::Removed::Directory),
            Operation::Rename(name, to, replacing) => self.rename((node, name), to, replacing),
            Operation::Link(file, name) => self.link(file, (node, name), answer),
            Operation::Open(flags) => self.open(node, flags, answer),
            Operation::Create(name, created) => self.create(node, name, created, answer),
            Operation::Read(range) => self.read(range, answer),
            Operation::Write(handle, place, content) => self.write((handle, place), content, answer),
            Operation::Statistics => self.statistics(answer),
            Operation::Release(handle) => self.release(handle),
            Operation::Sync(handle, how) => self.sync(handle, how),
            Operation::OpenDirectory => self.open_directory(node, answer),
            Operation::ReadDirectory(range, listing) => self.list(node, range, listing, answer),
            Operation::Allocate(handle, allocation) => self.allocate(handle, allocation),
            Operation::Seek(handle, offset, whence) => self.seek(handle, (offset, whence), answer),
            Operation::CopyRange(copying) => self.copy_range(copying, answer),
            Operation::Interrupt => Ok(()),
            Operation::NotOffered => Err(Errno::NOSYS),
        }
    }

    fn begin(&self, init: Init, answer: &mut Answer) -> Result<(), Errno> {
        if init.version.0 < VERSION.0 || (init.version.0 == VERSION.0 && init.version.1 < VERSION.1) {
            return Err(Errno::PROTO);
        }
        self.forget_all()?;
        let content = wire::mount::MAX_CONTENT;
        let pages = u16::try_from(content / PAGE).expect("requests have few pages");
        answer.u32(VERSION.0);
        answer.u32(VERSION.1);
        answer.u32(init.max_readahead.min(content));
        answer.u32(init.flags & WANTED);
        BACKGROUND.into_iter().for_each(|number| answer.put(&number.to_le_bytes()));
        answer.u32(content);
        // Times are told to the nanosecond.
        answer.u32(1);
        answer.put(&pages.to_le_bytes());
        answer.put(&[0; 2 + 4 + 7 * 4]);
        Ok(())
    }

    /// Closing may take long, on a file system of the network say: nobody waits for it who has another file.
    fn release(&self, handle: Handle) -> Result<(), Errno> {
        let closed = locked(&self.handles).close(handle);
        closed.map(drop)
    }

    fn forget_all(&self) -> Result<(), Errno> {
        let closed = locked(&self.handles).clear();
        drop(closed);
        locked(self.directory.nodes()).clear();
        Ok(())
    }

    fn forget(&self, nodes: &[(NodeId, u64)]) -> Result<(), Errno> {
        let mut known = locked(self.directory.nodes());
        nodes.iter().for_each(|(node, lookups)| known.forget(*node, *lookups));
        Ok(())
    }

    /// The answer that would have told of a look-up is another one.
    fn untold(&self, node: &Node) {
        locked(self.directory.nodes()).forget(node.id(), 1);
    }

    fn opened(&self, handle: Handle) -> Result<Arc<Open>, Errno> {
        locked(&self.handles).get(handle)
    }

    /// Whether the content and attributes of a file may be changed.
    fn may_change(&self, node: &Node) -> Result<(), Errno> {
        self.kept.may_change(&self.directory, node.key())
    }

    /// Whether what has this name may become another file, or none.
    fn may_name(&self, above: &Node, name: &CStr) -> Result<(), Errno> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let found = match self.directory.look(above, name) {
            Ok(found) => Some(found.key),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error),
        };
        self.kept.may_name(&self.directory, (above.key(), name), found.as_ref())
    }
}
