//! Virtio: queues, the MMIO transport, the devices.
//!
//! A device knows guest memory and an [`interrupt::Interrupt`], and nothing of the hypervisor. Every device
//! has the same files: `request` parses what the guest wrote in a pure function, `backend` acts on it,
//! `device` moves chains between the two.
//!
//! *Invariant:* nothing that a guest writes makes this crate panic; what makes no sense is counted.

pub mod balloon;
pub mod block;
pub mod device;
pub mod fs;
pub mod interrupt;
pub mod memory;
pub mod mmio;
pub mod queue;
pub mod rng;
pub mod vsock;

#[cfg(test)]
mod driver;
