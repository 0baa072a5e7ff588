//! The file system device (virtio 1.2, section 5.11). What its requests say is for another process, which has the directory:
//!
//! ```text
//! guest                    this crate                        the mount's server
//! FUSE request  ──chain──► lane that is free ──message────►  serves
//! its answer    ◄──chain── the same lane     ◄──message────
//! ```
//! A lane carries one request at a time ([`wire::mount`]), so an answer belongs to the request that the lane carries: nothing
//! of it is read here. Its bytes go from the guest's memory into the socket and back, and are copied nowhere else. With no
//! lane free, requests stay in the queue.

pub mod backend;
pub mod device;
pub mod request;

#[cfg(test)]
mod tests;
