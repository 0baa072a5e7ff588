//! Which kind of `/dev/kvm` this machine has. A software KVM answers every ioctl and still cannot boot a
//! stock kernel, so the processor's own flags are part of the answer.

use std::fs::{self, File};
use std::io::ErrorKind;

use crate::failure::Failure;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// `/dev/kvm` opens and the processor has `vmx` or `svm`.
    Hardware,
    /// `/dev/kvm` opens, but the processor has neither flag: a software KVM.
    Software,
    /// `/dev/kvm` exists and may not be opened.
    NoPermission,
    /// There is no `/dev/kvm`.
    Absent,
}

impl Support {
    /// Looks at this machine.
    #[must_use]
    pub fn detect() -> Self {
        match open() {
            Ok(_kvm) if has_virtualisation(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()) => {
                Self::Hardware
            }
            Ok(_kvm) => Self::Software,
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Absent,
            Err(_refused) => Self::NoPermission,
        }
    }

    /// What it means, in one line.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Hardware => "hardware KVM: microVMs run directly",
            Self::Software => {
                "software KVM: /dev/kvm opens but the processor shows neither vmx nor svm, so a stock kernel cannot boot"
            }
            Self::NoPermission => "/dev/kvm exists but this user may not open it",
            Self::Absent => "there is no /dev/kvm",
        }
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Hardware => "nothing to do",
            Self::Software => {
                "use a machine (or a cloud instance type) with hardware or nested virtualisation, or the KVM lab: cargo xtask demo"
            }
            Self::NoPermission => {
                "add yourself to the kvm group (sudo usermod -aG kvm $USER) and log in again"
            }
            Self::Absent => {
                "enable virtualisation in the firmware and load kvm_intel or kvm_amd, or use the KVM lab: cargo xtask demo"
            }
        }
    }
}

/// Opens `/dev/kvm` for a machine.
///
/// # Errors
/// It cannot boot a stock kernel, or may not be opened; the failure says which and what to do.
pub fn open_for_machine() -> Result<File, Failure> {
    match Support::detect() {
        Support::Hardware => open().map_err(|error| {
            Failure::new(format_args!("cannot open /dev/kvm: {error}"), Support::NoPermission.remedy())
        }),
        other => Err(Failure::new(other.describe(), other.remedy())),
    }
}

fn open() -> std::io::Result<File> {
    File::options().read(true).write(true).open("/dev/kvm")
}

/// Whether `/proc/cpuinfo` lists Intel's or AMD's virtualisation.
fn has_virtualisation(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace)
        .any(|flag| flag == "vmx" || flag == "svm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_whole_words() {
        assert!(has_virtualisation("flags\t\t: fpu svm nx\n"));
        assert!(has_virtualisation("flags: vmx"));
        assert!(!has_virtualisation("flags: fpu vmmcall svm_lock\nbugs: svm\n"));
        assert!(!has_virtualisation(""));
    }
}
