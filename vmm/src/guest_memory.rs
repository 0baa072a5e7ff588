//! The guest's RAM as this process has it mapped.

#![expect(unsafe_code, reason = "a file is mapped over a part of the guest's memory")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_arch::memory::{MemoryError, MemoryPlan};
use vmm_virtio::memory::Memory;

const PAGE: u64 = 4096;
/// What is copied at a time.
const COPY: u64 = 64 * 1024;

/// Why there is no memory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestMemoryError {
    #[error(transparent)]
    Plan(#[from] MemoryError),
    #[error("cannot read or map the file")]
    File(#[source] std::io::Error),
    #[error("the file does not fit at {address:#x}")]
    Place { address: u64, source: vm_memory::GuestMemoryError },
    #[error("cannot map {mib} MiB of memory")]
    Map { mib: u32, source: vm_memory::mmap::FromRangesError },
}

/// The plan and the mapping.
#[derive(Clone, Debug)]
pub(crate) struct GuestRam {
    pub(crate) plan: MemoryPlan,
    pub(crate) memory: Arc<Memory>,
}

impl GuestRam {
    /// Maps RAM for a machine of `mib` MiB. Pages cost nothing before the guest touches them.
    pub(crate) fn map(mib: u32) -> Result<Self, GuestMemoryError> {
        let plan = MemoryPlan::new(mib)?;
        let ranges: Vec<(GuestAddress, usize)> = plan
            .ram()
            .map(|range| (range.start, usize::try_from(range.len).expect("a length fits in 64 bits")))
            .collect();
        let memory =
            GuestMemoryMmap::from_ranges(&ranges).map_err(|source| GuestMemoryError::Map { mib, source })?;
        Ok(Self { plan, memory: Arc::new(memory) })
    }

    /// Puts `len` bytes of a file at an address. Whole pages are mapped privately: they are read when the
    /// guest first touches them, and machines that boot the same file share what they do not change.
    pub(crate) fn place_file(
        &self,
        file: &File,
        offset: u64,
        address: GuestAddress,
        len: u64,
    ) -> Result<(), GuestMemoryError> {
        let aligned = offset.is_multiple_of(PAGE) && address.0.is_multiple_of(PAGE);
        let mapped = if aligned { len - len % PAGE } else { 0 };
        if mapped > 0 {
            self.map_file(file, offset, address, mapped)?;
        }
        let mut piece = vec![0; usize::try_from(COPY.min(len - mapped)).expect("it is small")];
        let mut done = mapped;
        while done < len {
            let count = usize::try_from(len - done).unwrap_or(usize::MAX).min(piece.len());
            file.read_exact_at(&mut piece[..count], offset + done).map_err(GuestMemoryError::File)?;
            let at = GuestAddress(address.0 + done);
            self.memory
                .write_slice(&piece[..count], at)
                .map_err(|source| GuestMemoryError::Place { address: at.0, source })?;
            done += u64::try_from(count).expect("it is small");
        }
        Ok(())
    }

    fn map_file(
        &self,
        file: &File,
        offset: u64,
        address: GuestAddress,
        len: u64,
    ) -> Result<(), GuestMemoryError> {
        let len = usize::try_from(len).expect("a length fits in 64 bits");
        let offset = i64::try_from(offset)
            .map_err(|_huge| GuestMemoryError::File(std::io::ErrorKind::InvalidInput.into()))?;
        let slice = GuestMemoryBackend::get_slice(self.memory.as_ref(), address, len)
            .map_err(|source| GuestMemoryError::Place { address: address.0, source })?;
        let target = slice.ptr_guard_mut().as_ptr();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
        // SAFETY: the range is a part of one region of guest memory, which `self` keeps mapped and unmaps
        // as a whole in the end; no Rust reference to guest memory exists; and no guest runs yet.
        let mapped = unsafe { libc::mmap(target.cast(), len, protection, flags, file.as_raw_fd(), offset) };
        if mapped == libc::MAP_FAILED {
            return Err(GuestMemoryError::File(std::io::Error::last_os_error()));
        }
        Ok(())
    }
}
