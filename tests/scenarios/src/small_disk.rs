//! A file system of a few MiB, which is soon full.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system in memory; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it on a new directory, which is one of a session's own.
    #[must_use]
    pub fn mount(folder: PathBuf, mib: u32) -> Self {
        fs::create_dir(&folder).expect("the session's directory is writable");
        let size = format!("size={mib}m,mode=755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "small-disk"]).arg(&folder).status();
        assert!(mounted.is_ok_and(|status| status.success()), "scenarios run as root in the lab");
        Self(folder)
    }

    /// Writes a file that takes all the space that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).expect("an empty file needs no space");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// KiB that are in use.
    #[must_use]
    pub fn used_kib(&self) -> u64 {
        let state = rustix::fs::statvfs(&self.0).expect("it is mounted");
        (state.f_blocks - state.f_bfree) * state.f_frsize / 1024
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: it must not outlive a test that failed, whatever still runs on it.
        let _tried = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
