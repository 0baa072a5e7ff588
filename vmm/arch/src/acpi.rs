//! The ACPI tables: a hardware-reduced machine with its processors, its interrupt controller, its serial
//! port and its virtio devices. (Specification: ACPI 6.5.)
//!
//! The stock Debian kernel learns of virtio-mmio devices from here only: it is built without
//! command-line device declarations.

#[cfg(test)]
mod tests;

use acpi_tables::aml::{
    Device, EISAName, IO, Interrupt, Memory32Fixed, Name, Package, Path, ResourceTemplate, Scope,
};
use acpi_tables::fadt::{FADTBuilder, Flags, PmProfile};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::madt::{EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, AmlSink};
use vm_memory::GuestAddress;

use crate::blob::Blob;
use crate::layout::{self, DeviceWindow};

const OEM_ID: [u8; 6] = *b"OPENSH";
const OEM_TABLE_ID: [u8; 8] = *b"OSHELLVM";
const OEM_REVISION: u32 = 1;
const DSDT_REVISION: u8 = 2;
const DSDT_HEADER: u32 = 36;

/// Boot architecture flags: no VGA and no real-time clock. That the keyboard controller's flag is absent
/// saves the kernel a probe of one that only knows how to reset.
const BOOT_FLAGS: u16 = NO_VGA | NO_CMOS_CLOCK;
const NO_VGA: u16 = 1 << 2;
const NO_CMOS_CLOCK: u16 = 1 << 5;

/// What the tables describe.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// Virtual CPUs; APIC ids count from 0.
    pub vcpus: u8,
    /// Virtio-mmio devices, in order.
    pub devices: &'a [DeviceWindow],
}

/// The tables as one blob; the root pointer is at its start.
///
/// # Panics
/// Never for a machine within [`layout::MAX_DEVICES`] devices: the tables fit their window.
#[must_use]
pub fn tables(machine: &Machine<'_>) -> Blob {
    let mut window = Window::after(Rsdp::len());
    let dsdt = window.place(&dsdt(machine));
    let fadt = window.place(&fadt(dsdt));
    let madt = window.place(&madt(machine));
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    xsdt.add_entry(fadt.0);
    xsdt.add_entry(madt.0);
    let xsdt = window.place(&xsdt);
    window.finish(&Rsdp::new(OEM_ID, xsdt.0))
}

/// Tables being laid out one after the other, after room for the root pointer.
struct Window {
    bytes: Vec<u8>,
}

/// A table's bytes as they come.
struct Bytes(Vec<u8>);

impl AmlSink for Bytes {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

impl Window {
    fn after(root: usize) -> Self {
        Self { bytes: vec![0; root.next_multiple_of(16)] }
    }

    fn place(&mut self, table: &dyn Aml) -> GuestAddress {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let offset = u64::try_from(self.bytes.len()).expect("a length fits in 64 bits");
        self.bytes.extend(bytes_of(table));
        GuestAddress(layout::ACPI.0 + offset)
    }

    fn finish(mut self, root: &dyn Aml) -> Blob {
        let root = bytes_of(root);
        self.bytes[..root.len()].copy_from_slice(&root);
        let end = layout::ACPI.0 + u64::try_from(self.bytes.len()).expect("a length fits in 64 bits");
        assert!(end <= layout::HIGH_MEMORY.0, "ACPI tables outgrew their window");
        Blob { address: layout::ACPI, bytes: self.bytes }
    }
}

fn bytes_of(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    table.to_aml_bytes(&mut bytes);
    bytes.0
}

/// Fixed description: hardware-reduced, so no timer, no power button and no system control interrupt need
/// be emulated; sleep and reset are one port each.
fn fadt(dsdt: GuestAddress) -> impl Aml {
    let port = |port: u16| GAS::new(AddressSpace::SystemIo, 8, 0, AccessSize::ByteAccess, u64::from(port));
    let mut table = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .dsdt_64(dsdt.0)
        .preferred_pm_profile(PmProfile::EnterpriseServer)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup)
        .flag(Flags::PwrButton)
        .flag(Flags::SlpButton);
    table.iapc_boot_arch = BOOT_FLAGS.into();
    table.reset_reg = port(layout::RESET_PORT);
    table.reset_value = layout::RESET_COMMAND;
    table.sleep_control_reg = port(layout::SLEEP_CONTROL_PORT);
    table.sleep_status_reg = port(layout::SLEEP_STATUS_PORT);
    table.finalize()
}

fn madt(machine: &Machine<'_>) -> MADT {
    let lapic = LocalInterruptController::Address(layout::LAPIC);
    let mut table = MADT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION, lapic);
    for id in 0..machine.vcpus {
        table.add_structure(ProcessorLocalApic::new(id, id, EnabledStatus::Enabled));
    }
    table.add_structure(IoApic::new(0, layout::IOAPIC, 0));
    table
}

/// Differentiated description: the devices, and how to power off.
fn dsdt(machine: &Machine<'_>) -> Sdt {
    let mut body = bytes_of(&Name::new(
        Path::new("_S5_"),
        &Package::new(vec![&layout::POWER_OFF_SLEEP_TYPE, &0_u8, &0_u8, &0_u8]),
    ));
    body.extend(serial());
    for (index, window) in (0_u32..).zip(machine.devices) {
        body.extend(virtio(index, *window));
    }
    let mut table = Sdt::new(*b"DSDT", DSDT_HEADER, DSDT_REVISION, OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    table.append_slice(&body);
    table
}

fn serial() -> Vec<u8> {
    let ports = u8::try_from(layout::SERIAL_PORTS).expect("eight ports");
    bytes_of(&Scope::new(
        Path::new("_SB_"),
        vec![&Device::new(
            Path::new("COM1"),
            vec![
                &Name::new(Path::new("_HID"), &EISAName::new("PNP0501")),
                &Name::new(Path::new("_UID"), &0_u8),
                &Name::new(
                    Path::new("_CRS"),
                    &ResourceTemplate::new(vec![
                        &IO::new(layout::SERIAL_PORT, layout::SERIAL_PORT, 1, ports),
                        &Interrupt::new(true, true, false, false, layout::SERIAL_GSI.0),
                    ]),
                ),
            ],
        )],
    ))
}

fn virtio(index: u32, window: DeviceWindow) -> Vec<u8> {
    bytes_of(&Scope::new(
        Path::new("_SB_"),
        vec![&Device::new(
            Path::new(&format!("V{index:03}")),
            vec![
                &Name::new(Path::new("_HID"), &"LNRO0005"),
                &Name::new(Path::new("_UID"), &index),
                &Name::new(
                    Path::new("_CRS"),
                    &ResourceTemplate::new(vec![
                        &Memory32Fixed::new(true, window.base, layout::DEVICE_WINDOW_SIZE),
                        &Interrupt::new(true, true, false, false, window.gsi.0),
                    ]),
                ),
            ],
        )],
    ))
}
