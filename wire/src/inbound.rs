//! Connections from outside to a port of the agent: who may come in, and what host-proxy says to guest-init.
//!
//! ```text
//! host-proxy                                    guest-init, on vsock port PORT of the guest
//!   one frame: SealedHead    ───────────────►   opens it, connects to the agent's port
//!                            ◄───────────────   one frame: Answer
//!   bytes                    ◄──────────────►   bytes, if the answer is Connected; else the end
//! ```
//! The answer is a claim of the guest, and its bytes are the guest's: the host bounds the frame and acts on nothing
//! else of it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hmac::Mac;
use serde::{Deserialize, Serialize};

use crate::flow::{FlowKey, SealError};
use crate::secret::Secret;
use crate::spawn::Fd;
use crate::vsock::Port;

/// Where guest-init listens. A port that no process without `CAP_NET_BIND_SERVICE` can take.
pub const PORT: Port = Port(4);

/// Most open ports of one sandbox.
pub const MOST_OPENINGS: usize = 32;

/// Most connections of one sandbox from outside at once.
pub const MOST_CONNECTIONS: usize = 512;

/// Longest frame of either side, in bytes.
pub const MAX_FRAME: usize = 128;

/// Shortest and longest bearer token, in bytes.
pub const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=4096;

/// One port of the agent that is open to the outside, as host-proxy serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// How the policy and the audit log call it.
    pub name: String,
    /// The agent's port.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// Who may connect.
    pub sources: Vec<Network>,
    /// What a request must carry. `None`: nothing.
    pub token: Option<Secret>,
    /// The listening TCP socket, bound by the manager.
    pub listener: Fd,
}

/// Where host-proxy finds the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// The open ports.
    pub openings: Vec<Opening>,
    /// Name, in the proxy's root directory, of the socket on which the VMM takes connections for the guest.
    pub guest: String,
}

/// What is spoken on an open port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Bytes, passed on as they come.
    Tcp,
    /// HTTP/1.1, every request of a connection checked.
    Http,
}

/// A range of addresses: `address` or `address/prefix`, with nothing set beyond the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not the form.
    #[error("'{0}' is not an address or address/prefix")]
    Malformed(String),
    /// Bits beyond the prefix are set.
    #[error("'{0}' has bits beyond its prefix: did you mean '{1}'?")]
    BeyondPrefix(String, Network),
}

/// What host-proxy says of a connection before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the connection in this boot; never used twice.
    pub id: u64,
    /// The agent's port.
    pub port: u16,
}

/// An encoded [`Head`] and its HMAC-SHA256, under a key that is made from the boot's [`FlowKey`]: the seal of a
/// flow is none of a head, and the other way about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedHead {
    body: Vec<u8>,
    tag: [u8; 32],
}

/// What guest-init answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The agent's program took the connection; its bytes follow.
    Connected,
    /// Nobody listens on that port.
    NobodyListens,
    /// The head is not of this boot, or its port is not one of the setup's.
    NotOpen,
    /// Too many connections are open.
    Full,
}

impl Network {
    /// The addresses that begin with the first `bits` of `address`; `None` if there are not so many.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let whole = if address.is_ipv4() { 32 } else { 128 };
        (bits <= whole).then(|| Self { address: masked(address, bits), bits })
    }

    /// Whether `address` is in the range. An IPv4 address in IPv6's clothes is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

/// The address with everything beyond the prefix cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed = || NetworkError::Malformed(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_not_an_address| malformed())?;
        let bits = match bits {
            None if address.is_ipv4() => 32,
            None => 128,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().map_err(|_not_a_number| malformed())?
            }
            Some(_) => return Err(malformed()),
        };
        let network = Self::new(address, bits).ok_or_else(malformed)?;
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::BeyondPrefix(text.to_owned(), network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
        })
    }
}

impl SealedHead {
    /// Seals `head` for the boot of `key`.
    ///
    /// # Errors
    /// The head cannot be encoded.
    pub fn seal(head: Head, key: &FlowKey) -> Result<Self, SealError> {
        let body = postcard::to_stdvec(&head).map_err(SealError::Malformed)?;
        let tag = own_key(key).mac(&body).finalize().into_bytes().into();
        Ok(Self { body, tag })
    }

    /// Checks the seal (in constant time) and decodes the head.
    ///
    /// # Errors
    /// The seal is not of this boot, or the body is no head.
    pub fn open(&self, key: &FlowKey) -> Result<Head, SealError> {
        own_key(key).mac(&self.body).verify_slice(&self.tag).map_err(|_mismatch| SealError::Forged)?;
        postcard::from_bytes(&self.body).map_err(SealError::Malformed)
    }
}

/// The key of heads, made from that of flows.
fn own_key(key: &FlowKey) -> FlowKey {
    FlowKey(key.mac(b"openshell inbound").finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::SealedFlow;
    use crate::frame;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_exact() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1/32", "::ffff:127.0.0.1", "::1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("192.168.128.0/17", "192.168.200.1", "192.168.127.255"),
        ] {
            assert!(network(range).contains(inside.parse().unwrap()), "{inside} in {range}");
            assert!(!network(range).contains(outside.parse().unwrap()), "{outside} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10.0.0.0/", "10.0.0/8", "a/8", "10.0.0.1/8 ", "1/8"]
        {
            assert!(matches!(text.parse::<Network>(), Err(NetworkError::Malformed(_))), "{text}");
        }
        let error = "10.1.2.3/8".parse::<Network>().unwrap_err();
        assert!(error.to_string().contains("did you mean '10.0.0.0/8'"), "{error}");
    }

    #[test]
    fn a_head_opens_under_its_own_key_alone() {
        let (head, key) = (Head { id: 7, port: 8080 }, FlowKey([1; 32]));
        let sealed = SealedHead::seal(head, &key).unwrap();
        assert_eq!(sealed.open(&key).unwrap(), head);
        assert!(matches!(sealed.open(&FlowKey([2; 32])), Err(SealError::Forged)));
        for at in 0..sealed.body.len() {
            let mut forged = sealed.clone();
            forged.body[at] ^= 1;
            assert!(matches!(forged.open(&key), Err(SealError::Forged)), "byte {at}");
        }
    }

    #[test]
    fn the_seal_of_a_head_is_none_of_a_flow() {
        let key = FlowKey([1; 32]);
        let bytes = frame::encode(&SealedHead::seal(Head { id: 7, port: 8080 }, &key).unwrap()).unwrap();
        let flow: SealedFlow = frame::decode(&bytes[4..]).unwrap();
        assert!(matches!(flow.open(&key), Err(SealError::Forged)));
        assert!(bytes.len() <= MAX_FRAME);
    }
}
