//! One rule, compiled: what each level allows and denies.
//!
//! A rule's *scope* is its binaries and its destinations. Its deny lists hold in the whole scope and
//! for every rule, with the level of the list itself left out: a denied binary is denied at the rule's
//! destinations, a denied destination is denied to the rule's binaries, and a denied method or path is
//! denied to the rule's binaries at its destinations.

use std::sync::Arc;

use wire::subject::{Program, Subject};

use crate::pattern::binary::BinaryPattern;
use crate::pattern::host::DestinationPattern;
use crate::pattern::method::MethodPattern;
use crate::pattern::path::PathPattern;

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) binary: Level<BinaryPattern>,
    pub(crate) destination: Level<DestinationPattern>,
    pub(crate) method: Level<MethodPattern>,
    pub(crate) path: Level<PathPattern>,
}

/// The compiled lists of one level.
#[derive(Debug)]
pub(crate) struct Level<P> {
    pub(crate) allow: Vec<P>,
    pub(crate) deny: Vec<P>,
}

/// How a level answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    NotAllowed,
    Denied,
}

impl Rule {
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

    pub(crate) fn method(&self, method: &str) -> Answer {
        self.method.answer(|pattern| pattern.matches(method))
    }

    pub(crate) fn path(&self, path: &str) -> Answer {
        self.path.answer(|pattern| pattern.matches(path))
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
