//! Sockets by address (`SOCK_DIAG`).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;

use crate::capture::netlink::{Answer, DUMP, REQUEST, Request};
use crate::capture::{Netlink, NetlinkError};

/// A socket's inode number; its name among descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inode(pub(super) u32);

const BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const ANY_STATE: u32 = u32::MAX;
/// `TCP_LISTEN`.
const LISTENING: u8 = 10;
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// Where fields lie in the kernel's answer (`struct inet_diag_msg`).
const STATE: usize = 1;
const LOCAL_PORT: usize = 4;
const LOCAL_ADDRESS: usize = 8;
const INODE: usize = 68;

/// The TCP socket that is connected from `local` to `remote`, exactly. Where none is, the kernel names who
/// listens on `local`, whatever states it was asked for: that is not who connected.
pub(super) fn connection(
    socket: &Netlink,
    local: SocketAddr,
    remote: SocketAddr,
) -> Result<Option<Inode>, NetlinkError> {
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    match socket.query(request(REQUEST, family, TCP, Some((local, remote))), false) {
        Ok(answers) => Ok(answers.iter().filter(|answer| !is_listening(answer)).find_map(inode)),
        Err(NetlinkError::Refused(Errno::NOENT)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The UDP socket with the local address `local`. A datagram's receiver does not see what the sender's socket
/// is connected to, so all sockets are listed; a program has few.
pub(super) fn datagram(socket: &Netlink, local: SocketAddr) -> Result<Option<Inode>, NetlinkError> {
    let mut found = None;
    for family in [AF_INET, AF_INET6] {
        let answers = socket.query(request(REQUEST | DUMP, family, UDP, None), true)?;
        for answer in answers.iter().filter(|answer| is_local(answer, local)) {
            match (found, inode(answer)) {
                (_, None) => {}
                (None, some) => found = some,
                // Two sockets on one port: which of them asked cannot be told.
                (Some(_), Some(_)) => return Ok(None),
            }
        }
    }
    Ok(found)
}

/// `struct inet_diag_req_v2`.
fn request(flags: u16, family: u8, protocol: u8, pair: Option<(SocketAddr, SocketAddr)>) -> Request {
    let mut fields = vec![family, protocol, 0, 0];
    fields.extend(ANY_STATE.to_ne_bytes());
    match pair {
        Some((local, remote)) => {
            fields.extend(local.port().to_be_bytes());
            fields.extend(remote.port().to_be_bytes());
            fields.extend(address_field(local.ip()));
            fields.extend(address_field(remote.ip()));
        }
        None => fields.extend([0; 36]),
    }
    // Any interface, whatever its cookie.
    fields.extend([0; 4]);
    fields.extend(NO_COOKIE);
    Request::new(BY_FAMILY, flags, &fields)
}

/// Sixteen bytes, of which an IPv4 address takes the first four.
fn address_field(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut field = [0; 16];
            field[..4].copy_from_slice(&address.octets());
            field
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// Whether the socket waits for connections.
fn is_listening(answer: &Answer) -> bool {
    answer.body.get(STATE) == Some(&LISTENING)
}

/// A socket is closed already, and owned by nobody, when its inode is 0.
fn inode(answer: &Answer) -> Option<Inode> {
    let bytes = answer.body.get(INODE..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*bytes)).filter(|number| *number != 0).map(Inode)
}

/// Whether the socket is bound to `local`, or to its port on every address.
fn is_local(answer: &Answer, local: SocketAddr) -> bool {
    let port = answer.body.get(LOCAL_PORT..).and_then(|rest| rest.first_chunk::<2>());
    if port.is_none_or(|port| u16::from_be_bytes(*port) != local.port()) {
        return false;
    }
    let Some(bytes) = answer.body.get(LOCAL_ADDRESS..).and_then(|rest| rest.first_chunk::<16>()) else {
        return false;
    };
    let bound = match answer.body.first() {
        Some(&AF_INET) => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
        _ => Ipv6Addr::from(*bytes).to_canonical(),
    };
    bound.is_unspecified() || bound == local.ip().to_canonical()
}
