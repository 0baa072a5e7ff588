//! The device as its driver sees it, and as a driver that means harm does.

use super::device::Balloon;
use crate::device::Event;
use crate::driver::{DATA, Desc, Driver, END, INDIRECT, NEXT, WRITE};

const PAGE: u32 = 4096;
const INFLATE: usize = 0;
const DEFLATE: usize = 1;
const REPORTS: usize = 2;

/// A driver whose pages from [`DATA`] on hold ones.
fn driver() -> Driver {
    let driver = Driver::ready(Box::new(Balloon::default()));
    driver.put(DATA, &[1; 0x8000]);
    driver
}

/// What each of the eight pages from [`DATA`] on holds: a byte, if it is the same everywhere.
fn pages(driver: &Driver) -> Vec<Option<u8>> {
    let bytes = driver.fetch(DATA, 0x8000);
    bytes.chunks(4096).map(|page| page.iter().all(|byte| *byte == page[0]).then_some(page[0])).collect()
}

const UNTOUCHED: [Option<u8>; 8] = [Some(1); 8];

#[test]
fn reported_pages_are_dropped_and_no_others() {
    let driver = driver();
    driver.rings[REPORTS].offer(&[(DATA + 0x1000, PAGE, WRITE), (DATA + 0x4000, 3 * PAGE, WRITE)]);
    driver.notify(REPORTS);
    assert_eq!(driver.rings[REPORTS].used_entry(0), (0, 0));
    assert_eq!(driver.interrupts(), 1);
    assert_eq!(pages(&driver), [1, 0, 1, 1, 0, 0, 0, 1].map(Some));
    assert_eq!(driver.transport.misbehaviour(), 0);
    // They are memory like any other afterwards.
    driver.put(DATA, &[1; 0x8000]);
    assert_eq!(pages(&driver), UNTOUCHED);
}

/// Linux reports so: 32 ranges in a table of their own.
#[test]
fn report_in_an_indirect_table() {
    let driver = driver();
    let ring = &driver.rings[REPORTS];
    let table = DATA + 0x1_0000;
    for index in 0..32_u16 {
        let more = if index < 31 { NEXT } else { 0 };
        let page = DATA + 0x4000 + u64::from(index % 4) * 0x1000;
        ring.describe_at(table, index, Desc(page, PAGE, WRITE | more, index + 1));
    }
    ring.offer(&[(table, 32 * 16, INDIRECT)]);
    driver.notify(REPORTS);
    assert_eq!(ring.used_entry(0), (0, 0));
    assert_eq!(pages(&driver), [1, 1, 1, 1, 0, 0, 0, 0].map(Some));
}

#[test]
fn report_that_is_none_drops_nothing_and_is_counted() {
    let driver = driver();
    let ring = &driver.rings[REPORTS];
    let nonsense: [&[(u64, u32, u16)]; 12] = [
        // For the device to read, alone and with a page to drop.
        &[(DATA, PAGE, 0)],
        &[(DATA, PAGE, 0), (DATA + 0x1000, PAGE, WRITE)],
        // No whole pages, alone and after one.
        &[(DATA + 8, PAGE, WRITE)],
        &[(DATA, 100, WRITE)],
        &[(DATA, PAGE + 1, WRITE)],
        &[(DATA, PAGE, WRITE), (DATA + 0x1000, PAGE - 1, WRITE)],
        &[(DATA, 0, WRITE)],
        // Outside of memory, wholly or in part, after a page within.
        &[(END, PAGE, WRITE)],
        &[(END - 0x1000, 2 * PAGE, WRITE)],
        &[(u64::MAX - 0xfff, PAGE, WRITE)],
        &[(0xffff_8000_0000_0000, PAGE, WRITE)],
        &[(DATA, PAGE, WRITE), (END, PAGE, WRITE)],
    ];
    for chain in nonsense {
        ring.offer(chain);
        driver.notify(REPORTS);
        assert_eq!(pages(&driver), UNTOUCHED, "{chain:x?}");
    }
    assert_eq!(usize::from(ring.used_index()), nonsense.len());
    assert_eq!(driver.transport.misbehaviour(), 12);
    // The device still works.
    ring.offer(&[(DATA, PAGE, WRITE)]);
    driver.notify(REPORTS);
    assert_eq!(pages(&driver)[..2], [Some(0), Some(1)]);
}

#[test]
fn range_of_more_than_there_is_drops_nothing() {
    let driver = driver();
    driver.rings[REPORTS].offer(&[(0, u32::MAX - 0xfff, WRITE)]);
    driver.notify(REPORTS);
    assert_eq!(pages(&driver), UNTOUCHED);
    assert_eq!(driver.transport.misbehaviour(), 1);
}

/// Everything at once, the rings that say so included: that is the guest's loss alone.
#[test]
fn driver_that_reports_its_own_rings_loses_them() {
    let driver = driver();
    driver.rings[REPORTS].offer(&[(0, u32::try_from(END).unwrap(), WRITE)]);
    driver.notify(REPORTS);
    assert_eq!(pages(&driver), [Some(0); 8]);
    driver.notify(REPORTS);
    driver.set(0x70, 0);
    assert_eq!(driver.get(0x70), 0);
    driver.negotiate();
    for index in 0..3_u16 {
        driver.set_up(u32::from(index), 0x1000 + u64::from(index) * 0x1000);
        driver.rings[usize::from(index)].set_avail_index(0);
    }
    driver.set(0x70, 15);
    driver.put(DATA, &[1; 0x8000]);
    driver.rings[REPORTS].offer(&[(DATA, PAGE, WRITE)]);
    driver.transport.serve(Event::Activated);
    assert_eq!(pages(&driver)[..2], [Some(0), Some(1)]);
}

#[test]
fn nobody_asks_for_a_balloon_so_none_is_filled() {
    let driver = driver();
    assert_eq!((driver.get(0x100), driver.get(0x104)), (0, 0), "pages wanted, pages had");
    driver.set(0x104, 5);
    assert_eq!(driver.get(0x104), 0);
    let page_number = u32::try_from(DATA / 4096).unwrap();
    driver.put(END - 0x1000, &page_number.to_le_bytes());
    for queue in [INFLATE, DEFLATE] {
        driver.rings[queue].offer(&[(END - 0x1000, 4, 0)]);
        driver.notify(queue);
        assert_eq!(driver.rings[queue].used_entry(0), (0, 0));
        // What would be a report in the other queue is none here.
        driver.rings[queue].offer(&[(DATA, PAGE, WRITE)]);
        driver.notify(queue);
    }
    assert_eq!(pages(&driver), UNTOUCHED);
    assert_eq!(driver.transport.misbehaviour(), 4);
}

/// A kernel that clears what it frees does not report, and sets up no queue for it.
#[test]
fn driver_without_reports_has_two_queues() {
    let driver = Driver::new(Box::new(Balloon::default()));
    for status in [1, 3] {
        driver.set(0x70, status);
    }
    assert_eq!(driver.get(0x10) & (1 << 5), 1 << 5, "reports are offered");
    driver.set(0x24, 1);
    driver.set(0x20, 1);
    driver.set(0x70, 11);
    driver.set_up(0, 0x1000);
    driver.set(0x70, 15);
    assert_eq!(driver.get(0x70) & 64, 64, "one queue is too few");
    driver.set(0x70, 0);
    for status in [1, 3] {
        driver.set(0x70, status);
    }
    driver.set(0x24, 1);
    driver.set(0x20, 1);
    driver.set(0x70, 11);
    driver.set_up(0, 0x1000);
    driver.set_up(1, 0x2000);
    driver.set(0x70, 15);
    assert_eq!(driver.get(0x70), 15);
    driver.transport.serve(Event::Activated);
    assert_eq!(driver.get(0x70), 15);
}
