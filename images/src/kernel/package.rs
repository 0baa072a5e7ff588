//! A Debian package by name: which one a meta-package stands for, fetched by apt (which checks its hash against
//! the signed lists), unpacked by dpkg-deb. The registry is apt's configuration, never a host name here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::stop::Stop;
use crate::tool::{self, Running, ToolError};

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A program of Debian's package tools is missing or failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
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

/// Fetches the package that `meta` depends on into `folder`, unless `stop` is asked.
pub(super) fn fetch(meta: &str, folder: &Path, stop: &Stop) -> Result<Package, PackageError> {
    let depends = tool::APT_CACHE.run(["depends", "--important", meta])?;
    let real = first_dependency(&String::from_utf8_lossy(&depends)).unwrap_or_else(|| meta.to_owned());
    let mut download = tool::APT_GET.bound_command()?;
    download.command.args(["--quiet", "download", &real]).current_dir(folder);
    Running::start(tool::APT_GET, download)?.watch(stop, &mut |_message| {})?;
    let file = find_package(folder)?.ok_or(PackageError::NoFile(real))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = fs::read(&file).map_err(|source| PackageError::Read { path: file.clone(), source })?;
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Package { file, name, sha256 })
}

/// Unpacks a package's files into `tree`, unless `stop` is asked.
pub(super) fn unpack(package: &Path, tree: &Path, stop: &Stop) -> Result<(), PackageError> {
    let mut unpack = tool::DPKG_DEB.bound_command()?;
    unpack.command.arg("--extract").arg(package).arg(tree);
    Ok(Running::start(tool::DPKG_DEB, unpack)?.watch(stop, &mut |_message| {})?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_package_stands_for_its_first_dependency() {
        let text = "linux-image-6.12-cloud-amd64\n  Depends: linux-image-6.12.117+deb12-cloud-amd64\n";
        assert_eq!(first_dependency(text).as_deref(), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(first_dependency("linux-image-amd64\n"), None);
    }
}
