//! Virtio queues, MMIO transport and devices.
