//! What the agent's processes leave behind in memory when they end: System V shared memory, semaphores and queues, queues of
//! POSIX, and files in `/dev/shm`. None of it ends with who made it, and the next life of an agent must not find it: it would
//! wait for a lock whose holder is gone.
//!
//! *Invariant:* nobody runs in the agent's namespaces meanwhile but the caller.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::{ConfineError, namespaces};

/// The files. The mount stays the same: it is watched, and rules lead to it.
const SHARED_MEMORY: &str = "/dev/shm";

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes all of it. The calling process is the first of the agent's namespaces; it and its children have another IPC namespace
/// from here on, and with its last process the one before is gone.
///
/// # Errors
/// The step that failed.
pub fn remove() -> Result<(), ConfineError> {
    namespaces::unshare(UnshareFlags::NEWIPC)
        .map_err(|cause| ConfineError::Leavings("leave the agent's shared memory and queues", cause))?;
    let emptied =
        rustix::fs::openat(CWD, SHARED_MEMORY, DIRECTORY, Mode::empty()).and_then(|top| empty(&top));
    emptied.map_err(|cause| ConfineError::Leavings("empty /dev/shm", cause))
}

/// Removes everything in a directory, however deep: what lies in a directory is moved to the top before that is removed, so that
/// no depth takes a descriptor or a stack.
fn empty(top: &OwnedFd) -> Result<(), Errno> {
    let mut moved = 0;
    loop {
        let names = names(top.as_fd())?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if !is_removed(top.as_fd(), &name)? {
                let directory = rustix::fs::openat(top, &*name, DIRECTORY, Mode::empty())?;
                lift(&directory, top, &mut moved)?;
                rustix::fs::unlinkat(top, &*name, AtFlags::REMOVEDIR)?;
            }
        }
    }
}

/// Empties one directory: what is a directory itself gets a name at the top.
fn lift(directory: &OwnedFd, top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    for name in names(directory.as_fd())? {
        if is_removed(directory.as_fd(), &name)? {
            continue;
        }
        loop {
            *moved += 1;
            let free = format!("{moved}");
            match rustix::fs::renameat_with(directory, &*name, top, free, RenameFlags::NOREPLACE) {
                Ok(()) => break,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Removes what is no directory, or is an empty one.
fn is_removed(directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::ISDIR) => match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY) => Ok(false),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn names(directory: BorrowedFd<'_>) -> Result<Vec<Box<CStr>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.into());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_a_directory_is_removed_however_deep() {
        let temp = tempfile::tempdir().unwrap();
        let top = rustix::fs::openat(CWD, temp.path(), DIRECTORY, Mode::empty()).unwrap();
        // Deeper than there are descriptors, and with names that are wanted on the way up.
        let mut deep = top.try_clone().unwrap();
        for level in 0..3000 {
            rustix::fs::mkdirat(&deep, "1", Mode::RWXU).unwrap();
            rustix::fs::openat(&deep, format!("file {level}"), OFlags::CREATE | OFlags::WRONLY, Mode::RUSR)
                .unwrap();
            deep = rustix::fs::openat(&deep, "1", DIRECTORY, Mode::empty()).unwrap();
        }
        std::fs::create_dir(temp.path().join("2")).unwrap();
        std::os::unix::fs::symlink("/", temp.path().join("link")).unwrap();
        std::fs::create_dir(temp.path().join("locked")).unwrap();
        std::fs::write(temp.path().join("locked/in it"), "").unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("stays"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), temp.path().join("locked/out")).unwrap();
        empty(&top).unwrap();
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
        assert!(outside.path().join("stays").exists());
    }
}
