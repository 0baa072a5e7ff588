//! The packet rules of the agent's network (nf_tables, written through nfnetlink).
//!
//! ```text
//! table inet openshell
//!   chain redirect (nat, output)          chain refuse (filter, output)
//!     udp dport 53  → stub                  to a loopback or own address → accept
//!     tcp dport 53  → stub                  tcp → reset
//!     out on lo     → accept                anything → ICMP port unreachable
//!     tcp           → listener
//! ```
//! A redirected packet has a loopback destination when it meets the second chain. Without egress the first
//! chain does not exist.

use rustix::net::netlink;

use super::Egress;
use super::netlink::{ACK, APPEND, CREATE, Netlink, NetlinkError, REQUEST, Request};
use super::route::{ADDRESS_V4, ADDRESS_V6, LOOPBACK};
use super::sockets::{LISTENER_PORT, STUB_PORT};

const TABLE: &str = "openshell";
const REDIRECT: &str = "redirect";
const REFUSE: &str = "refuse";

const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Subsystem number of nf_tables, as `nfgenmsg.res_id` and as the high byte of message types.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = (SUBSYSTEM << 8) | 3;
const NEW_RULE: u16 = (SUBSYSTEM << 8) | 6;

const HOOK_OUTPUT: u32 = 3;
const PRIORITY_DESTINATION_NAT: i32 = -100;
const PRIORITY_FILTER: i32 = 0;

const VERDICT_ACCEPT: u32 = 1;
const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;

/// One step of a rule.
enum Step<'a> {
    /// The packet's address family is this.
    Family(u8),
    /// Its transport protocol is this.
    Transport(u8),
    /// It leaves through this interface.
    Leaves(u32),
    /// These bytes of its header are exactly these.
    Header { base: u32, offset: u32, value: &'a [u8] },
    /// Deliver it to this local port.
    Redirect(u16),
    /// Let it pass.
    Accept,
    /// Answer with a TCP reset.
    Reset,
    /// Answer with an ICMP message of its family: port unreachable.
    Unreachable,
}

/// Installs all rules in one transaction: there is no moment with a part of them.
pub(super) fn install(egress: Egress) -> Result<(), NetlinkError> {
    let mut batch = vec![
        Request::new(BATCH_BEGIN, REQUEST, &generic(0, SUBSYSTEM)),
        message(NEW_TABLE, CREATE).with_text(1, TABLE),
    ];
    if egress == Egress::ToHost {
        batch.push(chain(REDIRECT, "nat", PRIORITY_DESTINATION_NAT));
        batch.extend(redirect_rules().map(|steps| rule(REDIRECT, &steps)));
    }
    batch.push(chain(REFUSE, "filter", PRIORITY_FILTER));
    batch.extend(refuse_rules().iter().map(|steps| rule(REFUSE, steps)));
    batch.push(Request::new(BATCH_END, REQUEST, &generic(0, SUBSYSTEM)));
    Netlink::open(Some(netlink::NETFILTER))?.batch(batch)
}

fn redirect_rules() -> [Vec<Step<'static>>; 4] {
    [
        vec![Step::Transport(UDP), to_port_53(), Step::Redirect(STUB_PORT)],
        vec![Step::Transport(TCP), to_port_53(), Step::Redirect(STUB_PORT)],
        vec![Step::Leaves(LOOPBACK), Step::Accept],
        vec![Step::Transport(TCP), Step::Redirect(LISTENER_PORT)],
    ]
}

fn refuse_rules() -> Vec<Vec<Step<'static>>> {
    const LOOPBACK_V6: [u8; 16] = std::net::Ipv6Addr::LOCALHOST.octets();
    const OWN_V4: [u8; 4] = ADDRESS_V4.octets();
    const OWN_V6: [u8; 16] = ADDRESS_V6.octets();
    vec![
        vec![Step::Family(NFPROTO_IPV4), destination_v4(&[127]), Step::Accept],
        vec![Step::Family(NFPROTO_IPV4), destination_v4(&OWN_V4), Step::Accept],
        vec![Step::Family(NFPROTO_IPV6), destination_v6(&LOOPBACK_V6), Step::Accept],
        vec![Step::Family(NFPROTO_IPV6), destination_v6(&OWN_V6), Step::Accept],
        vec![Step::Transport(TCP), Step::Reset],
        vec![Step::Unreachable],
    ]
}

fn to_port_53() -> Step<'static> {
    const TRANSPORT_HEADER: u32 = 2;
    Step::Header { base: TRANSPORT_HEADER, offset: 2, value: &[0, 53] }
}

const NETWORK_HEADER: u32 = 1;

/// The IPv4 destination begins with these bytes.
fn destination_v4(value: &[u8]) -> Step<'_> {
    Step::Header { base: NETWORK_HEADER, offset: 16, value }
}

/// The IPv6 destination begins with these bytes.
fn destination_v6(value: &[u8]) -> Step<'_> {
    Step::Header { base: NETWORK_HEADER, offset: 24, value }
}

/// `struct nfgenmsg`: family, version, resource in network order.
fn generic(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

fn message(kind: u16, flags: u16) -> Request {
    Request::new(kind, REQUEST | ACK | flags, &generic(NFPROTO_INET, 0))
}

fn chain(name: &str, kind: &str, priority: i32) -> Request {
    const TABLE_NAME: u16 = 1;
    const NAME: u16 = 3;
    const HOOK: u16 = 4;
    const POLICY: u16 = 5;
    const KIND: u16 = 7;
    message(NEW_CHAIN, CREATE)
        .with_text(TABLE_NAME, TABLE)
        .with_text(NAME, name)
        .nested(HOOK, |hook| hook.with_number(1, HOOK_OUTPUT).with(2, &priority.to_be_bytes()))
        .with_number(POLICY, VERDICT_ACCEPT)
        .with_text(KIND, kind)
}

fn rule(chain: &str, steps: &[Step<'_>]) -> Request {
    const TABLE_NAME: u16 = 1;
    const CHAIN_NAME: u16 = 2;
    const EXPRESSIONS: u16 = 4;
    message(NEW_RULE, CREATE | APPEND)
        .with_text(TABLE_NAME, TABLE)
        .with_text(CHAIN_NAME, chain)
        .nested(EXPRESSIONS, |list| steps.iter().fold(list, |list, step| step.add_to(list)))
}

impl Step<'_> {
    fn add_to(&self, list: Request) -> Request {
        const NFPROTO: u32 = 15;
        const L4PROTO: u32 = 16;
        const OIF: u32 = 5;
        const REJECT_TCP_RESET: u32 = 1;
        const REJECT_ICMPX: u32 = 2;
        const PORT_UNREACHABLE: u8 = 1;
        match self {
            Self::Family(family) => equals(meta(list, NFPROTO), &[*family]),
            Self::Transport(protocol) => equals(meta(list, L4PROTO), &[*protocol]),
            Self::Leaves(index) => equals(meta(list, OIF), &index.to_ne_bytes()),
            Self::Header { base, offset, value } => {
                let length = u32::try_from(value.len()).expect("an address is short");
                let loaded = expression(list, "payload", |data| {
                    data.with_number(1, REGISTER)
                        .with_number(2, *base)
                        .with_number(3, *offset)
                        .with_number(4, length)
                });
                equals(loaded, value)
            }
            Self::Redirect(port) => {
                let loaded = expression(list, "immediate", |data| {
                    data.with_number(1, REGISTER).nested(2, |value| value.with(1, &port.to_be_bytes()))
                });
                expression(loaded, "redir", |data| data.with_number(1, REGISTER))
            }
            Self::Accept => expression(list, "immediate", |data| {
                data.with_number(1, REGISTER_VERDICT)
                    .nested(2, |value| value.nested(2, |verdict| verdict.with_number(1, VERDICT_ACCEPT)))
            }),
            Self::Reset => expression(list, "reject", |data| data.with_number(1, REJECT_TCP_RESET)),
            Self::Unreachable => expression(list, "reject", |data| {
                data.with_number(1, REJECT_ICMPX).with(2, &[PORT_UNREACHABLE])
            }),
        }
    }
}

fn meta(list: Request, key: u32) -> Request {
    expression(list, "meta", |data| data.with_number(1, REGISTER).with_number(2, key))
}

/// The rule goes on if the register holds `value`.
fn equals(list: Request, value: &[u8]) -> Request {
    const EQUAL: u32 = 0;
    expression(list, "cmp", |data| {
        data.with_number(1, REGISTER).with_number(2, EQUAL).nested(3, |wanted| wanted.with(1, value))
    })
}

fn expression(list: Request, name: &str, fill: impl FnOnce(Request) -> Request) -> Request {
    const ELEMENT: u16 = 1;
    const NAME: u16 = 1;
    const DATA: u16 = 2;
    list.nested(ELEMENT, |element| element.with_text(NAME, name).nested(DATA, fill))
}
