//! Attributes: told and changed.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::Session;
use crate::answer::Answer;
use crate::handles::Writing;
use crate::message::{Changes, Handle, NodeId, Time};
use crate::nodes::Node;

/// Permissions that a file may be given.
const PERMISSIONS: u32 = 0o1777;

impl Session {
    pub(super) fn attributes(
        &self,
        id: NodeId,
        handle: Option<Handle>,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let attributes = match handle {
            Some(handle) => self.directory.look_at(&self.opened(handle)?.file)?.attributes,
            None => self.directory.attributes(id)?,
        };
        answer.valid_attributes(&attributes);
        Ok(())
    }

    pub(super) fn change(&self, id: NodeId, changes: &Changes, answer: &mut Answer) -> Result<(), Errno> {
        let node = self.directory.node(id)?;
        self.may_change(&node)?;
        self.same_owner(id, changes)?;
        if let Some(size) = changes.size {
            self.truncate(&node, changes.handle, size)?;
        }
        if let Some(mode) = changes.mode {
            if node.key().kind() == FileType::Symlink {
                return Err(Errno::OPNOTSUPP);
            }
            self.directory.set_mode(&node, Mode::from_raw_mode(mode & PERMISSIONS))?;
        }
        if changes.accessed.is_some() || changes.modified.is_some() {
            self.set_times(&node, changes)?;
        }
        self.attributes(id, None, answer)
    }

    /// Files are given to nobody: whose they are is the host's matter. To whom they belong already they may be given.
    fn same_owner(&self, id: NodeId, changes: &Changes) -> Result<(), Errno> {
        if changes.uid.is_none() && changes.gid.is_none() {
            return Ok(());
        }
        let attributes = self.directory.attributes(id)?;
        let same = changes.uid.is_none_or(|uid| uid == attributes.uid)
            && changes.gid.is_none_or(|gid| gid == attributes.gid);
        if same { Ok(()) } else { Err(Errno::PERM) }
    }

    fn truncate(&self, node: &Node, handle: Option<Handle>, size: u64) -> Result<(), Errno> {
        let open = handle.map(|handle| self.opened(handle)).transpose()?;
        match open.or_else(|| node.opened()).filter(|open| open.writing == Writing::Yes) {
            Some(open) if open.node == node.id() => rustix::fs::ftruncate(&open.file, size),
            _ => {
                let (file, _attributes) = self.directory.open_node(node, OFlags::WRONLY)?;
                rustix::fs::ftruncate(file, size)
            }
        }
    }

    fn set_times(&self, node: &Node, changes: &Changes) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: timespec(changes.accessed),
            last_modification: timespec(changes.modified),
        };
        if let Some(descriptor) = node.descriptor() {
            return rustix::fs::utimensat(descriptor, c".", &times, AtFlags::SYMLINK_NOFOLLOW);
        }
        if let Some(open) = node.opened() {
            return rustix::fs::futimens(&open.file, &times);
        }
        self.directory.reach(node, |above, place, _found| {
            rustix::fs::utimensat(above, &place.name, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }
}

fn timespec(time: Option<Time>) -> Timespec {
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(Time::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(Time::At(seconds, nanoseconds)) => Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}
