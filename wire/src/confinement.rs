//! The static half of a policy, compiled: what `jail` performs, as data. It carries no globs and no
//! choices; everything was decided when the policy was compiled.

use serde::{Deserialize, Serialize};

/// Everything that is done to the agent's process before its first instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// User id of the agent.
    pub uid: u32,
    /// Group id of the agent.
    pub gid: u32,
    /// Paths and what may be done beneath each. A path that is not beneath any of them is refused.
    pub filesystem: Vec<PathRule>,
    /// System call filter.
    pub seccomp: SeccompProfile,
    /// Resource limits.
    pub limits: Limits,
}

/// Access beneath one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRule {
    /// Absolute path in the guest. Missing paths are skipped: they grant nothing.
    pub path: String,
    /// What is granted.
    pub access: PathAccess,
}

/// What a [`PathRule`] grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathAccess {
    /// Read files and directories.
    Read,
    /// Read, and execute files.
    ReadExecute,
    /// Read, write, create, remove; not execute.
    ReadWrite,
    /// All of the above.
    ReadWriteExecute,
}

/// Named system call filters; each is an allow list in `jail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeccompProfile {
    /// What interpreters, compilers and development tools need.
    #[default]
    Agent,
}

/// Resource limits of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most processes and threads at once (`RLIMIT_NPROC`).
    pub processes: u64,
    /// Most open files for each process (`RLIMIT_NOFILE`).
    pub open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { processes: 4096, open_files: 65_536 }
    }
}
