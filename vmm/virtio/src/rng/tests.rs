//! The device as its driver sees it.

use super::device::Rng;
use crate::device::Event;
use crate::driver::{DATA, Desc, Driver, END, INDIRECT, NEXT, SIZE, WRITE};

fn driver() -> Driver {
    Driver::ready(Box::new(Rng::default()))
}

#[test]
fn fills_every_byte_of_a_request() {
    let driver = driver();
    driver.rings[0].offer(&[(DATA, 300, WRITE), (DATA + 0x1000, 200, WRITE)]);
    driver.notify(0);
    assert_eq!(driver.rings[0].used_entry(0), (0, 500));
    assert_ne!(driver.fetch(DATA, 300), vec![0; 300]);
    assert_ne!(driver.fetch(DATA + 0x1000, 200), vec![0; 200]);
    assert_eq!(driver.interrupts(), 1);
}

#[test]
fn one_request_gets_a_page_at_most() {
    let driver = driver();
    driver.rings[0].offer(&[(DATA, 0x8_0000, WRITE)]);
    driver.notify(0);
    assert_eq!(driver.rings[0].used_entry(0), (0, 4096));
}

#[test]
fn indirect_table_is_followed_once() {
    let driver = driver();
    let ring = &driver.rings[0];
    ring.describe_at(DATA, 0, Desc(DATA + 0x1000, 8, WRITE | NEXT, 1));
    ring.describe_at(DATA, 1, Desc(DATA + 0x2000, 8, WRITE, 0));
    ring.offer(&[(DATA, 32, INDIRECT)]);
    // A table within a table is against the rules.
    ring.describe_at(DATA + 0x4000, 0, Desc(DATA, 32, INDIRECT, 0));
    ring.offer_from(1, &[(DATA + 0x4000, 16, INDIRECT)]);
    driver.notify(0);
    assert_eq!(ring.used_entry(0), (0, 16));
    assert_eq!(ring.used_entry(1), (1, 0));
    assert_eq!(driver.transport.misbehaviour(), 1);
}

#[test]
fn nonsense_is_given_back_and_counted() {
    let driver = driver();
    let ring = &driver.rings[0];
    let nonsense: [&[(u64, u32, u16)]; 6] = [
        &[(DATA, 64, 0)],
        &[(DATA, 0, WRITE)],
        &[(END, 64, WRITE)],
        &[(END - 32, 64, WRITE)],
        &[(u64::MAX - 8, 64, WRITE)],
        &[(DATA, 8, WRITE), (DATA, 8, 0)],
    ];
    for (first, chain) in (0..).step_by(2).zip(nonsense) {
        ring.offer_from(first, chain);
    }
    driver.notify(0);
    assert_eq!(ring.used_index(), 6);
    for index in 0..6 {
        assert_eq!(ring.used_entry(index).1, 0);
    }
    assert_eq!(driver.transport.misbehaviour(), 6);
    // The device still works.
    ring.offer_from(14, &[(DATA, 16, WRITE)]);
    driver.notify(0);
    assert_eq!(ring.used_entry(6), (14, 16));
}

#[test]
fn loop_in_a_chain_ends() {
    let driver = driver();
    let ring = &driver.rings[0];
    ring.describe(0, Desc(DATA, 4, WRITE | NEXT, 1));
    ring.describe(1, Desc(DATA, 4, WRITE | NEXT, 0));
    ring.offer_head(0);
    ring.describe(2, Desc(DATA, 4, WRITE | NEXT, 999));
    ring.offer_head(2);
    driver.notify(0);
    assert_eq!(ring.used_index(), 2);
    assert_eq!(driver.transport.misbehaviour(), 2);
}

#[test]
fn head_outside_of_the_table_breaks_the_device() {
    let driver = driver();
    driver.rings[0].offer_head(SIZE + 3);
    driver.notify(0);
    assert_eq!(driver.get(0x70) & 64, 64, "needs reset");
    assert_eq!(driver.get(0x60) & 2, 2, "a configuration interrupt says so");
}

#[test]
fn ring_that_offers_more_than_it_has_breaks_the_device_until_reset() {
    let driver = driver();
    driver.rings[0].set_avail_index(SIZE + 1);
    driver.notify(0);
    assert_eq!(driver.get(0x70) & 64, 64);
    driver.notify(0);
    assert_eq!(driver.rings[0].used_index(), 0, "it stays still");
    driver.set(0x70, 0);
    assert_eq!(driver.get(0x70), 0);
}

#[test]
fn what_was_offered_before_the_device_was_ready_is_answered() {
    let driver = Driver::new(Box::new(Rng::default()));
    driver.negotiate();
    driver.set_up(0, 0x1000);
    driver.rings[0].offer(&[(DATA, 8, WRITE)]);
    driver.set(0x70, 15);
    assert_eq!(driver.rings[0].used_index(), 0, "not by the thread that wrote the register");
    driver.transport.serve(Event::Activated);
    assert_eq!(driver.rings[0].used_entry(0), (0, 8));
}
