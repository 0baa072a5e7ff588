//! The device: moves packets between the queues and the bridge until neither side has anything to do.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::backend::Bridge;
use super::connection::data_room;
use super::request::{Packet, PacketFault};
use crate::device::{Activation, Device, DeviceType, Event, Misbehaviour};
use crate::memory::Memory;
use crate::queue::{QueueFault, VirtQueue};

/// Receive, transmit, and event queue. The last is for migration, which does not happen here.
const QUEUES: [u16; 3] = [256, 256, 16];

/// Packets of the guest that are looked at before it is spoken to.
const BATCH: usize = 64;

/// The socket device.
#[derive(Debug)]
pub struct Vsock {
    bridge: Bridge,
    config: [u8; 8],
    active: Option<Active>,
    misbehaviour: Misbehaviour,
}

#[derive(Debug)]
struct Active {
    receive: VirtQueue,
    transmit: VirtQueue,
    memory: Arc<Memory>,
}

/// Whether a queue may have more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Made,
    None,
}

impl Vsock {
    /// A device in front of this bridge.
    #[must_use]
    pub fn new(bridge: Bridge) -> Self {
        let config = u64::from(wire::vsock::GUEST_CID).to_le_bytes();
        Self { bridge, config, active: None, misbehaviour: Misbehaviour::default() }
    }
}

impl Device for Vsock {
    fn device_type(&self) -> DeviceType {
        DeviceType(19)
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
        Some(self.bridge.events())
    }

    fn activate(&mut self, activation: Activation) {
        let mut queues = activation.queues.into_iter();
        let mut next = || queues.next().expect("the transport makes three queues");
        let (receive, transmit) = (next(), next());
        self.active = Some(Active { receive, transmit, memory: activation.memory });
    }

    fn reset(&mut self) {
        self.active = None;
        self.bridge.reset();
    }

    fn serve(&mut self, event: Event) -> Result<(), QueueFault> {
        match event {
            Event::Activated | Event::Backend => self.bridge.on_events(),
            Event::Notified(_) => {}
        }
        let Some(active) = &mut self.active else { return Ok(()) };
        loop {
            let taken = active.take(&mut self.bridge, &self.misbehaviour)?;
            let given = active.give(&mut self.bridge, &self.misbehaviour)?;
            if (taken, given) == (Progress::None, Progress::None) {
                return Ok(());
            }
        }
    }

    fn misbehaviour(&self) -> &Misbehaviour {
        &self.misbehaviour
    }
}

impl Active {
    /// Takes packets from the guest.
    fn take(&mut self, bridge: &mut Bridge, misbehaviour: &Misbehaviour) -> Result<Progress, QueueFault> {
        let memory = Arc::clone(&self.memory);
        let mut count = 0;
        self.transmit.silence(&memory)?;
        while count < BATCH && bridge.takes_packets() {
            let Some((head, chain)) = self.transmit.pop(&memory)? else { break };
            count += 1;
            match Packet::parse(chain) {
                Ok(packet) => bridge.on_packet(packet, misbehaviour),
                Err(_fault) => misbehaviour.count(),
            }
            self.transmit.done(&memory, head, 0)?;
        }
        self.transmit.signal(&memory)?;
        // With too many refusals waiting, more packets are worth nothing until the guest has heard some.
        let more = self.transmit.listen(&memory)? && bridge.takes_packets();
        Ok(if more || count > 0 { Progress::Made } else { Progress::None })
    }

    /// Gives packets to the guest.
    fn give(&mut self, bridge: &mut Bridge, misbehaviour: &Misbehaviour) -> Result<Progress, QueueFault> {
        let memory = Arc::clone(&self.memory);
        self.receive.silence(&memory)?;
        let mut more = false;
        while bridge.wants_to_speak() {
            let Some((head, chain)) = self.receive.pop(&memory)? else {
                more = self.receive.listen(&memory)?;
                break;
            };
            let room = chain.map_err(PacketFault::from).map(|buffers| buffers.writable);
            let room =
                room.and_then(|room| data_room(&room).map(|data| (room, data)).ok_or(PacketFault::NoRoom));
            let Ok((room, data)) = room else {
                misbehaviour.count();
                self.receive.done(&memory, head, 0)?;
                continue;
            };
            let Some(header) = bridge.speak(&data) else {
                self.receive.put_back(head);
                continue;
            };
            let bytes = header.encode();
            room.copy_from(&bytes);
            let len = u32::try_from(bytes.len()).expect("44").saturating_add(header.len);
            self.receive.done(&memory, head, len)?;
        }
        self.receive.signal(&memory)?;
        Ok(if more { Progress::Made } else { Progress::None })
    }
}
