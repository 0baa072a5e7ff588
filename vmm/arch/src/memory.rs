//! The guest's memory map: where RAM is, what of it is usable, where the initramfs goes.

use vm_memory::GuestAddress;

use crate::layout;

const MIB: u64 = 1024 * 1024;
const PAGE: u64 = 4096;

/// Smallest machine that is worth starting: below it the kernel's own image does not fit.
pub const MIN_MEMORY_MIB: u32 = 64;
/// Largest machine: 512 GiB, far from the end of what 4-level paging maps.
pub const MAX_MEMORY_MIB: u32 = 512 * 1024;

/// Why a memory plan is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Less than any kernel needs, or more than the address space plan holds.
    #[error("{mib} MiB of memory is outside {MIN_MEMORY_MIB} to {MAX_MEMORY_MIB} MiB")]
    Size {
        /// What was asked for.
        mib: u32,
    },
    /// The kernel and the initramfs do not fit together.
    #[error(
        "kernel ends at {kernel_end:#x} and {initramfs} bytes of initramfs do not fit between it and {limit:#x}"
    )]
    InitramfsDoesNotFit {
        /// First byte after the kernel.
        kernel_end: u64,
        /// Size of the initramfs.
        initramfs: u64,
        /// First byte that may not be used.
        limit: u64,
    },
}

/// A range of guest physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: GuestAddress,
    /// Length in bytes.
    pub len: u64,
}

/// What the guest may do with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Usable RAM.
    Ram,
    /// RAM that the guest must leave alone.
    Reserved,
}

/// One line of the memory map that the guest gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// Which addresses.
    pub range: Range,
    /// What they are.
    pub usage: Use,
}

/// Where a machine's RAM stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    low: Range,
    high: Option<Range>,
}

impl Range {
    /// First byte after the range.
    #[must_use]
    pub fn end(self) -> u64 {
        self.start.0 + self.len
    }
}

impl MemoryPlan {
    /// Lays out `mib` MiB of RAM around the hole below 4 GiB.
    ///
    /// # Errors
    /// When the size is out of bounds.
    pub fn new(mib: u32) -> Result<Self, MemoryError> {
        if !(MIN_MEMORY_MIB..=MAX_MEMORY_MIB).contains(&mib) {
            return Err(MemoryError::Size { mib });
        }
        let size = u64::from(mib) * MIB;
        let below_hole = size.min(layout::HOLE_START.0);
        let low = Range { start: GuestAddress(0), len: below_hole };
        let above = size - below_hole;
        let high = (above > 0).then_some(Range { start: layout::HOLE_END, len: above });
        Ok(Self { low, high })
    }

    /// The RAM ranges in ascending order; these become KVM memory slots.
    pub fn ram(&self) -> impl Iterator<Item = Range> + '_ {
        [Some(self.low), self.high].into_iter().flatten()
    }

    /// First byte after the RAM below the hole.
    #[must_use]
    pub fn low_end(&self) -> u64 {
        self.low.end()
    }

    /// The map that the guest is told: the ACPI window is the only RAM that it may not use.
    #[must_use]
    pub fn map(&self) -> Vec<MapEntry> {
        let between = |start: GuestAddress, end: u64, usage| MapEntry {
            range: Range { start, len: end - start.0 },
            usage,
        };
        let mut map = vec![
            between(GuestAddress(0), layout::CONVENTIONAL_END.0, Use::Ram),
            between(layout::ACPI, layout::HIGH_MEMORY.0, Use::Reserved),
            between(layout::HIGH_MEMORY, self.low_end(), Use::Ram),
        ];
        map.extend(self.high.map(|range| MapEntry { range, usage: Use::Ram }));
        map
    }

    /// Puts an initramfs as high as it goes, so that the kernel can grow above its image.
    ///
    /// # Errors
    /// When kernel and initramfs do not fit below `highest`.
    pub fn place_initramfs(&self, kernel_end: u64, size: u64, highest: u64) -> Result<Range, MemoryError> {
        let limit = self.low_end().min(highest);
        let too_big = MemoryError::InitramfsDoesNotFit { kernel_end, initramfs: size, limit };
        let start = limit.checked_sub(size).ok_or(too_big)? & !(PAGE - 1);
        if start < kernel_end {
            return Err(too_big);
        }
        Ok(Range { start: GuestAddress(start), len: size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_machine_is_one_range() {
        let plan = MemoryPlan::new(256).unwrap();
        let ram: Vec<_> = plan.ram().collect();
        assert_eq!(ram, [Range { start: GuestAddress(0), len: 256 * MIB }]);
        let map = plan.map();
        assert_eq!(map.len(), 3);
        assert_eq!(map[1].usage, Use::Reserved);
        assert_eq!(map[2].range.end(), 256 * MIB);
    }

    #[test]
    fn memory_above_three_gib_moves_behind_the_hole() {
        let plan = MemoryPlan::new(4096).unwrap();
        let ram: Vec<_> = plan.ram().collect();
        assert_eq!(ram.len(), 2);
        assert_eq!(ram[0].end(), 0xc000_0000);
        assert_eq!(ram[1], Range { start: GuestAddress(0x1_0000_0000), len: 1024 * MIB });
        assert_eq!(plan.map().last().unwrap().range, ram[1]);
    }

    #[test]
    fn exactly_three_gib_has_no_high_range() {
        assert_eq!(MemoryPlan::new(3072).unwrap().ram().count(), 1);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(MemoryPlan::new(0), Err(MemoryError::Size { mib: 0 }));
        assert!(MemoryPlan::new(MAX_MEMORY_MIB + 1).is_err());
    }

    #[test]
    fn initramfs_goes_to_the_top_on_a_page_boundary() {
        let plan = MemoryPlan::new(128).unwrap();
        let range = plan.place_initramfs(0x400_0000, 5000, u64::from(u32::MAX)).unwrap();
        assert_eq!(range.start.0 % PAGE, 0);
        assert!(range.end() <= 128 * MIB && range.end() + PAGE > 128 * MIB);
        let lower = plan.place_initramfs(0, 5000, 0x200_0000).unwrap();
        assert!(lower.end() <= 0x200_0000);
    }

    #[test]
    fn initramfs_never_overlaps_the_kernel() {
        let plan = MemoryPlan::new(64).unwrap();
        assert!(plan.place_initramfs(60 * MIB, 5 * MIB, u64::MAX).is_err());
        assert!(plan.place_initramfs(0, 65 * MIB, u64::MAX).is_err());
        assert!(plan.place_initramfs(60 * MIB, 4 * MIB, u64::MAX).is_ok());
    }
}
