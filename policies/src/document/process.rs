//! The `process` part, as written.

use serde::{Deserialize, Serialize};
use wire::confinement::SeccompProfile;

use super::Lists;
use crate::place::At;

/// What the agent's processes may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'user', 'seccomp', 'limits' and 'executables'")]
pub struct Process {
    /// Who the agent is: a name, `UID` or `UID:GID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<At<String>>,
    /// System call filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<At<SeccompProfile>>,
    /// Resource limits.
    #[serde(default)]
    pub limits: Limits,
    /// Which files may be executed: paths, names, `sha256:…`. Without it, every file that `filesystem` lets
    /// execute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executables: Option<At<Lists>>,
}

/// Resource limits, as written; what is left out has the default of [`wire::confinement::Limits`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with 'processes', 'open_files', 'memory', 'file_size', 'cpu_time'"
)]
pub struct Limits {
    /// Most processes and threads at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<At<u64>>,
    /// Most open files of each process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<At<u64>>,
    /// Most memory of all processes together: `768MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<At<String>>,
    /// Longest file that may be written: `1GiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<At<String>>,
    /// Processor time of each process: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_time: Option<At<String>>,
}
