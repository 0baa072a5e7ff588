//! The static half of a policy, compiled: what `jail` performs, as data. It carries no globs and no
//! choices; everything was decided when the policy was compiled.

use serde::{Deserialize, Serialize};

use crate::subject::Digest;

/// Everything that is done to the agent's process before its first instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Who the agent is.
    pub user: User,
    /// Paths and what may be done beneath each. A path that is not beneath any of them is refused.
    pub filesystem: Vec<PathRule>,
    /// System call filter.
    pub seccomp: SeccompProfile,
    /// Resource limits.
    pub limits: Limits,
    /// Which files may be executed. `None`: every file that `filesystem` lets execute.
    pub executables: Option<Executables>,
}

/// The agent's user in the guest: an ordinary one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name, in the guest's list of users and in `USER`.
    pub name: String,
    /// User id, at least [`User::FIRST`].
    pub uid: u32,
    /// Group id, at least [`User::FIRST`].
    pub gid: u32,
    /// Its home directory, absolute.
    pub home: String,
}

impl User {
    /// The lowest id of an ordinary user or group; lower ones belong to the system.
    pub const FIRST: u32 = 1000;
    /// The highest one; above it are ids that the system makes up, or that mean "nobody".
    pub const LAST: u32 = 59_999;
}

impl Default for User {
    fn default() -> Self {
        Self { name: "agent".to_owned(), uid: 1000, gid: 1000, home: "/home/agent".to_owned() }
    }
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
    /// What shells, interpreters and plain programs need: no memory that becomes executable later.
    Strict,
    /// What `agent` allows, and user namespaces: browsers build their sandboxes of them.
    Developer,
}

/// Resource limits of the agent. What has no value is bounded by the machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most processes and threads at once, of the whole agent (`pids.max`, and `RLIMIT_NPROC`).
    pub processes: u64,
    /// Most open files of each process (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Most bytes of memory, of the whole agent (`memory.max`).
    pub memory: Option<u64>,
    /// Longest file that a process may write, in bytes (`RLIMIT_FSIZE`).
    pub file_size: Option<u64>,
    /// Seconds of processor time of each process (`RLIMIT_CPU`).
    pub cpu_time: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { processes: 4096, open_files: 65_536, memory: None, file_size: None, cpu_time: None }
    }
}

/// Which files may be executed. What no entry of `allow` names may not, and `deny` beats `allow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executables {
    /// What may be executed.
    pub allow: Vec<Executable>,
    /// What may not, although it is allowed.
    pub deny: Vec<Executable>,
}

/// Names files to execute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Executable {
    /// By path in the guest, after all links were followed.
    Path(Vec<Segment>),
    /// By content.
    Digest(Digest),
}

/// A part of a path, between slashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segment {
    /// These pieces, with any characters between each two: one piece is that name, two empty ones any.
    Like(Vec<String>),
    /// Any number of parts, none included.
    AnyNumber,
}
