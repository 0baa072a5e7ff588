//! The one function that turns what a client sent into the request that is judged, recorded and forwarded.
//!
//! *Invariant:* policy, audit and the upstream see the same [`CanonicalRequest`]; nothing of the request line or
//! the `Host` field reaches an upstream by another way. What has more than one reading is refused with a
//! [`NotCanonical`], never repaired: two servers that read it differently are how rules are walked around.
//!
//! This module knows bytes and nothing else: no policy, no connection, no clock.

mod host;
mod path;

use std::fmt;

use http::Method;

pub use host::{Authority, Host, Name};
pub use path::PathAndQuery;
pub(crate) use path::with_plain_slashes;

/// What rules and records call the handshake of a WebSocket. It is sent as a `GET`, but what may read one resource may
/// not therefore exchange messages in both directions.
pub(crate) const WEBSOCKET: &str = "WEBSOCKET";

/// What carries the request, as seen on the wire: never as claimed in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS that this proxy terminated.
    Https,
}

/// The parts of a request that name what is asked, exactly as they arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// The method.
    pub method: &'a str,
    /// The request target.
    pub target: &'a str,
    /// The `Host` field.
    pub host: &'a str,
}

/// A request in its only form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalRequest {
    /// How it arrived and how it is forwarded.
    pub scheme: Scheme,
    /// Whom it is for.
    pub authority: Authority,
    /// What to do.
    pub method: Method,
    /// To what.
    pub resource: PathAndQuery,
}

/// Why a request has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// Not 1 to 32 of `A-Z` and `-`.
    #[error("the method must be 1 to 32 upper-case letters or hyphens")]
    Method,
    /// `TRACE`, `TRACK` and `CONNECT` are not requests for a resource, and `WEBSOCKET` is not sent as a method.
    #[error("the method {0} is never forwarded")]
    ForbiddenMethod(String),
    /// Neither `/path` nor `scheme://authority/path`.
    #[error("the request target must be a path or an absolute URL")]
    Target,
    /// An absolute URL whose scheme is not the connection's.
    #[error("the request target's scheme is not the connection's")]
    SchemeMismatch,
    /// An absolute URL whose authority is not the `Host` field's.
    #[error("the request target and the Host field name different authorities")]
    AuthorityMismatch,
    /// Plain HTTP to the port of TLS, or the other way round: it would go to another service than is meant.
    #[error("{} is not spoken on port {port}", .scheme.as_str())]
    Port {
        /// What carries the request.
        scheme: Scheme,
        /// The other scheme's port.
        port: u16,
    },
    /// The authority has another or no reading.
    #[error("the host '{text}' is not canonical: {why}")]
    Host {
        /// What was sent.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The path has another or no reading.
    #[error("the path is not canonical: {0}")]
    Path(&'static str),
    /// The query has another or no reading.
    #[error("the query is not canonical: {0}")]
    Query(&'static str),
}

/// Turns what arrived over `scheme` into the request it means.
///
/// # Errors
/// What arrived has no reading or more than one.
pub fn canonicalise(arrived: Arrived<'_>, scheme: Scheme) -> Result<CanonicalRequest, NotCanonical> {
    let method = method(arrived.method)?;
    let authority = Authority::parse(arrived.host, scheme)?;
    if authority.port == scheme.other().default_port() {
        return Err(NotCanonical::Port { scheme, port: authority.port });
    }
    let resource = match arrived.target.as_bytes().first() {
        Some(b'/') => arrived.target,
        _ => absolute(arrived.target, scheme, &authority)?,
    };
    Ok(CanonicalRequest { scheme, authority, method, resource: PathAndQuery::parse(resource)? })
}

/// As [`canonicalise`], with the method as a rule names it: `WEBSOCKET` is the handshake of one.
///
/// # Errors
/// As of [`canonicalise`].
pub fn named(arrived: Arrived<'_>, scheme: Scheme) -> Result<CanonicalRequest, NotCanonical> {
    if arrived.method == WEBSOCKET {
        return canonicalise(Arrived { method: "GET", ..arrived }, scheme)
            .map(CanonicalRequest::into_handshake);
    }
    canonicalise(arrived, scheme)
}

/// The request that a client sends which is given `url`: without its fragment, which is never sent.
///
/// # Errors
/// It is no absolute `http`, `https`, `ws` or `wss` URL, or has no reading or more than one.
pub fn of_url(method: &str, url: &str) -> Result<CanonicalRequest, NotCanonical> {
    let (scheme, method, rest) = match (url.split_once("://"), method) {
        (Some(("https", rest)), _) => (Scheme::Https, method, rest),
        (Some(("http", rest)), _) => (Scheme::Http, method, rest),
        (Some(("wss", rest)), "GET" | WEBSOCKET) => (Scheme::Https, WEBSOCKET, rest),
        (Some(("ws", rest)), "GET" | WEBSOCKET) => (Scheme::Http, WEBSOCKET, rest),
        _ => return Err(NotCanonical::Target),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, resource) = rest.split_at(at);
    let target = if resource.starts_with('/') { resource.to_owned() } else { format!("/{resource}") };
    named(Arrived { method, target: &target, host }, scheme)
}

impl CanonicalRequest {
    /// The same as the handshake of a WebSocket, which a rule has to allow by name.
    ///
    /// # Panics
    /// Never: the name is a method.
    #[must_use]
    pub fn into_handshake(self) -> Self {
        Self { method: Method::from_bytes(WEBSOCKET.as_bytes()).expect("letters are a method"), ..self }
    }

    /// The method as it is sent.
    #[must_use]
    pub fn sent_method(&self) -> Method {
        if self.method.as_str() == WEBSOCKET { Method::GET } else { self.method.clone() }
    }
}

impl Scheme {
    /// The port that is meant when none is written.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Http => Self::Https,
            Self::Https => Self::Http,
        }
    }

    /// As in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for CanonicalRequest {
    /// The method and the URL without its query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.authority.to_field(self.scheme);
        write!(f, "{} {}://{host}{}", self.method, self.scheme.as_str(), self.resource.path())
    }
}

fn method(text: &str) -> Result<Method, NotCanonical> {
    let letters = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if text.is_empty() || text.len() > 32 || !letters {
        return Err(NotCanonical::Method);
    }
    if matches!(text, "TRACE" | "TRACK" | "CONNECT" | WEBSOCKET) {
        return Err(NotCanonical::ForbiddenMethod(text.to_owned()));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_unreachable| NotCanonical::Method)
}

/// The path and query of an absolute URL that agrees with everything else that is known.
fn absolute<'a>(target: &'a str, scheme: Scheme, authority: &Authority) -> Result<&'a str, NotCanonical> {
    let (claimed, rest) = target.split_once("://").ok_or(NotCanonical::Target)?;
    if claimed != scheme.as_str() {
        return Err(NotCanonical::SchemeMismatch);
    }
    let at = rest.find(['/', '?', '#']).ok_or(NotCanonical::Target)?;
    let (named, resource) = rest.split_at(at);
    if Authority::parse(named, scheme)? != *authority {
        return Err(NotCanonical::AuthorityMismatch);
    }
    Ok(resource)
}

#[cfg(test)]
mod tests;
