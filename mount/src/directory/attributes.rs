//! What is told of a file, and who owns it in the guest.

use rustix::fs::{FileType, Statx, StatxFlags};
use wire::spawn::JailUser;

use crate::nodes::{Key, Seen};

/// Nobody: the owner, in the guest, of what belongs to somebody else on the host.
const NOBODY: u32 = 65_534;

/// Type and permissions: set-user-id and set-group-id bits mean nothing in the guest, and are not told.
const TOLD: u32 = 0o171_777;

/// Whose files are whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    host: JailUser,
    agent: JailUser,
}

/// What is told of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its number.
    pub inode: u64,
    /// Its length.
    pub size: u64,
    /// What it takes of the disk, in 512 bytes.
    pub blocks: u64,
    /// Last access.
    pub accessed: (i64, u32),
    /// Last change of its content.
    pub modified: (i64, u32),
    /// Last change.
    pub changed: (i64, u32),
    /// Type and permissions.
    pub mode: u32,
    /// Names.
    pub links: u32,
    /// Owner in the guest.
    pub uid: u32,
    /// Group in the guest.
    pub gid: u32,
    /// Best size of a transfer.
    pub block_size: u32,
}

impl Owners {
    /// What the user of this process owns is the agent's.
    #[must_use]
    pub fn of_this_process(agent: JailUser) -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { host: JailUser { uid, gid }, agent }
    }

    fn uid(self, uid: u32) -> u32 {
        if uid == self.host.uid { self.agent.uid } else { NOBODY }
    }

    fn gid(self, gid: u32) -> u32 {
        if gid == self.host.gid { self.agent.gid } else { NOBODY }
    }
}

impl Attributes {
    /// Bytes of it in an answer.
    pub const LENGTH: usize = 88;

    /// The content that goes with it.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen { changed: [self.modified, self.changed], size: self.size }
    }
}

/// The mount that a file is on, where the kernel says.
pub(super) fn mount(facts: &Statx) -> Option<u64> {
    (facts.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(facts.stx_mnt_id)
}

/// Which file it is, and what is told of it.
pub(super) fn read(facts: &Statx, owners: Owners) -> (Key, Attributes) {
    let time = |time: rustix::fs::StatxTimestamp| (time.tv_sec, time.tv_nsec);
    let mode = u32::from(facts.stx_mode);
    let born = facts.stx_mask & StatxFlags::BTIME.bits() != 0;
    let key = Key {
        device: (facts.stx_dev_major, facts.stx_dev_minor),
        inode: facts.stx_ino,
        born: if born { time(facts.stx_btime) } else { (0, 0) },
        kind: FileType::from_raw_mode(mode).as_raw_mode(),
    };
    let attributes = Attributes {
        inode: facts.stx_ino,
        size: facts.stx_size,
        blocks: facts.stx_blocks,
        accessed: time(facts.stx_atime),
        modified: time(facts.stx_mtime),
        changed: time(facts.stx_ctime),
        mode: mode & TOLD,
        links: facts.stx_nlink,
        uid: owners.uid(facts.stx_uid),
        gid: owners.gid(facts.stx_gid),
        block_size: facts.stx_blksize,
    };
    (key, attributes)
}
