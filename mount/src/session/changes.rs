//! Attributes: told and changed.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::Session;
use crate::answer::Answer;
use crate::handles::{Open, Writing};
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
        let open = changes.handle.map(|handle| self.opened(handle)).transpose()?;
        let open = open.filter(|open| open.node == id);
        if let Some(size) = changes.size {
            self.truncate(&node, open.as_deref(), size)?;
        }
        let open = open.or_else(|| node.opened(|_open| true));
        if let Some(mode) = changes.mode {
            if node.key().kind() == FileType::Directory {
                let now = self.directory.attributes(id)?.mode;
                self.kept.may_be(&self.directory, node.key(), (mode, now))?;
            }
            let mode = Mode::from_raw_mode(mode & PERMISSIONS);
            match &open {
                Some(open) => rustix::fs::fchmod(&open.file, mode)?,
                None => self.directory.set_mode(&node, mode)?,
            }
        }
        if changes.accessed.is_some() || changes.modified.is_some() {
            self.set_times(&node, open.as_deref(), changes)?;
        }
        let attributes = match &open {
            Some(open) => self.directory.look_at(&open.file)?.attributes,
            None => self.directory.attributes(id)?,
        };
        answer.valid_attributes(&attributes);
        Ok(())
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

    fn truncate(&self, node: &Node, open: Option<&Open>, size: u64) -> Result<(), Errno> {
        let writes = |open: &Open| open.writing == Writing::Yes;
        if let Some(open) = open.filter(|open| writes(open)) {
            return rustix::fs::ftruncate(&open.file, size);
        }
        if let Some(open) = node.opened(writes) {
            return rustix::fs::ftruncate(&open.file, size);
        }
        let (file, _attributes) = self.directory.open_node(node, OFlags::WRONLY)?;
        rustix::fs::ftruncate(file, size)
    }

    fn set_times(&self, node: &Node, open: Option<&Open>, changes: &Changes) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: timespec(changes.accessed),
            last_modification: timespec(changes.modified),
        };
        if let Some(descriptor) = node.descriptor() {
            return rustix::fs::utimensat(descriptor, c".", &times, AtFlags::SYMLINK_NOFOLLOW);
        }
        if let Some(open) = open {
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
