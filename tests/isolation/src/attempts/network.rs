//! Packets, and sockets of those outside.

use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use rustix::io::Errno;

use super::{IDENTITY, LANDLOCK, MOUNTS, NAMESPACES, SECCOMP, call, errno, reached};
use crate::Attempt;
use crate::stage::{ABSTRACT, PORT, SOCKET};

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "send packets of any kind",
        make: || socket(libc::AF_PACKET, libc::SOCK_RAW, 0).map(drop),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "send IP packets of any kind",
        make: || socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP).map(drop),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "call the host by vsock",
        // A machine without the module has none; who may not call does not get to know.
        make: || reached(socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0), &[Errno::AFNOSUPPORT]),
        held_by: &[SECCOMP],
        alone: "the host takes its own ports only from a guest's port that takes a capability, and flows only with their key",
    },
    Attempt {
        name: "talk to the firewall",
        make: || {
            let outcome = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER);
            reached(outcome, &[Errno::PROTONOSUPPORT])
        },
        held_by: &[SECCOMP],
        alone: "to change anything takes a capability",
    },
    Attempt {
        name: "connect to a name without a path",
        make: || {
            let name = SocketAddr::from_abstract_name(ABSTRACT).map_err(|error| errno(&error))?;
            UnixStream::connect_addr(&name).map(drop).map_err(|error| errno(&error))
        },
        held_by: &[NAMESPACES, LANDLOCK],
        alone: "",
    },
    Attempt {
        name: "connect to a socket with a path",
        make: || UnixStream::connect(SOCKET).map(drop).map_err(|error| errno(&error)),
        held_by: &[MOUNTS],
        alone: "Landlock of this kernel does not ask about it; the agent's tree has nobody else's socket",
    },
    Attempt {
        name: "connect to the loopback of those outside",
        make: || TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).map(drop).map_err(|error| errno(&error)),
        held_by: &[NAMESPACES],
        alone: "guest-init listens nowhere but in the agent's own network",
    },
];

fn socket(family: i32, kind: i32, protocol: i32) -> Result<i64, Errno> {
    call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0, 0, 0])
}
