//! The balloon device, for one thing only: the driver reports pages that hold nothing, and the host takes them
//! back (free page reporting: virtio 1.2, section 5.5.6.8). The host never asks the guest for memory that it uses.

pub mod backend;
pub mod device;
pub mod request;

#[cfg(test)]
mod tests;
