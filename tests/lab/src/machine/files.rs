//! `virtiofsd`, which shows this machine's tree to the lab. Debian's C version needs root.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;

use super::{MachineError, dying_with_us};

const SERVER: &str = "/usr/lib/qemu/virtiofsd";

/// The running server.
#[derive(Debug)]
pub(super) struct FileServer {
    process: Child,
}

impl FileServer {
    /// Starts it and waits until it listens on `socket`.
    pub(super) fn start(socket: &Path) -> Result<Self, MachineError> {
        let mut process = dying_with_us(SERVER)
            .arg(super::joined("--socket-path=", socket.to_owned()))
            // The tree does not change under a running lab, so the guest may keep what it has read.
            .args([
                "-f",
                "-o",
                "source=/",
                "-o",
                "cache=always",
                "-o",
                "no_posix_lock",
                "-o",
                "sandbox=chroot",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| MachineError::Start {
                program: SERVER,
                package: "qemu-system-common",
                source,
            })?;
        let mut lines = BufReader::new(process.stderr.take().expect("stderr was asked for as a pipe"));
        let server = Self { process };
        let mut line = String::new();
        let mut last = String::new();
        while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            if line.contains("Waiting for vhost-user socket connection") {
                // It must never block on a full pipe; nobody needs what it says from here on.
                thread::spawn(move || std::io::copy(&mut lines.by_ref(), &mut std::io::sink()));
                return Ok(server);
            }
            last = std::mem::take(&mut line);
        }
        Err(MachineError::FileServer(last.trim().to_owned()))
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        // It ends by itself with QEMU, unless QEMU never came.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
