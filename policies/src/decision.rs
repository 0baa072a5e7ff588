//! What a decision is: a permit, or a denial that says which level stopped the request and why.

use std::fmt;
use std::sync::Arc;

use wire::inference::Conditions;

use crate::guard::{AnswerRules, Guard};
use crate::judgement::DownloadRules;
use crate::message::{About, Finding, Unread};
use crate::rule::{RateLimits, Rule};

/// The four levels, and the conditions, messages and downloads after them, in the order in which they are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Which program asks.
    Binary,
    /// Which host and port it wants.
    Destination,
    /// With which method.
    Method,
    /// On which path.
    Path,
    /// With which query and header fields.
    Condition,
    /// With which message in the body.
    Message,
    /// What comes back.
    Download,
}

/// The answer to one request.
#[derive(Clone, Debug)]
#[must_use]
pub enum Decision {
    /// The request may go on, as the permit describes it.
    Allow(Permit),
    /// It may not.
    Deny(Denial),
}

/// The answer to a question about a flow, before any request of it is known.
#[derive(Clone, Debug)]
#[must_use]
pub enum DestinationDecision {
    /// Some request to the destination could be allowed. Each still needs its own [`Decision`].
    Possible,
    /// No request of this program to the destination could be allowed.
    Deny(Denial),
}

/// The answer to the question whether a name may be resolved.
#[derive(Clone, Debug)]
#[must_use]
pub enum NameDecision {
    /// Some rule could allow a request to the name, on some port.
    Possible,
    /// No rule could.
    Deny(Denial),
}

/// Proof that the policy allowed one request. Only [`crate::Policy::decide`] makes one, so code that
/// takes a permit cannot be reached without a decision.
#[derive(Clone, Debug)]
pub struct Permit {
    rule: Arc<Rule>,
    /// The rules with limits that allow the request.
    limited: Vec<Arc<Rule>>,
    /// Host, method and path, in one piece: a decision allocates once.
    words: Box<str>,
    host_ends: usize,
    method_ends: usize,
    port: u16,
    inference: Conditions,
    would_deny: Option<Denial>,
    /// What rules that look into messages say of it.
    spoken: Option<Box<Spoken>>,
    /// What rules that judge downloads say of what comes back.
    downloads: Option<Box<DownloadRules>>,
}

/// What a message asks for, and what may come of it. Few requests have one.
#[derive(Clone, Debug)]
struct Spoken {
    asked: Option<String>,
    answers: Option<AnswerRules>,
    longest_call: Option<u64>,
}

/// Why a request was refused.
#[derive(Clone, Debug)]
pub struct Denial {
    level: Level,
    rule: Option<Arc<Rule>>,
    cause: Cause,
    /// Of a message or a download: what of it failed.
    finding: Option<Box<Finding>>,
}

/// What about the level failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The policy has no rule at all.
    NoRules,
    /// Nothing allows it.
    NotAllowed,
    /// A deny list names it.
    Denied,
    /// The program is not known.
    UnknownProgram,
    /// The host is not in canonical form.
    NotCanonical,
    /// More is asked of model calls than when this one was sent on.
    Inference,
    /// Other things are asked of a server's answer than when the request was sent on.
    Answers,
    /// A Rego module does not agree, and why.
    Rego(Box<str>),
}

impl Level {
    /// `binary`, `destination`, `method`, `path`, `condition`, `message` or `download`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Destination => "destination",
            Self::Method => "method",
            Self::Path => "path",
            Self::Condition => "condition",
            Self::Message => "message",
            Self::Download => "download",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl Permit {
    pub(crate) fn new(
        rule: Arc<Rule>,
        limited: Vec<Arc<Rule>>,
        request: &crate::Request<'_>,
        inference: Conditions,
    ) -> Self {
        let crate::Destination { host, port } = request.destination;
        Self {
            rule,
            limited,
            words: [host, request.method, request.path].concat().into(),
            host_ends: host.len(),
            method_ends: host.len() + request.method.len(),
            port,
            inference,
            would_deny: None,
            spoken: None,
            downloads: None,
        }
    }

    /// The permit for a request whose message these rules look into.
    pub(crate) fn speaking(self, guards: Vec<Guard>, request: &crate::Request<'_>) -> Self {
        if guards.is_empty() {
            return self;
        }
        let asked = guards.iter().find_map(|guard| guard.rule.message.as_ref()?.asked(request));
        // What a rule that only denies does not let pass, no other lets pass.
        let (denying, granting): (Vec<_>, Vec<_>) = guards.iter().partition(|guard| guard.only_denies());
        let longest = |guard: &Guard| guard.rule.message.as_ref()?.longest_call();
        let granted = granting.into_iter().filter_map(longest).max();
        let longest_call = denying.into_iter().filter_map(longest).chain(granted).min();
        let spoken = Spoken { asked, answers: AnswerRules::new(guards), longest_call };
        Self { spoken: Some(Box::new(spoken)), ..self }
    }

    /// The permit for a request whose answer these rules judge.
    pub(crate) fn downloading(self, downloads: Option<Box<DownloadRules>>) -> Self {
        Self { downloads, ..self }
    }

    /// The permit for what a rule on trial would refuse.
    pub(crate) fn on_trial(self, denial: Denial) -> Self {
        Self { would_deny: Some(denial), ..self }
    }

    /// The permit for a request that has two readings, given those for both: for the first, under the limits of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let more =
            other.limited.into_iter().filter(|rule| !self.limited.iter().any(|mine| Arc::ptr_eq(mine, rule)));
        let more: Vec<Arc<Rule>> = more.collect();
        self.limited.extend(more);
        Self {
            would_deny: self.would_deny.or(other.would_deny),
            spoken: match (self.spoken, other.spoken) {
                (Some(mine), Some(other)) => Some(Box::new(mine.and(*other))),
                (mine, other) => mine.or(other),
            },
            downloads: match (self.downloads, other.downloads) {
                (Some(mine), Some(other)) => Some(mine.and(*other)),
                (mine, other) => mine.or(other),
            },
            ..self
        }
    }

    /// Why the request would be refused if its rule were enforced (`enforcement: audit`). `None` for every
    /// request that the policy allows.
    #[must_use]
    pub fn would_deny(&self) -> Option<&Denial> {
        self.would_deny.as_ref()
    }

    /// What the message asks for, for the record: names, never values. `None`: no rule looks into it.
    #[must_use]
    pub fn asked(&self) -> Option<&str> {
        self.spoken.as_ref()?.asked.as_deref()
    }

    /// By what the server's answer is judged. `None`: it goes on as it comes.
    #[must_use]
    pub fn answers(&self) -> Option<&AnswerRules> {
        self.spoken.as_ref()?.answers.as_ref()
    }

    /// The longest message of a gRPC call that may pass, in either direction. `None`: any.
    #[must_use]
    pub fn longest_call(&self) -> Option<u64> {
        self.spoken.as_ref()?.longest_call
    }

    /// By what the answer's body is judged. `None`: it goes on as it comes.
    #[must_use]
    pub fn downloads(&self) -> Option<&DownloadRules> {
        self.downloads.as_deref()
    }

    /// How much the sandbox may do by each rule that allows the request and has limits: the rule's name and what it
    /// says. Whoever acts on the permit counts the request for all of them.
    pub fn limits(&self) -> impl Iterator<Item = (&str, RateLimits)> {
        self.limited.iter().map(|rule| (&*rule.name, rule.limits))
    }

    /// Name of the rule that allowed it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule.name
    }

    /// The host that may be dialled.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.words[..self.host_ends]
    }

    /// The port that may be dialled.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The method that may be sent.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.words[self.host_ends..self.method_ends]
    }

    /// The canonical path that may be sent.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.words[self.method_ends..]
    }

    /// Why a model call that goes on by an earlier permit may not go on by this one: it was sent on under conditions that
    /// do not cover those of now.
    #[must_use]
    pub fn asks_more_than(&self, earlier: &Self) -> Option<Denial> {
        (!earlier.inference.cover(self.inference))
            .then(|| Denial::new(Level::Condition, Some(Arc::clone(&self.rule)), Cause::Inference))
    }

    /// Why what goes on by an earlier permit may not go on by this one: other things are asked of what comes back.
    #[must_use]
    pub fn asks_more_of_answers_than(&self, earlier: &Self) -> Option<Denial> {
        let asked = self.answers().is_none_or(|now| earlier.answers().is_some_and(|then| now.asks_as(then)));
        let measured =
            self.longest_call().is_none_or(|now| earlier.longest_call().is_some_and(|then| then <= now));
        let judged =
            self.downloads().is_none_or(|now| earlier.downloads().is_some_and(|then| now.asks_as(then)));
        let level = if asked && measured { Level::Download } else { Level::Message };
        (!asked || !measured || !judged)
            .then(|| Denial::new(level, Some(Arc::clone(&self.rule)), Cause::Answers))
    }

    /// What is asked if it is a model call.
    #[must_use]
    pub fn inference(&self) -> Conditions {
        self.inference
    }
}

impl Spoken {
    /// What is said for both readings of a request.
    fn and(self, other: Self) -> Self {
        let answers = match (self.answers, other.answers) {
            (Some(mine), Some(other)) => Some(mine.and(other)),
            (mine, other) => mine.or(other),
        };
        let longest_call = self.longest_call.into_iter().chain(other.longest_call).min();
        Self { asked: self.asked.or(other.asked), answers, longest_call }
    }
}

impl Denial {
    pub(crate) fn new(level: Level, rule: Option<Arc<Rule>>, cause: Cause) -> Self {
        Self { level, rule, cause, finding: None }
    }

    /// The same, if it is about the message or the download, with what of it failed.
    pub(crate) fn about(self, request: &crate::Request<'_>) -> Self {
        let finding = match (&self.rule, self.level) {
            (Some(rule), Level::Message) => rule.message(request),
            (Some(rule), Level::Download) => rule.download(request),
            _ => return self,
        };
        Self { finding: Some(Box::new(finding)), ..self }
    }

    /// Whether the answer depends on the body, which was not read: how much of it has to be.
    #[must_use]
    pub fn unread(&self) -> Option<Unread> {
        match self.finding.as_deref() {
            Some(Finding::Unread(unread)) => Some(*unread),
            _ => None,
        }
    }

    /// What of the message or the download is denied, or not allowed.
    fn part(&self) -> Option<&About> {
        match self.finding.as_deref() {
            Some(Finding::NotAllowed(about) | Finding::Denied(about)) => Some(about),
            _ => None,
        }
    }

    /// The first level that failed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Name of the rule that denies it, or that came nearest to allowing it.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref().map(|rule| &*rule.name)
    }

    /// Whether a deny list says so: then nothing that is added to the policy allows the request.
    #[must_use]
    pub fn is_by_deny_list(&self) -> bool {
        let read = !matches!(self.finding.as_deref(), Some(Finding::Unread(_) | Finding::Unreadable(_)));
        self.cause == Cause::Denied && read
    }

    /// Whether a Rego module says so: then a rule that is added does not help either.
    pub(crate) fn is_by_module(&self) -> bool {
        matches!(self.cause, Cause::Rego(_))
    }

    /// Why, in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let rule = self.rule().unwrap_or_default();
        let what = match self.level {
            Level::Binary => "the program",
            Level::Destination => "the destination",
            Level::Method => "the method",
            Level::Path => "the path",
            Level::Condition => "the query or a header field",
            Level::Message => self.part().map_or("the message", |part| &part.what),
            Level::Download => self.part().map_or("the download", |part| &part.what),
        };
        match self.finding.as_deref() {
            Some(Finding::Unread(_)) => {
                return format!("rule '{rule}' looks into the message, which was not read");
            }
            Some(Finding::Unreadable(why)) => {
                return format!("the message cannot be read as rule '{rule}' asks: {why}");
            }
            _ => {}
        }
        match (&self.cause, &self.rule) {
            (Cause::NoRules, _) => "the policy has no network rule: nothing is allowed".to_owned(),
            (Cause::UnknownProgram, _) => "the program behind the connection could not be told".to_owned(),
            (Cause::NotCanonical, _) => "the host is not a name or an address in canonical form".to_owned(),
            (Cause::Inference, _) => "the policy asks more of model calls now".to_owned(),
            (Cause::Answers, _) => "the policy asks other things of what comes back now".to_owned(),
            (Cause::Rego(why), _) => format!("module '{rule}' does not allow it: {why}"),
            (Cause::Denied, _) => format!("{what} is denied by rule '{rule}'"),
            (Cause::NotAllowed, Some(_)) => format!("{what} is not allowed by rule '{rule}'"),
            (Cause::NotAllowed, None) => format!("{what} is not allowed by any rule"),
        }
    }

    /// What could be done instead, in one line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.finding.as_deref() {
            Some(Finding::Unread(_)) => return "send it with its body".to_owned(),
            Some(Finding::Unreadable(_)) => {
                return "send one plain message of the protocol; nothing was forwarded".to_owned();
            }
            _ => {}
        }
        match (&self.cause, self.level, &self.rule) {
            (Cause::UnknownProgram, ..) => {
                "let one program that a rule names open the connection, and keep it running".to_owned()
            }
            (Cause::NotCanonical, ..) => "write the host in lower case, without a dot at the end".to_owned(),
            (Cause::Rego(_why), _, Some(rule)) => {
                format!("the operator can change the module '{}'", rule.name)
            }
            (Cause::Inference | Cause::Answers, ..) => {
                "send the call again: it will be judged by the new policy".to_owned()
            }
            (Cause::Denied, _, Some(rule)) => {
                format!("a deny list beats every rule; the operator can change '{}'", rule.name)
            }
            (Cause::NotAllowed, Level::Method, Some(rule)) => {
                format!("rule '{}' allows {}", rule.name, rule.methods())
            }
            (Cause::NotAllowed, Level::Condition, Some(rule)) => {
                format!("send what 'query' and 'headers' of rule '{}' ask for, and nothing else", rule.name)
            }
            (Cause::NotAllowed, Level::Message | Level::Download, Some(rule)) => self.listed(&rule.name),
            (Cause::NotAllowed, level, Some(rule)) => {
                format!("the operator can add it to '{level}' of rule '{}'", rule.name)
            }
            _ => "the operator can add a network rule for it".to_owned(),
        }
    }

    /// What would list the part of the message that is not allowed.
    fn listed(&self, rule: &str) -> String {
        match self.part() {
            Some(About { key, entry: Some(entry), .. }) => {
                format!("the operator can add '{entry}' to '{key}.allow' of rule '{rule}'")
            }
            Some(About { key, .. }) => format!("the operator can widen '{key}' of rule '{rule}'"),
            None => format!("the operator can change rule '{rule}'"),
        }
    }
}

/// The reason.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())
    }
}
