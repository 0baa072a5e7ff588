//! The entropy device (virtio 1.2, section 5.4).

pub mod backend;
pub mod device;
pub mod request;

#[cfg(test)]
mod tests;
