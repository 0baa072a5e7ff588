//! Bits of the protocol (`linux/fuse.h`).

/// Several reads of one file at once.
pub const ASYNC_READ: u32 = 1 << 0;
/// `open` truncates too.
pub const ATOMIC_TRUNCATE: u32 = 1 << 3;
/// Writes longer than a page.
pub const BIG_WRITES: u32 = 1 << 5;
/// What is cached of a file goes when its times or length change.
pub const AUTO_INVALIDATE: u32 = 1 << 12;
/// Listings that look up.
pub const LISTING_NODES: u32 = 1 << 13;
/// They are asked for where they pay.
pub const LISTING_NODES_AUTO: u32 = 1 << 14;
/// Several direct reads and writes of one file at once.
pub const ASYNC_DIRECT: u32 = 1 << 15;
/// Several look-ups in one directory at once.
pub const PARALLEL_DIRECTORIES: u32 = 1 << 18;
/// The answer says how many pages a request has.
pub const MAX_PAGES: u32 = 1 << 22;

/// The content that the guest has cached is still right.
pub const KEEP_CACHE: u32 = 1 << 1;

/// `WRITE` brings what was cached, of whichever file descriptor: it belongs where it says.
pub const WRITE_CACHED: u32 = 1 << 0;
/// `O_APPEND` among a file's flags.
pub const APPEND: u32 = 0o2000;

/// `fsync` of the content alone.
pub const SYNC_CONTENT: u32 = 1;
/// `GETATTR` names a handle.
pub const ATTRIBUTES_OF_HANDLE: u32 = 1;

/// Bits of `SETATTR`'s `valid`.
pub mod change {
    /// The mode.
    pub const MODE: u32 = 1 << 0;
    /// The owner.
    pub const UID: u32 = 1 << 1;
    /// The group.
    pub const GID: u32 = 1 << 2;
    /// The length.
    pub const SIZE: u32 = 1 << 3;
    /// The time of access.
    pub const ACCESSED: u32 = 1 << 4;
    /// The time of modification.
    pub const MODIFIED: u32 = 1 << 5;
    /// The handle counts.
    pub const HANDLE: u32 = 1 << 6;
    /// The time of access is now.
    pub const ACCESSED_NOW: u32 = 1 << 7;
    /// The time of modification is now.
    pub const MODIFIED_NOW: u32 = 1 << 8;
}
