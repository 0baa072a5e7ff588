//! The device as its driver sees it, with a real file behind it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::backend::Disk;
use super::device::Block;
use super::request::Access;
use crate::device::Alarm;
use crate::driver::{DATA, Driver, END, WRITE};

const SECTORS: u64 = 8;
const HEADER: u64 = DATA;
const BUFFER: u64 = DATA + 0x1000;
const STATUS: u64 = DATA + 0x8000;

fn file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    for sector in 0..SECTORS {
        file.write_all(&[u8::try_from(sector + 1).unwrap(); 512]).unwrap();
    }
    file.write_all(b"a part of a sector").unwrap();
    file
}

#[derive(Debug)]
struct Bell(Sender<Option<i32>>);

impl Alarm for Bell {
    fn host_failed(&self, error: &io::Error) {
        self.0.send(error.raw_os_error()).unwrap();
    }
}

fn driver(access: Access) -> (Driver, File) {
    let file = file();
    let (driver, _alarms) = driver_of(file.try_clone().unwrap(), access);
    (driver, file)
}

/// A driver for this file, and what the alarm heard.
fn driver_of(file: File, access: Access) -> (Driver, Receiver<Option<i32>>) {
    let (bell, alarms) = channel();
    let disk = Disk::new(file, access, "the-name-of-the-disk-is-long").unwrap();
    (Driver::ready(Box::new(Block::new(disk, Box::new(Bell(bell))))), alarms)
}

/// One request with data of this length; returns its status and the used length.
fn request(driver: &Driver, (kind, sector): (u32, u64), len: u32, flags: u16) -> (u8, u32) {
    let mut header = kind.to_le_bytes().to_vec();
    header.extend([0; 4]);
    header.extend(sector.to_le_bytes());
    driver.put(HEADER, &header);
    driver.put(STATUS, &[0xaa]);
    let ring = &driver.rings[0];
    let mut chain = vec![(HEADER, 16, 0)];
    if len > 0 {
        chain.push((BUFFER, len, flags));
    }
    chain.push((STATUS, 1, WRITE));
    let before = ring.used_index();
    ring.offer(&chain);
    driver.notify(0);
    assert_eq!(ring.used_index(), before + 1);
    (driver.fetch(STATUS, 1)[0], ring.used_entry(before).1)
}

#[test]
fn capacity_is_whole_sectors() {
    let (driver, _) = driver(Access::ReadOnly);
    assert_eq!(driver.get(0x100), 8);
    assert_eq!(driver.get(0x104), 0);
    assert_eq!(driver.get(0x10c), 254);
    assert_ne!(driver.get(0x10) & (1 << 5), 0, "says that it is read-only");
    assert_eq!(driver.get(0x110), 0, "beyond the configuration");
}

#[test]
fn reads_sectors() {
    let (driver, _) = driver(Access::ReadOnly);
    assert_eq!(request(&driver, (0, 2), 1024, WRITE), (0, 1025));
    assert_eq!(driver.fetch(BUFFER, 512), vec![3; 512]);
    assert_eq!(driver.fetch(BUFFER + 512, 512), vec![4; 512]);
    assert_eq!(driver.interrupts(), 1);
}

#[test]
fn writes_and_flushes() {
    let (driver, file) = driver(Access::ReadWrite);
    driver.put(BUFFER, &[0x77; 512]);
    assert_eq!(request(&driver, (1, 5), 512, 0), (0, 1));
    assert_eq!(request(&driver, (4, 0), 0, 0), (0, 1));
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, 5 * 512).unwrap();
    assert_eq!(sector, [0x77; 512]);
    file.read_exact_at(&mut sector, 4 * 512).unwrap();
    assert_eq!(sector, [5; 512]);
}

#[test]
fn read_only_disk_is_not_written() {
    let (driver, file) = driver(Access::ReadOnly);
    assert_eq!(request(&driver, (1, 0), 512, 0), (1, 1));
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, 0).unwrap();
    assert_eq!(sector, [1; 512]);
    assert_eq!(driver.transport.misbehaviour(), 1);
}

#[test]
fn nothing_outside_of_the_disk_is_reachable() {
    let (driver, file) = driver(Access::ReadWrite);
    for sector in [7, 8, 9, 1 << 55, u64::MAX / 512, u64::MAX - 1, u64::MAX] {
        assert_eq!(request(&driver, (0, sector), 1024, WRITE), (1, 1), "read at {sector}");
        assert_eq!(request(&driver, (1, sector), 1024, 0), (1, 1), "write at {sector}");
    }
    assert_eq!(request(&driver, (0, 7), 512, WRITE).0, 0, "the last sector");
    assert_eq!(file.metadata().unwrap().len(), SECTORS * 512 + 18);
}

#[test]
fn parts_of_sectors_are_refused() {
    let (driver, _) = driver(Access::ReadWrite);
    for len in [1, 511, 513] {
        assert_eq!(request(&driver, (0, 0), len, WRITE), (1, 1));
        assert_eq!(request(&driver, (1, 0), len, 0), (1, 1));
    }
    assert_eq!(driver.transport.misbehaviour(), 6);
}

#[test]
fn identity_is_twenty_bytes() {
    let (driver, _) = driver(Access::ReadOnly);
    assert_eq!(request(&driver, (8, 0), 20, WRITE), (0, 21));
    assert_eq!(driver.fetch(BUFFER, 20), b"the-name-of-the-disk");
    assert_eq!(request(&driver, (8, 0), 19, WRITE), (1, 1));
}

#[test]
fn unknown_requests_are_unsupported() {
    let (driver, _) = driver(Access::ReadWrite);
    for kind in [2, 3, 5, 11, 13, u32::MAX] {
        assert_eq!(request(&driver, (kind, 0), 512, WRITE), (2, 1), "type {kind}");
    }
}

#[test]
fn header_and_status_may_be_split_anywhere() {
    let (driver, _) = driver(Access::ReadOnly);
    driver.put(HEADER, &[0; 16]);
    driver.put(HEADER + 8, &[1]);
    driver.rings[0].offer(&[
        (HEADER, 3, 0),
        (HEADER + 3, 13, 0),
        (BUFFER, 100, WRITE),
        (BUFFER + 100, 413, WRITE),
    ]);
    driver.notify(0);
    assert_eq!(driver.rings[0].used_entry(0), (0, 513));
    assert_eq!(driver.fetch(BUFFER, 512), vec![2; 512]);
    assert_eq!(driver.fetch(BUFFER + 512, 1), [0], "status is the last byte");
}

#[test]
fn chains_without_header_or_status_are_given_back() {
    let (driver, _) = driver(Access::ReadWrite);
    let ring = &driver.rings[0];
    ring.offer_from(0, &[(HEADER, 15, 0), (STATUS, 1, WRITE)]);
    ring.offer_from(2, &[(HEADER, 16, 0), (BUFFER, 512, 0)]);
    ring.offer_from(4, &[(STATUS, 1, WRITE)]);
    ring.offer_from(5, &[(HEADER, 16, 0), (END - 4, 8, WRITE)]);
    ring.offer_from(7, &[(HEADER, 16, 0), (BUFFER, 0, WRITE), (STATUS, 1, WRITE)]);
    driver.notify(0);
    assert_eq!(ring.used_index(), 5);
    assert!((0..5).all(|index| ring.used_entry(index).1 == 0));
    assert_eq!(driver.transport.misbehaviour(), 5);
}

#[test]
fn file_that_shrank_gives_an_error_and_an_alarm() {
    let file = file();
    let (driver, alarms) = driver_of(file.try_clone().unwrap(), Access::ReadOnly);
    assert_eq!(request(&driver, (0, 0), 1024, WRITE), (0, 1025));
    assert!(alarms.try_recv().is_err(), "all is well");
    file.set_len(512).unwrap();
    assert_eq!(request(&driver, (0, 0), 1024, WRITE), (1, 1));
    assert_eq!(driver.transport.misbehaviour(), 0, "that is not the guest's doing");
    alarms.try_recv().unwrap();
}

#[test]
fn a_write_that_the_host_cannot_take_gives_an_error_and_an_alarm() {
    // A sealed memory file refuses to be written, as a full disk does.
    let sealed = File::from(rustix::fs::memfd_create("disk", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap());
    sealed.set_len(SECTORS * 512).unwrap();
    rustix::fs::fcntl_add_seals(&sealed, rustix::fs::SealFlags::WRITE).unwrap();
    let (driver, alarms) = driver_of(sealed, Access::ReadWrite);
    assert_eq!(request(&driver, (1, 0), 512, 0), (1, 1));
    assert_eq!(alarms.try_recv(), Ok(Some(rustix::io::Errno::PERM.raw_os_error())));
}

#[test]
fn a_flush_tells_what_the_host_could_not_write_back() {
    let (driver, _) = driver(Access::ReadWrite);
    assert_eq!(request(&driver, (4, 0), 0, 0), (0, 1));
    // It is no file that pages of are written back.
    let (driver, alarms) = driver_of(File::open("/dev/zero").unwrap(), Access::ReadWrite);
    assert_eq!(request(&driver, (4, 0), 0, 0), (1, 1));
    assert_eq!(alarms.try_recv(), Ok(Some(rustix::io::Errno::SPIPE.raw_os_error())));
}
