//! How the host is reached. Everything that talks to it gets a [`Host`], so that it also runs against
//! sockets of another kind.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use wire::vsock::{HOST_CID, PRIVILEGED_BELOW, Port};

use crate::sys::{self, VsockAddr};

/// `VMADDR_CID_ANY`: whatever context id this guest has.
const ANY_CID: u32 = u32::MAX;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Opens streams to the host's ports, and takes the host's.
pub(crate) trait Host: Send + Sync {
    /// Starts to connect; the socket does not block, and becomes writable when it is connected or failed.
    ///
    /// # Errors
    /// No connection could be started.
    fn connect(&self, port: Port) -> io::Result<OwnedFd>;

    /// Listens on a port of the guest; the socket blocks.
    ///
    /// # Errors
    /// The port is taken.
    fn listen(&self, port: Port) -> io::Result<OwnedFd>;

    /// Whether it is the host that called, and not a process of this guest.
    fn is_host(&self, caller: BorrowedFd<'_>) -> bool;
}

/// The host behind the vsock device.
#[derive(Debug, Default)]
pub(crate) struct Vsock {
    /// How many connections were started: where the search for a free port begins.
    started: AtomicU32,
}

impl Host for Vsock {
    fn connect(&self, port: Port) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::VSOCK, SocketType::STREAM, flags, None)?;
        self.bind_privileged(&socket)?;
        match rustix::net::connect(&socket, &VsockAddr { cid: HOST_CID, port: port.0 }) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    }

    fn listen(&self, port: Port) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::VSOCK, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &VsockAddr { cid: ANY_CID, port: port.0 })?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    }

    fn is_host(&self, caller: BorrowedFd<'_>) -> bool {
        sys::vsock_peer(caller) == Ok(HOST_CID)
    }
}

impl Vsock {
    /// The host takes connections to its own ports only from ports that no unprivileged process can bind.
    /// Each is held by one connection, so there are at most 1023 at once; they are taken in turn, and one
    /// that is still in use is passed over.
    fn bind_privileged(&self, socket: &OwnedFd) -> Result<(), Errno> {
        let usable = PRIVILEGED_BELOW.0 - 1;
        for _attempt in 0..usable {
            let port = 1 + self.started.fetch_add(1, Ordering::Relaxed) % usable;
            match rustix::net::bind(socket, &VsockAddr { cid: ANY_CID, port }) {
                Err(Errno::ADDRINUSE) => {}
                outcome => return outcome,
            }
        }
        Err(Errno::ADDRINUSE)
    }
}
