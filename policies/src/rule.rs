//! One rule, compiled: what each level allows and denies.
//!
//! A rule's *scope* is its binaries and its destinations. Its deny lists hold in the whole scope and
//! for every rule, with the level of the list itself left out: a denied binary is denied at the rule's
//! destinations, a denied destination is denied to the rule's binaries, and a denied method or path is
//! denied to the rule's binaries at its destinations. The same holds for the deny lists of its conditions. What it says
//! about messages and downloads holds on its methods and paths only (see [`crate::message`], [`crate::download`]).
//! A rule that is not in force at the time is as if it were not there, with its deny lists.

use std::sync::Arc;

use wire::subject::{Program, Subject};

use crate::answer::Answer;
use crate::condition::{Conditions, Headers};
use crate::document::{Effect, Enforcement};
use crate::download::DownloadLevel;
use crate::message::{Finding, MessageLevel};
use crate::pattern::binary::BinaryPattern;
use crate::pattern::host::DestinationPattern;
use crate::pattern::method::MethodPattern;
use crate::pattern::path::PathPattern;
use crate::validity::{Timestamp, Validity};

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) binary: Level<BinaryPattern>,
    pub(crate) destination: Level<DestinationPattern>,
    pub(crate) method: Level<MethodPattern>,
    pub(crate) path: Level<PathPattern>,
    pub(crate) conditions: Conditions,
    pub(crate) message: Option<Box<MessageLevel>>,
    pub(crate) download: Option<Box<DownloadLevel>>,
    pub(crate) validity: Validity,
    pub(crate) limits: RateLimits,
    pub(crate) effect: Effect,
    pub(crate) enforcement: Enforcement,
}

/// How much a sandbox may do by one rule. The caller counts; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests in the sandbox's life.
    pub requests: Option<u32>,
    /// Requests in any minute.
    pub requests_per_minute: Option<u32>,
    /// Bytes of request and response bodies in a day of the host's clock (UTC).
    pub bytes_per_day: Option<u64>,
}

/// The compiled lists of one level.
#[derive(Debug)]
pub(crate) struct Level<P> {
    pub(crate) allow: Vec<P>,
    pub(crate) deny: Vec<P>,
}

impl Rule {
    /// What permits and denials of a Rego module name: no request is ever compared with it.
    pub(crate) fn of_module(name: &str) -> Self {
        fn nothing<P>() -> Level<P> {
            Level { allow: Vec::new(), deny: Vec::new() }
        }
        Self {
            name: format!("rego/{name}").into(),
            binary: nothing(),
            destination: nothing(),
            method: nothing(),
            path: nothing(),
            conditions: Conditions::default(),
            message: None,
            download: None,
            validity: Validity::default(),
            limits: RateLimits::default(),
            effect: Effect::Grant,
            enforcement: Enforcement::Enforce,
        }
    }

    /// What the binary level says about the subject. Every owner of the socket must be allowed; one
    /// that is denied is enough to deny.
    pub(crate) fn binary(&self, subject: &Subject) -> Answer {
        let owners = owners(subject);
        if owners.iter().any(|owner| self.binary.denies(|pattern| pattern.matches(&owner.path))) {
            Answer::Denied
        } else if !owners.is_empty() && owners.iter().all(|owner| self.allows_program(&owner.path)) {
            Answer::Allowed
        } else {
            Answer::NotAllowed
        }
    }

    /// What the rule grants the subject at the binary level; nothing, if it only denies.
    pub(crate) fn granted(&self, subject: &Subject) -> Answer {
        if self.effect == Effect::DenyOnly { Answer::NotAllowed } else { self.binary(subject) }
    }

    pub(crate) fn method(&self, method: &str) -> Answer {
        self.method.answer(|pattern| pattern.matches(method))
    }

    pub(crate) fn path(&self, path: &str) -> Answer {
        self.path.answer(|pattern| pattern.matches(path))
    }

    pub(crate) fn condition(&self, query: &str, headers: &dyn Headers) -> Answer {
        self.conditions.answer(query, headers)
    }

    /// What the rule says about the request's message.
    pub(crate) fn message(&self, request: &crate::Request<'_>) -> Finding {
        self.message.as_ref().map_or(Finding::Allowed, |level| level.find(request))
    }

    /// What the rule says about what comes back, before it does.
    pub(crate) fn download(&self, request: &crate::Request<'_>) -> Finding {
        self.download.as_ref().map_or(Finding::Allowed, |level| level.find(request))
    }

    pub(crate) fn denies_anything(&self) -> bool {
        let levels = [
            self.binary.deny.is_empty(),
            self.destination.deny.is_empty(),
            self.method.deny.is_empty(),
            self.path.deny.is_empty(),
        ];
        levels.contains(&false)
            || self.conditions.denies_anything()
            || self.message.as_ref().is_some_and(|level| level.denies_anything())
            || self.download.is_some()
    }

    pub(crate) fn in_force(&self, now: Timestamp) -> bool {
        self.validity.holds(now)
    }

    /// Whether any owner is one of the rule's programs: then the rule's deny lists bind the request.
    pub(crate) fn binds(&self, subject: &Subject) -> bool {
        owners(subject).iter().any(|owner| self.allows_program(&owner.path))
    }

    /// Whether the rule itself leaves nothing of what it allows at this host.
    pub(crate) fn denies_host_wholly(&self, host: &str) -> bool {
        let allowed = || self.destination.allow.iter().filter(|pattern| pattern.host.matches(host));
        let denied = || self.destination.deny.iter().filter(|pattern| pattern.host.matches(host));
        allowed().all(|allow| denied().any(|deny| deny.ports.cover(allow.ports)))
    }

    /// The allowed methods, for a message.
    pub(crate) fn methods(&self) -> String {
        let names: Vec<&str> = self
            .method
            .allow
            .iter()
            .map(|pattern| match pattern {
                MethodPattern::Any => "any method",
                MethodPattern::Exactly(name) => name,
            })
            .collect();
        names.join(", ")
    }

    fn allows_program(&self, path: &str) -> bool {
        self.binary.allow.iter().any(|pattern| pattern.matches(path))
    }
}

impl<P> Level<P> {
    fn answer(&self, matches: impl Fn(&P) -> bool) -> Answer {
        if self.denies(&matches) {
            Answer::Denied
        } else if self.allow.iter().any(matches) {
            Answer::Allowed
        } else {
            Answer::NotAllowed
        }
    }

    fn denies(&self, matches: impl Fn(&P) -> bool) -> bool {
        self.deny.iter().any(matches)
    }
}

fn owners(subject: &Subject) -> &[Program] {
    match subject {
        Subject::Owners(owners) => owners,
        Subject::Unknown(_why) => &[],
    }
}
