//! `virtiofsd`, which shows this machine's tree to the lab.
//!
//! Debian's C version has to be root; who is not uses `sudo`, which must not ask for a password. (In a user namespace
//! it starts, but the lab's overlay opens files with `O_NOATIME`, which is refused there for everybody else's files.)

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{io, thread};

use super::{MachineError, dying_with_us, joined};

const SERVER: &str = "/usr/lib/qemu/virtiofsd";
/// What is served is a read-only view of the tree, which only the server's own mount namespace has. (Not in a
/// temporary folder, ever: somebody would remove that, and with it what is mounted there.) The lab has its own
/// `/proc`, `/sys` and `/dev`. What is mounted beneath `/mnt` itself is hidden by the view, and so not remounted.
///
/// The server holds a descriptor for every file that the lab remembers. With the 1024 that a user's shell has, files stop
/// opening, and closing, half way through a test.
const READ_ONLY: &str = r#"set -e; ulimit -n "$(ulimit -H -n)"; mount --rbind / /mnt
for folder in proc sys dev; do umount --lazy "/mnt/$folder" 2>/dev/null || true; done
while read -r _ _ _ _ point _; do case $point in
    /mnt) mount -o remount,bind,ro /mnt ;;
    /mnt/*) mount -o remount,bind,ro "$(printf %b "$point")" 2>/dev/null || true ;;
esac; done </proc/self/mountinfo
"#;
/// Under sudo the server opens the socket itself, and leaves a file with its process id behind.
const SERVE_BY_SUDO: &str = r#"pid=$1; shift; "$@"; rm -f "$pid""#;
const SERVE: &str = r#"exec "$@""#;

/// How the server gets to be root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// We are.
    Root,
    /// By `sudo -n`.
    Sudo,
}

/// The running server.
#[derive(Debug)]
pub(super) struct FileServer {
    process: Child,
    socket: PathBuf,
}

impl Route {
    /// The route that is open to the caller.
    pub(super) fn find() -> Result<Self, MachineError> {
        if rustix::process::geteuid().is_root() {
            return Ok(Self::Root);
        }
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if sudo.status().is_ok_and(|status| status.success()) {
            Ok(Self::Sudo)
        } else {
            Err(MachineError::NoRoute)
        }
    }
}

impl FileServer {
    /// Starts it; when this returns, a connection to `<folder>/files.sock` will be served.
    pub(super) fn start(route: Route, folder: &Path) -> Result<Self, MachineError> {
        let socket = folder.join("files.sock");
        match route {
            Route::Root => Self::start_as_root(socket, &folder.join("files.log")),
            Route::Sudo => Self::start_by_sudo(socket),
        }
    }

    /// The socket is ours and already listens, so QEMU may connect before the server is up.
    fn start_as_root(socket: PathBuf, log: &Path) -> Result<Self, MachineError> {
        let listener = UnixListener::bind(&socket).map_err(MachineError::Folder)?;
        let log = File::create(log).map_err(MachineError::Folder)?;
        let process = dying_with_us(UNSHARE[0])
            .args(&UNSHARE[1..])
            .args([&format!("{READ_ONLY}{SERVE}"), "sh", SERVER, "--fd=0"])
            .args(SHARE)
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is not for it.
            .process_group(0)
            .spawn()
            .map_err(|source| MachineError::Start {
                program: SERVER,
                package: "qemu-system-common",
                source,
            })?;
        Ok(Self { process, socket })
    }

    /// sudo closes what it inherits, so here the server opens the socket, and says when it has.
    fn start_by_sudo(socket: PathBuf) -> Result<Self, MachineError> {
        let group = rustix::process::getegid().as_raw();
        let mut process = Command::new("sudo")
            .args(["-n", "--"])
            .args(UNSHARE)
            .args([&format!("{READ_ONLY}{SERVE_BY_SUDO}"), "sh"])
            .arg(pid_file(&socket))
            .args([SERVER, &format!("--socket-group={}", group_name(group)?)])
            .arg(joined("--socket-path=", socket.clone()))
            .args(SHARE)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| MachineError::Start { program: SERVER, package: "sudo", source })?;
        let mut lines = BufReader::new(process.stderr.take().expect("stderr was asked for as a pipe"));
        let server = Self { process, socket };
        let (mut line, mut last) = (String::new(), String::new());
        while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            if line.contains("Waiting for vhost-user socket connection") {
                // It must never block on a full pipe; nobody needs what it says from here on.
                thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
                return Ok(server);
            }
            last = std::mem::take(&mut line);
        }
        Err(MachineError::FileServer(last.trim().to_owned()))
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        // It ends by itself when its only client goes. If QEMU never came, this is its client. (Killing it would
        // need root under sudo.)
        drop(UnixStream::connect(&self.socket));
        let _ = self.process.wait();
    }
}

/// A shell in a mount namespace of its own, which takes nothing back to ours.
const UNSHARE: [&str; 7] = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c"];
/// In the foreground; the whole view. The tree does not change under a running lab, so the guest may keep what it
/// has read.
const SHARE: [&str; 11] = [
    "-f",
    "-o",
    "source=/mnt",
    "-o",
    "cache=always",
    "-o",
    "no_posix_lock",
    "-o",
    "sandbox=chroot",
    // A directory that is listed opens nothing.
    "-o",
    "no_readdirplus",
];

/// Where virtiofsd notes its process id when it opens the socket itself.
fn pid_file(socket: &Path) -> PathBuf {
    let name = socket.to_string_lossy().replace('/', ".");
    Path::new("/run/virtiofsd").join(format!("{name}.pid"))
}

fn group_name(gid: u32) -> Result<String, MachineError> {
    let groups = fs::read_to_string("/etc/group").map_err(MachineError::Folder)?;
    let found = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid.to_string()).then(|| name.to_owned())
    });
    found.ok_or_else(|| MachineError::FileServer(format!("group {gid} has no name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_named_after_the_socket() {
        assert_eq!(
            pid_file(Path::new("/tmp/lab-x/files.sock")),
            Path::new("/run/virtiofsd/.tmp.lab-x.files.sock.pid")
        );
    }

    #[test]
    fn the_group_of_root_has_a_name() {
        assert_eq!(group_name(0).unwrap(), "root");
        assert!(group_name(u32::MAX).is_err());
    }
}
