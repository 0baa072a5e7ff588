//! What this machine can do and what is missing, for `openshell doctor`.

use std::path::Path;

use serde::Serialize;

use crate::kvm::Support;
use crate::layout::{Layout, Program};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// What was found, in one line.
    pub state: String,
    /// What to do about it; `None` when all is well.
    pub remedy: Option<String>,
}

/// Debian's programs that images are made with, and the packages that hold them.
const TOOLS: [(&str, &str); 3] =
    [("mmdebstrap", "mmdebstrap"), ("mkfs.erofs", "erofs-utils"), ("mke2fs", "e2fsprogs")];

/// Oldest kernel that can confine the host's processes with Landlock.
const OLDEST_KERNEL: (u32, u32) = (5, 13);

/// Looks at this machine.
#[must_use]
pub fn examine(layout: &Layout) -> Vec<Finding> {
    let mut findings = vec![kvm(), kernel()];
    findings.extend(TOOLS.map(|(tool, package)| self::tool(tool, package)));
    let programs = [
        Program::Vmm,
        Program::Proxy,
        Program::Router,
        Program::Serving,
        Program::Audit,
        Program::Mount,
        Program::Vault,
        Program::GuestInit,
    ];
    findings.extend(programs.map(|program| installed(layout, program)));
    findings
}

fn kvm() -> Finding {
    let support = Support::detect();
    let remedy = (support != Support::Hardware).then(|| support.remedy().to_owned());
    Finding { subject: "KVM".to_owned(), state: support.describe().to_owned(), remedy }
}

fn kernel() -> Finding {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-', '+']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let remedy = (version < OLDEST_KERNEL).then(|| {
        format!(
            "use Linux {}.{} or newer: the host's processes are confined with Landlock",
            OLDEST_KERNEL.0, OLDEST_KERNEL.1
        )
    });
    Finding { subject: "host kernel".to_owned(), state: release, remedy }
}

fn tool(name: &str, package: &str) -> Finding {
    let found = on_path(name);
    Finding {
        subject: name.to_owned(),
        state: if found { "installed".to_owned() } else { "missing".to_owned() },
        remedy: (!found).then(|| format!("install the Debian package {package}")),
    }
}

fn installed(layout: &Layout, program: Program) -> Finding {
    let found = layout.program(program);
    Finding {
        subject: program.file_name().to_owned(),
        state: found.as_ref().map_or_else(|failure| failure.cause.clone(), |path| path.display().to_string()),
        remedy: found.err().map(|failure| failure.remedy),
    }
}

/// mkfs and its like live in `sbin`, which is not on every user's `PATH`.
fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).collect::<Vec<_>>();
    let system = ["/usr/sbin", "/sbin", "/usr/bin"].map(Into::into);
    named.iter().chain(&system).any(|dir| Path::new(dir).join(name).is_file())
}
