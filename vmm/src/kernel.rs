//! Loads kernel and initramfs into guest memory and writes what the kernel is told.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use linux_loader::loader::{BzImage, KernelLoader};
use vm_memory::{Bytes, GuestAddress};
use vmm_arch::blob::Blob;
use vmm_arch::boot::elf::{self, Elf, ElfError};
use vmm_arch::boot::{BootInfo, Entry, pvh, zero_page};
use vmm_arch::cmdline::{Cmdline, CmdlineError};
use vmm_arch::layout;
use vmm_arch::memory::{MemoryError, Range};
use vmm_virtio::memory::Memory;

use crate::guest_memory::{GuestMemoryError, GuestRam};

/// Why a kernel could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    #[error("cannot read the kernel")]
    Read(#[source] std::io::Error),
    #[error(transparent)]
    Elf(#[from] ElfError),
    #[error("cannot place a part of the kernel")]
    Place(#[source] GuestMemoryError),
    #[error("the kernel is neither an ELF image nor a whole bzImage that fits into the memory")]
    Load(#[source] linux_loader::loader::Error),
    #[error(transparent)]
    ZeroPage(#[from] zero_page::ZeroPageError),
    #[error(transparent)]
    Cmdline(#[from] CmdlineError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("kernel ends at {end:#x}, after the end of memory at {limit:#x}")]
    DoesNotFit { end: u64, limit: u64 },
    #[error("cannot read the initramfs")]
    Initramfs(#[source] std::io::Error),
    #[error("cannot copy the initramfs")]
    InitramfsCopy(#[source] vm_memory::GuestMemoryError),
    #[error("cannot write boot data at {address:#x}")]
    Write { address: u64, source: vm_memory::GuestMemoryError },
}

/// A kernel in memory, before it is told anything.
struct Loaded {
    entry: Entry,
    end: u64,
    initramfs_limit: u64,
    image: Option<zero_page::BzImage>,
}

/// Everything that is booted: what the manager handed over, and the ACPI tables.
pub(crate) struct Payload<'a> {
    pub(crate) kernel: &'a mut File,
    pub(crate) initramfs: Option<&'a mut File>,
    pub(crate) cmdline: &'a str,
    pub(crate) acpi: &'a Blob,
}

/// Puts the payload into guest memory; returns where the first virtual CPU starts.
pub(crate) fn load(ram: &GuestRam, payload: Payload<'_>) -> Result<Entry, KernelError> {
    let cmdline = Cmdline::new(payload.cmdline)?;
    let loaded = load_kernel(ram, payload.kernel)?;
    if loaded.end > ram.plan.low_end() {
        return Err(KernelError::DoesNotFit { end: loaded.end, limit: ram.plan.low_end() });
    }
    let initramfs = match payload.initramfs {
        Some(file) => Some(load_initramfs(ram, &loaded, file)?),
        None => None,
    };
    let info = BootInfo { memory: &ram.plan, cmdline: &cmdline, initramfs, rsdp: payload.acpi.address };
    let mut blobs = match loaded.entry {
        Entry::Pvh(_) => pvh::blobs(&info),
        Entry::Linux64(_) => zero_page::blobs(&info, loaded.image.as_ref()),
    };
    blobs.push(cmdline.blob());
    for blob in blobs.iter().chain([payload.acpi]) {
        ram.memory
            .write_slice(&blob.bytes, blob.address)
            .map_err(|source| KernelError::Write { address: blob.address.0, source })?;
    }
    Ok(loaded.entry)
}

fn load_kernel(ram: &GuestRam, kernel: &mut File) -> Result<Loaded, KernelError> {
    let len = kernel.seek(SeekFrom::End(0)).map_err(KernelError::Read)?;
    let mut head = vec![0; usize::try_from(len).unwrap_or(elf::HEAD).min(elf::HEAD)];
    kernel.read_exact_at(&mut head, 0).map_err(KernelError::Read)?;
    if head.starts_with(&elf::MAGIC) {
        load_elf(ram, kernel, &Elf::parse(&head, len)?)
    } else {
        load_bzimage(&ram.memory, kernel)
    }
}

fn load_elf(ram: &GuestRam, kernel: &File, elf: &Elf) -> Result<Loaded, KernelError> {
    let limit = ram.plan.low_end();
    if elf.end > limit {
        return Err(KernelError::DoesNotFit { end: elf.end, limit });
    }
    for segment in &elf.segments {
        ram.place_file(kernel, segment.offset, segment.address, segment.len).map_err(KernelError::Place)?;
    }
    let (at, len) = elf.notes.unwrap_or_default();
    let mut notes = vec![0; len];
    kernel.read_exact_at(&mut notes, at).map_err(KernelError::Read)?;
    let entry = elf.entry(&notes);
    Ok(Loaded { entry, end: elf.end, initramfs_limit: layout::HOLE_START.0, image: None })
}

fn load_bzimage(memory: &Memory, kernel: &mut File) -> Result<Loaded, KernelError> {
    let result = BzImage::load(memory, None, kernel, Some(layout::HIGH_MEMORY)).map_err(KernelError::Load)?;
    let header = result.setup_header.expect("the loader returns the header of every bzImage");
    let image = {
        let len = result.kernel_end - result.kernel_load.0;
        zero_page::BzImage::new(header, result.kernel_load, len)?
    };
    let end = result.kernel_end.max(image.end());
    let initramfs_limit = image.initramfs_limit();
    Ok(Loaded { entry: Entry::Linux64(image.entry()), end, initramfs_limit, image: Some(image) })
}

fn load_initramfs(ram: &GuestRam, loaded: &Loaded, file: &mut File) -> Result<Range, KernelError> {
    let size = file.seek(SeekFrom::End(0)).map_err(KernelError::Initramfs)?;
    file.rewind().map_err(KernelError::Initramfs)?;
    let range = ram.plan.place_initramfs(loaded.end, size, loaded.initramfs_limit)?;
    let len = usize::try_from(size).expect("a length fits in 64 bits");
    let start: GuestAddress = range.start;
    ram.memory.read_exact_volatile_from(start, file, len).map_err(KernelError::InitramfsCopy)?;
    Ok(range)
}
