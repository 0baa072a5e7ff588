//! Interfaces, addresses and default routes of the agent's network (rtnetlink).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::CaptureError;
use super::netlink::{ACK, CREATE, EXCLUSIVE, Netlink, NetlinkError, REQUEST, Request};

/// Name of the interface with the default routes.
const WAY_OUT: &str = "dummy0";

/// Loopback is the first interface of every namespace; the one made next is the second.
pub(super) const LOOPBACK: u32 = 1;

/// The agent's own addresses: one for documentation (RFC 5737), one of a unique local prefix (RFC 4193).
/// They are seen by programs that ask for their address, and by nobody else.
pub(super) const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(super) const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x6f73, 0, 1, 0, 0, 0, 2);

/// Nothing leaves the machine, so segments may be as long as loopback's.
const MTU: u32 = 65_535;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const IFF_UP: u32 = 1;

/// `IFA_F_NODAD`: nobody else could have the address, so it is usable without a wait.
const NO_DUPLICATE_DETECTION: u32 = 2;

pub(super) fn build(kind: &str) -> Result<(), CaptureError> {
    let failed = |what| move |error| CaptureError::Route(what, error);
    let route = Netlink::open(None).map_err(failed("open a route socket"))?;
    bring_up(&route, LOOPBACK).map_err(failed("bring up the loopback interface"))?;
    add_interface(&route, kind).map_err(failed("add the interface of the default routes"))?;
    let index = interface_index().map_err(failed("find the interface of the default routes"))?;
    bring_up(&route, index).map_err(failed("bring up the interface of the default routes"))?;
    for address in [IpAddr::V4(ADDRESS_V4), IpAddr::V6(ADDRESS_V6)] {
        add_address(&route, index, address).map_err(failed("add the agent's address"))?;
        add_default_route(&route, index, address).map_err(failed("add a default route"))?;
    }
    Ok(())
}

/// `struct ifinfomsg`.
fn link_fields(index: u32, flags: u32) -> Vec<u8> {
    let mut fields = vec![0; 4];
    fields.extend(index.to_ne_bytes());
    fields.extend(flags.to_ne_bytes());
    fields.extend(flags.to_ne_bytes());
    fields
}

fn bring_up(route: &Netlink, index: u32) -> Result<(), NetlinkError> {
    route.call(Request::new(NEW_LINK, REQUEST | ACK, &link_fields(index, IFF_UP)))
}

fn add_interface(route: &Netlink, kind: &str) -> Result<(), NetlinkError> {
    const IFLA_IFNAME: u16 = 3;
    const IFLA_MTU: u16 = 4;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_INFO_KIND: u16 = 1;
    let request = Request::new(NEW_LINK, REQUEST | ACK | CREATE | EXCLUSIVE, &link_fields(0, 0))
        .with_text(IFLA_IFNAME, WAY_OUT)
        .with(IFLA_MTU, &MTU.to_ne_bytes())
        .nested(IFLA_LINKINFO, |info| info.with(IFLA_INFO_KIND, kind.as_bytes()));
    route.call(request)
}

fn interface_index() -> Result<u32, NetlinkError> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
        .map_err(NetlinkError::Socket)?;
    rustix::net::netdevice::name_to_index(&socket, WAY_OUT).map_err(NetlinkError::Socket)
}

fn add_address(route: &Netlink, index: u32, address: IpAddr) -> Result<(), NetlinkError> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_FLAGS: u16 = 8;
    let (family, bytes, bits) = parts(address);
    // `struct ifaddrmsg`: family, prefix length, flags, scope, index.
    let mut fields = vec![family, bits, 0, 0];
    fields.extend(index.to_ne_bytes());
    let request = Request::new(NEW_ADDRESS, REQUEST | ACK | CREATE | EXCLUSIVE, &fields)
        .with(IFA_LOCAL, &bytes)
        .with(IFA_ADDRESS, &bytes)
        .with(IFA_FLAGS, &NO_DUPLICATE_DETECTION.to_ne_bytes());
    route.call(request)
}

fn add_default_route(route: &Netlink, index: u32, source: IpAddr) -> Result<(), NetlinkError> {
    const RTA_OIF: u16 = 4;
    const RTA_PREFSRC: u16 = 7;
    const MAIN_TABLE: u8 = 254;
    const STATIC: u8 = 4;
    const UNICAST: u8 = 1;
    const SCOPE_LINK: u8 = 253;
    let (family, bytes, _) = parts(source);
    let scope = if source.is_ipv4() { SCOPE_LINK } else { 0 };
    // `struct rtmsg`: family, destination and source length, tos, table, protocol, scope, type, flags.
    let fields = [family, 0, 0, 0, MAIN_TABLE, STATIC, scope, UNICAST, 0, 0, 0, 0];
    let request = Request::new(NEW_ROUTE, REQUEST | ACK | CREATE | EXCLUSIVE, &fields)
        .with(RTA_OIF, &index.to_ne_bytes())
        .with(RTA_PREFSRC, &bytes);
    route.call(request)
}

/// Family, bytes and number of bits of an address.
fn parts(address: IpAddr) -> (u8, Vec<u8>, u8) {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    match address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec(), 32),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec(), 128),
    }
}
