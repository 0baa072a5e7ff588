//! Kernel settings that cost nothing and take tools away from a hostile agent. Each is one-way or belongs
//! to root, so nothing in the agent's namespaces turns it back.

use std::io;

use wire::confinement::SeccompProfile;

/// A file under `/proc/sys`, and what it is set to.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The file.
    pub name: &'static str,
    /// What is written to it.
    pub value: &'static str,
    presence: Presence,
}

const USER_NAMESPACES: &str = "user/max_user_namespaces";

/// A browser makes one for each of its processes.
const DEVELOPER: Setting = if_built(USER_NAMESPACES, "256");

/// All of them, in this order.
pub const SETTINGS: &[Setting] = &[
    always("kernel/kptr_restrict", "2"),
    always("kernel/dmesg_restrict", "1"),
    if_built("kernel/unprivileged_bpf_disabled", "1"),
    if_built("net/core/bpf_jit_harden", "2"),
    // Nobody but who holds `CAP_SYS_PTRACE`. With 3, guest-init itself could not see in which part of the kernel a
    // thread waits, by which it tells a program from its loader.
    if_built("kernel/yama/ptrace_scope", "2"),
    if_built("kernel/kexec_load_disabled", "1"),
    if_built("kernel/perf_event_paranoid", "3"),
    if_built("kernel/io_uring_disabled", "2"),
    // The way of whoever has no capability to every one that the kernel's own code asks for. Nobody in the guest makes one, but
    // where the profile is there for it.
    if_built(USER_NAMESPACES, "0"),
    // Where there are some: each takes memory that is nobody's.
    if_built("user/max_cgroup_namespaces", "256"),
    if_built("user/max_ipc_namespaces", "256"),
    // All that there are have been made.
    if_built("user/max_mnt_namespaces", "0"),
    if_built("user/max_net_namespaces", "256"),
    if_built("user/max_pid_namespaces", "256"),
    if_built("user/max_time_namespaces", "0"),
    if_built("user/max_uts_namespaces", "256"),
    if_built("vm/unprivileged_userfaultfd", "0"),
    if_built("dev/tty/legacy_tiocsti", "0"),
    always("fs/protected_symlinks", "1"),
    always("fs/protected_hardlinks", "1"),
    always("fs/protected_fifos", "2"),
    always("fs/protected_regular", "2"),
    always("fs/suid_dumpable", "0"),
    // Whoever holds a lease on a file lets others wait who open it: those who watch it as well.
    always("fs/leases-enable", "0"),
    // A panic resets at once, which the VMM reports with the kernel's reason.
    always("kernel/panic", "-1"),
    always("kernel/panic_on_oops", "1"),
    // The last one: no module is loaded after this.
    if_built("kernel/modules_disabled", "1"),
];

/// Whether a kernel may lack it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Always,
    IfBuilt,
}

const fn always(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, presence: Presence::Always }
}

const fn if_built(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, presence: Presence::IfBuilt }
}

/// A setting was refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot set {setting}")]
pub struct SettingError {
    setting: &'static str,
    #[source]
    cause: io::Error,
}

/// What an agent used in the last second stays in memory: rather than reading the same pages of its programs
/// again and again, a guest without memory gets to the point and ends the agent.
const WORKING_SET: (&str, &str) = ("/sys/kernel/mm/lru_gen/min_ttl_ms", "1000");

/// What the setting is for an agent of `profile`.
#[must_use]
pub fn for_profile(setting: &Setting, profile: SeccompProfile) -> Setting {
    match (setting.name, profile) {
        (USER_NAMESPACES, SeccompProfile::Developer) => DEVELOPER,
        _same_for_all => *setting,
    }
}

/// Applies them all, for an agent of `profile`.
///
/// # Errors
/// A setting that every kernel has was refused, or one that is there was.
pub fn apply(profile: SeccompProfile) -> Result<(), SettingError> {
    let (working_set, age) = WORKING_SET;
    if let Err(cause) = std::fs::write(working_set, age)
        && cause.kind() != io::ErrorKind::NotFound
    {
        return Err(SettingError { setting: working_set, cause });
    }
    SETTINGS.iter().try_for_each(|setting| for_profile(setting, profile).apply())
}

impl Setting {
    /// Applies this one.
    ///
    /// # Errors
    /// It was refused, or every kernel has it and this one has not.
    pub fn apply(&self) -> Result<(), SettingError> {
        match std::fs::write(format!("/proc/sys/{}", self.name), self.value) {
            Ok(()) => Ok(()),
            Err(error) if self.presence == Presence::IfBuilt && error.kind() == io::ErrorKind::NotFound => {
                Ok(())
            }
            Err(cause) => Err(SettingError { setting: self.name, cause }),
        }
    }
}
