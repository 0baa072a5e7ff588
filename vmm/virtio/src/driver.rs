//! The guest's side for tests: memory with a split ring in it, written byte by byte so that a test can write
//! what no sane driver would; and a driver that goes through the registers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use vm_memory::{Bytes, GuestAddress};

use crate::device::{Device, Event, QueueIndex, Wake};
use crate::interrupt::Interrupt;
use crate::memory::Memory;
use crate::mmio::Transport;

pub(crate) const SIZE: u16 = 16;
pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

/// First byte of memory that holds no ring.
pub(crate) const DATA: u64 = 0x1_0000;
/// End of memory.
pub(crate) const END: u64 = 0x10_0000;

/// One descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desc(pub(crate) u64, pub(crate) u32, pub(crate) u16, pub(crate) u16);

/// Counts interrupts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(pub(crate) Arc<AtomicU32>);

impl Interrupt for Wire {
    fn raise(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A worker that is woken and sleeps on; tests serve devices by hand.
#[derive(Debug)]
struct Asleep;

impl Wake for Asleep {
    fn wake(&self) {}
}

/// Rings of one queue.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    memory: Arc<Memory>,
    base: u64,
}

/// A device with its driver.
pub(crate) struct Driver {
    pub(crate) memory: Arc<Memory>,
    pub(crate) transport: Transport,
    pub(crate) rings: Vec<Ring>,
    pub(crate) wire: Wire,
}

pub(crate) fn memory() -> Arc<Memory> {
    Arc::new(Memory::from_ranges(&[(GuestAddress(0), usize::try_from(END).unwrap())]).unwrap())
}

impl Ring {
    fn avail(&self) -> u64 {
        self.base + 0x400
    }

    fn used(&self) -> u64 {
        self.base + 0x800
    }

    pub(crate) fn describe(&self, index: u16, Desc(address, len, flags, next): Desc) {
        self.describe_at(self.base, index, Desc(address, len, flags, next));
    }

    /// Writes a descriptor into a table of its own.
    pub(crate) fn describe_at(&self, table: u64, index: u16, Desc(address, len, flags, next): Desc) {
        let at = GuestAddress(table + u64::from(index) * 16);
        self.memory.write_obj(address, at).unwrap();
        self.memory.write_obj(len, GuestAddress(at.0 + 8)).unwrap();
        self.memory.write_obj(flags, GuestAddress(at.0 + 12)).unwrap();
        self.memory.write_obj(next, GuestAddress(at.0 + 14)).unwrap();
    }

    /// Describes a chain from the table's start on, and offers it.
    pub(crate) fn offer(&self, pieces: &[(u64, u32, u16)]) {
        self.offer_from(0, pieces);
    }

    /// The same with the table's entries from `first` on.
    pub(crate) fn offer_from(&self, first: u16, pieces: &[(u64, u32, u16)]) {
        let last = u16::try_from(pieces.len()).unwrap() - 1;
        for (index, (address, len, flags)) in (0..).zip(pieces) {
            let more = if index < last { NEXT } else { 0 };
            self.describe(first + index, Desc(*address, *len, flags | more, first + index + 1));
        }
        self.offer_head(first);
    }

    /// Offers the chain that starts at this descriptor, whatever it is.
    pub(crate) fn offer_head(&self, head: u16) {
        let index = self.avail_index();
        let slot = self.avail() + 4 + u64::from(index % SIZE) * 2;
        self.memory.write_obj(head, GuestAddress(slot)).unwrap();
        self.set_avail_index(index.wrapping_add(1));
    }

    pub(crate) fn avail_index(&self) -> u16 {
        self.memory.read_obj(GuestAddress(self.avail() + 2)).unwrap()
    }

    pub(crate) fn set_avail_index(&self, index: u16) {
        self.memory.write_obj(index, GuestAddress(self.avail() + 2)).unwrap();
    }

    /// Chains given back so far.
    pub(crate) fn used_index(&self) -> u16 {
        self.memory.read_obj(GuestAddress(self.used() + 2)).unwrap()
    }

    /// Head and length of a chain that was given back.
    pub(crate) fn used_entry(&self, index: u16) -> (u32, u32) {
        let at = self.used() + 4 + u64::from(index % SIZE) * 8;
        let head = self.memory.read_obj(GuestAddress(at)).unwrap();
        (head, self.memory.read_obj(GuestAddress(at + 4)).unwrap())
    }
}

impl Driver {
    /// A device whose driver has gone all the way.
    pub(crate) fn ready(device: Box<dyn Device>) -> Self {
        let driver = Self::new(device);
        driver.negotiate();
        for (index, ring) in (0..).zip(&driver.rings) {
            driver.set_up(index, ring.base);
        }
        driver.set(0x70, 15);
        assert_eq!(driver.get(0x70), 15, "the device works");
        driver.transport.serve(Event::Activated);
        driver
    }

    /// A device whose driver has not begun.
    pub(crate) fn new(device: Box<dyn Device>) -> Self {
        let memory = memory();
        let wire = Wire::default();
        let transport = Transport::new(device, Arc::clone(&memory), Box::new(wire.clone()), Box::new(Asleep));
        let rings = (0..transport.queue_count())
            .map(|index| Ring {
                memory: Arc::clone(&memory),
                base: 0x1000 + 0x1000 * u64::try_from(index).unwrap(),
            })
            .collect();
        Self { memory, transport, rings, wire }
    }

    /// Up to `FEATURES_OK`, with every feature but the event index, so that every completion interrupts.
    pub(crate) fn negotiate(&self) {
        self.set(0x70, 1);
        self.set(0x70, 3);
        self.set(0x14, 0);
        let low = self.get(0x10) & !(1 << 29);
        self.set(0x24, 0);
        self.set(0x20, low);
        self.set(0x24, 1);
        self.set(0x20, 1);
        self.set(0x70, 11);
        assert_eq!(self.get(0x70), 11, "features are agreed");
    }

    /// Sets one queue up at this address.
    pub(crate) fn set_up(&self, queue: u32, base: u64) {
        self.set(0x30, queue);
        self.set(0x38, u32::from(SIZE));
        for (register, offset) in [(0x80, 0), (0x90, 0x400), (0xa0, 0x800)] {
            let address = base + offset;
            self.set(register, u32::try_from(address & 0xffff_ffff).unwrap());
            self.set(register + 4, u32::try_from(address >> 32).unwrap());
        }
        self.set(0x44, 1);
    }

    pub(crate) fn get(&self, offset: u32) -> u32 {
        let mut bytes = [0; 4];
        self.transport.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    pub(crate) fn set(&self, offset: u32, value: u32) {
        self.transport.write(offset, &value.to_le_bytes());
    }

    pub(crate) fn notify(&self, queue: usize) {
        self.transport.serve(Event::Notified(QueueIndex(queue)));
    }

    pub(crate) fn put(&self, address: u64, bytes: &[u8]) {
        self.memory.write_slice(bytes, GuestAddress(address)).unwrap();
    }

    pub(crate) fn fetch(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }

    pub(crate) fn interrupts(&self) -> u32 {
        self.wire.0.load(Ordering::SeqCst)
    }
}
