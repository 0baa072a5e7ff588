//! What a machine boots from, opened: adapts `images` to the manager's failures.

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};

use images::kernel::KernelError;
use images::root::{self, Reference, Root};
use images::tree::{self, Owner};
use images::verity::{self, Seal};
use images::{Kernel, Stop, Store, initramfs, scratch};
use wire::confinement::User;
use wire::id::SandboxId;

use crate::failure::{Failure, chain};
use crate::layout::{Layout, Program};
use crate::options::Options;
use crate::rundir::private_dir;
use crate::unit::Mebibytes;

/// Kernel and initramfs.
#[derive(Debug)]
pub(crate) struct BootFiles {
    pub(crate) kernel: File,
    pub(crate) initramfs: File,
}

/// The kernel and initramfs of the product, or the operator's own.
pub(crate) fn boot_files(layout: &Layout, options: &Options, stop: &Stop) -> Result<BootFiles, Failure> {
    if let (Some(kernel), Some(initramfs)) = (&options.kernel, &options.initramfs) {
        return Ok(BootFiles { kernel: open(kernel)?, initramfs: open(initramfs)? });
    }
    let stock = Kernel::ensure(&layout.cache, stop).map_err(|error| kernel_failure(&error))?;
    let initramfs = options.initramfs.clone().map_or_else(|| stock_initramfs(&stock, layout), Ok)?;
    let kernel = options.kernel.as_ref().unwrap_or(&stock.vmlinux);
    Ok(BootFiles { kernel: open(kernel)?, initramfs: open(&initramfs)? })
}

/// Makes the stock kernel and the initramfs, if they are not there yet.
///
/// # Errors
/// The kernel's package cannot be fetched, the cache cannot be written, or `stop` was asked meanwhile.
pub fn prepare_boot_files(layout: &Layout, stop: &Stop) -> Result<(), Failure> {
    let stock = Kernel::ensure(&layout.cache, stop).map_err(|error| kernel_failure(&error))?;
    stock_initramfs(&stock, layout).map(drop)
}

/// The root image and its hash tree, opened.
#[derive(Debug)]
pub(crate) struct RootDisks {
    pub(crate) image: File,
    pub(crate) tree: File,
    pub(crate) seal: Seal,
}

/// The root image that `text` of agent.yaml means, for the sandbox `id`.
pub(crate) fn root(layout: &Layout, text: &str, id: &SandboxId, stop: &Stop) -> Result<RootDisks, Failure> {
    let failed = |error: images::root::RootError| Failure::new(chain(&error), error.remedy());
    let store = Store::open(&layout.cache.join("images"))
        .map_err(|error| Failure::new(chain(&error), error.remedy()))?;
    let (text, wanted) = root::pinned(text).map_err(failed)?;
    let reference = Reference::parse(text, Path::new("")).map_err(failed)?;
    let disks = match reference.open(&store, &mut progress, stop).map_err(failed)? {
        Root::Stored(sealed) => {
            let (image, tree) = (open(&sealed.image.path)?, open(&sealed.tree)?);
            RootDisks { image, tree, seal: sealed.seal }
        }
        Root::Given(path) => given(layout, &path, id, stop)?,
    };
    root::admit(wanted, &disks.seal).map_err(failed)?;
    Ok(disks)
}

/// A file of the user's own, with a tree that is made of what it holds now: the guest reads that or ends.
fn given(layout: &Layout, path: &Path, id: &SandboxId, stop: &Stop) -> Result<RootDisks, Failure> {
    let image = open(path)?;
    let (grown, _whole) = verity::grow(&image, stop).map_err(|error| {
        let cause = format!("{}: {}", path.display(), chain(&error));
        Failure::new(cause, "make the image with mkfs.erofs, whose blocks have 4096 bytes")
    })?;
    let name = disks(layout)?.join(format!("{id}.tree"));
    let made = std::fs::write(&name, &grown.bytes).and_then(|()| File::open(&name));
    let tree = unnamed(&name, made.map_err(|error| unwritable(&name, &error)))?;
    Ok(RootDisks { image, tree, seal: grown.seal })
}

/// A host directory as a read-only image that has no name any more; everything in it is the agent's.
pub(crate) fn pack(
    layout: &Layout,
    name: &str,
    source: &Path,
    agent: &User,
    stop: &Stop,
) -> Result<File, Failure> {
    let path = &disks(layout)?.join(format!("{name}.erofs"));
    let owner = Owner { uid: agent.uid, gid: agent.gid };
    tree::pack(source, owner, path, stop).map_err(|error| Failure::new(chain(&error), error.remedy()))?;
    let opened = open(path);
    unnamed(path, opened)
}

/// The writable layer's disk, which has no name any more.
pub(crate) fn scratch(
    layout: &Layout,
    id: &SandboxId,
    size: Mebibytes,
    stop: &Stop,
) -> Result<File, Failure> {
    let path = disks(layout)?.join(format!("{id}.ext4"));
    scratch::create(&path, size.0, stop).map_err(|error| Failure::new(chain(&error), error.remedy()))?;
    let opened = File::options().read(true).write(true).open(&path);
    unnamed(&path, opened.map_err(|error| unreadable(&path.display(), &error)))
}

/// Where disks are made: on a real file system, as the runtime directory is often memory, and where nobody
/// else may look, as they hold what the operator mounted.
fn disks(layout: &Layout) -> Result<PathBuf, Failure> {
    let directory = layout.state.join("disks");
    let made = private_dir(&directory).map(|()| directory.clone());
    made.map_err(|error| {
        Failure::new(
            format_args!("cannot make {}: {error}", directory.display()),
            "make that directory writable for you, or point XDG_STATE_HOME at one that is",
        )
    })
}

/// A disk lives as long as somebody has it open, and is gone with the last one, however that one ends.
fn unnamed(path: &Path, opened: Result<File, Failure>) -> Result<File, Failure> {
    let removed = std::fs::remove_file(path);
    let file = opened?;
    removed.map(|()| file).map_err(|error| unreadable(&path.display(), &error))
}

fn stock_initramfs(kernel: &Kernel, layout: &Layout) -> Result<PathBuf, Failure> {
    let init = layout.program(Program::GuestInit)?;
    initramfs::build(kernel, &init, &layout.cache)
        .map_err(|error| Failure::new(chain(&error), error.remedy()))
}

fn kernel_failure(error: &KernelError) -> Failure {
    Failure::new(chain(error), "check that apt works here (apt-get update), and that the disk is not full")
}

/// Making an image takes minutes the first time: whoever waits is told why.
#[expect(
    clippy::print_stderr,
    reason = "the first build of an image takes minutes; whoever waits must be told"
)]
fn progress(step: &str) {
    eprintln!("openshell: {step}");
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(&path.display(), &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        format_args!("cannot write {}: {error}", path.display()),
        "free space on the disk that holds openshell's state (XDG_STATE_HOME)",
    )
}

fn unreadable(path: &dyn Display, error: &std::io::Error) -> Failure {
    Failure::new(format_args!("cannot open {path}: {error}"), "name a file that you may read")
}
