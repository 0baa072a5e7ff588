//! The kernel's settings, as the product sets them and as they could be, and as they were.

use jail_layers::settings::{SETTINGS, Setting};

/// What each would be that can be set back; the others a machine keeps until it is turned off.
const WEAK: [(&str, &str); 9] = [
    ("dev/tty/legacy_tiocsti", "1"),
    ("fs/protected_hardlinks", "0"),
    ("kernel/dmesg_restrict", "0"),
    ("kernel/io_uring_disabled", "0"),
    ("kernel/kptr_restrict", "0"),
    ("kernel/perf_event_paranoid", "2"),
    ("kernel/yama/ptrace_scope", "0"),
    ("user/max_user_namespaces", "1000"),
    ("vm/unprivileged_userfaultfd", "1"),
];

/// Settings that were weakened; put back when dropped.
pub(super) struct Settings(Vec<Weakened>);

struct Weakened {
    setting: &'static Setting,
    weak: &'static str,
    before: String,
}

impl Settings {
    /// Those that this kernel has.
    pub(super) fn weaken() -> Self {
        let weakened = WEAK.iter().filter_map(|(name, weak)| {
            let setting = SETTINGS.iter().find(|setting| setting.name == *name)?;
            let before = std::fs::read_to_string(path(name)).ok()?;
            Some(Weakened { setting, weak, before })
        });
        Self(weakened.collect())
    }

    /// Sets each as the product does, or not.
    pub(super) fn hold(&self, strong: bool) {
        for one in &self.0 {
            if strong {
                one.setting.apply().unwrap();
            } else {
                std::fs::write(path(one.setting.name), one.weak).unwrap();
            }
        }
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for one in &self.0 {
            // What could not be changed has not changed.
            let _refused = std::fs::write(path(one.setting.name), one.before.trim());
        }
    }
}

fn path(name: &str) -> String {
    format!("/proc/sys/{name}")
}
