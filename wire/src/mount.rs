//! What the manager tells `openshell-mount`, what it hears back, and how the server is spoken to.
//!
//! A server has several lanes: Unix sockets that keep the bounds of messages (`SOCK_SEQPACKET`). On each, one request of the
//! guest's (a FUSE message) is answered by one message before the next is sent; so whoever waits on a lane knows whose
//! answer comes, and lanes are served side by side. A request that has no answer in FUSE is answered by a header all the same.

use serde::{Deserialize, Serialize};

use crate::spawn::{Fd, JailUser};

/// Lanes of one mount: so many requests are served at once.
pub const LANES: usize = 8;

/// Longest tag of a virtio file system.
pub const MAX_TAG: usize = 36;

/// Bytes of file content that one request or answer carries at most.
pub const MAX_CONTENT: u32 = 128 * 1024;

/// What a message has beside its content at most: headers and names.
pub const MAX_HEADERS: u32 = 16 * 1024;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// The directory, opened (`O_PATH`) by the manager.
    pub directory: Fd,
    /// The server's ends of the lanes.
    pub lanes: Vec<Fd>,
    /// Whom the guest sees as owner of what the server's user owns.
    pub agent: JailUser,
    /// Files of the directory that are read only, by their paths in it: what the next run would believe.
    pub kept: Vec<String>,
    /// For how many seconds the guest may believe what it was told of names and attributes: a change on the host is seen after that.
    pub believed: u32,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// What `openshell-mount` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MountEvent {
    /// The process is jailed and serves.
    Ready,
    /// It could not be jailed or cannot serve; the process exits with [`crate::spawn::EXIT_FAILED`].
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}
