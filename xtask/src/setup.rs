//! `cargo xtask setup`: installs what building, testing and the demo need, as Debian packages by name.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::receivers;
use crate::workspace::Workspace;

/// A package, and a file that shows that it (or something as good) is there: an absolute path, or a program.
struct Need {
    package: &'static str,
    proof: &'static str,
}

const NEEDS: [Need; 28] = [
    // To build.
    Need { package: "gcc", proof: "cc" },
    Need { package: "libc6-dev", proof: "/usr/include/stdio.h" },
    Need { package: "git", proof: "git" },
    // The KVM lab.
    Need { package: "qemu-system-x86", proof: "qemu-system-x86_64" },
    Need { package: "qemu-system-common", proof: "/usr/lib/qemu/virtiofsd" },
    Need { package: "busybox-static", proof: "/bin/busybox" },
    Need { package: "cpio", proof: "cpio" },
    Need { package: "tar", proof: "tar" },
    Need { package: "procps", proof: "ps" },
    Need { package: "util-linux", proof: "setpriv" },
    // Images.
    Need { package: "mmdebstrap", proof: "mmdebstrap" },
    // Who is not root makes files of other users by it.
    Need { package: "uidmap", proof: "newuidmap" },
    Need { package: "erofs-utils", proof: "mkfs.erofs" },
    Need { package: "e2fsprogs", proof: "mke2fs" },
    Need { package: "debian-archive-keyring", proof: "/usr/share/keyrings/debian-archive-keyring.gpg" },
    Need { package: "xz-utils", proof: "xz" },
    Need { package: "zstd", proof: "zstd" },
    // The demo's servers, and the scenarios.
    Need { package: "nginx-light", proof: "nginx" },
    Need { package: "openssl", proof: "openssl" },
    Need { package: "curl", proof: "curl" },
    Need { package: "python3", proof: "python3" },
    Need { package: "iproute2", proof: "ip" },
    // A token for the audit signer's tests, and the tool that makes a key in it.
    Need { package: "softhsm2", proof: "softhsm2-util" },
    Need { package: "opensc", proof: "pkcs11-tool" },
    // Receivers of the exports' tests, and what fetches another one.
    Need { package: "rsyslog", proof: "rsyslogd" },
    Need { package: "rsyslog-openssl", proof: "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so" },
    Need { package: "python3-pip", proof: "pip3" },
    // The scanner of the proxy's tests.
    Need { package: "clamav-daemon", proof: "clamd" },
];

/// Folders where programs are, beside those of `PATH`: a user's own does not name the administrator's.
const ADMINISTRATOR: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Installs what is missing.
pub(crate) fn run() -> Result<ExitCode> {
    println!("setup: {}", ensure_all(&Workspace::load()?)?);
    Ok(ExitCode::SUCCESS)
}

/// Installs what is missing, for the tests too; returns the summary.
pub(crate) fn ensure_all(workspace: &Workspace) -> Result<String> {
    Ok(format!("{}; {}", ensure_installed()?, receivers::ensure(workspace, &mut update_lists)?))
}

fn update_lists() -> Result<()> {
    as_root(&["apt-get", "--quiet", "update"])
}

/// Installs what is missing; returns the summary.
pub(crate) fn ensure_installed() -> Result<String> {
    let missing = missing_packages();
    if missing.is_empty() && knows_kernel() {
        return Ok(format!("{} packages are there", NEEDS.len()));
    }
    let names = missing.join(" ");
    let by_hand = || format!("cannot install the missing packages; install them yourself: {names}");
    ensure!(is_there("apt-get"), "{} (this is no Debian)", by_hand());
    if !knows_kernel() {
        update_lists().with_context(by_hand)?;
        ensure!(
            knows_kernel(),
            "apt knows no {}; use Debian 12 with its security updates",
            lab::KERNEL_PACKAGE
        );
    }
    install(&missing).with_context(by_hand)?;
    let still = missing_packages();
    ensure!(still.is_empty(), "still missing after the installation: {}", still.join(" "));
    Ok(if missing.is_empty() { "updated apt's lists".to_owned() } else { format!("installed {names}") })
}

fn missing_packages() -> Vec<&'static str> {
    NEEDS.iter().filter(|need| !is_there(need.proof)).map(|need| need.package).collect()
}

/// Installs with the lists as they are, and with new ones when those are too old.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let command = [&["apt-get", "--quiet", "--yes", "--no-install-recommends", "install"], packages].concat();
    as_root(&command).or_else(|_too_old| {
        update_lists()?;
        as_root(&command)
    })
}

fn is_there(proof: &str) -> bool {
    if proof.starts_with('/') {
        return Path::new(proof).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(ADMINISTRATOR.map(Into::into));
    folders.into_iter().any(|folder| folder.join(proof).is_file())
}

/// Whether apt could fetch the stock kernel, or has before.
fn knows_kernel() -> bool {
    let mut apt = Command::new("apt-cache");
    apt.args(["show", "--no-all-versions", lab::KERNEL_PACKAGE]).stdout(Stdio::null()).stderr(Stdio::null());
    apt.status().is_ok_and(|status| status.success())
}

/// Runs a command as root; asks sudo when we are not.
fn as_root(argv: &[&str]) -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    let argv = if is_root { argv.to_vec() } else { [&["sudo"], argv].concat() };
    println!("       {}", argv.join(" "));
    let status = Command::new(argv[0])
        .args(&argv[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", argv[0]))?;
    if status.success() { Ok(()) } else { bail!("{} failed ({status})", argv.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_a_path_or_a_program() {
        assert!(is_there("/etc/passwd"));
        assert!(is_there("sh"));
        assert!(!is_there("/etc/no-such-file"));
        assert!(!is_there("no-such-program"));
    }

    #[test]
    fn no_package_stands_twice() {
        let mut names: Vec<&str> = NEEDS.iter().map(|need| need.package).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NEEDS.len());
    }
}
