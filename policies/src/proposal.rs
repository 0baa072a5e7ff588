//! A wish of an agent, checked to be one request and no more, and the rule that would allow it.
//!
//! *Invariant:* a [`Candidate`] has no wildcard, in no form that a rule reads as one: what a person reads is what is allowed.

#[cfg(test)]
mod tests;

use serde::Serialize;
use wire::id::RequestId;
use wire::proposal::{HOST, Terms, Wish};
use wire::subject::Subject;

use crate::canonical::{Arrived, Host, NotCanonical, Scheme, named, with_plain_slashes};
use crate::document::{Document, Lists, Query, RuleEntry, RuleLimits};
use crate::evaluate::{Destination, Policy, Request};
use crate::pattern::Side;
use crate::pattern::binary::BinaryPattern;
use crate::pattern::host::{DestinationPattern, HostPattern};
use crate::pattern::method::MethodPattern;
use crate::pattern::path::{Kind, PathPattern};
use crate::place::At;
use crate::validity::Timestamp;
use crate::{Decision, Level, NoHeaders, witness};

/// Longest path of a program, in bytes.
const MAX_BINARY: usize = 512;

/// Most keys of a query, and the longest, in bytes.
const MAX_KEYS: usize = 8;
const MAX_KEY: usize = 64;

/// A wish that one rule can mean exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate(Wish);

/// What a policy says of a wish already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Now {
    /// It allows it.
    Allowed {
        /// The rule.
        rule: String,
    },
    /// It denies it, and a rule that is added would not help.
    Bound {
        /// Why.
        reason: String,
    },
    /// It denies it, and an approval would allow it.
    Open,
}

/// Why a wish is none that could be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The program.
    #[error("'binary' must be the whole path of one program, without '*'")]
    Binary,
    /// The name of the proxy itself.
    #[error("'{HOST}' needs no rule")]
    Reserved,
    /// Host, port, method or path have no or more than one reading.
    #[error("the request is not canonical")]
    NotCanonical(#[from] NotCanonical),
    /// The host is written otherwise.
    #[error("'host' must be written as '{0}'")]
    Host(String),
    /// No rule can name the host and the port.
    #[error("no rule can name the destination '{0}'")]
    Destination(String),
    /// No rule can name the method.
    #[error("'method' must be a registered method in capital letters, or WEBSOCKET")]
    Method,
    /// The path is written otherwise, has a wildcard, or is two paths: servers differ on an escaped slash.
    #[error("'path' must be one canonical path, without '*', without '%2F' and without a query")]
    Path,
    /// A key of the query.
    #[error("'query' lists up to {MAX_KEYS} names of parameters, of letters, digits and '-._~'")]
    Query,
}

impl Candidate {
    /// Checks a wish.
    ///
    /// # Errors
    /// It is not exactly one request.
    pub fn new(wish: Wish) -> Result<Self, Unfit> {
        check_binary(&wish.binary)?;
        check_request(&wish)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_key = |key: &String| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(plain);
        if wish.query.len() > MAX_KEYS || !wish.query.iter().all(is_key) {
            return Err(Unfit::Query);
        }
        Ok(Self(wish))
    }

    /// The wish.
    #[must_use]
    pub fn wish(&self) -> &Wish {
        &self.0
    }

    /// The rule that allows exactly this.
    #[must_use]
    pub fn rule(&self, id: &RequestId, terms: Terms) -> RuleEntry {
        let Wish { binary, host, port, method, path, query } = &self.0;
        let one = |text: &str| {
            Some(At::nowhere(Lists { allow: vec![At::nowhere(text.to_owned())], deny: Vec::new() }))
        };
        let query = match query.as_slice() {
            [] => Query { max_length: Some(At::nowhere(0)), ..Query::default() },
            keys => Query { allow: keys.iter().cloned().map(At::nowhere).collect(), ..Query::default() },
        };
        let limits = RuleLimits { requests: Some(At::nowhere(1)), ..RuleLimits::default() };
        let until = match terms {
            Terms::Until(time) => Some(At::nowhere(Timestamp(time).to_string())),
            Terms::Once | Terms::Sandbox => None,
        };
        RuleEntry {
            name: Some(At::nowhere(rule_name(id))),
            binary: one(binary),
            destination: one(&format!("{host}:{port}")),
            method: one(method),
            path: one(path),
            query: Some(At::nowhere(query)),
            until,
            limits: (terms == Terms::Once).then(|| At::nowhere(limits)),
            ..RuleEntry::default()
        }
    }

    /// What `policy` says of it.
    #[must_use]
    pub fn under(&self, policy: &Policy, now: Timestamp) -> Now {
        let Wish { binary, host, port, method, path, query } = &self.0;
        let subject = Subject::Owners(vec![witness::program(binary)]);
        let query = query.iter().map(|key| format!("{key}=")).collect::<Vec<_>>().join("&");
        let destination = Destination { host, port: *port };
        let headers = &NoHeaders;
        // A wish names no message.
        let request = Request {
            subject: &subject,
            destination,
            method,
            path,
            query: &query,
            headers,
            now,
            message: None,
        };
        match policy.decide(&request) {
            Decision::Allow(permit) if permit.would_deny().is_none() => {
                Now::Allowed { rule: permit.rule().to_owned() }
            }
            // Nor does another rule let pass what a rule reads.
            Decision::Deny(denial)
                if denial.is_by_deny_list()
                    || denial.is_by_module()
                    || matches!(denial.level(), Level::Message | Level::Download) =>
            {
                Now::Bound { reason: denial.reason() }
            }
            Decision::Allow(_) | Decision::Deny(_) => Now::Open,
        }
    }
}

impl Document {
    /// The document and this rule, which grants nothing that stands in a deny list.
    #[must_use]
    pub fn with_rule(mut self, rule: RuleEntry) -> Self {
        self.network.push(At::nowhere(rule));
        self
    }

    /// The document without the rules that were made for these proposals.
    #[must_use]
    pub fn without_approvals(mut self, ended: &[RequestId]) -> Self {
        let names: Vec<String> = ended.iter().map(rule_name).collect();
        let stays =
            |rule: &At<RuleEntry>| rule.value.name.as_ref().is_none_or(|name| !names.contains(&name.value));
        self.network.retain(stays);
        self
    }
}

/// How the rule of an approval is called.
#[must_use]
pub fn rule_name(id: &RequestId) -> String {
    format!("approved-{id}")
}

/// One rule as a policy's list of rules, in YAML.
///
/// # Errors
/// It cannot be written; a bug.
pub fn rule_text(rule: &RuleEntry) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&[rule])
}

fn check_binary(binary: &str) -> Result<(), Unfit> {
    let plain = binary.bytes().all(|byte| byte.is_ascii_graphic()) && !binary.contains('*');
    let whole = binary.starts_with('/')
        && binary.len() <= MAX_BINARY
        && binary[1..].split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    let pattern = BinaryPattern::parse(binary, Side::Allow);
    if plain && whole && pattern.is_ok_and(|pattern| pattern.matches(binary)) {
        Ok(())
    } else {
        Err(Unfit::Binary)
    }
}

/// Host, port, method and path are those of the one canonical request that they make, and a rule can name each exactly: what
/// the compiler would refuse is refused here, before anybody looks at it.
fn check_request(Wish { host, port, method, path, .. }: &Wish) -> Result<(), Unfit> {
    let canonical = Host::parse(host)?.to_string();
    if canonical == HOST {
        return Err(Unfit::Reserved);
    }
    if canonical != *host {
        return Err(Unfit::Host(canonical));
    }
    let scheme = if *port == Scheme::Http.default_port() { Scheme::Http } else { Scheme::Https };
    let authority = format!("{host}:{port}");
    let request = named(Arrived { method, target: path, host: &authority }, scheme)?;
    let is_it = |pattern: DestinationPattern| {
        pattern.host == HostPattern::Exactly(host.as_str().into())
            && (pattern.ports.first(), pattern.ports.last()) == (*port, *port)
    };
    if !DestinationPattern::parse(&authority, Side::Allow).is_ok_and(is_it) {
        return Err(Unfit::Destination(authority));
    }
    if !matches!(MethodPattern::parse(method), Ok(MethodPattern::Exactly(name)) if name == method) {
        return Err(Unfit::Method);
    }
    let resource = &request.resource;
    let two = path.contains('*') || with_plain_slashes(path).is_some();
    let exact = resource.path() == path && resource.query().is_none() && !two;
    let pattern = PathPattern::parse(path, Kind::Request, Side::Allow);
    if exact && pattern.is_ok_and(|pattern| pattern.matches(path)) { Ok(()) } else { Err(Unfit::Path) }
}
