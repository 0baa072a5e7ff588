//! The programs of the operating system that make images: where they are found, which Debian package brings
//! them, and what their failure means. Must never know what an image is.

mod running;

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::stop::Stop;
pub(crate) use running::{Bound, End, Running};

/// A program and the Debian package that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// Makes EROFS images.
pub(crate) const MKFS_EROFS: Tool = Tool { program: "mkfs.erofs", package: "erofs-utils" };
/// Makes ext4 file systems.
pub(crate) const MKE2FS: Tool = Tool { program: "mke2fs", package: "e2fsprogs" };
/// Installs Debian packages into a new root.
pub(crate) const MMDEBSTRAP: Tool = Tool { program: "mmdebstrap", package: "mmdebstrap" };
/// Says which package sources this machine uses.
pub(crate) const APT_GET: Tool = Tool { program: "apt-get", package: "apt" };
/// Says what a package depends on.
pub(crate) const APT_CACHE: Tool = Tool { program: "apt-cache", package: "apt" };
/// Unpacks a package.
pub(crate) const DPKG_DEB: Tool = Tool { program: "dpkg-deb", package: "dpkg" };
/// Says how apt is configured.
pub(crate) const APT_CONFIG: Tool = Tool { program: "apt-config", package: "apt" };
/// Starts a program that dies with its parent.
const SETPRIV: Tool = Tool { program: "setpriv", package: "util-linux" };
/// Starts a program in namespaces of its own.
const UNSHARE: Tool = Tool { program: "unshare", package: "util-linux" };
/// What `unshare` is asked for: whatever the program starts and mounts ends with it.
const NAMESPACES: [&str; 5] = ["--mount", "--mount-proc", "--pid", "--fork", "--kill-child=KILL"];
/// Removes what a killed build left.
pub(crate) const RM: Tool = Tool { program: "rm", package: "coreutils" };

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("{program} is not installed")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// It could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The disk filled up while it worked.
    #[error("no space left on the disk while {program} was writing")]
    DiskFull {
        /// The program.
        program: &'static str,
    },
    /// This user may not make files of other users, by any of the ways that it knows.
    #[error("this user may not build images: {program} found neither subordinate user ids nor fakechroot")]
    Unprivileged {
        /// The program.
        program: &'static str,
    },
    /// It was ended by a signal, for instance by Ctrl-C.
    #[error("{program} was interrupted")]
    Interrupted {
        /// The program.
        program: &'static str,
    },
    /// It said that it failed.
    #[error("{program} failed: {reason}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it gave as the reason, in one line.
        reason: String,
    },
}

/// What a program wrote on stderr, as far as it may be needed to explain a failure.
#[derive(Debug, Default)]
struct Complaint {
    disk_full: bool,
    interrupted: bool,
    unprivileged: bool,
    /// The last line that says that it is an error.
    error: Option<String>,
    /// The last line of any kind.
    last: Option<String>,
}

impl ToolError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing { package, .. } => format!("install it: apt-get install {package}"),
            Self::Start { program, .. } => format!("check that {program} can be executed by this user"),
            Self::DiskFull { .. } => {
                "free space on the disk that holds the image cache, then try again".into()
            }
            Self::Unprivileged { .. } => {
                "apt-get install uidmap, then `usermod --add-subuids 200000-265535 --add-subgids 200000-265535` \
                 for this user; or build as root"
                    .into()
            }
            Self::Interrupted { .. } => "run the command again; nothing half-made was kept".into(),
            Self::Failed { program, .. } if *program == MMDEBSTRAP.program => {
                "check that `apt-get update` works on this machine, then try again".into()
            }
            Self::Failed { program, .. } => {
                format!("run with RUST_LOG=debug to see what {program} was asked")
            }
        }
    }
}

impl Tool {
    /// Runs to the end and returns what the program wrote on stdout.
    pub(crate) fn run<I, A>(self, arguments: I) -> Result<Vec<u8>, ToolError>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let output = self
            .command()?
            .args(arguments)
            .output()
            .map_err(|source| ToolError::Start { program: self.program, source })?;
        let mut complaint = Complaint::default();
        String::from_utf8_lossy(&output.stderr).lines().for_each(|line| complaint.hear(line));
        self.judge(output.status, complaint)?;
        Ok(output.stdout)
    }

    /// Where the program is.
    pub(crate) fn path(self) -> Result<PathBuf, ToolError> {
        find(self.program).ok_or(ToolError::Missing { program: self.program, package: self.package })
    }

    /// A command for this program: nothing on stdin, messages in English.
    pub(crate) fn command(self) -> Result<Command, ToolError> {
        let mut command = Command::new(self.path()?);
        // The caller's environment may hold secrets; a tool gets what it is configured by.
        let configuration = std::env::vars_os().filter(|(name, _)| is_configuration(&name.to_string_lossy()));
        command.env_clear().envs(configuration).env("LC_ALL", "C").stdin(Stdio::null());
        Ok(command)
    }

    /// A command for this program that ends when this process ends. As root it also gets mount and process
    /// namespaces of its own, so that nothing that it mounts or starts outlives it.
    pub(crate) fn bound_command(self) -> Result<Bound, ToolError> {
        let program = self.path()?;
        let mut command = SETPRIV.command()?;
        // A namespace dies with its first process. Elsewhere the program gets the time to clean up.
        let end = if rustix::process::geteuid().is_root()
            && UNSHARE.run(NAMESPACES.iter().chain(&["true"])).is_ok()
        {
            command.args(["--pdeathsig", "KILL"]).arg(UNSHARE.path()?).args(NAMESPACES);
            End::Killed
        } else {
            command.args(["--pdeathsig", "TERM"]);
            End::Asked
        };
        command.arg(program);
        Ok(Bound { command, end })
    }

    /// Runs to the end, or until `stop`; for programs that write one file, and are alone.
    pub(crate) fn work<I, A>(self, arguments: I, stop: &Stop) -> Result<(), ToolError>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = self.command()?;
        command.args(arguments);
        Running::start(self, Bound { command, end: End::Killed })?.watch(stop, &mut |_message| {})
    }

    fn judge(self, status: ExitStatus, complaint: Complaint) -> Result<(), ToolError> {
        let program = self.program;
        if status.success() {
            return Ok(());
        }
        if complaint.disk_full {
            return Err(ToolError::DiskFull { program });
        }
        if complaint.interrupted || status.signal().is_some() {
            return Err(ToolError::Interrupted { program });
        }
        if complaint.unprivileged {
            return Err(ToolError::Unprivileged { program });
        }
        let reason = complaint.error.or(complaint.last).unwrap_or_else(|| status.to_string());
        Err(ToolError::Failed { program, reason })
    }
}

impl Complaint {
    fn hear(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        self.disk_full |= line.contains("No space left on device");
        // mmdebstrap, without root, user namespaces and fakechroot
        self.unprivileged |= line.contains("unable to pick chroot mode");
        // mmdebstrap: "I: main() received signal INT: waiting for setup..."
        self.interrupted |= line.contains("received signal INT") || line.contains("received signal TERM");
        // apt, mmdebstrap: "E: ..."; erofs-utils: "<E> erofs: ..."
        if let Some(error) = line.strip_prefix("E: ").or_else(|| line.strip_prefix("<E> ")) {
            // The first error is the cause; what follows are its consequences.
            self.error.get_or_insert_with(|| error.to_owned());
        }
        self.last = Some(line.to_owned());
    }
}

/// Whether a variable says where the tools are, how they reach the network, or where packages come from.
fn is_configuration(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "SOURCE_DATE_EPOCH",
        "CARGO_HOME",
        "APT_CONFIG",
        "GOPROXY",
        "GOSUMDB",
        "GOENV",
    ];
    const PREFIXES: [&str; 6] = ["SSL_CERT_", "PIP_", "PYENV_", "NPM_CONFIG_", "npm_config_", "XDG_"];
    NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.to_ascii_lowercase().ends_with("_proxy")
}

/// Looks in `PATH` and in the system folders that a normal user's `PATH` lacks.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: Tool = Tool { program: "sh", package: "dash" };

    fn failure(script: &str) -> ToolError {
        SH.run(["-c", script]).unwrap_err()
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Tool { program: "mkfs.nothing", package: "nothing-utils" }.run([""; 0]).unwrap_err();
        assert_eq!(error.to_string(), "mkfs.nothing is not installed");
        assert_eq!(error.remedy(), "install it: apt-get install nothing-utils");
    }

    #[test]
    fn a_secret_of_the_caller_is_not_the_tools() {
        // The test harness sets this variable itself; no tool is configured by it.
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let environment = SH.run(["-c", "env"]).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains("CARGO_PKG_NAME"));
    }

    #[test]
    fn the_first_error_is_the_reason() {
        let error = failure("echo I: working >&2; echo E: the cause >&2; echo E: so what >&2; exit 1");
        assert_eq!(error.to_string(), "sh failed: the cause");
        assert_eq!(failure("echo only this >&2; exit 1").to_string(), "sh failed: only this");
    }

    #[test]
    fn a_full_disk_and_a_signal_are_recognised() {
        let full = failure("echo 'write error: No space left on device' >&2; exit 1");
        assert!(matches!(full, ToolError::DiskFull { .. }));
        assert!(matches!(failure("kill -TERM $$"), ToolError::Interrupted { .. }));
        let refused = failure("echo 'E: unable to pick chroot mode automatically' >&2; exit 1");
        assert!(matches!(refused, ToolError::Unprivileged { .. }));
    }

    #[test]
    fn what_a_bound_program_started_ends_with_it() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut bound = SH.bound_command().unwrap();
        // The grandchild holds the pipe open for as long as it lives.
        bound.command.args(["-c", "sleep 600 & echo started >&2; wait"]).stdin(writer);
        let stop = Stop::new().unwrap();
        let mut heard = Vec::new();
        let ended = Running::start(SH, bound).unwrap().watch(&stop, &mut |line| {
            heard.push(line.to_owned());
            stop.ask();
        });
        assert!(matches!(ended, Err(ToolError::Interrupted { program: "sh" })), "{ended:?}");
        assert_eq!(heard, ["started"]);
        assert_eq!(std::io::Read::read(&mut &reader, &mut [0]).unwrap(), 0, "nobody holds the pipe");
    }

    #[test]
    fn a_program_that_says_nothing_can_be_stopped() {
        let stop = Stop::new().unwrap();
        let asking = stop.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            asking.ask();
        });
        for script in ["exec sleep 600", "exec 2>&-; exec sleep 600", "printf half >&2; exec sleep 600"] {
            let ended = SH.work(["-c", script], &stop);
            assert!(matches!(ended, Err(ToolError::Interrupted { .. })), "{script}: {ended:?}");
        }
        thread.join().unwrap();
    }

    #[test]
    fn messages_arrive_in_order() {
        let mut bound = SH.bound_command().unwrap();
        bound.command.args(["-c", "printf o >&2; echo ne >&2; printf 'two\\nthree' >&2"]);
        let mut heard = Vec::new();
        let watched = Running::start(SH, bound).unwrap();
        watched.watch(&Stop::never(), &mut |line| heard.push(line.to_owned())).unwrap();
        assert_eq!(heard, ["one", "two", "three"]);
    }
}
