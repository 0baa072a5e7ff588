//! The socket device (virtio 1.2, section 5.10), bridged to Unix sockets in one directory.
//!
//! ```text
//! guest                        this crate                           host
//! connect(2, P)  ── REQUEST ─► connection ── connect("P.sock") ──►  listener of port P
//! accept(P)     ◄─ REQUEST ──  connection ◄─ "CONNECT P\n" ──────   client of "guest.sock"
//! ```
//! Only streams exist. Port numbers below [`wire::vsock::PRIVILEGED_BELOW`] on the host are open only to
//! guest ports below it.

pub mod backend;
pub mod connection;
pub mod device;
pub mod request;

#[cfg(test)]
mod tests;
