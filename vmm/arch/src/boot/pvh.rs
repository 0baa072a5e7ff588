//! The PVH direct boot protocol (Xen's `arch-x86/hvm/start_info.h`, version 1).

use vm_memory::GuestAddress;

use super::BootInfo;
use crate::blob::{Blob, Record};
use crate::layout;
use crate::memory::Use;

const MAGIC: u32 = 0x336e_c578;
const VERSION: u32 = 1;
const MAP_RAM: u32 = 1;
const MAP_RESERVED: u32 = 2;

/// The start info, the module list and the memory map.
#[must_use]
pub fn blobs(info: &BootInfo<'_>) -> Vec<Blob> {
    let map = info.memory.map();
    let entries = u32::try_from(map.len()).expect("the map has at most four entries");
    let modules = u32::from(info.initramfs.is_some());
    let modules_at = if info.initramfs.is_some() { layout::PVH_MODULES } else { GuestAddress(0) };
    let flags = 0;
    let reserved = 0;
    let start_info = Record::default()
        .u32(MAGIC)
        .u32(VERSION)
        .u32(flags)
        .u32(modules)
        .u64(modules_at.0)
        .u64(layout::CMDLINE.0)
        .u64(info.rsdp.0)
        .u64(layout::PVH_MEMORY_MAP.0)
        .u32(entries)
        .u32(reserved);

    let memory_map = map.iter().fold(Record::default(), |record, entry| {
        let kind = match entry.usage {
            Use::Ram => MAP_RAM,
            Use::Reserved => MAP_RESERVED,
        };
        record.u64(entry.range.start.0).u64(entry.range.len).u32(kind).u32(reserved)
    });

    let mut blobs = vec![start_info.at(layout::PVH_START_INFO), memory_map.at(layout::PVH_MEMORY_MAP)];
    blobs.extend(info.initramfs.map(|range| {
        let no_cmdline = 0;
        let module = Record::default().u64(range.start.0).u64(range.len).u64(no_cmdline).u64(0);
        module.at(layout::PVH_MODULES)
    }));
    blobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::Cmdline;
    use crate::memory::{MemoryPlan, Range};

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    fn boot(initramfs: Option<Range>) -> Vec<Blob> {
        let memory = MemoryPlan::new(4096).unwrap();
        let cmdline = Cmdline::new("").unwrap();
        blobs(&BootInfo { memory: &memory, cmdline: &cmdline, initramfs, rsdp: layout::ACPI })
    }

    #[test]
    fn start_info_has_the_published_layout() {
        let all = boot(Some(Range { start: GuestAddress(0x800_0000), len: 777 }));
        let start = &all[0];
        assert_eq!(start.address, layout::PVH_START_INFO);
        assert_eq!(start.bytes.len(), 56);
        assert_eq!(u32_at(&start.bytes, 0), 0x336e_c578);
        assert_eq!(u32_at(&start.bytes, 12), 1);
        assert_eq!(u64_at(&start.bytes, 16), layout::PVH_MODULES.0);
        assert_eq!(u64_at(&start.bytes, 24), layout::CMDLINE.0);
        assert_eq!(u64_at(&start.bytes, 32), layout::ACPI.0);
        assert_eq!(u64_at(&start.bytes, 40), layout::PVH_MEMORY_MAP.0);
        assert_eq!(u32_at(&start.bytes, 48), 4);

        let module = &all[2];
        assert_eq!(module.bytes.len(), 32);
        assert_eq!(u64_at(&module.bytes, 0), 0x800_0000);
        assert_eq!(u64_at(&module.bytes, 8), 777);
    }

    #[test]
    fn map_entries_are_24_bytes() {
        let all = boot(None);
        assert_eq!(all.len(), 2);
        assert_eq!(u32_at(&all[0].bytes, 12), 0);
        assert_eq!(u64_at(&all[0].bytes, 16), 0);
        let map = &all[1].bytes;
        assert_eq!(map.len(), 4 * 24);
        assert_eq!(u32_at(map, 24 + 16), MAP_RESERVED);
        assert_eq!(u64_at(map, 72), 0x1_0000_0000);
        assert_eq!(u64_at(map, 80), 1024 * 1024 * 1024);
    }

    #[test]
    fn structures_do_not_overlap() {
        let mut all = boot(Some(Range { start: GuestAddress(0x800_0000), len: 1 }));
        all.sort_by_key(|blob| blob.address);
        for pair in all.windows(2) {
            assert!(pair[0].address.0 + pair[0].bytes.len() as u64 <= pair[1].address.0);
        }
    }
}
