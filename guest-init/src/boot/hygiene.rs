//! Kernel settings that cost nothing and take tools away from a hostile agent. Each is one-way or belongs
//! to root, so nothing in the agent's namespaces turns it back.

use std::io;

/// File under `/proc/sys`, value, and whether a kernel may lack it.
const SETTINGS: &[(&str, &str, Presence)] = &[
    ("kernel/kptr_restrict", "2", Presence::Always),
    ("kernel/dmesg_restrict", "1", Presence::Always),
    ("kernel/unprivileged_bpf_disabled", "1", Presence::IfBuilt),
    ("net/core/bpf_jit_harden", "2", Presence::IfBuilt),
    // Nobody but who holds `CAP_SYS_PTRACE`. With 3, guest-init itself could not see in which part of the kernel a
    // thread waits, by which it tells a program from its loader.
    ("kernel/yama/ptrace_scope", "2", Presence::IfBuilt),
    ("kernel/kexec_load_disabled", "1", Presence::IfBuilt),
    ("kernel/perf_event_paranoid", "3", Presence::IfBuilt),
    ("kernel/io_uring_disabled", "2", Presence::IfBuilt),
    ("vm/unprivileged_userfaultfd", "0", Presence::IfBuilt),
    ("dev/tty/legacy_tiocsti", "0", Presence::IfBuilt),
    ("fs/protected_symlinks", "1", Presence::Always),
    ("fs/protected_hardlinks", "1", Presence::Always),
    ("fs/protected_fifos", "2", Presence::Always),
    ("fs/protected_regular", "2", Presence::Always),
    ("fs/suid_dumpable", "0", Presence::Always),
    // Whoever holds a lease on a file lets others wait who open it: those who watch it as well.
    ("fs/leases-enable", "0", Presence::Always),
    // A panic resets at once, which the VMM reports with the kernel's reason.
    ("kernel/panic", "-1", Presence::Always),
    ("kernel/panic_on_oops", "1", Presence::Always),
    // The last one: no module is loaded after this.
    ("kernel/modules_disabled", "1", Presence::IfBuilt),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Always,
    IfBuilt,
}

/// A setting was refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot set {setting}")]
pub(crate) struct HygieneError {
    setting: &'static str,
    #[source]
    cause: io::Error,
}

/// What an agent used in the last second stays in memory: rather than reading the same pages of its programs
/// again and again, a guest without memory gets to the point and ends the agent.
const WORKING_SET: (&str, &str) = ("/sys/kernel/mm/lru_gen/min_ttl_ms", "1000");

/// Applies them all.
///
/// # Errors
/// A setting that every kernel has was refused, or one that is there was.
pub(crate) fn apply() -> Result<(), HygieneError> {
    let (working_set, age) = WORKING_SET;
    if let Err(cause) = std::fs::write(working_set, age)
        && cause.kind() != io::ErrorKind::NotFound
    {
        return Err(HygieneError { setting: working_set, cause });
    }
    for (setting, value, presence) in SETTINGS {
        match std::fs::write(format!("/proc/sys/{setting}"), value) {
            Ok(()) => {}
            Err(error) if *presence == Presence::IfBuilt && error.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(HygieneError { setting, cause }),
        }
    }
    Ok(())
}
