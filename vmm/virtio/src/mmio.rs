//! The virtio-mmio transport, version 2 (virtio 1.2, section 4.2).
//!
//! The driver walks through [`Phase`] with its status register; [`Registers::queue_registers_open`] is the
//! one gate that decides whether a queue's registers may change.

#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtio_queue::{Queue, QueueT};

use crate::device::{Activation, Device, Event, Wake};
use crate::interrupt::{Interrupt, Line};
use crate::memory::Memory;
use crate::queue::VirtQueue;

/// Offset of the register that the driver writes a queue's index to when it has work.
pub const QUEUE_NOTIFY: u32 = 0x50;

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const VERSION: u32 = 2;
const VENDOR: u32 = u32::from_le_bytes(*b"OSVM");
const CONFIG: u32 = 0x100;

const ACKNOWLEDGE: u32 = 1;
const DRIVER: u32 = 2;
const DRIVER_OK: u32 = 4;
const FEATURES_OK: u32 = 8;
const NEEDS_RESET: u32 = 64;
const FAILED: u32 = 128;

const VERSION_1: u64 = 1 << 32;
const EVENT_INDEX: u64 = 1 << 29;
const INDIRECT_DESCRIPTORS: u64 = 1 << 28;

/// One device behind its registers. The registers are behind a lock because two threads use them: the
/// virtual CPU that accesses them and the worker that serves the device. The interrupt's registers are not.
#[derive(Debug)]
pub struct Transport {
    line: Arc<Line>,
    registers: Mutex<Registers>,
}

#[derive(Debug)]
struct Registers {
    device: Box<dyn Device>,
    memory: Arc<Memory>,
    line: Arc<Line>,
    worker: Box<dyn Wake>,
    status: u32,
    device_features_page: u32,
    driver_features_page: u32,
    driver_features: u64,
    selected: usize,
    queues: Vec<Queue>,
}

/// How far the driver has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It reads and agrees on features.
    Negotiating,
    /// Features are fixed; it sets up queues.
    SettingUp,
    /// The device works.
    Working,
    /// One side gave up; only a reset helps.
    Broken,
}

/// Which of a queue's three parts an address register belongs to.
#[derive(Clone, Copy, Debug)]
enum Part {
    Descriptors,
    Driver,
    Device,
}

/// Which half of a 64-bit address a register holds.
#[derive(Clone, Copy, Debug)]
enum Half {
    Low,
    High,
}

impl Transport {
    /// Puts a device behind registers. `worker` is who calls [`Self::serve`].
    #[must_use]
    pub fn new(
        device: Box<dyn Device>,
        memory: Arc<Memory>,
        wire: Box<dyn Interrupt>,
        worker: Box<dyn Wake>,
    ) -> Self {
        let line = Arc::new(Line::new(wire));
        let queues = fresh_queues(device.as_ref());
        let registers = Registers {
            device,
            memory,
            line: Arc::clone(&line),
            worker,
            status: 0,
            device_features_page: 0,
            driver_features_page: 0,
            driver_features: 0,
            selected: 0,
            queues,
        };
        Self { line, registers: Mutex::new(registers) }
    }

    /// How many queues the device has.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.registers().queues.len()
    }

    /// A copy of the descriptor that is readable when the device's backend has work.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn backend_events(&self) -> std::io::Result<Option<OwnedFd>> {
        self.registers().device.backend_events().map(|fd| fd.as_fd().try_clone_to_owned()).transpose()
    }

    /// Lets the device work. A ring that makes no sense breaks the device until its driver resets it.
    pub fn serve(&self, event: Event) {
        let mut registers = self.registers();
        // A backend is heard before the driver is there: its events must not pile up meanwhile.
        let heard = match registers.phase() {
            Phase::Working => true,
            Phase::Negotiating | Phase::SettingUp => event == Event::Backend,
            Phase::Broken => false,
        };
        if heard {
            registers.serve(event);
        }
    }

    /// Requests of the guest that made no sense so far.
    #[must_use]
    pub fn misbehaviour(&self) -> u64 {
        self.registers().device.misbehaviour().total()
    }

    /// The guest reads.
    pub fn read(&self, offset: u32, data: &mut [u8]) {
        data.fill(0);
        if let Some(at) = offset.checked_sub(CONFIG) {
            return self.registers().read_config(at, data);
        }
        // Registers are read 32 bits at a time; any other width reads as zero.
        let Ok(data) = <&mut [u8; 4]>::try_from(data) else { return };
        let value = match offset {
            0x60 => self.line.status(),
            _ => self.registers().read(offset),
        };
        *data = value.to_le_bytes();
    }

    /// The guest writes.
    pub fn write(&self, offset: u32, data: &[u8]) {
        let Ok(bytes) = <[u8; 4]>::try_from(data) else { return };
        let value = u32::from_le_bytes(bytes);
        match offset {
            0x64 => self.line.acknowledge(value),
            _ => self.registers().write(offset, value),
        }
    }

    fn registers(&self) -> MutexGuard<'_, Registers> {
        // A panic ends the process, so no thread ever sees a lock that a panicking one held.
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registers {
    fn phase(&self) -> Phase {
        if self.status & (FAILED | NEEDS_RESET) != 0 {
            Phase::Broken
        } else if self.status & DRIVER_OK != 0 {
            Phase::Working
        } else if self.status & FEATURES_OK != 0 {
            Phase::SettingUp
        } else {
            Phase::Negotiating
        }
    }

    fn read(&self, offset: u32) -> u32 {
        let queue = self.queues.get(self.selected);
        match offset {
            0x00 => MAGIC,
            0x04 => VERSION,
            0x08 => self.device.device_type().0,
            0x0c => VENDOR,
            0x10 => page(self.offered_features(), self.device_features_page),
            0x34 => queue.map_or(0, |queue| u32::from(queue.max_size())),
            0x44 => queue.map_or(0, |queue| u32::from(queue.ready())),
            0x70 => self.status,
            // Shared memory regions: there are none, which is said with a length of all ones.
            0xb0 | 0xb4 => u32::MAX,
            // The configuration never changes, so its generation is always 0, like any unknown register.
            _ => 0,
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        match offset {
            0x14 => self.device_features_page = value,
            0x20 => self.agree(value),
            0x24 => self.driver_features_page = value,
            0x30 => self.selected = usize::try_from(value).expect("32 bits fit"),
            0x38 => self.size_queue(value),
            0x44 => self.ready_queue(value),
            0x70 => self.set_status(value),
            0x80 => self.place(Part::Descriptors, Half::Low, value),
            0x84 => self.place(Part::Descriptors, Half::High, value),
            0x90 => self.place(Part::Driver, Half::Low, value),
            0x94 => self.place(Part::Driver, Half::High, value),
            0xa0 => self.place(Part::Device, Half::Low, value),
            0xa4 => self.place(Part::Device, Half::High, value),
            // Notifications arrive as events; one that arrives here names a queue that does not exist.
            _ => {}
        }
    }

    fn read_config(&self, at: u32, data: &mut [u8]) {
        let at = usize::try_from(at).expect("32 bits fit");
        let config = self.device.config().get(at..).unwrap_or_default();
        for (byte, value) in data.iter_mut().zip(config) {
            *byte = *value;
        }
    }

    fn offered_features(&self) -> u64 {
        self.device.features() | VERSION_1 | EVENT_INDEX | INDIRECT_DESCRIPTORS
    }

    fn agree(&mut self, value: u32) {
        if self.phase() != Phase::Negotiating || self.status & DRIVER == 0 {
            return;
        }
        match self.driver_features_page {
            0 => self.driver_features = (self.driver_features & !u64::from(u32::MAX)) | u64::from(value),
            1 => {
                self.driver_features = (self.driver_features & u64::from(u32::MAX)) | (u64::from(value) << 32)
            }
            _ => {}
        }
    }

    /// The gate: the selected queue, if its registers may change now.
    fn queue_registers_open(&mut self) -> Option<&mut Queue> {
        let open = self.phase() == Phase::SettingUp;
        self.queues.get_mut(self.selected).filter(|queue| open && !queue.ready())
    }

    fn size_queue(&mut self, value: u32) {
        if let (Some(queue), Ok(size)) = (self.queue_registers_open(), u16::try_from(value)) {
            // A size that is no power of two, or too large, is not taken: the queue keeps the one it has.
            let _refused = queue.try_set_size(size);
        }
    }

    fn place(&mut self, part: Part, half: Half, value: u32) {
        let Some(queue) = self.queue_registers_open() else { return };
        let (low, high) = match half {
            Half::Low => (Some(value), None),
            Half::High => (None, Some(value)),
        };
        match part {
            Part::Descriptors => queue.set_desc_table_address(low, high),
            Part::Driver => queue.set_avail_ring_address(low, high),
            Part::Device => queue.set_used_ring_address(low, high),
        }
    }

    fn ready_queue(&mut self, value: u32) {
        if value == 1
            && let Some(queue) = self.queue_registers_open()
        {
            queue.set_ready(true);
        }
        // Taking one queue back is not offered; a driver resets the device instead.
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset();
        }
        if value & FAILED != 0 {
            self.status |= FAILED;
            return;
        }
        // One step at a time, each after the one before it; bits are taken back by a reset only.
        let known = self.status & (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        if value & known != known || self.phase() == Phase::Broken {
            return;
        }
        match value & !self.status {
            ACKNOWLEDGE => self.status |= ACKNOWLEDGE,
            DRIVER if self.status & ACKNOWLEDGE != 0 => self.status |= DRIVER,
            FEATURES_OK if self.status & DRIVER != 0 && self.features_agree() => self.status |= FEATURES_OK,
            DRIVER_OK if self.phase() == Phase::SettingUp => self.activate(),
            _ => {}
        }
    }

    fn features_agree(&self) -> bool {
        self.driver_features & !self.offered_features() == 0 && self.driver_features & VERSION_1 != 0
    }

    fn activate(&mut self) {
        let count = self.device.queues_in_use(self.driver_features);
        let in_use = || self.queues.iter().take(count);
        let all_usable = in_use().all(|queue| queue.is_valid(self.memory.as_ref()));
        if !all_usable {
            self.device.misbehaviour().count();
            return self.needs_reset();
        }
        let event_index = self.driver_features & EVENT_INDEX != 0;
        // The registers keep what was set; the device gets queues of its own.
        let queues = in_use().map(|queue| {
            let mut queue = Queue::try_from(queue.state()).expect("the state of a queue is one of a queue");
            queue.set_event_idx(event_index);
            VirtQueue::new(queue, Arc::clone(&self.line))
        });
        let activation = Activation {
            queues: queues.collect(),
            memory: Arc::clone(&self.memory),
            features: self.driver_features,
        };
        self.status |= DRIVER_OK;
        self.device.activate(activation);
        self.worker.wake();
    }

    fn serve(&mut self, event: Event) {
        if self.device.serve(event).is_err() {
            self.device.misbehaviour().count();
            self.needs_reset();
        }
    }

    fn needs_reset(&mut self) {
        self.status |= NEEDS_RESET;
        self.line.config_changed();
    }

    fn reset(&mut self) {
        self.device.reset();
        self.line.reset();
        self.status = 0;
        self.device_features_page = 0;
        self.driver_features_page = 0;
        self.driver_features = 0;
        self.selected = 0;
        self.queues = fresh_queues(self.device.as_ref());
    }
}

fn fresh_queues(device: &dyn Device) -> Vec<Queue> {
    device
        .queue_sizes()
        .iter()
        .map(|size| Queue::new(*size).expect("every device's queue sizes are powers of two"))
        .collect()
}

fn page(features: u64, page: u32) -> u32 {
    match page {
        0 => u32::try_from(features & u64::from(u32::MAX)).expect("masked"),
        1 => u32::try_from(features >> 32).expect("shifted"),
        _ => 0,
    }
}
