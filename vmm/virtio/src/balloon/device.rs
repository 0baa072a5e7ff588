//! The device: takes reports, and refuses everything that would change the balloon's size.

use std::sync::Arc;

use super::backend;
use super::request::Report;
use crate::device::{Activation, Device, DeviceType, Event, Misbehaviour};
use crate::memory::Memory;
use crate::queue::{Buffers, ChainFault, QueueFault, VirtQueue};

/// The driver may report free pages (`VIRTIO_BALLOON_F_REPORTING`).
const REPORTING: u64 = 1 << 5;

/// Inflate, deflate, reports. Queues of features that are not offered take no number: this is how Linux counts, where
/// the specification gives the last one a fixed number. Linux reports up to 32 ranges at a time, and wants a queue
/// that holds as many.
const QUEUES: [u16; 3] = [16, 16, 64];
const PURPOSES: [Purpose; 3] = [Purpose::Size, Purpose::Size, Purpose::Report];

/// Pages that the host wants, and pages that it has (`struct virtio_balloon_config`): none, for ever.
const CONFIG: [u8; 8] = [0; 8];

/// The balloon device.
#[derive(Debug, Default)]
pub struct Balloon {
    active: Option<Active>,
    misbehaviour: Misbehaviour,
}

#[derive(Debug)]
struct Active {
    queues: Vec<VirtQueue>,
    memory: Arc<Memory>,
}

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Pages go into the balloon or come out of it. The host asks for none, so a driver has no reason to.
    Size,
    /// Free pages are reported.
    Report,
}

impl Device for Balloon {
    fn device_type(&self) -> DeviceType {
        DeviceType(5)
    }

    fn features(&self) -> u64 {
        REPORTING
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &QUEUES
    }

    fn queues_in_use(&self, features: u64) -> usize {
        if features & REPORTING == 0 { QUEUES.len() - 1 } else { QUEUES.len() }
    }

    fn config(&self) -> &[u8] {
        &CONFIG
    }

    fn activate(&mut self, activation: Activation) {
        self.active = Some(Active { queues: activation.queues, memory: activation.memory });
    }

    fn reset(&mut self) {
        self.active = None;
    }

    fn serve(&mut self, _event: Event) -> Result<(), QueueFault> {
        let Some(Active { queues, memory }) = &mut self.active else { return Ok(()) };
        for (queue, purpose) in queues.iter_mut().zip(PURPOSES) {
            drain(queue, memory, |chain| answer(purpose, chain, &self.misbehaviour))?;
        }
        Ok(())
    }

    fn misbehaviour(&self) -> &Misbehaviour {
        &self.misbehaviour
    }
}

/// Takes chains, and gives each back when it is answered, until there is none.
fn drain(
    queue: &mut VirtQueue,
    memory: &Memory,
    mut answer: impl FnMut(Result<Buffers<'_>, ChainFault>),
) -> Result<(), QueueFault> {
    loop {
        queue.silence(memory)?;
        while let Some((head, chain)) = queue.pop(memory)? {
            answer(chain);
            // Not before the pages are gone: the driver uses them again once it has the chain back. Nothing counts as
            // written, since not every page reads as zeros from now on.
            queue.done(memory, head, 0)?;
        }
        queue.signal(memory)?;
        if !queue.listen(memory)? {
            return Ok(());
        }
    }
}

fn answer(purpose: Purpose, chain: Result<Buffers<'_>, ChainFault>, misbehaviour: &Misbehaviour) {
    match (purpose, Report::parse(chain)) {
        (Purpose::Report, Ok(report)) => backend::release(report),
        (Purpose::Report, Err(_)) | (Purpose::Size, _) => misbehaviour.count(),
    }
}
