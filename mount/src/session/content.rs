//! Content: opened, read, written.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};

use super::Session;
use crate::answer::Answer;
use crate::directory::Attributes;
use crate::handles::{Open, Writing};
use crate::message::{
    Allocation, Copying, Created, Handle, Name, NodeId, Range, Syncing, Whence, Where, flags,
};
use crate::nodes::{Node, Seen, locked};

/// Of the guest's flags, those that the host's descriptor gets too. Whatever makes or replaces a file is decided here. To append
/// is each write's own matter: the guest's program changes its mind, and what its kernel has cached has a place.
const PASSED: OFlags = OFlags::DSYNC.union(OFlags::SYNC);

/// Permissions that a new file may have.
const PERMISSIONS: u32 = 0o777;

/// Seconds after which a change cannot have the time of the one before it.
const SETTLED: i64 = 2;

/// The most that is copied for one request: others wait meanwhile.
const COPIED: u64 = 16 << 20;

impl Session {
    pub(super) fn open(&self, id: NodeId, flags: u32, answer: &mut Answer) -> Result<(), Errno> {
        let node = self.directory.node(id)?;
        self.open_file(&node, flags, answer)
    }

    fn open_file(&self, node: &Node, flags: u32, answer: &mut Answer) -> Result<(), Errno> {
        let flags = OFlags::from_bits_retain(flags);
        let truncates = flags.contains(OFlags::TRUNC);
        let (access, writing) = access(flags)?;
        if writing == Writing::Yes {
            self.may_change(node)?;
        }
        let (file, mut attributes) = self.directory.open_node(node, access | (flags & PASSED))?;
        if truncates {
            rustix::fs::ftruncate(&file, 0)?;
            attributes = self.directory.look_at(&file)?.attributes;
        }
        self.opened_file(node, (file, writing), &attributes, answer)
    }

    /// Tells what was opened, and whether what the guest has of its content is still right.
    fn opened_file(
        &self,
        node: &Node,
        (file, writing): (OwnedFd, Writing),
        attributes: &Attributes,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let open = Open { node: node.id(), file, writing, position: Mutex::new(None) };
        let (handle, open) = locked(&self.handles).add(open)?;
        node.is_open(&open);
        let seen = settled(attributes);
        let same = node.see(seen).is_some_and(|before| seen == Some(before));
        answer.u64(handle.0);
        answer.u32(if same { flags::KEEP_CACHE } else { 0 });
        answer.u32(0);
        Ok(())
    }

    pub(super) fn create(
        &self,
        id: NodeId,
        name: Name<'_>,
        created: Created,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let directory = self.directory.enter(id)?;
        let flags = OFlags::from_bits_retain(created.flags);
        let (access, writing) = access(flags)?;
        let mode = Mode::from_raw_mode(created.mode & PERMISSIONS);
        self.may_name(&directory, name.as_c_str())?;
        match self.directory.create(&directory, name, (access | (flags & PASSED), mode)) {
            Ok(file) => {
                let found = self.directory.look_at(&file)?;
                let nodes = self.directory.nodes();
                let node = locked(nodes).look_up(found.key, directory.id(), name.as_c_str())?;
                answer.entry(node.id(), &found.attributes);
                self.opened_file(&node, (file, writing), &found.attributes, answer)
                    .inspect_err(|_refused| self.untold(&node))
            }
            // Somebody on the host was faster.
            Err(Errno::EXIST) if !flags.contains(OFlags::EXCL) => {
                let node = self.tell(&directory, name.as_c_str(), answer)?;
                self.open_file(&node, created.flags, answer).inspect_err(|_refused| self.untold(&node))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn read(&self, range: Range, answer: &mut Answer) -> Result<(), Errno> {
        let open = self.opened(range.handle)?;
        let count = rustix::io::pread(&open.file, answer.room(range.size), range.offset)?;
        answer.filled(count);
        Ok(())
    }

    pub(super) fn write(
        &self,
        (handle, place): (Handle, Where),
        content: &[u8],
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let open = self.opened(handle)?;
        let count = match place {
            Where::At(offset) => rustix::io::pwrite(&open.file, content, offset)?,
            Where::End => {
                let content = [IoSlice::new(content)];
                rustix::io::pwritev2(&open.file, &content, 0, ReadWriteFlags::APPEND)?
            }
        };
        answer.u32(u32::try_from(count).unwrap_or(u32::MAX));
        answer.u32(0);
        Ok(())
    }

    pub(super) fn sync(&self, handle: Handle, how: Syncing) -> Result<(), Errno> {
        let open = self.opened(handle)?;
        match how {
            Syncing::All => rustix::fs::fsync(&open.file),
            Syncing::Content => rustix::fs::fdatasync(&open.file),
        }
    }

    pub(super) fn allocate(&self, handle: Handle, allocation: Allocation) -> Result<(), Errno> {
        let Allocation { offset, length, mode } = allocation;
        let offered = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE | FallocateFlags::ZERO_RANGE;
        let mode = FallocateFlags::from_bits_retain(mode);
        if !offered.contains(mode) {
            return Err(Errno::OPNOTSUPP);
        }
        rustix::fs::fallocate(&self.opened(handle)?.file, mode, offset, length)
    }

    pub(super) fn seek(
        &self,
        handle: Handle,
        (offset, whence): (u64, Whence),
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let to = match whence {
            Whence::Data => SeekFrom::Data(offset),
            Whence::Hole => SeekFrom::Hole(offset),
        };
        // Reads and writes say where: the descriptor's own position is nobody's.
        answer.u64(rustix::fs::seek(&self.opened(handle)?.file, to)?);
        Ok(())
    }

    pub(super) fn copy_range(&self, copying: Copying, answer: &mut Answer) -> Result<(), Errno> {
        let Copying { from: (from, mut read_at), to: (to, mut write_at), length } = copying;
        let (from, to) = (self.opened(from)?, self.opened(to)?);
        let length = usize::try_from(length.min(COPIED)).unwrap_or(usize::MAX);
        let places = (Some(&mut read_at), Some(&mut write_at));
        let count = rustix::fs::copy_file_range(&from.file, places.0, &to.file, places.1, length)?;
        answer.u32(u32::try_from(count).unwrap_or(u32::MAX));
        answer.u32(0);
        Ok(())
    }

    pub(super) fn statistics(&self, answer: &mut Answer) -> Result<(), Errno> {
        let root = self.directory.node(crate::nodes::ROOT)?;
        let facts = rustix::fs::fstatvfs(root.descriptor().ok_or(Errno::STALE)?)?;
        let long = [facts.f_blocks, facts.f_bfree, facts.f_bavail, facts.f_files, facts.f_ffree];
        long.into_iter().for_each(|number| answer.u64(number));
        let short = [facts.f_bsize, facts.f_namemax, facts.f_frsize];
        short.into_iter().for_each(|number| answer.u32(u32::try_from(number).unwrap_or(u32::MAX)));
        answer.put(&[0; 7 * 4]);
        Ok(())
    }
}

/// How a file is opened on the host for these flags of the guest's.
fn access(flags: OFlags) -> Result<(OFlags, Writing), Errno> {
    let truncates = flags.contains(OFlags::TRUNC);
    match flags & OFlags::RWMODE {
        OFlags::RDONLY if truncates => Ok((OFlags::RDWR, Writing::Yes)),
        OFlags::RDONLY => Ok((OFlags::RDONLY, Writing::No)),
        OFlags::WRONLY => Ok((OFlags::WRONLY, Writing::Yes)),
        OFlags::RDWR => Ok((OFlags::RDWR, Writing::Yes)),
        _ => Err(Errno::INVAL),
    }
}

/// The content's state, if a later change is sure to have another one: not just after a change, as clocks tick slowly.
pub(super) fn settled(attributes: &Attributes) -> Option<Seen> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let now = i64::try_from(now.as_secs()).ok()?;
    (attributes.changed.0.saturating_add(SETTLED) < now).then(|| attributes.seen())
}
