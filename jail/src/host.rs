//! Jails one of our own host processes, once, before it meets its first foreign byte.
//!
//! ```text
//! Open (config parsed, resources opened, one thread)
//!   │ enter(profile, settings)      order matters; each step is one function with its own error
//!   ▼
//! limits → namespaces → root → bounding set → user → capabilities → no_new_privs
//!        → dies with parent, not dumpable → Landlock → seccomp (not for the VMM: one filter per thread)
//! ```
//! As root every step must succeed. An unprivileged process first tries a user namespace of its own,
//! which gives it the same steps; where the host forbids that, it goes on with what remains (limits,
//! `no_new_privs`, Landlock, seccomp), and [`Report`] says so.
//!
//! This module must never know what a process is for beyond its [`Profile`], and opens nothing itself;
//! what the manager left open is taken over through [`inherited`].

mod files;
mod identity;
pub mod inherited;
mod lifeline;
mod limits;
pub mod modes;
mod report;
mod root;
pub mod seccomp;
mod spaces;

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use wire::spawn::JailUser;

pub use report::{Files, Isolation, Report, User};

/// Which of our processes is jailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `openshell-vmm`: no network; connects to Unix sockets in its root.
    Vmm,
    /// `openshell-proxy`: the host's network; connects to the router in its root.
    Proxy,
    /// `openshell-router`: the host's network; connects to who gives turns at a model server in its root.
    Router,
    /// `openshell-audit`: no network; appends to a file it was given.
    Audit,
    /// `openshell-mount`: no network; reads and writes what is in its root, and nothing else.
    Mount,
}

/// What the process will see as `/`. Its working directory is there too, jailed or not, so a relative
/// path means the same in every case.
#[derive(Debug)]
pub enum Root {
    /// An empty, read-only directory.
    Empty,
    /// This directory (an `O_PATH` descriptor is enough), read-only: sockets in it can be connected to.
    Directory(OwnedFd),
    /// This directory, writable. Where the process has a root of its own, no set-user-id bit, device node or program in it
    /// does anything.
    Writable(OwnedFd),
}

/// What differs between two processes of the same profile.
#[derive(Debug)]
pub struct Settings<'fd> {
    /// The status pipe to the manager: when its other end is gone, so is the manager.
    pub status: BorrowedFd<'fd>,
    /// What becomes `/`.
    pub root: Root,
    /// Who the process becomes. `None`: it stays who it is.
    pub user: Option<JailUser>,
    /// How many descriptors it may open; never above the hard limit that it was started with unless root.
    pub open_files: u64,
}

/// Why a process could not be jailed.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// The jail binds the calling thread and those it starts later, so there must be no other.
    #[error("the process already has {0} threads; a jail is entered before the first is started")]
    Threads(usize),
    /// What the process is could not be read.
    #[error("cannot read this process's own state")]
    Inspect(#[source] std::io::Error),
    /// A resource limit was refused.
    #[error("cannot set the limit on {0}")]
    Limit(&'static str, #[source] Errno),
    /// New namespaces were refused to root.
    #[error("cannot make new namespaces")]
    Namespaces(#[source] Errno),
    /// The new root could not be built.
    #[error("cannot build the root directory: {0}")]
    Root(&'static str, #[source] Errno),
    /// The directory that was to be the root is not where its descriptor says.
    #[error("the root directory was moved or replaced while it was entered")]
    RootMoved,
    /// The bounding set or the capabilities could not be emptied.
    #[error("cannot give up capabilities")]
    Capabilities(#[source] Errno),
    /// The user or group could not be changed.
    #[error("cannot become user {uid}, group {gid}", uid = .0.uid, gid = .0.gid)]
    User(JailUser, #[source] Errno),
    /// Only root can become another user.
    #[error("cannot become user {}: not started as root", .0.uid)]
    NotRoot(JailUser),
    /// `no_new_privs` was refused.
    #[error("cannot set no_new_privs")]
    NoNewPrivileges(#[source] Errno),
    /// The process could not be tied to its parent.
    #[error("cannot be tied to the manager's life")]
    Lifeline(#[source] Errno),
    /// The manager died before the process was tied to it.
    #[error("the manager is gone")]
    Orphan,
    /// Landlock was available and still failed.
    #[error("cannot restrict files with Landlock")]
    Landlock(#[source] landlock::RulesetError),
    /// The seccomp filter could not be built or installed.
    #[error("cannot install the seccomp filter")]
    Seccomp(#[from] jail_layers::filter::FilterError),
}

/// Jails the calling process. It must have one thread; threads that it starts later are in the jail too.
///
/// The VMM's seccomp filters are installed thread by thread with [`seccomp::install`] afterwards; every
/// other profile is filtered when this returns.
///
/// # Errors
/// The step that failed. The process must not go on after an error: earlier steps have taken effect.
pub fn enter(profile: Profile, settings: Settings<'_>) -> Result<Report, JailError> {
    must_be_single_threaded()?;
    find_the_clock();
    limits::apply(settings.open_files)?;
    let mut isolation = spaces::enter(profile)?;
    root::enter(&settings.root, &mut isolation)?;
    // The descriptor leads out of the new root and is no longer needed.
    drop(settings.root);
    let user = identity::change(settings.user)?;
    rustix::thread::set_no_new_privs(true).map_err(JailError::NoNewPrivileges)?;
    // After the change of user: the kernel clears both settings when credentials change.
    lifeline::tie(settings.status)?;
    let files = files::restrict(profile)?;
    if let Some(thread) = seccomp::whole_process(profile) {
        seccomp::install(thread, &[])?;
    }
    Ok(Report { isolation, user, files })
}

/// The first reading of a clock through `rustix` looks for the kernel's fast way to read it, with a system
/// call (or a file) that the jail does not allow. What it found then serves every later reading.
fn find_the_clock() {
    let _found = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
}

fn must_be_single_threaded() -> Result<(), JailError> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(JailError::Inspect)?.count();
    if threads == 1 { Ok(()) } else { Err(JailError::Threads(threads)) }
}
