//! The first virtual CPU's registers at the kernel's entry. The others wait for their start-up interrupt.

use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};

use crate::boot::Entry;
use crate::boot::paging::{CODE_SELECTOR, DATA_SELECTOR, GDT_LEN, TASK_SELECTOR};
use crate::layout;

const FLAGS_RESERVED: u64 = 1 << 1;
const CR0_PROTECTED: u64 = 1;
const CR0_EXTENSION_TYPE: u64 = 1 << 4;
const CR0_PAGING: u64 = 1 << 31;
const CR4_PHYSICAL_EXTENSION: u64 = 1 << 5;
const EFER_LONG_ENABLE: u64 = 1 << 8;
const EFER_LONG_ACTIVE: u64 = 1 << 10;

const TYPE_CODE: u8 = 0xb;
const TYPE_DATA: u8 = 0x3;
const TYPE_TASK_BUSY: u8 = 0xb;

/// General registers for an entry.
#[must_use]
pub fn general(entry: Entry) -> kvm_regs {
    match entry {
        Entry::Pvh(at) => kvm_regs {
            rip: at.0,
            rbx: layout::PVH_START_INFO.0,
            rflags: FLAGS_RESERVED,
            ..Default::default()
        },
        Entry::Linux64(at) => {
            kvm_regs { rip: at.0, rsi: layout::ZERO_PAGE.0, rflags: FLAGS_RESERVED, ..Default::default() }
        }
    }
}

/// System registers for an entry: `reset` is what KVM gave the new virtual CPU, and what neither protocol
/// speaks of (the APIC base, for one) stays as it is there.
#[must_use]
pub fn system(entry: Entry, reset: &kvm_sregs) -> kvm_sregs {
    match entry {
        Entry::Pvh(_) => protected_mode(*reset),
        Entry::Linux64(_) => long_mode(*reset),
    }
}

/// Flat 32-bit segments, no paging. The descriptor table stays empty: a PVH kernel loads its own before it
/// touches a segment register.
fn protected_mode(mut sregs: kvm_sregs) -> kvm_sregs {
    sregs.cs = kvm_segment { db: 1, ..flat(CODE_SELECTOR, TYPE_CODE) };
    set_data(&mut sregs);
    sregs.tr = task();
    sregs.cr0 = CR0_PROTECTED | CR0_EXTENSION_TYPE;
    sregs.cr4 = 0;
    sregs.efer = 0;
    sregs
}

fn long_mode(mut sregs: kvm_sregs) -> kvm_sregs {
    sregs.cs = kvm_segment { l: 1, ..flat(CODE_SELECTOR, TYPE_CODE) };
    set_data(&mut sregs);
    sregs.tr = task();
    sregs.gdt.base = layout::GDT.0;
    sregs.gdt.limit = GDT_LEN - 1;
    sregs.cr3 = layout::PAGE_TABLES.0;
    sregs.cr4 = CR4_PHYSICAL_EXTENSION;
    sregs.efer = EFER_LONG_ENABLE | EFER_LONG_ACTIVE;
    sregs.cr0 = CR0_PROTECTED | CR0_EXTENSION_TYPE | CR0_PAGING;
    sregs
}

fn set_data(sregs: &mut kvm_sregs) {
    let data = kvm_segment { db: 1, ..flat(DATA_SELECTOR, TYPE_DATA) };
    sregs.ds = data;
    sregs.es = data;
    sregs.fs = data;
    sregs.gs = data;
    sregs.ss = data;
}

fn flat(selector: u16, type_: u8) -> kvm_segment {
    kvm_segment { selector, type_, limit: u32::MAX, present: 1, s: 1, g: 1, ..Default::default() }
}

fn task() -> kvm_segment {
    kvm_segment {
        selector: TASK_SELECTOR,
        type_: TYPE_TASK_BUSY,
        limit: 0x67,
        present: 1,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::GuestAddress;

    #[test]
    fn pvh_enters_protected_mode_without_paging() {
        let entry = Entry::Pvh(GuestAddress(0x100_0a30));
        let regs = general(entry);
        assert_eq!((regs.rip, regs.rbx, regs.rflags), (0x100_0a30, layout::PVH_START_INFO.0, 2));
        let sregs = system(entry, &kvm_sregs { apic_base: 0xfee0_0900, ..Default::default() });
        assert_eq!(sregs.cr0, 0x11);
        assert_eq!((sregs.cr4, sregs.efer), (0, 0));
        assert_eq!((sregs.cs.db, sregs.cs.l, sregs.cs.limit), (1, 0, u32::MAX));
        assert_eq!((sregs.tr.limit, sregs.tr.type_), (0x67, 0xb));
        assert_eq!(sregs.apic_base, 0xfee0_0900);
    }

    #[test]
    fn linux64_enters_long_mode_with_the_boot_selectors() {
        let entry = Entry::Linux64(GuestAddress(0x10_0200));
        assert_eq!(general(entry).rsi, layout::ZERO_PAGE.0);
        let sregs = system(entry, &kvm_sregs::default());
        assert_eq!((sregs.cs.selector, sregs.cs.l, sregs.cs.db), (0x10, 1, 0));
        assert_eq!(sregs.ss.selector, 0x18);
        assert_eq!(sregs.cr3, layout::PAGE_TABLES.0);
        assert_eq!(sregs.efer, 0x500);
        assert_eq!(sregs.gdt.limit, 39);
    }
}
