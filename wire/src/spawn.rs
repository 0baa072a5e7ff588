//! How the manager starts a child process, and what the child finds.
//!
//! | fd | what |
//! |---|---|
//! | 0 | `/dev/null` |
//! | 1, 2 | the child's log file |
//! | [`CONFIG_FD`] | one JSON document, read to its end: the child's config |
//! | [`STATUS_FD`] | the child writes one JSON line per event; end of file tells its death |
//! | 5 … | resources, named in the config by number as [`Fd`] |

use serde::{Deserialize, Serialize};

/// Where a child reads its config.
pub const CONFIG_FD: Fd = Fd(3);

/// Where a child reports its events.
pub const STATUS_FD: Fd = Fd(4);

/// The first descriptor that carries a resource.
pub const FIRST_RESOURCE_FD: Fd = Fd(5);

/// Exit status of a child that panicked: a bug of ours, never a guest's doing.
pub const EXIT_BUG: i32 = 70;

/// Exit status of a child that could not start; its last event said why.
pub const EXIT_FAILED: i32 = 71;

/// An inherited file descriptor, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fd(pub i32);

/// The user that a child becomes. `None` in a config means: stay who you are (an unprivileged manager).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}
