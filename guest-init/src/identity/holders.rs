//! Which of the agent's processes hold a socket.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::Pid;

use super::diagnosis::Inode;
use crate::sys;

/// The agent's processes: those in the PID namespace of its warden, and in those that were made in it, except the warden.
#[derive(Debug)]
pub(super) struct Agent {
    warden: Pid,
    /// The warden's namespace, and this program's.
    namespace: Namespace,
    own: Namespace,
}

/// Device and inode of a PID namespace.
type Namespace = (u64, u64);

/// A process that holds a socket, and where.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pid: Pid,
    descriptor: PathBuf,
}

impl Agent {
    pub(super) fn of(warden: Pid) -> Result<Self, Errno> {
        let namespace = namespace(warden).ok_or(Errno::SRCH)?;
        let own = self::namespace(rustix::process::getpid()).ok_or(Errno::SRCH)?;
        Ok(Self { warden, namespace, own })
    }

    pub(super) fn warden(&self) -> Pid {
        self.warden
    }

    /// Every process of the agent with the socket among its descriptors.
    pub(super) fn holders(&self, inode: Inode) -> Vec<Holder> {
        self.processes()
            .into_iter()
            .filter_map(|pid| find(pid, inode).map(|descriptor| Holder { pid, descriptor }))
            .collect()
    }

    fn processes(&self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
            // The kernel numbers upwards and wraps; both sides of the warden are looked at.
            .filter(|pid| *pid != self.warden && self.has(*pid))
            .collect()
    }

    fn has(&self, pid: Pid) -> bool {
        match namespace(pid) {
            Some(namespace) if namespace == self.namespace => true,
            Some(namespace) if namespace != self.own => descends(pid, self.namespace),
            Some(_) | None => false,
        }
    }
}

impl Holder {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn still_holds(&self, inode: Inode) -> bool {
        is_socket(&self.descriptor, inode)
    }
}

fn namespace(pid: Pid) -> Option<Namespace> {
    fs::metadata(path(pid)).ok().as_ref().map(identity)
}

fn path(pid: Pid) -> String {
    format!("/proc/{}/ns/pid", pid.as_raw_nonzero())
}

fn identity(metadata: &fs::Metadata) -> Namespace {
    (metadata.dev(), metadata.ino())
}

/// Whether a process's namespace was made in `ancestor`, however deep.
fn descends(pid: Pid, ancestor: Namespace) -> bool {
    let Ok(mut namespace) = File::open(path(pid)) else { return false };
    // The kernel bounds how deep they are.
    while let Ok(parent) = sys::parent_namespace(&namespace) {
        if parent.metadata().is_ok_and(|metadata| identity(&metadata) == ancestor) {
            return true;
        }
        namespace = parent;
    }
    false
}

/// Threads usually share one table of descriptors; one that does not is looked into as well, or a socket
/// could be hidden there from this search.
fn find(pid: Pid, inode: Inode) -> Option<PathBuf> {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    if let Some(descriptor) = find_in(&process.join("fd"), inode) {
        return Some(descriptor);
    }
    let threads = fs::read_dir(process.join("task")).ok()?;
    threads
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter(|thread| *thread != pid && !sys::share_descriptors(pid, *thread))
        .find_map(|thread| find_in(&process.join(format!("task/{}/fd", thread.as_raw_nonzero())), inode))
}

fn find_in(folder: &Path, inode: Inode) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find(|path| is_socket(path, inode))
}

fn is_socket(descriptor: &Path, inode: Inode) -> bool {
    let mut target = [0_u8; 32];
    let Ok(length) = rustix::fs::readlinkat_raw(rustix::fs::CWD, descriptor, &mut target) else {
        return false;
    };
    target.get(..length) == Some(format!("socket:[{}]", inode.0).as_bytes())
}
