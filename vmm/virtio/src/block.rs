//! The block device (virtio 1.2, section 5.2).

pub mod backend;
pub mod device;
pub mod request;
mod write_back;

#[cfg(test)]
mod tests;
