//! The device: requests from the queues to the lanes, answers back.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::backend::{Landed, Sent, Server};
use super::request::Request;
use crate::device::{Activation, Device, DeviceType, Event, Misbehaviour, QueueIndex};
use crate::memory::Memory;
use crate::queue::{QueueFault, VirtQueue};

/// One queue for what has no answer, one for everything else.
const QUEUES: [u16; 2] = [64, 256];

/// Bytes of the configuration: the tag, and how many queues there are beside the first.
const CONFIG: usize = wire::mount::MAX_TAG + 4;

/// The file system device.
#[derive(Debug)]
pub struct Fs {
    server: Server,
    config: [u8; CONFIG],
    active: Option<Active>,
    misbehaviour: Misbehaviour,
}

#[derive(Debug)]
struct Active {
    queues: Vec<VirtQueue>,
    memory: Arc<Memory>,
}

impl Fs {
    /// A device in front of this server. Of a tag that is too long, the beginning counts.
    #[must_use]
    pub fn new(server: Server, tag: &str) -> Self {
        let mut config = [0; CONFIG];
        let (name, queues) = config.split_at_mut(wire::mount::MAX_TAG);
        name.iter_mut().zip(tag.bytes()).for_each(|(byte, letter)| *byte = letter);
        queues.iter_mut().zip(1_u32.to_le_bytes()).for_each(|(byte, number)| *byte = number);
        Self { server, config, active: None, misbehaviour: Misbehaviour::default() }
    }
}

impl Device for Fs {
    fn device_type(&self) -> DeviceType {
        DeviceType(26)
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &QUEUES
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn backend_events(&self) -> Option<BorrowedFd<'_>> {
        Some(self.server.events())
    }

    fn activate(&mut self, activation: Activation) {
        self.active = Some(Active { queues: activation.queues, memory: activation.memory });
    }

    fn reset(&mut self) {
        self.active = None;
        self.server.reset();
    }

    fn serve(&mut self, event: Event) -> Result<(), QueueFault> {
        let Some(active) = &mut self.active else { return Ok(()) };
        // What was not read while the device was still is waiting when its driver is ready.
        if event == Event::Backend || event == Event::Activated {
            active.land(&mut self.server)?;
        }
        // With no lane free, the next answer brings us here again.
        while self.server.takes_requests() && active.take_off(&mut self.server, &self.misbehaviour)? {}
        active.queues.iter_mut().try_for_each(|queue| queue.signal(&active.memory))
    }

    fn misbehaviour(&self) -> &Misbehaviour {
        &self.misbehaviour
    }
}

impl Active {
    /// Gives back the chains whose answers have come.
    fn land(&mut self, server: &mut Server) -> Result<(), QueueFault> {
        while let Some(landed) = server.receive(&self.memory) {
            give_back(&mut self.queues, &self.memory, landed)?;
        }
        Ok(())
    }

    /// Passes requests on while there are lanes; says whether a queue may have more.
    fn take_off(&mut self, server: &mut Server, misbehaviour: &Misbehaviour) -> Result<bool, QueueFault> {
        let memory = Arc::clone(&self.memory);
        let mut more = false;
        for index in 0..self.queues.len() {
            let Some(queue) = self.queues.get_mut(index) else { break };
            queue.silence(&memory)?;
            while server.takes_requests() {
                let Some((head, chain)) = queue.pop_exchange(&memory)? else {
                    more |= queue.listen(&memory)?;
                    break;
                };
                let Ok(request) = Request::parse(chain) else {
                    misbehaviour.count();
                    queue.done(&memory, head, 0)?;
                    continue;
                };
                if let Sent::Failed(Landed { head, written, .. }) =
                    server.send(&memory, (QueueIndex(index), head), request)
                {
                    queue.done(&memory, head, written)?;
                }
            }
        }
        Ok(more)
    }
}

fn give_back(queues: &mut [VirtQueue], memory: &Memory, landed: Landed) -> Result<(), QueueFault> {
    let Landed { queue, head, written } = landed;
    queues.get_mut(queue.0).map_or(Ok(()), |queue| queue.done(memory, head, written))
}
