//! The device: one queue of requests, each answered at once.

use std::sync::Arc;

use super::backend;
use super::request::Request;
use crate::device::{Activation, Device, DeviceType, Event, Misbehaviour};
use crate::memory::Memory;
use crate::queue::{QueueFault, VirtQueue};

const QUEUES: [u16; 1] = [64];

/// The entropy device.
#[derive(Debug, Default)]
pub struct Rng {
    active: Option<(VirtQueue, Arc<Memory>)>,
    misbehaviour: Misbehaviour,
}

impl Device for Rng {
    fn device_type(&self) -> DeviceType {
        DeviceType(4)
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &QUEUES
    }

    fn config(&self) -> &[u8] {
        &[]
    }

    fn activate(&mut self, activation: Activation) {
        let queue = activation.queues.into_iter().next().expect("the transport makes one queue");
        self.active = Some((queue, activation.memory));
    }

    fn reset(&mut self) {
        self.active = None;
    }

    fn serve(&mut self, _event: Event) -> Result<(), QueueFault> {
        let Some((queue, memory)) = &mut self.active else { return Ok(()) };
        loop {
            queue.silence(memory)?;
            while let Some((head, chain)) = queue.pop(memory)? {
                let written = match Request::parse(chain) {
                    Ok(request) => backend::fill(&request),
                    Err(_fault) => {
                        self.misbehaviour.count();
                        0
                    }
                };
                queue.done(memory, head, written)?;
            }
            queue.signal(memory)?;
            if !queue.listen(memory)? {
                return Ok(());
            }
        }
    }

    fn misbehaviour(&self) -> &Misbehaviour {
        &self.misbehaviour
    }
}
