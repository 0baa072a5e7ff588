//! The stock Debian kernel: fetched by package name, checked by apt, unpacked once into a cache.
//!
//! Owns `<cache>/kernel/<version>/`: `vmlinux` (the ELF that a VMM loads), `modules/` (the package's module
//! tree, each file decompressed the first time that somebody asks for it) and `package.sha256`. A version folder
//! is made under another name and renamed, so what stands under its own name is complete.
//! Must never know: what a kernel is booted for.

mod bzimage;
mod modules;
mod package;

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use bzimage::BzImageError;
pub use modules::ModuleError;
pub use package::PackageError;

use crate::stop::Stop;

/// The package whose dependency is the current stock kernel.
pub const PACKAGE: &str = "linux-image-6.12-cloud-amd64";

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The uncompressed ELF image.
    pub vmlinux: PathBuf,
    /// What `uname -r` says in it, e.g. `6.12.117+deb12-cloud-amd64`.
    pub version: String,
    /// The module tree (the folder that holds `kernel/` and `modules.builtin`).
    pub modules: PathBuf,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The package could not be fetched or unpacked.
    #[error("cannot get the package {PACKAGE}")]
    Package(#[source] PackageError),
    /// The package holds no kernel image, or more than one.
    #[error("the kernel package has no boot/vmlinuz-*")]
    NoImage,
    /// The image could not be turned into an ELF.
    #[error("cannot extract vmlinux from {path}")]
    Extract {
        /// The compressed image.
        path: PathBuf,
        /// What was wrong with it.
        #[source]
        source: BzImageError,
    },
    /// A module is missing or unreadable.
    #[error("cannot prepare the kernel modules")]
    Module(#[source] ModuleError),
    /// The cache could not be written or read.
    #[error("cannot use the kernel cache at {path}")]
    Cache {
        /// The path in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Kernel {
    /// The newest kernel in `<cache>/kernel`, fetched first when there is none. Needs the network and `apt-get`
    /// only in that case. Safe to call from several processes at once.
    ///
    /// # Errors
    /// The package cannot be fetched or unpacked, the cache cannot be written, or `stop` was asked meanwhile.
    pub fn ensure(cache: &Path, stop: &Stop) -> Result<Self, KernelError> {
        let store = cache.join("kernel");
        fs::create_dir_all(&store).map_err(at(&store))?;
        match newest(&store)? {
            Some(kernel) => Ok(kernel),
            None => install(&store, stop),
        }
    }

    /// The files of the named modules and of everything they depend on, decompressed, in loading order. A module
    /// that is built into this kernel needs no file and is left out.
    ///
    /// # Errors
    /// A name is unknown to this kernel, or a file cannot be decompressed.
    pub fn module_closure(&self, names: &[&str]) -> Result<Vec<PathBuf>, KernelError> {
        modules::closure(&self.modules, names).map_err(KernelError::Module)
    }

    fn in_folder(folder: &Path, version: &str) -> Self {
        Self { vmlinux: folder.join("vmlinux"), version: version.to_owned(), modules: folder.join("modules") }
    }
}

/// The cache that every part of the product shares: `$XDG_CACHE_HOME/openshell`, else `~/.cache/openshell`.
#[must_use]
pub fn default_cache() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from("/var/cache"))
        .join("openshell")
}

/// The newest complete kernel of the store.
fn newest(store: &Path) -> Result<Option<Kernel>, KernelError> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(store).map_err(at(store))? {
        let name = entry.map_err(at(store))?.file_name();
        // A name that starts with a dot is a folder still in the making.
        match name.to_str() {
            Some(name) if !name.starts_with('.') && store.join(name).join("vmlinux").is_file() => {
                versions.push(name.to_owned());
            }
            _unfinished => {}
        }
    }
    Ok(versions
        .into_iter()
        .max_by(|a, b| compare(a, b))
        .map(|version| Kernel::in_folder(&store.join(&version), &version)))
}

/// Orders versions by their numbers, so that 6.12.117 comes after 6.12.9.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    numbers(a).cmp(&numbers(b)).then_with(|| a.cmp(b))
}

/// Fetches the package and unpacks it into the store.
fn install(store: &Path, stop: &Stop) -> Result<Kernel, KernelError> {
    let work = tempfile::Builder::new().prefix(".kernel-").tempdir_in(store).map_err(at(store))?;
    let package = package::fetch(PACKAGE, work.path(), stop).map_err(KernelError::Package)?;
    let tree = work.path().join("tree");
    package::unpack(&package.file, &tree, stop).map_err(KernelError::Package)?;

    let (image, version) = image_of(&tree)?;
    let made = work.path().join("made");
    fs::create_dir(&made).map_err(at(&made))?;
    let packed = fs::read(&image).map_err(at(&image))?;
    let vmlinux =
        bzimage::extract(&packed).map_err(|source| KernelError::Extract { path: image.clone(), source })?;
    fs::write(made.join("vmlinux"), vmlinux).map_err(at(&made))?;
    fs::write(made.join("package.sha256"), format!("{}  {}\n", package.sha256, package.name))
        .map_err(at(&made))?;
    let modules = tree.join("lib/modules").join(&version);
    fs::rename(&modules, made.join("modules")).map_err(at(&modules))?;

    let home = store.join(&version);
    match fs::rename(&made, &home) {
        // Another process was faster; its folder is as good as ours.
        Err(_taken) if home.join("vmlinux").is_file() => {}
        other => other.map_err(at(&home))?,
    }
    Ok(Kernel::in_folder(&home, &version))
}

/// The kernel image of an unpacked package, and its version.
fn image_of(tree: &Path) -> Result<(PathBuf, String), KernelError> {
    let boot = tree.join("boot");
    for entry in fs::read_dir(&boot).map_err(at(&boot))? {
        let entry = entry.map_err(at(&boot))?;
        if let Some(version) = entry.file_name().to_str().and_then(|name| name.strip_prefix("vmlinuz-")) {
            return Ok((entry.path(), version.to_owned()));
        }
    }
    Err(KernelError::NoImage)
}

fn at(path: &Path) -> impl Fn(io::Error) -> KernelError + '_ {
    move |source| KernelError::Cache { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(compare("6.12.117+deb12-cloud-amd64", "6.12.9+deb12-cloud-amd64"), Ordering::Greater);
        assert_eq!(compare("6.12.9", "6.12.9"), Ordering::Equal);
    }

    #[test]
    fn the_newest_complete_kernel_is_chosen() {
        let store = tempfile::tempdir().unwrap();
        for (version, complete) in
            [("6.12.9", true), ("6.12.117", true), ("6.13.1", false), (".kernel-x", true)]
        {
            fs::create_dir(store.path().join(version)).unwrap();
            if complete {
                fs::write(store.path().join(version).join("vmlinux"), b"").unwrap();
            }
        }
        assert_eq!(newest(store.path()).unwrap().unwrap().version, "6.12.117");
    }
}
