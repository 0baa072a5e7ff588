//! A virtqueue as a device uses it, and the parse of a descriptor chain.
//!
//! The guest writes both, so two kinds of wrong are told apart: a chain that makes no sense costs the guest
//! that one request ([`ChainFault`], counted by the device); a ring that makes no sense stops the device
//! until the driver resets it ([`QueueFault`]).

use std::sync::Arc;

use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{GuestAddress, GuestMemoryBackend};

use crate::interrupt::Line;
use crate::memory::{Extents, Memory, Segments};

/// Longest chain that a device looks at; longer ones are longer than any driver's limits here allow.
const MAX_DESCRIPTORS: usize = 1024;

/// Why a chain cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// It has no descriptor, or its only one is an unusable indirect table.
    #[error("empty chain")]
    Empty,
    /// It goes on after as many descriptors as there can be: a loop, a bad link, or a bad indirect table.
    #[error("chain does not end")]
    Endless,
    /// A buffer without bytes.
    #[error("descriptor without bytes")]
    NoBytes,
    /// A buffer that is not RAM.
    #[error("descriptor outside of memory")]
    OutsideMemory,
    /// A buffer for the device to read stands after one for it to write.
    #[error("readable descriptor after a writable one")]
    Order,
}

/// Why a queue cannot be used any more.
#[derive(Debug, thiserror::Error)]
#[error("virtqueue is broken")]
pub struct QueueFault(#[from] virtio_queue::Error);

/// A chain's buffers, all of them in guest memory.
#[derive(Debug)]
pub struct Buffers<'m> {
    /// What the driver wrote for the device.
    pub readable: Segments<'m>,
    /// What the device writes for the driver.
    pub writable: Segments<'m>,
}

/// A chain's buffers for a device that writes its answer later.
#[derive(Debug)]
pub struct Exchange<'m> {
    /// What the driver wrote for the device.
    pub readable: Segments<'m>,
    /// Where the device writes for the driver.
    pub writable: Extents,
}

/// Where a parse puts the buffers of one side.
trait Side<'m>: Default {
    fn is_empty(&self) -> bool;
    fn add(&mut self, memory: &'m Memory, address: GuestAddress, len: usize) -> Result<(), ChainFault>;
}

/// A chain taken from the queue, owed back with [`VirtQueue::done`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a chain that is not given back is lost to the driver"]
pub struct Head(u16);

/// A queue of an active device.
#[derive(Debug)]
pub struct VirtQueue {
    queue: Queue,
    line: Arc<Line>,
    /// Whether chains were given back that the driver has not been told of.
    untold: bool,
}

impl VirtQueue {
    pub(crate) fn new(queue: Queue, line: Arc<Line>) -> Self {
        Self { queue, line, untold: false }
    }

    /// The next chain that the driver offers.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn pop<'m>(&mut self, memory: &'m Memory) -> Result<Option<Offer<'m>>, QueueFault> {
        let chain = self.queue.iter(memory)?.next();
        Ok(chain.map(|chain| {
            let head = Head(chain.head_index());
            let sides = parse(memory, chain);
            (head, sides.map(|(readable, writable)| Buffers { readable, writable }))
        }))
    }

    /// The same for a device that answers later.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn pop_exchange<'m>(&mut self, memory: &'m Memory) -> Result<Option<Request<'m>>, QueueFault> {
        let chain = self.queue.iter(memory)?.next();
        Ok(chain.map(|chain| {
            let head = Head(chain.head_index());
            let sides = parse(memory, chain);
            (head, sides.map(|(readable, writable)| Exchange { readable, writable }))
        }))
    }

    /// Leaves the chain that was taken last where it was.
    pub fn put_back(&mut self, _last: Head) {
        self.queue.go_to_previous_position();
    }

    /// Gives a chain back with `written` bytes in it.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn done(&mut self, memory: &Memory, head: Head, written: u32) -> Result<(), QueueFault> {
        self.untold = true;
        Ok(self.queue.add_used(memory, head.0, written)?)
    }

    /// Interrupts the driver if it wants to know of what was given back.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn signal(&mut self, memory: &Memory) -> Result<(), QueueFault> {
        if std::mem::take(&mut self.untold) && self.queue.needs_notification(memory)? {
            self.line.used_buffers();
        }
        Ok(())
    }

    /// Tells the driver that it need not notify: the device is looking anyway.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn silence(&mut self, memory: &Memory) -> Result<(), QueueFault> {
        Ok(self.queue.disable_notification(memory)?)
    }

    /// Asks for notifications again; true when a chain came in the meantime and must be looked at now.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn listen(&mut self, memory: &Memory) -> Result<bool, QueueFault> {
        Ok(self.queue.enable_notification(memory)?)
    }
}

/// A chain and what became of its parse. The head is owed back in either case.
pub type Offer<'m> = (Head, Result<Buffers<'m>, ChainFault>);

/// The same of [`VirtQueue::pop_exchange`].
pub type Request<'m> = (Head, Result<Exchange<'m>, ChainFault>);

impl<'m> Side<'m> for Segments<'m> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    /// A buffer may stand on both sides of a region's border.
    fn add(&mut self, memory: &'m Memory, address: GuestAddress, len: usize) -> Result<(), ChainFault> {
        for slice in GuestMemoryBackend::get_slices(memory, address, len) {
            self.push(slice.map_err(|_error| ChainFault::OutsideMemory)?);
        }
        Ok(())
    }
}

impl<'m> Side<'m> for Extents {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn add(&mut self, memory: &'m Memory, address: GuestAddress, len: usize) -> Result<(), ChainFault> {
        let all_there = GuestMemoryBackend::get_slices(memory, address, len).all(|slice| slice.is_ok());
        if !all_there {
            return Err(ChainFault::OutsideMemory);
        }
        self.push(address, len);
        Ok(())
    }
}

/// Walks a chain once, strictly: what the device reads, and where it writes.
fn parse<'m, W: Side<'m>>(
    memory: &'m Memory,
    chain: DescriptorChain<&'m Memory>,
) -> Result<(Segments<'m>, W), ChainFault> {
    let (mut readable, mut writable) = (Segments::default(), W::default());
    let mut goes_on = false;
    let mut count = 0;
    for descriptor in chain {
        count += 1;
        if count > MAX_DESCRIPTORS {
            return Err(ChainFault::Endless);
        }
        let len = usize::try_from(descriptor.len()).expect("32 bits fit");
        if len == 0 {
            return Err(ChainFault::NoBytes);
        }
        if descriptor.is_write_only() {
            writable.add(memory, descriptor.addr(), len)?;
        } else if writable.is_empty() {
            Side::add(&mut readable, memory, descriptor.addr(), len)?;
        } else {
            return Err(ChainFault::Order);
        }
        goes_on = descriptor.has_next();
    }
    // The iterator ends alike at the chain's end, in a loop, and at a link to nowhere; what tells them apart
    // is whether the last descriptor wanted to go on.
    match (count, goes_on) {
        (0, _) => Err(ChainFault::Empty),
        (_, true) => Err(ChainFault::Endless),
        (_, false) => Ok((readable, writable)),
    }
}
