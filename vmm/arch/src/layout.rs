//! Where things stand in the guest's physical address space.
//!
//! ```text
//! 0x0000_0500  GDT (64-bit entry only)
//! 0x0000_6000  PVH start info, module list, memory map
//! 0x0000_7000  boot parameters ("zero page"; 64-bit entry only)
//! 0x0000_9000  page tables, 6 pages (64-bit entry only)
//! 0x0002_0000  kernel command line
//! 0x0009_fc00  end of conventional memory
//! 0x000e_0000  ACPI tables
//! 0x0010_0000  high memory: the kernel at its own address, the initramfs at the top below the hole
//! 0xc000_0000  hole: device windows, IOAPIC, LAPIC, KVM's own pages
//! 0x1_0000_0000  the rest of the memory
//! ```

use vm_memory::GuestAddress;

/// Global descriptor table for the 64-bit entry.
pub const GDT: GuestAddress = GuestAddress(0x500);
/// `hvm_start_info` of the PVH boot protocol.
pub const PVH_START_INFO: GuestAddress = GuestAddress(0x6000);
/// The PVH module list: one entry, the initramfs.
pub const PVH_MODULES: GuestAddress = GuestAddress(0x6100);
/// The PVH memory map.
pub const PVH_MEMORY_MAP: GuestAddress = GuestAddress(0x6200);
/// Linux boot parameters.
pub const ZERO_PAGE: GuestAddress = GuestAddress(0x7000);
/// Page tables for the 64-bit entry.
pub const PAGE_TABLES: GuestAddress = GuestAddress(0x9000);
/// Kernel command line.
pub const CMDLINE: GuestAddress = GuestAddress(0x2_0000);
/// End of the memory that a PC calls conventional.
pub const CONVENTIONAL_END: GuestAddress = GuestAddress(0x9_fc00);
/// Where the ACPI tables are; the root pointer is first.
pub const ACPI: GuestAddress = GuestAddress(0xe_0000);
/// First byte after the ACPI tables' window, and of high memory.
pub const HIGH_MEMORY: GuestAddress = GuestAddress(0x10_0000);

/// Start of the hole below 4 GiB.
pub const HOLE_START: GuestAddress = GuestAddress(0xc000_0000);
/// End of the hole.
pub const HOLE_END: GuestAddress = GuestAddress(0x1_0000_0000);

/// First device window.
pub const DEVICE_WINDOWS: GuestAddress = GuestAddress(0xd000_0000);
/// Size of one device window, and the distance between two.
pub const DEVICE_WINDOW_SIZE: u32 = 0x1000;
/// The IOAPIC's registers.
pub const IOAPIC: u32 = 0xfec0_0000;
/// The local APIC's registers.
pub const LAPIC: u32 = 0xfee0_0000;
/// One page that KVM wants for its identity map on Intel.
pub const KVM_IDENTITY_MAP: GuestAddress = GuestAddress(0xfffb_c000);
/// Three pages that KVM wants for a task state segment on Intel.
pub const KVM_TSS: GuestAddress = GuestAddress(0xfffb_d000);

/// The first serial port's registers.
pub const SERIAL_PORT: u16 = 0x3f8;
/// Count of the serial port's registers.
pub const SERIAL_PORTS: u16 = 8;
/// The serial port's interrupt line.
pub const SERIAL_GSI: Gsi = Gsi(4);
/// Command port of the keyboard controller: the guest writes [`RESET_COMMAND`] here to reset.
pub const RESET_PORT: u16 = 0x64;
/// The keyboard controller's reset command.
pub const RESET_COMMAND: u8 = 0xfe;
/// ACPI sleep control register.
pub const SLEEP_CONTROL_PORT: u16 = 0x600;
/// ACPI sleep status register.
pub const SLEEP_STATUS_PORT: u16 = 0x601;
/// What the guest writes to [`SLEEP_CONTROL_PORT`] to power off: sleep type 5, sleep enable.
pub const POWER_OFF_COMMAND: u8 = (POWER_OFF_SLEEP_TYPE << 2) | (1 << 5);
/// The sleep type that means "off" here.
pub const POWER_OFF_SLEEP_TYPE: u8 = 5;

/// First interrupt line for device windows; the lines up to [`GSI_COUNT`] are free for them.
pub const FIRST_DEVICE_GSI: Gsi = Gsi(5);
/// Interrupt lines of the one IOAPIC.
pub const GSI_COUNT: u32 = 24;

/// A global system interrupt: a line of the IOAPIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gsi(pub u32);

/// One virtio-mmio device as the guest sees it: a register window and an interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceWindow {
    /// First register.
    pub base: u32,
    /// Edge-triggered line.
    pub gsi: Gsi,
}

/// How many devices fit: one interrupt line each.
pub const MAX_DEVICES: u32 = GSI_COUNT - FIRST_DEVICE_GSI.0;

/// The window of the device with this index, or `None` when there are no more interrupt lines.
#[must_use]
pub fn device_window(index: u32) -> Option<DeviceWindow> {
    if index >= MAX_DEVICES {
        return None;
    }
    let first = u32::try_from(DEVICE_WINDOWS.0).expect("the windows are below 4 GiB");
    Some(DeviceWindow { base: first + index * DEVICE_WINDOW_SIZE, gsi: Gsi(FIRST_DEVICE_GSI.0 + index) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_windows_end_with_the_interrupt_lines() {
        assert_eq!(device_window(0), Some(DeviceWindow { base: 0xd000_0000, gsi: Gsi(5) }));
        assert_eq!(device_window(18), Some(DeviceWindow { base: 0xd001_2000, gsi: Gsi(23) }));
        assert_eq!(device_window(19), None);
    }

    #[test]
    fn power_off_command_is_what_acpi_computes() {
        assert_eq!(POWER_OFF_COMMAND, 0x34);
    }
}
