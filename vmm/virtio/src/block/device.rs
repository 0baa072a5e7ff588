//! The device: one queue of requests, each done before the next.

use std::sync::Arc;

use super::backend::{Disk, Verdict};
use super::request::{Access, Request};
use crate::device::{Activation, Alarm, Device, DeviceType, Event, Misbehaviour};
use crate::memory::Memory;
use crate::queue::{Buffers, ChainFault, QueueFault, VirtQueue};

const QUEUES: [u16; 1] = [256];

const FEATURE_SEGMENTS: u64 = 1 << 2;
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;

/// Most buffers of data in one request: a full queue less header and status.
const MOST_SEGMENTS: u32 = 254;

/// Up to the field `seg_max`; what follows belongs to features that are not offered.
const CONFIG_LEN: usize = 16;

/// A block device.
#[derive(Debug)]
pub struct Block {
    disk: Disk,
    alarm: Box<dyn Alarm>,
    config: [u8; CONFIG_LEN],
    active: Option<(VirtQueue, Arc<Memory>)>,
    misbehaviour: Misbehaviour,
}

impl Block {
    /// A device with this disk; `alarm` hears when the disk's file fails.
    #[must_use]
    pub fn new(disk: Disk, alarm: Box<dyn Alarm>) -> Self {
        let mut config = [0; CONFIG_LEN];
        config[..8].copy_from_slice(&disk.limits().sectors.to_le_bytes());
        config[12..].copy_from_slice(&MOST_SEGMENTS.to_le_bytes());
        Self { disk, alarm, config, active: None, misbehaviour: Misbehaviour::default() }
    }
}

impl Device for Block {
    fn device_type(&self) -> DeviceType {
        DeviceType(2)
    }

    fn features(&self) -> u64 {
        let access = match self.disk.limits().access {
            Access::ReadOnly => FEATURE_READ_ONLY,
            Access::ReadWrite => 0,
        };
        FEATURE_SEGMENTS | FEATURE_FLUSH | access
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &QUEUES
    }

    fn config(&self) -> &[u8] {
        &self.config
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
                let written = answer(&self.disk, chain, (self.alarm.as_ref(), &self.misbehaviour));
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

/// Does what one chain asks for, and tells whoever is concerned when that did not go well; returns the bytes written
/// to the chain.
fn answer(
    disk: &Disk,
    chain: Result<Buffers<'_>, ChainFault>,
    (alarm, misbehaviour): (&dyn Alarm, &Misbehaviour),
) -> u32 {
    let Ok(request) = Request::parse(chain, disk.limits()) else {
        misbehaviour.count();
        return 0;
    };
    let outcome = disk.perform(request);
    match outcome.verdict {
        Verdict::Fine => {}
        Verdict::Refused => misbehaviour.count(),
        Verdict::Failed(error) => alarm.host_failed(&error),
    }
    outcome.written
}
