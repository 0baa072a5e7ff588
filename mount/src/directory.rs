//! The host's directory: files by name beneath directories that are open, no link ever followed.
//!
//! *Invariant:* every system call with a name in it has a directory's descriptor and one component ([`Name`], or the place of a
//! node, which was one; the host's own paths of what is kept are only looked at); opening goes through `openat2`, which is told
//! to stay beneath, to follow no link and to enter no other mount.

mod attributes;

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use jail::host::modes;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use wire::spawn::JailUser;

use crate::message::{Name, NodeId};
use crate::nodes::{Key, Node, Nodes, Place, ROOT, locked};

pub use attributes::{Attributes, Owners};

/// How every name is opened.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// With every open: no link at the end, no waiting for the other end of a pipe, no terminal.
const CAREFUL: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// How something is held open so that it can neither be read nor written.
const HELD: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What is asked of every file.
const FACTS: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME).union(StatxFlags::MNT_ID);

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Which file it is.
    pub key: Key,
    /// What is to be told of it.
    pub attributes: Attributes,
}

/// The directory.
#[derive(Debug)]
pub struct Directory {
    nodes: Mutex<Nodes>,
    owners: Owners,
    /// The mount that it is on; what is mounted beneath is not part of it.
    mount: Option<u64>,
}

impl Directory {
    /// The working directory.
    ///
    /// # Errors
    /// It cannot be opened or looked at.
    pub fn open(agent: JailUser) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat2(CWD, c".", flags, Mode::empty(), ResolveFlags::empty())?;
        Self::of(directory, agent)
    }

    /// A directory that is open.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn of(directory: OwnedFd, agent: JailUser) -> Result<Self, Errno> {
        let owners = Owners::of_this_process(agent);
        let facts = rustix::fs::statx(&directory, c"", AtFlags::EMPTY_PATH, FACTS)?;
        let mount = attributes::mount(&facts);
        let (key, _) = attributes::read(&facts, owners);
        Ok(Self { nodes: Mutex::new(Nodes::new(key, directory)), owners, mount })
    }

    /// The nodes that the guest knows.
    #[must_use]
    pub fn nodes(&self) -> &Mutex<Nodes> {
        &self.nodes
    }

    /// The node of a number.
    ///
    /// # Errors
    /// The guest does not know it.
    pub fn node(&self, id: NodeId) -> Result<Arc<Node>, Errno> {
        locked(&self.nodes).get(id)
    }

    /// A node that is a directory, with its descriptor.
    ///
    /// # Errors
    /// It is none, or is not where it was.
    pub fn enter(&self, id: NodeId) -> Result<Arc<Node>, Errno> {
        let wanted = self.node(id)?;
        if wanted.descriptor().is_some() {
            return Ok(wanted);
        }
        if wanted.key().kind() != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        let mut closed = vec![wanted];
        // Up to one that is open: the root is, at the latest. A place that leads in a circle ends at the number of nodes.
        while let Some(last) = closed.last().filter(|last| last.descriptor().is_none()) {
            let parent = self.node(last.place().parent)?;
            if closed.iter().any(|node| node.id() == parent.id()) {
                return Err(Errno::STALE);
            }
            closed.push(parent);
        }
        let mut open = closed.pop().ok_or(Errno::STALE)?;
        while let Some(node) = closed.pop() {
            let place = node.place();
            let above = open.descriptor().ok_or(Errno::STALE)?;
            let descriptor = open_at(above, &place.name, HELD | OFlags::DIRECTORY).map_err(gone)?;
            if self.facts(&descriptor, c"", AtFlags::EMPTY_PATH)?.key != *node.key() {
                return Err(Errno::STALE);
            }
            node.keep(descriptor);
            open = node;
        }
        Ok(open)
    }

    /// What has this name in the directory.
    ///
    /// # Errors
    /// Nothing has, or something that is mounted there.
    pub fn look(&self, directory: &Node, name: &CStr) -> Result<Found, Errno> {
        let directory = directory.descriptor().ok_or(Errno::STALE)?;
        self.facts(directory, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The same beneath a directory that is open.
    ///
    /// # Errors
    /// As above.
    pub fn look_beneath(&self, directory: &OwnedFd, name: &CStr) -> Result<Found, Errno> {
        self.facts(directory, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// What a path from the top leads to, without any link on the way; a link at its end is itself what is found.
    ///
    /// # Errors
    /// To nothing, or the host refuses.
    pub fn find(&self, path: &CStr) -> Result<Key, Errno> {
        let top = self.node(ROOT)?;
        let held = open_at(top.descriptor().ok_or(Errno::STALE)?, path, HELD)?;
        Ok(self.look_at(held)?.key)
    }

    /// What is open.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn look_at(&self, file: impl AsFd) -> Result<Found, Errno> {
        self.facts(file, c"", AtFlags::EMPTY_PATH)
    }

    fn facts(&self, at: impl AsFd, name: &CStr, flags: AtFlags) -> Result<Found, Errno> {
        let facts = rustix::fs::statx(at, name, flags, FACTS)?;
        if attributes::mount(&facts) != self.mount {
            return Err(Errno::XDEV);
        }
        let (key, attributes) = attributes::read(&facts, self.owners);
        Ok(Found { key, attributes })
    }

    /// What a node is now.
    ///
    /// # Errors
    /// It is not where it was, and not open either.
    pub fn attributes(&self, id: NodeId) -> Result<Attributes, Errno> {
        let node = self.node(id)?;
        if let Some(descriptor) = node.descriptor() {
            return Ok(self.look_at(descriptor)?.attributes);
        }
        match self.reach(&node, |_directory, _place, found| Ok(found.attributes)) {
            Err(Errno::STALE) => {
                let open = node.opened(|_open| true).ok_or(Errno::STALE)?;
                Ok(self.look_at(&open.file)?.attributes)
            }
            outcome => outcome,
        }
    }

    /// Calls `act` with the directory and the place of a node that is still there.
    ///
    /// # Errors
    /// It is not ([`Errno::STALE`]: the guest looks it up again), or what `act` says.
    pub fn reach<T>(
        &self,
        node: &Node,
        act: impl FnOnce(BorrowedFd<'_>, &Place, Found) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if node.id() == ROOT {
            return Err(Errno::BUSY);
        }
        let place = node.place();
        let above = self.enter(place.parent)?;
        let found = self.look(&above, &place.name).map_err(gone)?;
        if found.key != *node.key() {
            return Err(Errno::STALE);
        }
        let above = above.descriptor().ok_or(Errno::STALE)?;
        act(above.as_fd(), &place, found)
    }

    /// Opens a node, which is a plain file or a directory.
    ///
    /// # Errors
    /// It is neither, is not where it was, or the host refuses.
    pub fn open_node(&self, node: &Node, flags: OFlags) -> Result<(OwnedFd, Attributes), Errno> {
        let (above, name) = match node.key().kind() {
            FileType::Directory => (self.enter(node.id())?, c".".to_owned()),
            FileType::RegularFile => {
                let place = node.place();
                (self.enter(place.parent)?, place.name)
            }
            // The guest's kernel opens pipes and devices by itself; nobody opens the host's.
            _ => return Err(Errno::OPNOTSUPP),
        };
        let above = above.descriptor().ok_or(Errno::STALE)?;
        let file = open_at(above, &name, flags | CAREFUL).map_err(gone)?;
        // What the name leads to may have changed since; nothing was done with it yet.
        let found = self.look_at(&file)?;
        if found.key != *node.key() {
            return Err(Errno::STALE);
        }
        Ok((file, found.attributes))
    }

    /// Makes a plain file and opens it; there must be nothing with its name.
    ///
    /// # Errors
    /// There is, or the host refuses.
    pub fn create(&self, directory: &Node, name: Name<'_>, made: (OFlags, Mode)) -> Result<OwnedFd, Errno> {
        let directory = directory.descriptor().ok_or(Errno::STALE)?;
        let flags = made.0 | OFlags::CREATE | OFlags::EXCL | CAREFUL;
        rustix::fs::openat2(directory, name.as_c_str(), flags, made.1, RESOLVE)
    }

    /// Gives a file of the host's other permissions; a link has none.
    ///
    /// # Errors
    /// It is not where it was, or the host refuses.
    pub fn set_mode(&self, node: &Node, mode: Mode) -> Result<(), Errno> {
        let opened = match node.key().kind() {
            FileType::RegularFile | FileType::Directory => self.open_node(node, OFlags::RDONLY),
            FileType::Symlink => return Err(Errno::OPNOTSUPP),
            _ => Err(Errno::ACCESS),
        };
        match opened {
            Ok((file, _attributes)) => rustix::fs::fchmod(file, mode),
            // One that its owner may not read, or that is not opened. Never by its name: that may lead elsewhere by then.
            Err(Errno::ACCESS) => match node.descriptor() {
                Some(directory) => modes::set(directory.as_fd(), mode),
                None => modes::set(self.hold(node)?.as_fd(), mode),
            },
            Err(error) => Err(error),
        }
    }

    /// Whatever a node is, held open so that it can neither be read nor written.
    fn hold(&self, node: &Node) -> Result<OwnedFd, Errno> {
        let place = node.place();
        let above = self.enter(place.parent)?;
        let above = above.descriptor().ok_or(Errno::STALE)?;
        let held = open_at(above, &place.name, HELD).map_err(gone)?;
        if self.look_at(&held)?.key != *node.key() {
            return Err(Errno::STALE);
        }
        Ok(held)
    }
}

fn open_at(directory: &OwnedFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(directory, name, flags, Mode::empty(), RESOLVE)
}

/// What is not there any more, or is a link now, is not the file that the guest knows: it looks again.
fn gone(error: Errno) -> Errno {
    match error {
        Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Errno::STALE,
        other => other,
    }
}
