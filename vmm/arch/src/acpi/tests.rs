//! The tables' bytes, read back the way an operating system reads them.

use super::*;

fn device(index: u32) -> DeviceWindow {
    layout::device_window(index).unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn table(blob: &Blob, address: u64) -> &[u8] {
    let at = usize::try_from(address - blob.address.0).unwrap();
    let len = usize::try_from(u32_at(&blob.bytes, at + 4)).unwrap();
    &blob.bytes[at..at + len]
}

/// FADT, MADT and DSDT, found from the root pointer.
fn walk(blob: &Blob) -> [&[u8]; 3] {
    let xsdt = table(blob, u64_at(&blob.bytes, 24));
    assert_eq!(&xsdt[..4], b"XSDT");
    assert_eq!(sum(xsdt), 0);
    let fadt = table(blob, u64_at(xsdt, 36));
    let madt = table(blob, u64_at(xsdt, 44));
    let dsdt = table(blob, u64_at(fadt, 140));
    for (table, name) in [(fadt, b"FACP"), (madt, b"APIC"), (dsdt, b"DSDT")] {
        assert_eq!(&table[..4], name);
        assert_eq!(sum(table), 0, "checksum");
    }
    [fadt, madt, dsdt]
}

#[test]
fn every_table_is_reachable_and_sums_to_zero() {
    let blob = tables(&Machine { vcpus: 2, devices: &[device(0), device(1)] });
    assert_eq!(&blob.bytes[..8], b"RSD PTR ");
    assert_eq!(sum(&blob.bytes[..20]), 0);
    assert_eq!(sum(&blob.bytes[..36]), 0);
    walk(&blob);
}

#[test]
fn fixed_table_is_hardware_reduced_with_sleep_and_reset_ports() {
    let blob = tables(&Machine { vcpus: 1, devices: &[] });
    let [fadt, _, _] = walk(&blob);
    assert_eq!(fadt.len(), 276);
    let flags = u32_at(fadt, 112);
    assert_ne!(flags & (1 << 20), 0, "hardware-reduced");
    assert_ne!(flags & (1 << 10), 0, "reset register");
    assert_eq!(fadt[116], 1, "reset in I/O space");
    assert_eq!(u64_at(fadt, 120), 0x64);
    assert_eq!(fadt[128], 0xfe);
    assert_eq!(u64_at(fadt, 244 + 4), 0x600);
    assert_eq!(u64_at(fadt, 256 + 4), 0x601);
}

#[test]
fn every_processor_is_listed() {
    let blob = tables(&Machine { vcpus: 3, devices: &[] });
    let [_, madt, _] = walk(&blob);
    assert_eq!(madt.len(), 44 + 3 * 8 + 12);
    assert_eq!(madt[44 + 2 * 8 + 3], 2, "third processor's APIC id");
    assert_eq!(u32_at(madt, 44 + 24 + 4), layout::IOAPIC);
}

#[test]
fn every_device_is_declared_with_its_window_and_line() {
    let blob = tables(&Machine { vcpus: 1, devices: &[device(0), device(1)] });
    let [_, _, dsdt] = walk(&blob);
    let count = dsdt.windows(8).filter(|bytes| bytes == b"LNRO0005").count();
    assert_eq!(count, 2);
    // A fixed 32-bit memory descriptor (0x86, 9 bytes, writable) and an extended interrupt descriptor
    // (0x89, 6 bytes, edge-triggered consumer, one line).
    let window = [0x86, 9, 0, 1, 0, 0x10, 0, 0xd0, 0, 0x10, 0, 0];
    assert!(dsdt.windows(window.len()).any(|bytes| bytes == window), "second device's window");
    let line = [0x89, 6, 0, 0b11, 1, 6, 0, 0, 0];
    assert!(dsdt.windows(line.len()).any(|bytes| bytes == line), "second device's line");
    let power_off = [0x08, b'_', b'S', b'5', b'_', 0x12];
    assert!(dsdt.windows(power_off.len()).any(|bytes| bytes == power_off));
}

#[test]
fn largest_machine_fits_the_window() {
    let devices: Vec<_> = (0..layout::MAX_DEVICES).map(device).collect();
    let blob = tables(&Machine { vcpus: 32, devices: &devices });
    assert!(blob.bytes.len() < 0x2_0000);
    walk(&blob);
}
