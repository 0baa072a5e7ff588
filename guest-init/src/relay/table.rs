//! Flows by slot, and the numbers by which the kernel's events name them.

use rustix::event::epoll::EventData;

use super::flow::Flow;

/// A place in the table together with how often it was used before: an event for a flow that is gone does
/// not reach the flow that came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    index: u32,
    use_count: u32,
}

/// Which socket of a flow became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The agent's.
    Client,
    /// The host's.
    Host,
    /// Nobody asked which.
    Both,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A listener has connections.
    Listener(usize),
    /// Owners were found.
    Identified,
    /// A flow's socket is ready.
    Flow(Slot, Side),
}

/// Flows, each at a place it keeps.
#[derive(Debug)]
pub(super) struct Table {
    places: Vec<(u32, Option<Flow>)>,
    free: Vec<u32>,
}

const KIND_BITS: u32 = 3;
const INDEX_BITS: u32 = 29;

impl Token {
    /// Two bits of kind and one of side below, then the index, then the use count.
    pub(super) fn data(self) -> EventData {
        let number = match self {
            Self::Listener(index) => (index as u64) << KIND_BITS,
            Self::Identified => 1,
            Self::Flow(slot, side) => {
                let kind = if side == Side::Host { 3 } else { 2 };
                kind | (u64::from(slot.index) << KIND_BITS)
                    | (u64::from(slot.use_count) << (KIND_BITS + INDEX_BITS))
            }
        };
        EventData::new_u64(number)
    }

    pub(super) fn from_data(data: EventData) -> Option<Self> {
        let number = data.u64();
        let index = u32::try_from((number >> KIND_BITS) & ((1 << INDEX_BITS) - 1)).ok()?;
        let use_count = u32::try_from(number >> (KIND_BITS + INDEX_BITS)).ok()?;
        let slot = Slot { index, use_count };
        match number & ((1 << KIND_BITS) - 1) {
            0 => Some(Self::Listener(index as usize)),
            1 => Some(Self::Identified),
            2 => Some(Self::Flow(slot, Side::Client)),
            3 => Some(Self::Flow(slot, Side::Host)),
            _ => None,
        }
    }
}

impl Table {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let free = (0..u32::try_from(capacity).expect("a table of flows is small")).rev().collect();
        Self { places: (0..capacity).map(|_| (0, None)).collect(), free }
    }

    /// Whether there is no free place.
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Finds a place for a flow; `None`, and the flow is dropped, when the table is full.
    pub(super) fn insert(&mut self, flow: Flow) -> Option<Slot> {
        let index = self.free.pop()?;
        let place = self.places.get_mut(index as usize).expect("free places are places");
        place.1 = Some(flow);
        Some(Slot { index, use_count: place.0 })
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Flow> {
        let (use_count, flow) = self.places.get(slot.index as usize)?;
        flow.as_ref().filter(|_| *use_count == slot.use_count)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Flow> {
        let (use_count, flow) = self.places.get_mut(slot.index as usize)?;
        flow.as_mut().filter(|_| *use_count == slot.use_count)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Flow> {
        let (use_count, flow) = self.places.get_mut(slot.index as usize)?;
        let flow = flow.take_if(|_| *use_count == slot.use_count)?;
        *use_count = use_count.wrapping_add(1);
        self.free.push(slot.index);
        Some(flow)
    }
}
