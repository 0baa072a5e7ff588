//! The initramfs: guest-init as `/init`, the kernel modules that it loads, and `/modules.list`, which names them in
//! loading order. Uncompressed: the kernel then only copies it, which under emulation is much cheaper than unpacking.
//! Modules come without their signatures: the host has them from a package that it verified, the archive with its
//! `/init` is trusted as a whole, and checking 26 RSA signatures took longer than everything else after the kernel.
//!
//! Owns `<cache>/initramfs/<key>.cpio`. The key covers everything that goes in (kernel version, module names, and
//! guest-init's identity as a file), so a file that is there is what a new build would make, and a start of a
//! sandbox reads neither modules nor guest-init. Must never know what guest-init does.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cpio::{self, Archive, TooLarge};
use crate::digest::{Digest, Hasher};
use crate::kernel::{Kernel, KernelError};

/// What the guest needs of the stock kernel, by name; dependencies follow by themselves. The order is the order in
/// which guest-init loads them: first what carries the control channel.
pub const MODULES: &[&str] = &[
    "virtio_mmio",
    "vmw_vsock_virtio_transport",
    "virtio_blk",
    "virtio-rng",
    // The root image is checked with it: the kernel's own SHA-256 makes no use of what processors have for it.
    "sha256-ssse3",
    "dm-verity",
    "erofs",
    "overlay",
    "dummy",
    "nf_tables",
    "nft_chain_nat",
    "nft_redir",
    "nft_ct",
    "nft_reject_inet",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "unix_diag",
    "virtio_balloon",
];

/// Raised when the archive's layout changes, so that older files are not taken for new ones.
const LAYOUT: u32 = 2;
/// The last bytes of a signed module.
const SIGNED: &[u8] = b"~Module signature appended~\n";
/// Files that nobody used for so long are removed when a new one is made.
const KEEP: Duration = Duration::from_hours(7 * 24);

/// Why there is no initramfs.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// guest-init is not where it should be.
    #[error("cannot read guest-init at {path}")]
    Init {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// guest-init needs a loader that the guest does not have.
    #[error("guest-init at {path} is not a static x86-64 executable")]
    NotStatic {
        /// The file.
        path: PathBuf,
    },
    /// The kernel's modules cannot be had.
    #[error("cannot collect the kernel modules")]
    Modules(#[source] KernelError),
    /// A file does not fit into the archive format.
    #[error(transparent)]
    TooLarge(TooLarge),
    /// A module cannot be read.
    #[error("cannot read the kernel module {path}")]
    Module {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The cache cannot be read or written.
    #[error("cannot use the initramfs cache at {path}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl InitramfsError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Init { .. } | Self::NotStatic { .. } => {
                "install openshell again: guest-init belongs beside the openshell program".into()
            }
            Self::Modules(_) | Self::Module { .. } | Self::TooLarge(_) => {
                "remove the folder `kernel` in openshell's cache; the next run fetches it again".into()
            }
            Self::Cache { path, .. } => {
                format!("check that {} is writable and that its disk has space", path.display())
            }
        }
    }
}

/// The initramfs for `kernel` with the executable `init`, from the cache when it is there.
///
/// # Errors
/// guest-init or a module cannot be read, or the cache cannot be written; then nothing half-made is left.
pub fn build(kernel: &Kernel, init: &Path, cache: &Path) -> Result<PathBuf, InitramfsError> {
    let folder = cache.join("initramfs");
    let path = folder.join(format!("{}.cpio", key(kernel, init)?));
    if is_whole(&path) {
        touch(&path);
        return Ok(path);
    }
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let modules = kernel.module_closure(MODULES).map_err(InitramfsError::Modules)?;
    let archive = archive(init, &modules)?;
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&folder).map_err(at(&folder))?;
    file.write_all(&archive).map_err(at(&path))?;
    file.as_file().sync_all().map_err(at(&path))?;
    file.persist(&path).map_err(|error| at(&path)(error.error))?;
    remove_unused(&folder);
    Ok(path)
}

/// Everything that decides about the archive's content.
fn key(kernel: &Kernel, init: &Path) -> Result<Digest, InitramfsError> {
    let metadata = fs::metadata(init).map_err(missing(init))?;
    let mut hasher = Hasher::default();
    hasher.field(&LAYOUT.to_le_bytes());
    hasher.field(kernel.version.as_bytes());
    hasher.field(kernel.modules.as_os_str().as_bytes());
    MODULES.iter().for_each(|module| hasher.field(module.as_bytes()));
    hasher.field(init.as_os_str().as_bytes());
    for number in [metadata.ino(), metadata.len()] {
        hasher.field(&number.to_le_bytes());
    }
    // The change time as well: it tells a file that was put in place with its old modification time.
    for number in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
        hasher.field(&number.to_le_bytes());
    }
    Ok(hasher.finish())
}

/// The archive's bytes.
fn archive(init: &Path, modules: &[PathBuf]) -> Result<Vec<u8>, InitramfsError> {
    let mut archive = Archive::default();
    archive.directory("dev");
    // Without these two the kernel gives init no console, and a panic of init no voice.
    archive.character_device("dev/console", (5, 1));
    archive.character_device("dev/null", (1, 3));
    for folder in ["proc", "sys", "modules"] {
        archive.directory(folder);
    }
    let program = fs::read(init).map_err(missing(init))?;
    if !is_static(&program) {
        return Err(InitramfsError::NotStatic { path: init.to_owned() });
    }
    archive.file("init", 0o755, &program).map_err(InitramfsError::TooLarge)?;
    let mut list = String::new();
    for module in modules {
        let content =
            fs::read(module).map_err(|source| InitramfsError::Module { path: module.clone(), source })?;
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        archive
            .file(&format!("modules/{name}"), 0o644, unsigned(&content))
            .map_err(InitramfsError::TooLarge)?;
        list += &format!("/modules/{name}\n");
    }
    archive.file("modules.list", 0o644, list.as_bytes()).map_err(InitramfsError::TooLarge)?;
    Ok(archive.finish())
}

/// A module without the signature at its end: the signature, what describes it (12 bytes, of which the last four
/// are the signature's length), and a mark (the kernel's `struct module_signature`).
fn unsigned(module: &[u8]) -> &[u8] {
    let cut = || {
        let (before, description) = module.strip_suffix(SIGNED)?.split_last_chunk::<12>()?;
        let [.., a, b, c, d] = *description;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        before.get(..before.len().checked_sub(length)?)
    };
    cut().unwrap_or(module)
}

/// Whether a file is an x86-64 ELF executable without an interpreter (ELF specification, program headers).
fn is_static(program: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(program.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(program.get(at..at + 4)?.try_into().ok()?));
    let offset = || usize::try_from(u64::from_le_bytes(program.get(32..40)?.try_into().ok()?)).ok();
    let headers = || {
        let (start, size, count) = (offset()?, usize::from(half(54)?), usize::from(half(56)?));
        (0..count).map(|index| word(start.checked_add(index * size)?)).collect::<Option<Vec<u32>>>()
    };
    // 64-bit, little endian; machine 62 is x86-64.
    let x86_64 = program.starts_with(b"\x7fELF\x02\x01") && half(18) == Some(62);
    x86_64 && headers().is_some_and(|kinds| !kinds.is_empty() && !kinds.contains(&INTERPRETER))
}

/// Whether the file at `path` is an archive up to its last byte.
fn is_whole(path: &Path) -> bool {
    let end = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(256)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    end().is_ok_and(|end| cpio::is_whole(&end))
}

/// Says that the file is in use, so that it is not removed as an old one.
fn touch(path: &Path) {
    let now = fs::FileTimes::new().set_modified(SystemTime::now());
    // A cache that this user may only read serves as well.
    let _read_only = File::options().write(true).open(path).and_then(|file| file.set_times(now));
}

fn remove_unused(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
        if matches!(age, Ok(Ok(age)) if age > KEEP) {
            let _tried_again_next_time = fs::remove_file(entry.path());
        }
    }
}

fn missing(path: &Path) -> impl Fn(io::Error) -> InitramfsError {
    move |source| InitramfsError::Init { path: path.to_owned(), source }
}

fn at(path: &Path) -> impl Fn(io::Error) -> InitramfsError {
    move |source| InitramfsError::Cache { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
