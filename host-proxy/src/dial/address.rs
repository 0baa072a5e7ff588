//! Which addresses are not the Internet: the classes through which a proxy is made to attack its own network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not dialled unless the operator lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The machine itself.
    Loopback,
    /// The network segment.
    LinkLocal,
    /// A private network.
    Private,
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// Carrier-grade NAT, RFC 6598.
    Shared,
    /// No single host.
    Multicast,
    /// Reserved, documentation, benchmarking or unspecified.
    Reserved,
    /// An IPv6 address that carries an IPv4 address inside.
    Translated,
    /// An address of this machine, whatever its class.
    ThisHost,
}

/// The addresses that the operator opened.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Vec<Prefix>);

/// A range of addresses.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    network: IpAddr,
    bits: u8,
}

/// Why a text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address or address/prefix")]
pub struct PrefixError(String);

/// IPv4 ranges by class, most specific first.
const RANGES4: [(Ipv4Addr, u8, Class); 18] = [
    (Ipv4Addr::new(169, 254, 169, 254), 32, Class::Metadata),
    (Ipv4Addr::new(169, 254, 170, 2), 32, Class::Metadata),
    (Ipv4Addr::new(100, 100, 100, 200), 32, Class::Metadata),
    (Ipv4Addr::new(168, 63, 129, 16), 32, Class::Metadata),
    (Ipv4Addr::new(192, 0, 0, 192), 32, Class::Metadata),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Class::Reserved),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Class::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Class::Shared),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Class::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Class::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Class::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Class::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Class::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Class::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Class::Reserved),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Class::Reserved),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Class::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Class::Translated),
];

/// IPv6 ranges by class, most specific first.
const RANGES6: [(Ipv6Addr, u8, Class); 17] = [
    (Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254), 128, Class::Metadata),
    (Ipv6Addr::new(0xfd20, 0x0ce, 0, 0, 0, 0, 0, 0x0254), 128, Class::Metadata),
    (Ipv6Addr::LOCALHOST, 128, Class::Loopback),
    (Ipv6Addr::UNSPECIFIED, 128, Class::Reserved),
    (Ipv6Addr::UNSPECIFIED, 96, Class::Translated),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Class::Translated),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, Class::Translated),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Class::Translated),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Class::Translated),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, Class::Reserved),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Class::Translated),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Class::Reserved),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Class::Reserved),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Class::Translated),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Class::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Class::LinkLocal),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Class::Multicast),
];

impl Class {
    /// The class of an address, or `None` when it is an ordinary address of the Internet.
    #[must_use]
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some(Self::Reserved),
            IpAddr::V4(v4) if v4.is_multicast() => Some(Self::Multicast),
            IpAddr::V4(v4) => RANGES4
                .iter()
                .find(|(network, bits, _)| {
                    Prefix { network: (*network).into(), bits: *bits }.contains(v4.into())
                })
                .map(|(_, _, class)| *class),
            IpAddr::V6(v6) => RANGES6
                .iter()
                .find(|(network, bits, _)| {
                    Prefix { network: (*network).into(), bits: *bits }.contains(v6.into())
                })
                .map(|(_, _, class)| *class)
                // Only 2000::/3 is given out; what is outside has no business on the Internet.
                .or_else(|| (v6.segments()[0] & 0xe000 != 0x2000).then_some(Self::Reserved)),
        }
    }

    /// In words, for a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Metadata => "metadata-service",
            Self::Shared => "carrier-grade NAT",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Translated => "translated",
            Self::ThisHost => "local",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Allowed {
    /// Parses the operator's list of `address` and `address/prefix`.
    ///
    /// # Errors
    /// The first entry that is neither.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, PrefixError> {
        entries.into_iter().map(Prefix::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the operator opened `address`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|prefix| prefix.contains(address))
    }
}

impl Prefix {
    fn parse(text: &str) -> Result<Self, PrefixError> {
        let fault = || PrefixError(text.to_owned());
        let (network, bits) =
            text.split_once('/').map_or((text, None), |(network, bits)| (network, Some(bits)));
        let network: IpAddr = network.parse().map_err(|_invalid| fault())?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(digits) => digits.parse().ok().filter(|bits| *bits <= most).ok_or_else(fault)?,
        };
        Ok(Self { network, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<Class> {
        Class::of(text.parse().unwrap())
    }

    /// Addresses at the edges of each class, in one line each.
    const EDGES: [(Class, &str); 8] = [
        (Class::Loopback, "127.0.0.1 127.255.255.255 ::1"),
        (Class::LinkLocal, "169.254.0.1 169.254.255.255 fe80::1 febf::1"),
        (Class::Private, "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 fc00::1 fdff::1"),
        (Class::Metadata, "169.254.169.254 169.254.170.2 100.100.100.200 fd00:ec2::254 168.63.129.16"),
        (Class::Shared, "100.64.0.1 100.127.255.255"),
        (Class::Multicast, "224.0.0.1 239.255.255.255 ff02::1"),
        (
            Class::Reserved,
            "0.0.0.0 0.1.2.3 240.0.0.1 255.255.255.255 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 \
             198.19.255.255 192.0.0.1 :: 2001:db8::1 100::1 4000::1 2001:20::1",
        ),
        (
            Class::Translated,
            "::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::1 \
             2001:0:1::1 ::ffff:0:7f00:1",
        ),
    ];

    #[test]
    fn every_class_by_its_edges() {
        for (expected, addresses) in EDGES {
            for address in addresses.split(' ') {
                assert_eq!(class(address), Some(expected), "{address}");
            }
        }
    }

    #[test]
    fn what_is_just_outside_of_every_class_is_public() {
        let public = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
            172.15.255.255 172.32.0.0 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1 2a00::1 \
            2001:200::1";
        for address in public.split_whitespace() {
            assert_eq!(class(address), None, "{address}");
        }
    }

    #[test]
    fn the_operators_list() {
        let allowed = Allowed::parse(["127.0.0.1", "10.1.0.0/16", "fd00::/8"]).unwrap();
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.1.255.1", true),
            ("10.2.0.1", false),
            ("fd12::1", true),
            ("::1", false),
        ] {
            assert_eq!(allowed.contains(address.parse().unwrap()), expected, "{address}");
        }
        assert!(Allowed::parse(["0.0.0.0/0"]).unwrap().contains("1.2.3.4".parse().unwrap()));
        for bad in ["", "a", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(Allowed::parse([bad]).is_err(), "{bad}");
        }
    }
}
