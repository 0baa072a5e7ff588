//! Which files the guest knows, by the numbers it knows them by.
//!
//! A file that is no directory is held by its name in its directory, not by a descriptor: a tree of fifty thousand files would
//! need as many. Before anything is done with it, what has that name now is compared with what had it then ([`Key`]).
//! A directory gets a descriptor when something beneath it is first asked for.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::handles::Open;
use crate::message::NodeId;

/// The directory itself.
pub const ROOT: NodeId = NodeId(1);

/// Most files that a guest may know at once. One takes some 400 bytes, both maps' part included, and what its name has beyond 24:
/// a quarter of a GiB for all of them, if names are not long.
const MAX_NODES: usize = 1 << 19;

/// What makes a file the same one. The time of its birth tells it from an older one with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its file system.
    pub device: (u32, u32),
    /// Its number there.
    pub inode: u64,
    /// When it was made, where the file system knows.
    pub born: (i64, u32),
    /// What it is, as the mode says it.
    pub kind: u32,
}

/// A file that the guest knows.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    key: Key,
    place: Mutex<Place>,
    descriptor: OnceLock<OwnedFd>,
    opened: Mutex<Vec<Weak<Open>>>,
    seen: Mutex<Option<Seen>>,
}

/// Where a file was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its directory.
    pub parent: NodeId,
    /// Its name there.
    pub name: CString,
}

/// A file's content as the guest has cached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it was changed last: of the file's content, and of the file.
    pub changed: [(i64, u32); 2],
    /// Its length.
    pub size: u64,
}

/// All of them.
#[derive(Debug)]
pub struct Nodes {
    by_id: HashMap<NodeId, Known>,
    by_key: HashMap<Key, NodeId>,
    next: u64,
}

#[derive(Debug)]
struct Known {
    node: Arc<Node>,
    lookups: u64,
}

impl Key {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.kind)
    }
}

impl Nodes {
    /// Only the directory, which is open.
    #[must_use]
    pub fn new(key: Key, directory: OwnedFd) -> Self {
        let root = Node::new(ROOT, key, Place { parent: ROOT, name: CString::default() });
        let root = Node { descriptor: OnceLock::from(directory), ..root };
        let known = Known { node: Arc::new(root), lookups: 1 };
        Self { by_id: HashMap::from([(ROOT, known)]), by_key: HashMap::from([(key, ROOT)]), next: ROOT.0 + 1 }
    }

    /// The node of a number.
    ///
    /// # Errors
    /// The guest does not know it, or not any more.
    pub fn get(&self, id: NodeId) -> Result<Arc<Node>, Errno> {
        self.by_id.get(&id).map(|known| Arc::clone(&known.node)).ok_or(Errno::STALE)
    }

    /// The node of a file that is known.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<Arc<Node>> {
        self.by_key.get(key).and_then(|id| self.get(*id).ok())
    }

    /// The guest looks a file up: it is known from here on, once more if it was.
    ///
    /// # Errors
    /// It knows as many as it may.
    pub fn look_up(&mut self, key: Key, parent: NodeId, name: &CStr) -> Result<Arc<Node>, Errno> {
        let place = || Place { parent, name: name.to_owned() };
        if let Some(known) = self.by_key.get(&key).and_then(|id| self.by_id.get_mut(id)) {
            known.lookups = known.lookups.saturating_add(1);
            if known.node.id != ROOT && !known.node.is_at(parent, name) {
                known.node.move_to(place());
            }
            return Ok(Arc::clone(&known.node));
        }
        if self.by_id.len() >= MAX_NODES {
            return Err(Errno::NFILE);
        }
        let id = NodeId(self.next);
        self.next += 1;
        let node = Arc::new(Node::new(id, key, place()));
        self.by_key.insert(key, id);
        self.by_id.insert(id, Known { node: Arc::clone(&node), lookups: 1 });
        Ok(node)
    }

    /// The guest forgets so many look-ups of a node; the directory itself is never forgotten.
    pub fn forget(&mut self, id: NodeId, lookups: u64) {
        let Some(known) = self.by_id.get_mut(&id).filter(|_known| id != ROOT) else { return };
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups == 0 {
            self.by_key.remove(&known.node.key);
            self.by_id.remove(&id);
        }
    }

    /// The guest forgets all but the directory itself.
    pub fn clear(&mut self) {
        self.by_id.retain(|id, _known| *id == ROOT);
        self.by_key.retain(|_key, id| *id == ROOT);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_id.len()
    }
}

impl Node {
    fn new(id: NodeId, key: Key, place: Place) -> Self {
        Self {
            id,
            key,
            place: Mutex::new(place),
            descriptor: OnceLock::new(),
            opened: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What makes it the same file.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Where it was last seen.
    #[must_use]
    pub fn place(&self) -> Place {
        locked(&self.place).clone()
    }

    /// Whether it was last seen there.
    #[must_use]
    pub fn is_at(&self, parent: NodeId, name: &CStr) -> bool {
        let place = locked(&self.place);
        place.parent == parent && place.name.as_c_str() == name
    }

    /// It has another name now.
    pub fn move_to(&self, place: Place) {
        *locked(&self.place) = place;
    }

    /// Its descriptor (`O_PATH`), if it is a directory that was asked for.
    #[must_use]
    pub fn descriptor(&self) -> Option<&OwnedFd> {
        self.descriptor.get()
    }

    /// Keeps its descriptor; of two threads that opened it, the first one's.
    pub fn keep(&self, descriptor: OwnedFd) -> &OwnedFd {
        self.descriptor.get_or_init(|| descriptor)
    }

    /// The file is open: what has no name any more can be reached through that. The guest's kernel asks about it without saying
    /// through which of them, so all are known.
    pub fn is_open(&self, open: &Arc<Open>) {
        let mut opened = locked(&self.opened);
        // Those that were closed go when there is no room left: however many are opened, each costs little.
        if opened.len() == opened.capacity() {
            opened.retain(|open| open.strong_count() > 0);
        }
        opened.push(Arc::downgrade(open));
    }

    /// One that is open, and is as wanted.
    pub fn opened(&self, wanted: impl Fn(&Open) -> bool) -> Option<Arc<Open>> {
        locked(&self.opened).iter().filter_map(Weak::upgrade).find(|open| wanted(open))
    }

    /// Notes how the guest sees the content, and says how it saw it before.
    pub fn see(&self, seen: Option<Seen>) -> Option<Seen> {
        std::mem::replace(&mut locked(&self.seen), seen)
    }
}

/// A panic ends the process, so no thread ever finds a lock that a panicking one held.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
