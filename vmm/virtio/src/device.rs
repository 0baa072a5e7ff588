//! What every device is to the transport.

use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::memory::Memory;
use crate::queue::{QueueFault, VirtQueue};

/// A device type's number (virtio 1.2, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceType(pub u32);

/// A queue's index within its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueIndex(pub usize);

/// What a driver has set up, handed to the device when the driver says that it is ready.
#[derive(Debug)]
pub struct Activation {
    /// The queues in use, each checked against memory.
    pub queues: Vec<VirtQueue>,
    /// Guest memory.
    pub memory: Arc<Memory>,
    /// The features that both sides agreed on.
    pub features: u64,
}

/// Why a device is asked to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The driver is ready. What it offered before, and what the backend said before, is waiting.
    Activated,
    /// The driver notified this queue.
    Notified(QueueIndex),
    /// The descriptor of [`Device::backend_events`] is readable.
    Backend,
}

/// Wakes the thread that serves a device, so that it brings [`Event::Activated`]. A device is activated on a
/// virtual CPU's thread, which must not do the device's work.
pub trait Wake: Debug + Send + Sync {
    /// Wakes it.
    fn wake(&self);
}

/// Hears that the host's side of a device has failed. The guest gets an error for its request as well, but it may
/// drop that (what a program wrote without waiting for it is gone then, and the program does not hear of it), so
/// whoever runs the machine decides.
pub trait Alarm: Debug + Send {
    /// The host could not do what the guest had every right to ask for.
    fn host_failed(&self, error: &io::Error);
}

/// A virtio device. It is idle until activated, and again after a reset.
pub trait Device: Debug + Send {
    /// The device type.
    fn device_type(&self) -> DeviceType;

    /// Feature bits of this type; those of the transport and the ring are added to them.
    fn features(&self) -> u64;

    /// The largest size of each queue.
    fn queue_sizes(&self) -> &'static [u16];

    /// How many of the queues, from the first on, a driver sets up that agreed to these features.
    fn queues_in_use(&self, _features: u64) -> usize {
        self.queue_sizes().len()
    }

    /// The configuration space.
    fn config(&self) -> &[u8];

    /// A descriptor that becomes readable when the device's backend has work for it.
    fn backend_events(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The driver is ready.
    fn activate(&mut self, activation: Activation);

    /// The driver reset the device: everything but the configuration is forgotten.
    fn reset(&mut self);

    /// Does the work that an event brings; nothing while idle.
    ///
    /// # Errors
    /// A ring makes no sense: the device stays still until the driver resets it.
    fn serve(&mut self, event: Event) -> Result<(), QueueFault>;

    /// What the guest did wrong so far.
    fn misbehaviour(&self) -> &Misbehaviour;
}

/// Counts requests that made no sense. Guests are expected to misbehave; who looks at the machine wants to
/// know how much.
#[derive(Debug, Default)]
pub struct Misbehaviour(AtomicU64);

impl Misbehaviour {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
