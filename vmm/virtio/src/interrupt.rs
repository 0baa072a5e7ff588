//! A device's interrupt: the line, and the register that says why it was raised.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};

const USED_BUFFERS: u32 = 1;
const CONFIG_CHANGED: u32 = 2;

/// Something that interrupts the guest. All that a device knows of the world that runs the guest.
pub trait Interrupt: Debug + Send + Sync {
    /// Interrupts the guest.
    fn raise(&self);
}

/// A line with its status register (virtio 1.2, 4.2.2: `InterruptStatus`, `InterruptACK`). Two threads
/// share it: the device's, which raises, and the virtual CPU's, which reads and acknowledges without
/// having to wait for the device.
#[derive(Debug)]
pub struct Line {
    status: AtomicU32,
    wire: Box<dyn Interrupt>,
}

impl Line {
    /// A line that has not been raised.
    #[must_use]
    pub fn new(wire: Box<dyn Interrupt>) -> Self {
        Self { status: AtomicU32::new(0), wire }
    }

    /// Says that a queue has used buffers.
    pub fn used_buffers(&self) {
        self.raise(USED_BUFFERS);
    }

    /// Says that the configuration, or the device's status, has changed.
    pub fn config_changed(&self) {
        self.raise(CONFIG_CHANGED);
    }

    pub(crate) fn status(&self) -> u32 {
        self.status.load(Ordering::Acquire)
    }

    pub(crate) fn acknowledge(&self, bits: u32) {
        self.status.fetch_and(!bits, Ordering::AcqRel);
    }

    pub(crate) fn reset(&self) {
        self.status.store(0, Ordering::Release);
    }

    fn raise(&self, why: u32) {
        self.status.fetch_or(why, Ordering::AcqRel);
        self.wire.raise();
    }
}
