//! Why it was allowed, or not: one request against the compiled rules.
//!
//! Four levels in order: binary → destination → method → path. One rule must allow all four. A deny
//! list that binds the request (see [`crate::rule`]) beats every rule; of several, the earliest level
//! is named. Without one, the denial names the first level that fails in the *nearest* rule: of the
//! rules for the destination, the one that got furthest, and the first of those in the document. If no
//! rule is for the destination, the level is `binary` when no rule names the program at all, and
//! `destination` otherwise.
//!
//! Nothing here reads a clock or allocates before the answer is known.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use wire::subject::Subject;

use crate::decision::{Cause, Decision, Denial, DestinationDecision, Level, NameDecision, Permit};
use crate::index::{HostIndex, ProgramIndex};
use crate::pattern::host;
use crate::rule::{Answer, Rule};

/// The dynamic half of a policy, compiled.
#[derive(Debug)]
pub struct Policy {
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) allowing: HostIndex,
    pub(crate) denying: HostIndex,
    pub(crate) programs: ProgramIndex,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Name in lower-case A-labels without a trailing dot, IPv4 address, or IPv6 address in brackets.
    /// Any other form matches nothing.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
}

/// One request, in canonical form.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub subject: &'a Subject,
    /// Where the request goes.
    pub destination: Destination<'a>,
    /// HTTP method, as sent.
    pub method: &'a str,
    /// Canonical path: what is forwarded, without query.
    pub path: &'a str,
}

/// What one rule says about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Allowed,
    /// The first level that does not allow it.
    Fails(Level),
    /// A deny list of this level binds it. It is the answer only if some rule allows the program at all:
    /// otherwise the first level that fails is the binary.
    Denied(Level, Answer),
}

/// What the rules said so far.
#[derive(Clone, Copy, Debug, Default)]
struct Findings {
    allowed: Option<usize>,
    denied: Option<(Level, usize)>,
    /// Whether some rule passed the binary level.
    program_passed: bool,
    nearest: Option<(Level, usize)>,
}

impl Policy {
    /// Decides one request.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let found = self.consult(request.subject, request.destination, |rule| judge(rule, request));
        match found {
            Ok(rule) => Decision::Allow(Permit::new(Arc::clone(&self.rules[rule]), request)),
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Decides whether any request of the subject to the destination could be allowed: the first two
    /// levels, for a flow whose requests are not known yet.
    pub fn decide_destination(&self, subject: &Subject, destination: Destination<'_>) -> DestinationDecision {
        let found = self.consult(subject, destination, |rule| match rule.binary(subject) {
            Answer::Allowed => Judgement::Allowed,
            Answer::NotAllowed => Judgement::Fails(Level::Binary),
            Answer::Denied => Judgement::Denied(Level::Binary, Answer::Denied),
        });
        found.map_or_else(DestinationDecision::Deny, |_rule| DestinationDecision::Possible)
    }

    /// Decides whether any rule could allow a request to the name, on any port and by any program: the
    /// question of a resolver, whose client is often not known.
    pub fn decide_name(&self, name: &str) -> NameDecision {
        let deny = |rule, cause| NameDecision::Deny(Denial::new(Level::Destination, rule, cause));
        if !host::is_canonical(name) {
            return deny(None, Cause::NotCanonical);
        }
        let mut denied = None;
        for entry in self.allowing.entries(name) {
            let rule = &self.rules[entry.rule];
            if !rule.denies_host_wholly(name) {
                return NameDecision::Possible;
            }
            denied = denied.or_else(|| Some(Arc::clone(rule)));
        }
        match denied {
            Some(rule) => deny(Some(rule), Cause::Denied),
            None => deny(None, self.nothing_allows()),
        }
    }

    /// Number of rules.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Asks every rule for the destination, and every rule that denies it.
    fn consult(
        &self,
        subject: &Subject,
        destination: Destination<'_>,
        judge: impl Fn(&Rule) -> Judgement,
    ) -> Result<usize, Denial> {
        let Destination { host, port } = destination;
        if !host::is_canonical(host) {
            return Err(Denial::new(Level::Destination, None, Cause::NotCanonical));
        }
        let mut findings = Findings::default();
        for entry in self.allowing.entries(host).filter(|entry| entry.ports.contain(port)) {
            findings.note(entry.rule, judge(&self.rules[entry.rule]));
        }
        for entry in self.denying.entries(host).filter(|entry| entry.ports.contain(port)) {
            let rule = &self.rules[entry.rule];
            if rule.binds(subject) {
                findings.note(entry.rule, Judgement::Denied(Level::Destination, rule.binary(subject)));
            }
        }
        self.conclude(subject, findings)
    }

    fn conclude(&self, subject: &Subject, findings: Findings) -> Result<usize, Denial> {
        let rule = |index: usize| Some(Arc::clone(&self.rules[index]));
        match findings {
            Findings { denied: Some((level, index)), program_passed, .. }
                if program_passed || level == Level::Binary =>
            {
                Err(Denial::new(level, rule(index), Cause::Denied))
            }
            Findings { allowed: Some(index), .. } => Ok(index),
            Findings { nearest: Some((Level::Binary, index)), .. } if is_unknown(subject) => {
                Err(Denial::new(Level::Binary, rule(index), Cause::UnknownProgram))
            }
            Findings { nearest: Some((level, index)), .. } => {
                Err(Denial::new(level, rule(index), Cause::NotAllowed))
            }
            _ if is_unknown(subject) => Err(Denial::new(Level::Binary, None, Cause::UnknownProgram)),
            _ => {
                let level = if self.names_program(subject) { Level::Destination } else { Level::Binary };
                Err(Denial::new(level, None, self.nothing_allows()))
            }
        }
    }

    fn names_program(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Owners(owners) => owners.iter().all(|owner| self.programs.contains(&owner.path)),
            Subject::Unknown(_why) => false,
        }
    }

    fn nothing_allows(&self) -> Cause {
        if self.rules.is_empty() { Cause::NoRules } else { Cause::NotAllowed }
    }
}

impl Findings {
    fn note(&mut self, rule: usize, judgement: Judgement) {
        match judgement {
            Judgement::Allowed => {
                self.program_passed = true;
                self.allowed = Some(self.allowed.map_or(rule, |first| first.min(rule)));
            }
            Judgement::Denied(level, binary) => {
                self.program_passed |= binary == Answer::Allowed;
                let earliest = self.denied.map_or((level, rule), |first| first.min((level, rule)));
                self.denied = Some(earliest);
            }
            Judgement::Fails(level) => {
                self.program_passed |= level > Level::Binary;
                let further =
                    self.nearest.is_none_or(|(best, first)| level > best || (level == best && rule < first));
                if further {
                    self.nearest = Some((level, rule));
                }
            }
        }
    }
}

/// What a rule for the request's destination says about it.
fn judge(rule: &Rule, request: &Request<'_>) -> Judgement {
    let binary = rule.binary(request.subject);
    if binary == Answer::Denied {
        return Judgement::Denied(Level::Binary, binary);
    }
    if binary == Answer::NotAllowed && !rule.binds(request.subject) {
        return Judgement::Fails(Level::Binary);
    }
    match (binary, rule.method(request.method), rule.path(request.path)) {
        (_, Answer::Denied, _) => Judgement::Denied(Level::Method, binary),
        (_, _, Answer::Denied) => Judgement::Denied(Level::Path, binary),
        (Answer::NotAllowed, ..) => Judgement::Fails(Level::Binary),
        (_, Answer::NotAllowed, _) => Judgement::Fails(Level::Method),
        (_, _, Answer::NotAllowed) => Judgement::Fails(Level::Path),
        _ => Judgement::Allowed,
    }
}

fn is_unknown(subject: &Subject) -> bool {
    match subject {
        Subject::Owners(owners) => owners.is_empty(),
        Subject::Unknown(_why) => true,
    }
}
