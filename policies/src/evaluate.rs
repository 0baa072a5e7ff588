//! Why it was allowed, or not: one request against the compiled rules.
//!
//! Four levels in order: binary → destination → method → path, then the conditions on query and header
//! fields, then the message in the body, then what could come back. One rule must allow all of it. A deny list that binds the request (see [`crate::rule`]) beats
//! every rule; of several, the earliest level is named. Without one, the denial names the first level that fails in the *nearest* rule: of the
//! rules for the destination, the one that got furthest, and the first of those in the document. If no
//! rule is for the destination, the level is `binary` when no rule names the program at all, and
//! `destination` otherwise.
//!
//! A rule on trial (`enforcement: audit`) lets pass what its method, path or conditions refuse, unless a
//! deny list of another rule binds it; a rule that allows the request outright goes before one on trial.
//!
//! A path with escaped slashes is judged twice, as it stands and with plain slashes, because servers differ on
//! which it is: both must be allowed.
//!
//! Rego modules come after all rules: those that extend are asked about what no rule allows and no deny list
//! binds, and those that narrow about everything that would pass.
//!
//! Nothing here reads a clock; without conditions, limits, modules and escaped slashes, nothing allocates before the
//! answer is known.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use wire::inference::Conditions;
use wire::subject::Subject;

use crate::answer::Answer;
use crate::canonical::with_plain_slashes;
use crate::condition::Headers;
use crate::decision::{Cause, Decision, Denial, DestinationDecision, Level, NameDecision, Permit};
use crate::document::{Effect, Enforcement};
use crate::download::{DownloadLevel, DownloadRules};
use crate::guard::Guard;
use crate::index::{Entry, HostIndex, ProgramIndex};
use crate::message::{Message, MessageLevel};
use crate::pattern::host;
use crate::rego::Gates;
use crate::rule::{RateLimits, Rule};
use crate::validity::Timestamp;

/// The dynamic half of a policy, compiled.
#[derive(Debug)]
pub struct Policy {
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) allowing: HostIndex,
    pub(crate) denying: HostIndex,
    pub(crate) programs: ProgramIndex,
    pub(crate) gates: Gates,
    pub(crate) inference: Conditions,
    /// When rules begin or cease to be in force, in order.
    pub(crate) turns: Vec<Timestamp>,
    pub(crate) guarding: Guarding,
}

/// Whether any rule looks at more than the head of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guarding {
    /// Some look into messages.
    pub(crate) reads_messages: bool,
    /// Some judge what comes back.
    pub(crate) judges_downloads: bool,
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

/// What is known of a flow before its first request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub subject: &'a Subject,
    /// Where the flow goes.
    pub destination: Destination<'a>,
    /// When it is decided.
    pub now: Timestamp,
}

/// One request, in canonical form.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub subject: &'a Subject,
    /// Where the request goes.
    pub destination: Destination<'a>,
    /// HTTP method, as sent.
    pub method: &'a str,
    /// Canonical path: what is forwarded, without query.
    pub path: &'a str,
    /// The query that is forwarded, without its question mark; empty if there is none.
    pub query: &'a str,
    /// The header fields that are forwarded.
    pub headers: &'a dyn Headers,
    /// The body, if it was read: only a request that [`Denial::unread`] asks it of needs one.
    pub message: Option<&'a Message>,
    /// When it is decided.
    pub now: Timestamp,
}

/// Without query and header fields, which may hold secrets.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Destination { host, port } = self.destination;
        write!(f, "{:?} {} {host}:{port} {}", self.subject, self.method, self.path)
    }
}

/// What a request that passes passes by.
#[derive(Clone, Debug)]
struct Passage {
    by: By,
    /// The rules with limits that allow it: it counts for each.
    limited: Vec<usize>,
}

#[derive(Clone, Debug)]
enum By {
    Rule(usize),
    /// A rule on trial, which would refuse it at this level.
    Trial(Trial),
}

/// A refusal by the rules.
#[derive(Clone, Debug)]
struct Refusal {
    denial: Denial,
    bound: Bound,
}

/// Whether some deny list binds the request, so that nothing may extend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Yes,
    No,
}

/// What a rule on trial would say.
#[derive(Clone, Debug)]
struct Trial {
    rule: usize,
    level: Level,
    cause: Cause,
}

/// What one rule says about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Judgement {
    Allowed,
    /// The first level that does not allow it.
    Fails(Level),
    /// A deny list of this level binds it. It is the answer only if some rule allows the program at all:
    /// otherwise the first level that fails is the binary.
    Denied(Level, Answer),
    /// The rule is on trial, and would refuse it.
    OnTrial(Level, Cause),
    /// The rule only denies, and does not deny it.
    Silent,
}

/// What the rules said so far.
#[derive(Clone, Debug, Default)]
struct Findings {
    allowed: Option<usize>,
    limited: Vec<usize>,
    denied: Option<(Level, usize)>,
    /// Whether some rule passed the binary level.
    program_passed: bool,
    nearest: Option<(Level, usize)>,
    trial: Option<Trial>,
}

impl Policy {
    /// Decides one request.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let permit = match self.decide_reading(request) {
            Decision::Allow(permit) => permit,
            denied @ Decision::Deny(_) => return denied,
        };
        let Some(plain) = with_plain_slashes(request.path) else { return Decision::Allow(permit) };
        match self.decide_reading(&Request { path: &plain, ..*request }) {
            Decision::Allow(other) => Decision::Allow(permit.and(other)),
            denied @ Decision::Deny(_) => denied,
        }
    }

    /// Decides a request by its path as it stands.
    fn decide_reading(&self, request: &Request<'_>) -> Decision {
        match self.by_rules(request) {
            Ok(permit) => match self.gates.object(request) {
                Some(denial) => Decision::Deny(denial),
                None => Decision::Allow(permit),
            },
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// What the rules say, and the modules that extend them.
    fn by_rules(&self, request: &Request<'_>) -> Result<Permit, Denial> {
        let asked = Asked { subject: request.subject, destination: request.destination, now: request.now };
        let Passage { by, limited } = match self.consult(asked, |rule| judge(rule, request)) {
            Ok(passage) => passage,
            Err(Refusal { denial, bound: Bound::No }) => {
                let extended = self.gates.extend(request).ok_or_else(|| denial.about(request))?;
                return Ok(self.speaking(Permit::new(extended, Vec::new(), request, self.inference), request));
            }
            Err(Refusal { denial, bound: Bound::Yes }) => return Err(denial.about(request)),
        };
        let rule = |index: usize| Arc::clone(&self.rules[index]);
        let limited = limited.into_iter().map(rule).collect();
        let permit = |index| Permit::new(rule(index), limited, request, self.inference);
        Ok(match by {
            By::Rule(index) => self.speaking(permit(index), request),
            By::Trial(Trial { rule: index, level, cause }) => {
                let permit = self.speaking(permit(index), request);
                permit.on_trial(Denial::new(level, Some(rule(index)), cause).about(request))
            }
        })
    }

    /// The permit with what the rules say that look into the messages of the request's endpoint, whichever allows it. One
    /// on trial says nothing of what it would refuse.
    fn speaking(&self, permit: Permit, request: &Request<'_>) -> Permit {
        let permit = self.downloading(permit, request);
        if !self.guarding.reads_messages {
            return permit;
        }
        let is_heard = |rule: &&Arc<Rule>| {
            let tried = rule.enforcement == Enforcement::Audit && rule.effect == Effect::Grant;
            !tried || judge(rule, request) == Judgement::Allowed
        };
        let rules = self.there(request).into_iter().map(|rule| &self.rules[rule]).filter(is_heard);
        permit.speaking(rules.filter_map(|rule| Guard::of(rule, request)).collect(), request)
    }

    /// The permit with what the rules say that judge what comes back, whichever allows the request.
    fn downloading(&self, permit: Permit, request: &Request<'_>) -> Permit {
        if !self.guarding.judges_downloads {
            return permit;
        }
        let judges = |rule: &&Arc<Rule>| {
            let level = rule.download.as_deref();
            level.is_some_and(|level| level.guards(request, rule.path(request.path)))
                && rule.binds(request.subject)
        };
        let rules = self.there(request).into_iter().map(|rule| &self.rules[rule]).filter(judges);
        permit.downloading(DownloadRules::new(rules.map(Arc::clone).collect(), request.path))
    }

    /// The rules in force in whose scope a request's destination is, in their order.
    fn there(&self, request: &Request<'_>) -> Vec<usize> {
        let Destination { host, port } = request.destination;
        let entries = self.allowing.entries(host).filter(|entry| entry.ports.contain(port));
        let mut rules: Vec<usize> = entries.map(|entry| entry.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules.retain(|rule| self.rules[*rule].in_force(request.now));
        rules
    }

    /// Decides whether any request of the subject to the destination could be allowed: the first two
    /// levels, for a flow whose requests are not known yet.
    pub fn decide_destination(&self, asked: Asked<'_>) -> DestinationDecision {
        let found = self.consult(asked, |rule| match (rule.binary(asked.subject), rule.effect) {
            (Answer::Denied, _) => Judgement::Denied(Level::Binary, Answer::Denied),
            (_, Effect::DenyOnly) => Judgement::Silent,
            (Answer::Allowed, Effect::Grant) => Judgement::Allowed,
            (Answer::NotAllowed, Effect::Grant) => Judgement::Fails(Level::Binary),
        });
        match found {
            Ok(_passage) => DestinationDecision::Possible,
            Err(Refusal { bound: Bound::No, .. })
                if !is_unknown(asked.subject) && self.gates.reach(asked.destination) =>
            {
                DestinationDecision::Possible
            }
            Err(Refusal { denial, .. }) => DestinationDecision::Deny(denial),
        }
    }

    /// Decides whether any rule could allow a request to the name, on any port and by any program: the
    /// question of a resolver, whose client is often not known.
    pub fn decide_name(&self, name: &str, now: Timestamp) -> NameDecision {
        let deny = |rule, cause| NameDecision::Deny(Denial::new(Level::Destination, rule, cause));
        if !host::is_canonical(name) {
            return deny(None, Cause::NotCanonical);
        }
        let mut denied = None;
        for entry in self.allowing.entries(name) {
            let rule = &self.rules[entry.rule];
            if rule.effect == Effect::DenyOnly || !rule.in_force(now) {
                continue;
            }
            if !rule.denies_host_wholly(name) {
                return NameDecision::Possible;
            }
            denied = denied.or_else(|| Some(Arc::clone(rule)));
        }
        match denied {
            _ if self.gates.reach_name(name) => NameDecision::Possible,
            Some(rule) => deny(Some(rule), Cause::Denied),
            None => deny(None, self.nothing_allows()),
        }
    }

    /// The next second at which a rule begins or ceases to be in force: until then, what is asked again is answered
    /// again. `None`: no rule does.
    #[must_use]
    pub fn changes_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.turns.get(self.turns.partition_point(|turn| *turn <= now)).copied()
    }

    /// Whether any rule begins or ceases to be in force at some time.
    #[must_use]
    pub fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether any rule looks into messages. If none does, no request's body has to be read.
    #[must_use]
    pub fn reads_messages(&self) -> bool {
        self.guarding.reads_messages
    }

    /// Number of rules.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Asks every rule for the destination, and every rule that denies it.
    fn consult(
        &self,
        Asked { subject, destination: Destination { host, port }, now }: Asked<'_>,
        judge: impl Fn(&Rule) -> Judgement,
    ) -> Result<Passage, Refusal> {
        if !host::is_canonical(host) {
            let denial = Denial::new(Level::Destination, None, Cause::NotCanonical);
            return Err(Refusal { denial, bound: Bound::Yes });
        }
        let mut findings = Findings::default();
        let speaks = |entry: &&Entry| entry.ports.contain(port) && self.rules[entry.rule].in_force(now);
        self.allowing.entries(host).filter(speaks).for_each(|entry| {
            let rule = &self.rules[entry.rule];
            let judgement = judge(rule);
            if judgement == Judgement::Allowed && rule.limits != RateLimits::default() {
                findings.limit(entry.rule);
            }
            findings.note(entry.rule, judgement);
        });
        self.denying.entries(host).filter(speaks).for_each(|entry| {
            let rule = &self.rules[entry.rule];
            if rule.binds(subject) {
                findings.note(entry.rule, Judgement::Denied(Level::Destination, rule.granted(subject)));
            }
        });
        let bound = if findings.denied.is_some() { Bound::Yes } else { Bound::No };
        self.conclude(subject, findings).map_err(|denial| Refusal { denial, bound })
    }

    fn conclude(&self, subject: &Subject, findings: Findings) -> Result<Passage, Denial> {
        let rule = |index: usize| Some(Arc::clone(&self.rules[index]));
        match findings {
            Findings { denied: Some((level, index)), program_passed, .. }
                if program_passed || level == Level::Binary =>
            {
                Err(Denial::new(level, rule(index), Cause::Denied))
            }
            Findings { allowed: Some(index), limited, .. } => Ok(Passage { by: By::Rule(index), limited }),
            Findings { trial: Some(trial), .. } => {
                let limited = self.rules[trial.rule].limits != RateLimits::default();
                let limited = limited.then_some(trial.rule).into_iter().collect();
                Ok(Passage { by: By::Trial(trial), limited })
            }
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
    /// A rule is asked once for each of its destinations that is the request's.
    fn limit(&mut self, rule: usize) {
        if !self.limited.contains(&rule) {
            self.limited.push(rule);
        }
    }

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
            Judgement::OnTrial(level, cause) => {
                self.program_passed = true;
                if self.trial.as_ref().is_none_or(|trial| rule < trial.rule) {
                    self.trial = Some(Trial { rule, level, cause });
                }
            }
            Judgement::Silent => {}
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
        return if rule.effect == Effect::Grant {
            Judgement::Fails(Level::Binary)
        } else {
            Judgement::Silent
        };
    }
    let (method, path) = (rule.method(request.method), rule.path(request.path));
    let guards = |level: &&MessageLevel| level.guards(request, path);
    let level = rule.message.as_deref().filter(guards);
    let message = level.map_or(Answer::Allowed, |level| level.find(request).answer());
    let guards = |level: &&DownloadLevel| level.guards(request, path);
    let level = rule.download.as_deref().filter(guards);
    let download = level.map_or(Answer::Allowed, |level| level.find(request).answer());
    let answers = [
        (Level::Method, method),
        (Level::Path, path),
        (Level::Condition, rule.condition(request.query, request.headers)),
        (Level::Message, message),
        (Level::Download, download),
    ];
    let first = |wanted| answers.iter().find(|(_level, answer)| *answer == wanted).map(|(level, _)| *level);
    let on_trial = rule.enforcement == Enforcement::Audit && rule.effect == Effect::Grant;
    match (first(Answer::Denied), binary, first(Answer::NotAllowed)) {
        (Some(level), Answer::Allowed, _) if on_trial => Judgement::OnTrial(level, Cause::Denied),
        (Some(_level), ..) if on_trial => Judgement::Fails(Level::Binary),
        (Some(level), ..) => Judgement::Denied(level, rule.granted(request.subject)),
        _ if rule.effect == Effect::DenyOnly => Judgement::Silent,
        (None, Answer::Allowed, None) => Judgement::Allowed,
        (None, Answer::Allowed, Some(level)) if on_trial => Judgement::OnTrial(level, Cause::NotAllowed),
        (None, Answer::Allowed, Some(level)) => Judgement::Fails(level),
        (None, ..) => Judgement::Fails(Level::Binary),
    }
}

fn is_unknown(subject: &Subject) -> bool {
    match subject {
        Subject::Owners(owners) => owners.is_empty(),
        Subject::Unknown(_why) => true,
    }
}
