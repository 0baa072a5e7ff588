//! Virtio: queues, the MMIO transport, the devices.
//!
//! A device knows guest memory and an [`interrupt::Interrupt`], and nothing of the hypervisor.

pub mod memory;
