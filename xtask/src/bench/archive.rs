//! An initramfs of a folder's files.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

const BUSYBOX: &str = "/bin/busybox";

/// Packs what is in `root`, and a console: the kernel opens it before anything could make its node.
pub(super) fn pack(root: &Path, archive: &Path) -> Result<()> {
    let console = root.join("dev/console");
    if !console.exists() {
        let made = Command::new("mknod").arg(&console).args(["c", "5", "1"]).status()?;
        ensure!(made.success(), "mknod failed: run as root");
    }
    let listed = Command::new("find").arg(".").current_dir(root).output()?;
    ensure!(listed.status.success(), "find failed");
    let mut packer = Command::new(BUSYBOX)
        .args(["cpio", "-o", "-H", "newc"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(archive)?)
        .stderr(Stdio::null())
        .spawn()?;
    packer.stdin.take().context("a pipe was asked for")?.write_all(&listed.stdout)?;
    ensure!(packer.wait()?.success(), "cpio failed");
    Ok(())
}
