//! Destinations: a host pattern and the ports on it.
//!
//! | text | in an allow list | in a deny list |
//! |---|---|---|
//! | `api.x.com` | that name | that name |
//! | `*.x.com` | one label before `x.com` | any number of labels before `x.com` |
//! | `**.x.com` | one or more labels before `x.com` | the same |
//! | no port | 443 | every port |
//! | `:80`, `:8000-8010` | these | these |
//!
//! Names are lower-case A-labels without a trailing dot; an IPv4 address is four decimal numbers, an
//! IPv6 address stands in brackets in its canonical form.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{PatternError, Side};

const HTTPS: u16 = 443;
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// One entry of a destination list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationPattern {
    pub(crate) host: HostPattern,
    pub(crate) ports: Ports,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// This name or address.
    Exactly(Box<str>),
    /// One label, a dot, this name.
    OneLabelBefore(Box<str>),
    /// One or more labels, a dot, this name.
    AnyDepthBefore(Box<str>),
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    first: u16,
    last: u16,
}

impl DestinationPattern {
    pub(crate) fn parse(text: &str, side: Side) -> Result<Self, PatternError> {
        refuse_url(text)?;
        let (host, ports) = split_port(text)?;
        let ports = match (ports, side) {
            (Some(ports), _) => Ports::parse(ports)?,
            (None, Side::Allow) => Ports { first: HTTPS, last: HTTPS },
            (None, Side::Deny) => Ports::EVERY,
        };
        let host = HostPattern::parse(host, side)?;
        refuse_reserved(&host)?;
        Ok(Self { host, ports })
    }

    /// Whether everything that `other` matches is matched by this one, as far as the texts tell.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.ports.cover(other.ports) && (self.host == other.host || self.host.covers(&other.host))
    }
}

impl HostPattern {
    fn parse(text: &str, side: Side) -> Result<Self, PatternError> {
        if let Some(address) = text.strip_prefix('[') {
            return ipv6(address.strip_suffix(']').unwrap_or(address));
        }
        let (name, wrap): (&str, fn(Box<str>) -> Self) = if let Some(rest) = text.strip_prefix("**.") {
            (rest, Self::AnyDepthBefore)
        } else if let Some(rest) = text.strip_prefix("*.") {
            (rest, if side == Side::Deny { Self::AnyDepthBefore } else { Self::OneLabelBefore })
        } else {
            (text, Self::Exactly)
        };
        check_name(name)?;
        let wild = name.len() != text.len();
        if wild && ends_in_number(name) {
            return Err(PatternError::new(
                format!("'{text}' mixes a wildcard with an address"),
                "write the addresses out",
            ));
        }
        if wild && side == Side::Allow && !name.contains('.') {
            let reason = format!("'{text}' would allow every name beneath '{name}'");
            return Err(PatternError::new(reason, "name at least two labels after the wildcard"));
        }
        Ok(wrap(name.into()))
    }

    /// `host` is in canonical form.
    pub(crate) fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exactly(name) => **name == *host,
            wild => wild.covers(&Self::Exactly(host.into())),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        let (Self::Exactly(name) | Self::OneLabelBefore(name) | Self::AnyDepthBefore(name)) = other;
        match self {
            Self::Exactly(_) => false,
            Self::OneLabelBefore(suffix) => {
                let label = name.strip_suffix(&**suffix).and_then(|rest| rest.strip_suffix('.'));
                matches!(other, Self::Exactly(_)) && label.is_some_and(|label| !label.contains('.'))
            }
            Self::AnyDepthBefore(suffix) => {
                let beneath = name.strip_suffix(&**suffix).is_some_and(|rest| rest.ends_with('.'));
                beneath || (!matches!(other, Self::Exactly(_)) && name == suffix)
            }
        }
    }
}

impl Ports {
    pub(crate) const EVERY: Self = Self { first: 0, last: u16::MAX };

    pub(crate) fn first(self) -> u16 {
        self.first
    }

    pub(crate) fn last(self) -> u16 {
        self.last
    }

    pub(crate) fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether every port of `other` is one of these.
    pub(crate) fn cover(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    fn parse(text: &str) -> Result<Self, PatternError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(PatternError::new(
                format!("'{text}' is not a port or a range of ports"),
                "write a number from 1 to 65535, or a range such as 8000-8010",
            )),
        }
    }
}

/// Whether `host` is a name or an address in the one form that patterns are compared with.
pub(crate) fn is_canonical(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.strip_suffix(']').is_some_and(is_canonical_ipv6);
    }
    is_name(host) && (!ends_in_number(host) || host.parse::<Ipv4Addr>().is_ok())
}

fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

/// What answers there is the proxy itself, whatever the policy says.
fn refuse_reserved(host: &HostPattern) -> Result<(), PatternError> {
    match host {
        HostPattern::Exactly(name) if **name == *wire::proposal::HOST => Err(PatternError::new(
            format!("'{name}' is no destination: the agent reads there what it may do, under every policy"),
            "remove it: it needs no rule",
        )),
        _ => Ok(()),
    }
}

fn refuse_url(text: &str) -> Result<(), PatternError> {
    let bare = text.split_once("://").map_or(text, |(_scheme, rest)| rest);
    let host = bare.split(['/', '?', '#']).next().unwrap_or(bare);
    if host.len() == text.len() {
        return Ok(());
    }
    let remedy = format!("write '{host}', and paths under 'path'");
    Err(PatternError::new(format!("'{text}' is a URL, not a destination"), remedy))
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), PatternError> {
    if text.starts_with('[') {
        let Some((address, rest)) = text.split_once(']') else {
            return Err(PatternError::new(
                format!("'{text}' has no closing bracket"),
                "write '[address]:port'",
            ));
        };
        let host = &text[..=address.len()];
        return match rest.strip_prefix(':') {
            Some(ports) => Ok((host, Some(ports))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(PatternError::new(format!("'{rest}' follows the address"), "write '[address]:port'")),
        };
    }
    match text.split_once(':') {
        Some((_host, ports)) if ports.contains(':') => {
            let reason = format!("'{text}' has more than one colon");
            Err(PatternError::new(reason, format!("write an IPv6 address in brackets: '[{text}]'")))
        }
        Some((host, ports)) => Ok((host, Some(ports))),
        None => Ok((text, None)),
    }
}

fn ipv6(text: &str) -> Result<HostPattern, PatternError> {
    if is_canonical_ipv6(text) {
        return Ok(HostPattern::Exactly(format!("[{text}]").into()));
    }
    let remedy = match text.parse::<Ipv6Addr>() {
        Ok(address) => format!("write '[{address}]'"),
        Err(_not_an_address) => "write an IPv6 address between the brackets".to_owned(),
    };
    Err(PatternError::new(format!("'[{text}]' is not an IPv6 address in canonical form"), remedy))
}

fn is_canonical_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == text)
}

fn check_name(name: &str) -> Result<(), PatternError> {
    let refuse = |reason: String, remedy: String| Err(PatternError::new(reason, remedy));
    if let Some(bare) = name.strip_suffix('.').filter(|bare| !bare.is_empty()) {
        return refuse(format!("'{name}' ends in a dot"), format!("write '{bare}'"));
    }
    if !name.is_ascii() {
        return refuse(format!("'{name}' is not ASCII"), "write the name's A-label form (xn--…)".to_owned());
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = name.to_ascii_lowercase();
        return refuse(format!("'{name}' has capital letters"), format!("write '{lower}'"));
    }
    if name.contains('*') {
        let remedy = "write '*.' (one label) or '**.' (any number) before a name".to_owned();
        return refuse("a wildcard stands for whole labels at the front of a name".to_owned(), remedy);
    }
    if !is_name(name) {
        return refuse(
            format!("'{name}' is not a host name"),
            "write a name such as api.example.com".to_owned(),
        );
    }
    if ends_in_number(name) && name.parse::<Ipv4Addr>().is_err() {
        return refuse(
            format!("'{name}' is not an IPv4 address"),
            "write four numbers from 0 to 255".to_owned(),
        );
    }
    Ok(())
}

/// Labels of 1 to 63 of `a-z`, `0-9` and `-`, which start and end with another than `-`, and dots between them. One pass:
/// every decision asks.
fn is_name(name: &str) -> bool {
    let mut label = 0;
    let mut before = b'.';
    let fits = name.bytes().all(|byte| {
        label = if byte == b'.' { 0 } else { label + 1 };
        let follows = match byte {
            b'a'..=b'z' | b'0'..=b'9' => true,
            b'-' => before != b'.',
            b'.' => !matches!(before, b'.' | b'-'),
            _ => false,
        };
        before = byte;
        follows && label <= MAX_LABEL
    });
    fits && name.len() <= MAX_NAME && !matches!(before, b'.' | b'-')
}

/// A name whose last label starts with a digit could be read as an address by somebody.
fn ends_in_number(name: &str) -> bool {
    let last = name.as_bytes().rsplit(|byte| *byte == b'.').next();
    last.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}
