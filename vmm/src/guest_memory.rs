//! The guest's RAM as this process has it mapped.

use std::sync::Arc;

use vm_memory::{GuestAddress, GuestMemoryMmap};
use vmm_arch::memory::{MemoryError, MemoryPlan};
use vmm_virtio::memory::Memory;

/// Why there is no memory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestMemoryError {
    #[error(transparent)]
    Plan(#[from] MemoryError),
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
}
