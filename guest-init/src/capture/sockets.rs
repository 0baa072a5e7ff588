//! guest-init's sockets in the agent's network. Those of the capture have ports below 1024, so that no program
//! of the agent can take them or wants them. The explicit proxy has the port that clients are told; it is taken
//! before the agent exists and never shared.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};
use wire::flow::EXPLICIT_PROXY;

use super::{CaptureError, Netlink};

/// Where redirected connections arrive.
pub(super) const LISTENER_PORT: u16 = 1;

/// Where redirected name questions arrive.
pub(super) const STUB_PORT: u16 = 53;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// All of them; none blocks.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Listeners for captured connections: IPv4, IPv6.
    pub(crate) flows: [OwnedFd; 2],
    /// Listener for clients that insist on a proxy.
    pub(crate) explicit: OwnedFd,
    /// Where names are asked for by datagram: IPv4, IPv6.
    pub(crate) datagrams: [OwnedFd; 2],
    /// Listeners where names are asked for by stream: IPv4, IPv6.
    pub(crate) streams: [OwnedFd; 2],
    /// Tells who owns a socket of the namespace.
    pub(crate) diagnosis: Netlink,
}

impl Gates {
    /// Opens them in the calling thread's network namespace.
    pub(super) fn open() -> Result<Self, CaptureError> {
        Ok(Self {
            flows: both(SocketType::STREAM, LISTENER_PORT)?,
            explicit: one(SocketType::STREAM, EXPLICIT_PROXY)?,
            datagrams: both(SocketType::DGRAM, STUB_PORT)?,
            streams: both(SocketType::STREAM, STUB_PORT)?,
            diagnosis: Netlink::open(Some(netlink::SOCK_DIAG)).map_err(CaptureError::Diagnosis)?,
        })
    }
}

fn both(kind: SocketType, port: u16) -> Result<[OwnedFd; 2], CaptureError> {
    let v4 = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    Ok([one(kind, v4)?, one(kind, v6)?])
}

fn one(kind: SocketType, address: SocketAddr) -> Result<OwnedFd, CaptureError> {
    open(kind, address).map_err(|error| CaptureError::Listen(address, error))
}

fn open(kind: SocketType, address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    rustix::net::bind(&socket, &address)?;
    if kind == SocketType::STREAM {
        rustix::net::listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}
