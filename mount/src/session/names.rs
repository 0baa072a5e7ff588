//! Names: looked up, made, moved, removed.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, RenameFlags};
use rustix::io::Errno;

use super::Session;
use crate::answer::Answer;
use crate::message::{Name, NodeId, Replacing};
use crate::nodes::{Key, Node, Place, locked};

/// Permissions that a new file may have: not those that lend its owner's rights.
const PERMISSIONS: u32 = 0o1777;

/// What is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// A name that is no directory's.
    File,
    /// An empty directory.
    Directory,
}

impl Session {
    pub(super) fn look_up(&self, id: NodeId, name: Name<'_>, answer: &mut Answer) -> Result<(), Errno> {
        let directory = self.directory.enter(id)?;
        match self.tell(&directory, name.as_c_str(), answer) {
            Err(Errno::NOENT) => {
                answer.no_entry();
                Ok(())
            }
            told => told.map(drop),
        }
    }

    /// Tells which node a name leads to, as looked up once more.
    pub(super) fn tell(
        &self,
        directory: &Node,
        name: &CStr,
        answer: &mut Answer,
    ) -> Result<Arc<Node>, Errno> {
        let found = self.directory.look(directory, name)?;
        let node = locked(self.directory.nodes()).look_up(found.key, directory.id(), name)?;
        answer.entry(node.id(), &found.attributes);
        Ok(node)
    }

    /// The directory in which a name is to be made or taken away.
    fn naming(&self, id: NodeId, name: Name<'_>) -> Result<Arc<Node>, Errno> {
        let directory = self.directory.enter(id)?;
        self.may_name(&directory, name.as_c_str())?;
        Ok(directory)
    }

    pub(super) fn make_link(
        &self,
        id: NodeId,
        name: Name<'_>,
        target: &CStr,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let directory = self.naming(id, name)?;
        rustix::fs::symlinkat(target, descriptor(&directory)?, name.as_c_str())?;
        self.tell(&directory, name.as_c_str(), answer).map(drop)
    }

    pub(super) fn make_node(
        &self,
        id: NodeId,
        name: Name<'_>,
        mode: u32,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let kind = FileType::from_raw_mode(mode);
        // A socket on the host would be somebody's to listen on, a device is the host's, and whoever opens a pipe there waits.
        if kind != FileType::RegularFile {
            return Err(Errno::PERM);
        }
        let directory = self.naming(id, name)?;
        let mode = Mode::from_raw_mode(mode & PERMISSIONS);
        rustix::fs::mknodat(descriptor(&directory)?, name.as_c_str(), kind, mode, 0)?;
        self.tell(&directory, name.as_c_str(), answer).map(drop)
    }

    pub(super) fn make_directory(
        &self,
        id: NodeId,
        name: Name<'_>,
        mode: u32,
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let directory = self.naming(id, name)?;
        let mode = Mode::from_raw_mode(mode & PERMISSIONS);
        rustix::fs::mkdirat(descriptor(&directory)?, name.as_c_str(), mode)?;
        self.tell(&directory, name.as_c_str(), answer).map(drop)
    }

    pub(super) fn remove(&self, id: NodeId, name: Name<'_>, what: Removed) -> Result<(), Errno> {
        let directory = self.naming(id, name)?;
        let flags = match what {
            Removed::File => AtFlags::empty(),
            Removed::Directory => AtFlags::REMOVEDIR,
        };
        rustix::fs::unlinkat(descriptor(&directory)?, name.as_c_str(), flags)
    }

    pub(super) fn rename(
        &self,
        (from, name): (NodeId, Name<'_>),
        (to, new): (NodeId, Name<'_>),
        replacing: Replacing,
    ) -> Result<(), Errno> {
        let (source, target) = (self.naming(from, name)?, self.naming(to, new)?);
        let flags = match replacing {
            Replacing::Yes => RenameFlags::empty(),
            Replacing::Never => RenameFlags::NOREPLACE,
            Replacing::Exchanged => RenameFlags::EXCHANGE,
        };
        let moved = self.directory.look(&source, name.as_c_str())?.key;
        let back = match replacing {
            Replacing::Exchanged => Some(self.directory.look(&target, new.as_c_str())?.key),
            Replacing::Yes | Replacing::Never => None,
        };
        let (old, fresh) = (name.as_c_str(), new.as_c_str());
        rustix::fs::renameat_with(descriptor(&source)?, old, descriptor(&target)?, fresh, flags)?;
        self.moved(&moved, &target, new.as_c_str());
        if let Some(back) = back {
            self.moved(&back, &source, name.as_c_str());
        }
        Ok(())
    }

    /// Whoever knows the file finds it at its new place.
    fn moved(&self, key: &Key, directory: &Node, name: &CStr) {
        if let Some(node) = locked(self.directory.nodes()).find(key) {
            node.move_to(Place { parent: directory.id(), name: name.to_owned() });
        }
    }

    pub(super) fn link(
        &self,
        file: NodeId,
        (id, name): (NodeId, Name<'_>),
        answer: &mut Answer,
    ) -> Result<(), Errno> {
        let node = self.directory.node(file)?;
        // By another name, what is kept could be written.
        self.may_change(&node)?;
        let directory = self.naming(id, name)?;
        let target = descriptor(&directory)?;
        self.directory.reach(&node, |above, place, _found| {
            rustix::fs::linkat(above, &place.name, target, name.as_c_str(), AtFlags::empty())
        })?;
        let linked = self.tell(&directory, name.as_c_str(), answer)?;
        if linked.key() != node.key() {
            self.untold(&linked);
            return Err(Errno::STALE);
        }
        Ok(())
    }

    pub(super) fn read_link(&self, id: NodeId, answer: &mut Answer) -> Result<(), Errno> {
        let node = self.directory.node(id)?;
        if node.key().kind() != FileType::Symlink {
            return Err(Errno::INVAL);
        }
        let target = self
            .directory
            .reach(&node, |above, place, _found| rustix::fs::readlinkat(above, &place.name, Vec::new()))?;
        answer.put(target.as_bytes());
        Ok(())
    }
}

fn descriptor(directory: &Node) -> Result<&std::os::fd::OwnedFd, Errno> {
    directory.descriptor().ok_or(Errno::STALE)
}
