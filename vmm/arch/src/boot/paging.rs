//! What 64-bit mode needs before the kernel brings its own: page tables that map the first 4 GiB onto
//! themselves, and a segment table.

use crate::blob::{Blob, Record};
use crate::layout;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const HUGE: u64 = 1 << 7;
const TABLE_SIZE: u64 = 4096;
const ENTRIES: u64 = 512;
const HUGE_PAGE: u64 = 2 * 1024 * 1024;
const GIB_MAPPED: u64 = 4;

/// A flat 64-bit code segment, at the selector that the boot protocol names.
const CODE: u64 = 0x00af_9b00_0000_ffff;
/// A flat data segment.
const DATA: u64 = 0x00cf_9300_0000_ffff;
/// A task state segment of 104 bytes at 0.
const TASK: u64 = 0x008f_8b00_0000_ffff;

/// Selector of the code segment (`__BOOT_CS`).
pub const CODE_SELECTOR: u16 = 0x10;
/// Selector of the data segment (`__BOOT_DS`).
pub const DATA_SELECTOR: u16 = 0x18;
/// Selector of the task state segment.
pub const TASK_SELECTOR: u16 = 0x20;
/// Bytes of the segment table.
pub const GDT_LEN: u16 = 5 * 8;

/// The page tables and the segment table.
#[must_use]
pub fn blobs() -> Vec<Blob> {
    vec![page_tables().at(layout::PAGE_TABLES), segments().at(layout::GDT)]
}

/// One top table, one second-level table, and one table of 2 MiB pages for each GiB.
fn page_tables() -> Record {
    let second_level = layout::PAGE_TABLES.0 + TABLE_SIZE;
    let first_directory = second_level + TABLE_SIZE;
    let top = Record::default().u64(second_level | PRESENT | WRITABLE);
    let top = (1..ENTRIES).fold(top, |record, _| record.u64(0));
    let second = (0..ENTRIES).fold(top, |record, gib| {
        let directory = first_directory + gib * TABLE_SIZE;
        record.u64(if gib < GIB_MAPPED { directory | PRESENT | WRITABLE } else { 0 })
    });
    (0..GIB_MAPPED * ENTRIES)
        .fold(second, |record, page| record.u64((page * HUGE_PAGE) | PRESENT | WRITABLE | HUGE))
}

fn segments() -> Record {
    Record::default().u64(0).u64(0).u64(CODE).u64(DATA).u64(TASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: &[u8], index: usize) -> u64 {
        u64::from_le_bytes(bytes[index * 8..index * 8 + 8].try_into().unwrap())
    }

    #[test]
    fn four_gib_map_onto_themselves() {
        let bytes = page_tables().at(layout::PAGE_TABLES).bytes;
        assert_eq!(bytes.len(), 6 * 4096);
        assert_eq!(entry(&bytes, 0), 0xa003);
        assert_eq!(entry(&bytes, 512), 0xb003);
        assert_eq!(entry(&bytes, 512 + 3), 0xe003);
        assert_eq!(entry(&bytes, 512 + 4), 0);
        assert_eq!(entry(&bytes, 1024), 0x83);
        assert_eq!(entry(&bytes, 1024 + 2047), 0xffe0_0083);
    }

    #[test]
    fn tables_end_before_the_command_line() {
        for blob in blobs() {
            assert!(blob.address.0 + blob.bytes.len() as u64 <= layout::CMDLINE.0);
        }
        assert_eq!(segments().at(layout::GDT).bytes.len(), usize::from(GDT_LEN));
    }
}
