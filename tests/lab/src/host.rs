//! Which kind of KVM this machine has, and so whether a command needs the lab.

use std::fs::{self, File};
use std::io::ErrorKind;

/// What `/dev/kvm` is worth on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It opens and the processor has `vmx` or `svm`.
    Hardware,
    /// It opens, but the processor has neither: a software KVM, which cannot boot a stock kernel.
    Software,
    /// It exists and this user may not open it.
    NoPermission,
    /// It does not exist.
    Absent,
}

impl Support {
    /// Looks at this machine.
    #[must_use]
    pub fn detect() -> Self {
        match File::options().read(true).write(true).open("/dev/kvm") {
            Ok(_) if has_virtualisation(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()) => {
                Self::Hardware
            }
            Ok(_) => Self::Software,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Self::NoPermission,
            Err(_) => Self::Absent,
        }
    }

    /// Why, in one line.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Hardware => "/dev/kvm opens and the processor has vmx or svm",
            Self::Software => "/dev/kvm opens, but the processor shows neither vmx nor svm: a software KVM",
            Self::NoPermission => "/dev/kvm exists, but this user may not open it",
            Self::Absent => "there is no usable /dev/kvm",
        }
    }
}

fn has_virtualisation(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_whole_words() {
        assert!(has_virtualisation("processor: 0\nflags\t\t: fpu svm nx\n"));
        assert!(!has_virtualisation("flags\t\t: fpu svm_lock vmmcall\nbugs: svm\n"));
    }
}
