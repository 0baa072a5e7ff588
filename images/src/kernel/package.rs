//! A Debian package by name: which one a meta-package stands for, fetched by apt (which checks its hash against
//! the signed lists), unpacked by dpkg-deb. The registry is apt's configuration, never a host name here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A program of Debian's package tools is missing.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program ran and failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// The program.
        program: &'static str,
        /// Its last line on stderr.
        message: String,
    },
    /// apt said that all was well and there is no file.
    #[error("apt-get downloaded no file for {0} (try: apt-get update)")]
    NoFile(String),
    /// The file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A fetched package.
#[derive(Debug)]
pub(super) struct Package {
    /// Its file.
    pub(super) file: PathBuf,
    /// Its file's name, which holds package, version and architecture.
    pub(super) name: String,
    /// The file's SHA-256, in hex.
    pub(super) sha256: String,
}

/// Fetches the package that `meta` depends on into `folder`.
pub(super) fn fetch(meta: &str, folder: &Path) -> Result<Package, PackageError> {
    let depends = run(
        "apt-cache",
        Command::new("apt-cache").env("LC_ALL", "C").args(["depends", "--important", meta]),
    )?;
    let real = first_dependency(&String::from_utf8_lossy(&depends.stdout)).unwrap_or_else(|| meta.to_owned());
    run("apt-get", Command::new("apt-get").args(["--quiet", "download", &real]).current_dir(folder))?;
    let file = find_package(folder)?.ok_or(PackageError::NoFile(real))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = fs::read(&file).map_err(|source| PackageError::Read { path: file.clone(), source })?;
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Package { file, name, sha256 })
}

/// Unpacks a package's files into `tree`.
pub(super) fn unpack(package: &Path, tree: &Path) -> Result<(), PackageError> {
    run("dpkg-deb", Command::new("dpkg-deb").arg("--extract").arg(package).arg(tree)).map(drop)
}

/// The first plain `Depends:` line of `apt-cache depends`.
fn first_dependency(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned)
}

fn find_package(folder: &Path) -> Result<Option<PathBuf>, PackageError> {
    let unread = |source| PackageError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn run(program: &'static str, command: &mut Command) -> Result<Output, PackageError> {
    let output = command.output().map_err(|source| PackageError::Start { program, source })?;
    if output.status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message =
        stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned();
    Err(PackageError::Failed { program, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_package_stands_for_its_first_dependency() {
        let text = "linux-image-6.12-cloud-amd64\n  Depends: linux-image-6.12.117+deb12-cloud-amd64\n";
        assert_eq!(first_dependency(text).as_deref(), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(first_dependency("linux-image-amd64\n"), None);
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let error =
            run("sh", Command::new("sh").args(["-c", "echo first >&2; echo why >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh failed: why");
    }
}
