//! Host names, addresses and ports in their only written form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{NotCanonical, Scheme};

/// A DNS name in lower case: labels of letters, digits and inner hyphens, no trailing dot, not a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// By name.
    Name(Name),
    /// By address.
    Address(IpAddr),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port; never 0.
    pub port: u16,
}

impl Name {
    /// Parses a name; upper case is the same name.
    ///
    /// # Errors
    /// It is not a name that DNS and TLS agree on.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        let fault = |why| Err(NotCanonical::Host { text: text.chars().take(64).collect(), why });
        if text.is_empty() || text.len() > 253 {
            return fault("a name has 1 to 253 characters");
        }
        if text.ends_with('.') {
            return fault("a trailing dot");
        }
        for label in text.split('.') {
            if label.is_empty() || label.len() > 63 {
                return fault("a label has 1 to 63 characters");
            }
            if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return fault("a label has letters, digits and hyphens only");
            }
            if label.starts_with('-') || label.ends_with('-') {
                return fault("a label starts or ends with a hyphen");
            }
        }
        if ends_in_number(text) {
            return fault("a name that some clients read as an address");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Host {
    /// Parses a host as it stands in a URL: IPv6 addresses in brackets.
    ///
    /// # Errors
    /// It has another reading, or none.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return match inner.parse::<Ipv6Addr>() {
                Ok(address) if address.to_string() == inner => Ok(Self::Address(address.into())),
                _ => Err(NotCanonical::Host {
                    text: text.chars().take(64).collect(),
                    why: "not the shortest lower-case form of an IPv6 address",
                }),
            };
        }
        // Rust reads only four plain decimal numbers: no octal, hexadecimal or short forms.
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        Name::parse(text).map(Self::Name)
    }

    /// The text of the host without brackets, as policy and audit write it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Name(name) => name.0.clone(),
            Self::Address(address) => address.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl Authority {
    /// Parses `host` or `host:port`; without a port it is the scheme's.
    ///
    /// # Errors
    /// It has another reading, or none. User information is never accepted.
    pub fn parse(text: &str, scheme: Scheme) -> Result<Self, NotCanonical> {
        let (host, port) = match text.rfind(':') {
            Some(at) if !text[at..].contains(']') => (&text[..at], Some(&text[at + 1..])),
            _ => (text, None),
        };
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => parse_port(digits).ok_or_else(|| NotCanonical::Host {
                text: text.chars().take(64).collect(),
                why: "the port is not a plain number from 1 to 65535",
            })?,
        };
        Ok(Self { host: Host::parse(host)?, port })
    }

    /// As a `Host` field: the scheme's own port is left out.
    #[must_use]
    pub fn to_field(&self, scheme: Scheme) -> String {
        if self.port == scheme.default_port() { self.host.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}

/// The WHATWG test: such a name is an IPv4 address, well written or not, for every browser and for curl.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
