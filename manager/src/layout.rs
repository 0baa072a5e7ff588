//! Where things are on the host: state, run-time sockets, images, and our own programs.

use std::env;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The directories of one installation, for one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Audit logs: `$XDG_STATE_HOME/openshell`.
    pub state: PathBuf,
    /// Sockets of running sandboxes: `$XDG_RUNTIME_DIR/openshell`.
    pub runtime: PathBuf,
    /// Images and kernels: `$XDG_CACHE_HOME/openshell`.
    pub cache: PathBuf,
    /// What the operator configures for all agents: `$XDG_CONFIG_HOME/openshell`.
    pub config: PathBuf,
    /// `openshell-vmm` and its fellows: beside the running program, or `$OPENSHELL_LIBEXEC`.
    pub programs: PathBuf,
}

/// A program of ours that the manager starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The virtual machine monitor.
    Vmm,
    /// The egress proxy.
    Proxy,
    /// The privacy router.
    Router,
    /// Who runs model servers.
    Serving,
    /// The audit writer.
    Audit,
    /// The signer of the audit log.
    Sign,
    /// The server of a live mount.
    Mount,
    /// Who asks a vault for a secret.
    Vault,
    /// PID 1 of the guest (packed into the initramfs, never run here).
    GuestInit,
}

impl Layout {
    /// The layout that the environment describes.
    ///
    /// # Errors
    /// `HOME` is not set, or the running program cannot be located.
    pub fn from_env() -> Result<Self, Failure> {
        let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let under_home = |variable: &str, fallback: &str| {
            absolute(variable).or_else(|| home.as_ref().map(|home| home.join(fallback))).ok_or_else(|| {
                Failure::new(
                    format_args!("neither {variable} nor HOME is an absolute path"),
                    "set HOME to your home directory",
                )
            })
        };
        let state = under_home("XDG_STATE_HOME", ".local/state")?.join("openshell");
        let cache = under_home("XDG_CACHE_HOME", ".cache")?.join("openshell");
        let config = under_home("XDG_CONFIG_HOME", ".config")?.join("openshell");
        let runtime = absolute("XDG_RUNTIME_DIR").map_or_else(fallback_runtime, |dir| dir.join("openshell"));
        // Whatever no running sandbox holds is cleared out of the run-time directory.
        if [&state, &cache, &config].contains(&&runtime) {
            return Err(Failure::new(
                format_args!("{} is to hold sockets and also what is kept", runtime.display()),
                "give XDG_RUNTIME_DIR a directory of its own",
            ));
        }
        Ok(Self { state, runtime, cache, config, programs: programs()? })
    }

    /// Path of one of our programs.
    ///
    /// # Errors
    /// It is not installed.
    pub fn program(&self, program: Program) -> Result<PathBuf, Failure> {
        installed(&self.programs, program)
    }

    /// Directory of the audit logs.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.state.join("audit")
    }
}

impl Program {
    /// Name of the executable file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Vmm => "openshell-vmm",
            Self::Proxy => "openshell-proxy",
            Self::Router => "openshell-router",
            Self::Serving => "openshell-serving",
            Self::Audit => "openshell-audit",
            Self::Sign => "openshell-sign",
            Self::Mount => "openshell-mount",
            Self::Vault => "openshell-vault",
            Self::GuestInit => "guest-init",
        }
    }
}

/// Path of one of our programs, wherever everything else lies.
pub(crate) fn program(program: Program) -> Result<PathBuf, Failure> {
    installed(&programs()?, program)
}

fn installed(programs: &Path, program: Program) -> Result<PathBuf, Failure> {
    let path = programs.join(program.file_name());
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(
        format_args!("{} is missing", path.display()),
        "install all of openshell's programs into one directory (cargo xtask demo builds them), or set OPENSHELL_LIBEXEC",
    ))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A login without a session manager has no `XDG_RUNTIME_DIR`; the fallback is private to the user by
/// its name and, when it is made, by its mode.
fn fallback_runtime() -> PathBuf {
    let uid = rustix::process::getuid();
    if uid.is_root() {
        PathBuf::from("/run/openshell")
    } else {
        PathBuf::from(format!("/tmp/openshell-{}", uid.as_raw()))
    }
}

fn programs() -> Result<PathBuf, Failure> {
    if let Some(dir) = absolute("OPENSHELL_LIBEXEC") {
        return Ok(dir);
    }
    let own = env::current_exe().map_err(|error| {
        Failure::new(format_args!("cannot locate the running program: {error}"), "set OPENSHELL_LIBEXEC")
    })?;
    Ok(own.parent().map(Path::to_path_buf).unwrap_or_default())
}
