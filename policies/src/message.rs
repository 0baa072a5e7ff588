//! The level after all others: what the message in a request's body asks for.
//!
//! A rule with such a level *guards* its endpoint: every request of its programs to its destinations, with the
//! methods of the protocol and on its paths, must carry a message that can be read in one way only, whichever rule allows the request. What the
//! level's deny lists name is denied there to every rule, and what its allow lists do not name is not allowed by this one.
//!
//! A message is read before anything of it is forwarded, and what is forwarded are the bytes that were read.

#[cfg(test)]
mod attacks;
mod git;
mod graphql;
pub(crate) mod json;
mod names;
pub(crate) mod rpc;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::Request;
use crate::answer::Answer;
use crate::canonical::WEBSOCKET;
use crate::parameter::folded;
use crate::pattern::path::PathPattern;

pub(crate) use git::{Git, is_ref};
pub(crate) use graphql::{Graphql, is_hash};
pub(crate) use names::{Word, Words};
pub(crate) use rpc::{Argument, Pointer, Protocol, Rpc};

/// The longest body of a rule that does not say how long it may be, and the longest that one can ask for.
pub(crate) const USUAL: u64 = 1 << 20;
pub(crate) const LONGEST: u64 = 4 << 20;

/// The methods that carry messages of a protocol, whichever of them a rule lists.
pub(crate) const MCP_METHODS: &[&str] = &["POST", "GET", "DELETE"];
pub(crate) const GRAPHQL_METHODS: &[&str] = &["POST", "GET"];
pub(crate) const CALL_METHODS: &[&str] = &["POST"];
pub(crate) const GIT_METHODS: &[&str] = &["GET", "POST"];

/// A request's body, read whole, or as far as it has to be to decide the request.
#[derive(Clone)]
pub struct Message {
    body: Bytes,
    goes_on: bool,
}

/// How much of a body has to be read before its request can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// All of it: at most so many bytes.
    Whole(u64),
    /// The commands with which a push of git begins: at most so many bytes of them.
    Commands(u64),
}

/// Tells when enough of a body was read.
#[derive(Debug)]
pub struct Enough {
    commands: Option<git::Commands>,
}

/// Why a message has no or more than one reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(Cow<'static, str>);

/// The level of one rule.
#[derive(Debug)]
pub(crate) struct MessageLevel {
    /// The rule's paths, read as deny lists are: in no other spelling of one does another rule allow what is not read.
    pub(crate) guarded: Vec<PathPattern>,
    pub(crate) spoken: Spoken,
}

/// What is spoken at the endpoint, and what of it may be said.
#[derive(Debug)]
pub(crate) enum Spoken {
    Rpc(Rpc),
    Graphql(Graphql),
    /// Calls of gRPC, whose messages have at most so many bytes. They pass while they are measured.
    Grpc(u64),
    Git(Git),
}

/// What a level says about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Allowed,
    NotAllowed(About),
    Denied(About),
    /// The body has to be read first.
    Unread(Unread),
    Unreadable(Unreadable),
}

/// The part of a message that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// `tool 'x'`.
    pub(crate) what: String,
    /// The key under which it would be listed.
    pub(crate) key: &'static str,
    /// As it would be listed, if one entry would do.
    pub(crate) entry: Option<String>,
}

impl Message {
    /// A body that was read to its end.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self { body, goes_on: false }
    }

    /// The begin of a body that is decided by it.
    #[must_use]
    pub fn beginning(body: Bytes) -> Self {
        Self { body, goes_on: true }
    }

    /// Whether more of the body may follow, which changes nothing.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// How a server of the protocol says why it does not do what is asked; `None`: it has no words for it.
    #[must_use]
    pub fn refused(&self, why: &str) -> Option<Vec<u8>> {
        if self.goes_on { git::refused(&self.body, why) } else { None }
    }

    /// What is forwarded.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Without the body.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.body.len())
    }
}

impl Unread {
    /// How many bytes may be read for it.
    #[must_use]
    pub fn most(self) -> u64 {
        match self {
            Self::Whole(most) | Self::Commands(most) => most,
        }
    }

    /// What tells when it was.
    #[must_use]
    pub fn enough(self) -> Enough {
        Enough { commands: matches!(self, Self::Commands(_)).then(git::Commands::default) }
    }
}

impl Enough {
    /// Whether nothing has to be read behind `body`, which begins with what was seen before.
    pub fn is_in(&mut self, body: &[u8]) -> bool {
        self.commands.as_mut().is_some_and(|commands| commands.have_ended(body))
    }
}

impl Unreadable {
    pub(crate) fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }

    fn coded() -> Self {
        Self::new("it is compressed: send it without a content-encoding")
    }
}

impl MessageLevel {
    /// Whether a request comes to the endpoint with what is spoken there, by the rule's answer on the path: also on a path
    /// that is not as the rule writes it, and with a method that the rule does not have.
    pub(crate) fn guards(&self, request: &Request<'_>, path: Answer) -> bool {
        let is_there = || self.guarded.iter().any(|pattern| pattern.matches(request.path));
        let in_url = || matches!(self.spoken, Spoken::Graphql(_)) && graphql::is_in_url(request);
        // A server may take any method for a push.
        let by_any = matches!(self.spoken, Spoken::Git(_));
        let speaks = || {
            by_any || self.spoken.methods().contains(&request.method) || self.is_socket(request) || in_url()
        };
        speaks() && (path == Answer::Allowed || is_there())
    }

    /// Whether it asks for a WebSocket, whose messages nobody reads.
    fn is_socket(&self, request: &Request<'_>) -> bool {
        request.method == WEBSOCKET && !matches!(self.spoken, Spoken::Grpc(_))
    }

    /// What the level says about a request.
    pub(crate) fn find(&self, request: &Request<'_>) -> Finding {
        let most = match &self.spoken {
            Spoken::Rpc(rpc) => rpc.most,
            Spoken::Graphql(graphql) => graphql.most,
            Spoken::Grpc(_) => {
                return check_call(request).map_or_else(Finding::Unreadable, |()| Finding::Allowed);
            }
            Spoken::Git(git) => return git.find(request),
        };
        if !self.spoken.methods().contains(&request.method) {
            let why = format!("'{}' carries no message of the protocol", request.method);
            return Finding::Unreadable(Unreadable::new(why));
        }
        let Some(message) = request.message else { return Finding::Unread(Unread::Whole(most)) };
        if message.body.len() as u64 > most {
            return Finding::Unreadable(Unreadable::new(format!("it has more than {most} bytes")));
        }
        match &self.spoken {
            Spoken::Rpc(rpc) => rpc.find(request, message),
            Spoken::Graphql(graphql) => graphql.find(request, message),
            Spoken::Grpc(_) | Spoken::Git(_) => Finding::Allowed,
        }
    }

    /// The longest message of a call of gRPC.
    pub(crate) fn longest_call(&self) -> Option<u64> {
        match self.spoken {
            Spoken::Grpc(most) => Some(most),
            Spoken::Rpc(_) | Spoken::Graphql(_) | Spoken::Git(_) => None,
        }
    }

    /// What the message asks for, in the words of a record: names, never values.
    pub(crate) fn asked(&self, request: &Request<'_>) -> Option<String> {
        match &self.spoken {
            Spoken::Rpc(rpc) => rpc.asked(request.message?),
            Spoken::Graphql(_) => Graphql::asked(request, request.message?),
            Spoken::Git(_) => Git::asked(request, request.message?),
            Spoken::Grpc(_) => None,
        }
    }

    pub(crate) fn denies_anything(&self) -> bool {
        match &self.spoken {
            Spoken::Rpc(rpc) => rpc.denies_anything(),
            Spoken::Graphql(graphql) => graphql.denies_anything(),
            Spoken::Git(git) => git.denies_anything(),
            Spoken::Grpc(_) => false,
        }
    }
}

impl Spoken {
    /// The methods that carry it.
    pub(crate) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Rpc(rpc) if rpc.is_mcp() => MCP_METHODS,
            Self::Graphql(_) => GRAPHQL_METHODS,
            Self::Git(_) => GIT_METHODS,
            Self::Rpc(_) | Self::Grpc(_) => CALL_METHODS,
        }
    }
}

impl Finding {
    pub(crate) fn answer(&self) -> Answer {
        match self {
            Self::Allowed => Answer::Allowed,
            Self::NotAllowed(_) => Answer::NotAllowed,
            Self::Denied(_) | Self::Unread(_) | Self::Unreadable(_) => Answer::Denied,
        }
    }
}

impl About {
    fn listed(what: &str, name: &str, key: &'static str) -> Self {
        Self { what: format!("{what} '{name}'"), key, entry: Some(name.to_owned()) }
    }
}

/// A name that a record and a denial can show, and that no two servers take for different ones.
pub(crate) fn is_name(text: &str) -> bool {
    const LONGEST: usize = 128;
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the header fields say that the body is JSON as it is: one content type, in UTF-8, without a coding.
fn check_fields(request: &Request<'_>) -> Result<(), Unreadable> {
    let Said { is_kind, is_coded } = said_of_body(request, is_json);
    if is_coded {
        return Err(Unreadable::coded());
    }
    if is_kind { Ok(()) } else { Err(Unreadable::new("its content-type is not 'application/json'")) }
}

/// Whether the header fields say that it is a call of gRPC, whose body is messages with their lengths.
fn check_call(request: &Request<'_>) -> Result<(), Unreadable> {
    let is_call = |value: &[u8]| {
        let rest = value.strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ', ..]))
    };
    match said_of_body(request, is_call) {
        Said { is_kind: true, is_coded: false } => Ok(()),
        _ => Err(Unreadable::new("it is no call of gRPC")),
    }
}

/// What header fields say of a body.
struct Said {
    /// It is of one type, and of this kind.
    is_kind: bool,
    is_coded: bool,
}

/// Some servers read `content_type` as `content-type`.
fn said_of_body(request: &Request<'_>, kind: impl Fn(&[u8]) -> bool) -> Said {
    let (mut types, mut plain, mut is_coded) = (0, true, false);
    request.headers.each(&mut |name, value| match &*folded(name.as_bytes()) {
        b"content_type" => {
            types += 1;
            plain &= kind(value);
        }
        b"content_encoding" => is_coded |= !value.eq_ignore_ascii_case(b"identity"),
        _ => {}
    });
    Said { is_kind: types == 1 && plain, is_coded }
}

/// `application/json`, and no charset but UTF-8.
fn is_json(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    parts.next() == Some(b"application/json")
        && parts.all(|part| matches!(part, b"charset=utf-8" | b"charset=\"utf-8\""))
}

/// What cannot be read goes before what is denied, and that before what is not allowed.
fn worst(findings: impl Iterator<Item = Finding>) -> Finding {
    let rank = |finding: &Finding| match finding {
        Finding::Allowed => 0,
        Finding::NotAllowed(_) => 1,
        Finding::Denied(_) => 2,
        Finding::Unread(_) | Finding::Unreadable(_) => 3,
    };
    findings.fold(Finding::Allowed, |worst, next| if rank(&next) > rank(&worst) { next } else { worst })
}
