//! The run directory of one sandbox: its sockets, its logs, its lock. Nothing large: it is often memory.
//!
//! ```text
//! <runtime>/<id>/            0700, held by a lock for the sandbox's life
//!   lock
//!   control.sock             0600: the operator speaks here while the agent runs
//!   vsock/                   owned by the VMM's user; its only file system
//!     1.sock 2.sock 3.sock
//!   proxy/                   owned by the proxy's user; its only file system
//!     router.sock guest.sock
//! <runtime>/starting         held while a start sweeps and makes its directory
//! …/slots/<n>                one per running sandbox: gives its processes users of their own
//! <runtime>/serving/         the socket of the one process that runs model servers for all sandboxes
//! ```
//! A directory whose lock nobody holds belongs to a manager that was killed; the next start removes it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use wire::id::SandboxId;
use wire::spawn::JailUser;

use crate::failure::Failure;
use crate::layout::{Layout, Program};

/// First user id of the range that sandboxes' processes run as (only when the manager is root).
const FIRST_UID: u32 = 1_610_000_000;

/// User ids per sandbox: one for each kind of process.
const UIDS_PER_SLOT: u32 = 8;

/// User ids belong to the machine, so root's slots do too, whatever its `XDG_RUNTIME_DIR` says.
const ROOT_SLOTS: &str = "/run/openshell/slots";

/// The directory of the process that serves models, beside those of sandboxes.
pub(crate) const SERVING: &str = "serving";

/// Most sandboxes of one user at once.
const SLOTS: u32 = 4096;

/// The directory; removed with everything in it when dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    slot: u32,
    // Both locks last as long as the directory.
    _lock: File,
    _slot_lock: File,
}

impl RunDir {
    /// Makes the directory of `id`, after removing what dead managers left.
    ///
    /// # Errors
    /// The runtime directory cannot be written, or every slot is taken.
    pub fn create(layout: &Layout, id: &SandboxId) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                format_args!("cannot make the run directory in {}: {error}", layout.runtime.display()),
                "make that directory writable for you, or point XDG_RUNTIME_DIR at one that is",
            )
        };
        private_dir(&layout.runtime).map_err(failed)?;
        let slots = slots(layout);
        private_dir(&slots).map_err(failed)?;
        // One start at a time: another one's sweep must not find this directory before its lock is held.
        let starting = private_file(&layout.runtime.join("starting")).map_err(failed)?;
        starting.lock().map_err(failed)?;
        sweep(&layout.runtime);
        let (slot, slot_lock) = take_slot(&slots).map_err(failed)?.ok_or_else(|| {
            Failure::new(
                format_args!("{SLOTS} sandboxes are running"),
                "stop some of them first (openshell vm ps)",
            )
        })?;
        let path = layout.runtime.join(id.as_str());
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let lock = private_file(&path.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|error| failed(error.into()))?;
        Ok(Self { path, slot, _lock: lock, _slot_lock: slot_lock })
    }

    /// Path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user that a process of this sandbox becomes; `None` when the manager is not root.
    #[must_use]
    pub fn user(&self, program: Program) -> Option<JailUser> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let offset = match program {
            Program::Vmm => 0,
            Program::Proxy => 1,
            Program::Router => 2,
            Program::Audit => 3,
            Program::Sign => 4,
            // The server of a mount is who owns the directory; model servers and who asks vaults are not a sandbox's.
            Program::Mount | Program::Serving | Program::Vault | Program::GuestInit => return None,
        };
        let id = FIRST_UID + self.slot * UIDS_PER_SLOT + offset;
        Some(JailUser { uid: id, gid: id })
    }

    /// Makes a directory in the run directory that only `owner` may use.
    ///
    /// # Errors
    /// It cannot be made or given away.
    pub fn directory_for(&self, name: &str, owner: Option<JailUser>) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        give(&path, owner)?;
        Ok(path)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // Nobody is left to tell; a directory that stays is swept by the next start.
        let _unremovable = fs::remove_dir_all(&self.path);
    }
}

/// Gives `path` to `owner`, if the manager can.
///
/// # Errors
/// The owner cannot be changed.
pub fn give(path: &Path, owner: Option<JailUser>) -> io::Result<()> {
    owner.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
}

/// A directory that only its owner may enter.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = fs::symlink_metadata(path)?;
    let mine = std::os::unix::fs::MetadataExt::uid(&metadata) == rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || !mine {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it exists and is not a directory of yours",
        ));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn private_file(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn slots(layout: &Layout) -> PathBuf {
    if rustix::process::geteuid().is_root() {
        PathBuf::from(ROOT_SLOTS)
    } else {
        layout.runtime.join("slots")
    }
}

fn take_slot(slots: &Path) -> io::Result<Option<(u32, File)>> {
    for slot in 0..SLOTS {
        let file = private_file(&slots.join(slot.to_string()))?;
        match file.try_lock() {
            Ok(()) => return Ok(Some((slot, file))),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// The agent's name: the id without its hyphen and eight digits.
#[must_use]
pub fn agent(id: &SandboxId) -> Option<&str> {
    id.as_str().rsplit_once('-').map(|(name, _digits)| name)
}

/// Ids of the sandboxes whose manager is alive.
#[must_use]
pub fn running(layout: &Layout) -> Vec<SandboxId> {
    let entries = fs::read_dir(&layout.runtime).into_iter().flatten().filter_map(Result::ok);
    let held = entries.filter(|entry| {
        let lock = File::options().write(true).open(entry.path().join("lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    });
    held.filter_map(|entry| SandboxId::try_from(entry.file_name().to_string_lossy().into_owned()).ok())
        .collect()
}

/// Removes the run directories that no living manager holds. The caller holds `starting`, so a directory
/// without a lock is one whose manager was killed before it had it.
fn sweep(runtime: &Path) {
    let Ok(entries) = fs::read_dir(runtime) else { return };
    let kept = ["slots", SERVING];
    let directories =
        entries.filter_map(Result::ok).filter(|entry| kept.iter().all(|name| entry.file_name() != *name));
    for path in directories.map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let held =
            File::options().write(true).open(path.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if !held {
            // What cannot be removed now is tried again by the next start.
            let _kept = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(runtime: &Path) -> Layout {
        Layout {
            state: runtime.join("state"),
            runtime: runtime.join("run"),
            cache: runtime.join("cache"),
            config: runtime.join("config"),
            programs: runtime.to_path_buf(),
        }
    }

    fn id(text: &str) -> SandboxId {
        SandboxId::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn goes_with_its_owner_and_slots_differ() {
        let temp = tempfile::tempdir().unwrap();
        let layout = layout(temp.path());
        let first = RunDir::create(&layout, &id("a-1")).unwrap();
        let second = RunDir::create(&layout, &id("a-2")).unwrap();
        assert_ne!(first.slot, second.slot);
        let path = first.path().to_path_buf();
        drop(first);
        assert!(!path.exists() && second.path().exists());
    }

    #[test]
    fn what_a_killed_manager_left_is_swept_and_what_lives_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        let layout = layout(temp.path());
        let alive = RunDir::create(&layout, &id("alive-1")).unwrap();
        let dead = layout.runtime.join("dead-1");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        // Of no sandbox, and held by another lock.
        let serving = layout.runtime.join(SERVING);
        fs::create_dir(&serving).unwrap();
        let _next = RunDir::create(&layout, &id("next-1")).unwrap();
        assert!(alive.path().exists() && serving.exists() && !dead.exists());
        assert_eq!(running(&layout).len(), 2);
    }
}
