//! The registers as a driver uses them, and as it should not.

use crate::driver::{DATA, Driver, END, WRITE};
use crate::rng::device::Rng;

fn driver() -> Driver {
    Driver::new(Box::new(Rng::default()))
}

#[test]
fn identity_is_that_of_a_modern_device() {
    let driver = driver();
    assert_eq!(driver.get(0), 0x7472_6976);
    assert_eq!(driver.get(4), 2);
    assert_eq!(driver.get(8), 4);
    assert_eq!(driver.get(0x34), 64);
    driver.set(0x14, 1);
    assert_eq!(driver.get(0x10), 1, "VERSION_1");
    driver.set(0x14, 2);
    assert_eq!(driver.get(0x10), 0);
}

#[test]
fn status_goes_up_one_step_at_a_time() {
    let driver = driver();
    for skipped in [2, 3, 4, 8, 15] {
        driver.set(0x70, skipped);
        assert_eq!(driver.get(0x70), 0, "{skipped} from the start");
    }
    driver.set(0x70, 1);
    driver.set(0x70, 3);
    driver.set(0x70, 7);
    assert_eq!(driver.get(0x70), 3, "no DRIVER_OK before FEATURES_OK");
    driver.set(0x70, 1);
    assert_eq!(driver.get(0x70), 3, "no step back");
    driver.set(0x70, 0);
    assert_eq!(driver.get(0x70), 0);
}

#[test]
fn features_that_were_not_offered_are_not_agreed() {
    let driver = driver();
    driver.set(0x70, 1);
    driver.set(0x70, 3);
    driver.set(0x24, 1);
    driver.set(0x20, 1 | (1 << 5));
    driver.set(0x70, 11);
    assert_eq!(driver.get(0x70), 3);
    driver.set(0x20, 0);
    driver.set(0x70, 11);
    assert_eq!(driver.get(0x70), 3, "without VERSION_1 neither");
    driver.set(0x20, 1);
    driver.set(0x70, 11);
    assert_eq!(driver.get(0x70), 11);
    driver.set(0x20, 0);
    driver.set(0x70, 15);
    assert_ne!(driver.get(0x70), 15, "no queue was set up");
}

#[test]
fn queue_registers_are_closed_outside_of_set_up() {
    let driver = driver();
    driver.set_up(0, 0x1000);
    assert_eq!(driver.get(0x44), 0, "before features are agreed");
    driver.negotiate();
    driver.set_up(0, 0x1000);
    assert_eq!(driver.get(0x44), 1);
    // Once ready, the queue stays where it is.
    driver.set_up(0, 0x5000);
    driver.set(0x70, 15);
    assert_eq!(driver.get(0x70), 15);
    driver.rings[0].offer(&[(DATA, 8, WRITE)]);
    driver.notify(0);
    assert_eq!(driver.rings[0].used_index(), 1);
}

#[test]
fn queue_outside_of_memory_needs_a_reset() {
    for base in [END, END - 0x880, u64::MAX - 0xfff] {
        let driver = driver();
        driver.negotiate();
        driver.set_up(0, base);
        driver.set(0x70, 15);
        assert_eq!(driver.get(0x70) & (64 | 4), 64, "{base:#x}");
        assert_eq!(driver.transport.misbehaviour(), 1);
        driver.notify(0);
    }
}

#[test]
fn queues_that_do_not_exist_cannot_be_set_up() {
    let driver = driver();
    driver.negotiate();
    for queue in [1, 7, u32::MAX] {
        driver.set_up(queue, 0x1000);
        assert_eq!(driver.get(0x34), 0);
        assert_eq!(driver.get(0x44), 0);
    }
}

#[test]
fn odd_widths_and_offsets_do_nothing() {
    let driver = driver();
    for len in [0, 1, 2, 3, 5, 8, 64] {
        for offset in [0, 0x50, 0x70, 0xfc, 0x100, 0xffc, u32::MAX] {
            let mut data = vec![0xaa; len];
            driver.transport.read(offset, &mut data);
            driver.transport.write(offset, &data);
        }
    }
    assert_eq!(driver.get(0x70), 0);
    for offset in (0..0x200).chain([u32::MAX - 3, u32::MAX]) {
        if offset != 0x70 {
            driver.set(offset, u32::MAX);
        }
        driver.get(offset);
    }
    driver.set(0x70, 128);
    assert_eq!(driver.get(0x70), 128, "the driver may give up at any time");
}

#[test]
fn interrupt_status_is_acknowledged_bit_by_bit() {
    let driver = Driver::ready(Box::new(Rng::default()));
    driver.rings[0].offer(&[(DATA, 8, WRITE)]);
    driver.notify(0);
    assert_eq!(driver.get(0x60), 1);
    driver.set(0x64, 2);
    assert_eq!(driver.get(0x60), 1);
    driver.set(0x64, 1);
    assert_eq!(driver.get(0x60), 0);
}

#[test]
fn reset_lets_a_driver_begin_again() {
    let driver = Driver::ready(Box::new(Rng::default()));
    driver.rings[0].offer(&[(DATA, 8, WRITE)]);
    driver.notify(0);
    driver.set(0x70, 0);
    driver.notify(0);
    assert_eq!(driver.get(0x60), 0);
    assert_eq!(driver.get(0x44), 0);
    driver.rings[0].set_avail_index(0);
    driver.negotiate();
    driver.set_up(0, 0x1000);
    driver.set(0x70, 15);
    driver.rings[0].offer(&[(DATA, 8, WRITE)]);
    driver.notify(0);
    assert_eq!(driver.rings[0].used_index(), 1);
}
