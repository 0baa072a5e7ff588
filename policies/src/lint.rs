//! What a policy says that its author may not mean: nothing here is a mistake, and everything is worth a look.
//!
//! Each lint has a name, a place, a cause and a remedy. A *warning* is something that a careful policy does
//! not have; a *note* is something that it may well have, and that its author should know about.
//!
//! *Invariant:* a lint changes no decision; what must not load is an error of the compiler.

mod levels;
mod pairs;
mod tenants;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::document::{Document, Effect, InboundEntry, RuleEntry, TokenRule};
use crate::evaluate::Policy;
use crate::place::{At, Place};
use crate::rule::Rule;
use crate::validity::Timestamp;

/// How much a lint matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Should be changed, or be there for a reason.
    Warning,
}

/// Which lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LintName {
    /// `method: {allow: ["*"]}`.
    WildcardMethod,
    /// Every path, with a method that changes something.
    WritesAnywhere,
    /// `enforcement: audit`.
    OnTrial,
    /// A host that serves everybody, and nothing that says whose part of it.
    MultiTenant,
    /// `until` is over.
    Expired,
    /// A script's name where the interpreter's is needed.
    ScriptName,
    /// Every program of a directory.
    AnyProgram,
    /// A program that runs whatever it is given.
    Interpreter,
    /// A deny list of another rule leaves nothing of the rule.
    Shadowed,
    /// The same as another rule.
    Duplicate,
    /// What the rule looks into, another one allows unread.
    UnreadMessages,
    /// What the rule judges when it comes back, another one lets pass unjudged.
    UnjudgedDownloads,
    /// A host that counts and measures, with a query of any size.
    UnboundedQuery,
    /// HTTP without TLS.
    PlainHttp,
    /// A destination by its address.
    AddressDestination,
    /// A directory in which the agent may write what it then runs.
    WriteExecute,
    /// A port of the agent that other machines can reach, and anybody among them may use, or listen in.
    OpenPort,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// Which lint.
    pub name: LintName,
    /// How much it matters.
    pub severity: Severity,
    /// The file, as errors name it.
    pub file: String,
    /// Line in the file.
    pub line: u64,
    /// Column in the file, in characters.
    pub column: u64,
    /// The rule that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was found, in one line.
    pub cause: String,
    /// What to write instead, in one line.
    pub remedy: String,
}

/// Finds what a resolved document says that its author may not mean. `policy` is the same document, compiled.
#[must_use]
pub fn lint(document: &Document, policy: &Policy, now: Timestamp) -> Vec<Lint> {
    let mut report = Report { document, found: Vec::new() };
    filesystem(&mut report);
    inbound(&mut report);
    let mut rules: Vec<Linted<'_>> = document
        .network
        .iter()
        .zip(&policy.rules)
        .map(|(At { value, place }, rule)| Linted { entry: value, place: *place, rule })
        .collect();
    rules.iter().for_each(|rule| levels::life(&mut report, rule, now));
    rules.retain(|linted| linted.rule.effect == Effect::Grant);
    for rule in &rules {
        levels::lint(&mut report, rule);
        tenants::lint(&mut report, rule);
    }
    pairs::lint(&mut report, &rules, policy, now);
    let mut found = report.found;
    found.sort_by(|one, other| {
        let key = |lint: &Lint| {
            (lint.file != document.file(), lint.file.clone(), lint.line, lint.column, lint.name)
        };
        key(one).cmp(&key(other))
    });
    found
}

/// A rule in both forms.
struct Linted<'a> {
    entry: &'a RuleEntry,
    place: Place,
    rule: &'a Rule,
}

/// What was found so far.
struct Report<'a> {
    document: &'a Document,
    found: Vec<Lint>,
}

/// What is wrong, and what to do.
struct Advice {
    severity: Severity,
    cause: String,
    remedy: String,
}

impl Report<'_> {
    fn warn(&mut self, name: LintName, place: Place, rule: &Linted<'_>, advice: Advice) {
        self.add(name, place, Some(rule), advice);
    }

    fn note(&mut self, name: LintName, place: Place, rule: &Linted<'_>, advice: Advice) {
        self.add(name, place, Some(rule), Advice { severity: Severity::Note, ..advice });
    }

    fn add(
        &mut self,
        name: LintName,
        place: Place,
        rule: Option<&Linted<'_>>,
        Advice { severity, cause, remedy }: Advice,
    ) {
        let rule = rule.map(|linted| linted.rule.name.to_string());
        let file = self.document.source_name(place).to_owned();
        let Place { line, column, .. } = place;
        self.found.push(Lint { name, severity, file, line, column, rule, cause, remedy });
    }
}

impl Advice {
    fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, cause: cause.into(), remedy: remedy.into() }
    }
}

impl LintName {
    /// As in reports: `wildcard-method`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WildcardMethod => "wildcard-method",
            Self::WritesAnywhere => "writes-anywhere",
            Self::OnTrial => "on-trial",
            Self::MultiTenant => "multi-tenant",
            Self::Expired => "expired",
            Self::ScriptName => "script-name",
            Self::AnyProgram => "any-program",
            Self::Interpreter => "interpreter",
            Self::Shadowed => "shadowed",
            Self::Duplicate => "duplicate",
            Self::UnreadMessages => "unread-messages",
            Self::UnjudgedDownloads => "unjudged-downloads",
            Self::UnboundedQuery => "unbounded-query",
            Self::PlainHttp => "plain-http",
            Self::AddressDestination => "address-destination",
            Self::WriteExecute => "write-execute",
            Self::OpenPort => "open-port",
        }
    }
}

/// `file:line:column: warning [name]: rule 'r': cause`.
impl std::fmt::Display for Lint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {severity} [{}]: ", self.file, self.line, self.column, self.name.as_str())?;
        if let Some(rule) = &self.rule {
            write!(f, "rule '{rule}': ")?;
        }
        f.write_str(&self.cause)
    }
}

fn filesystem(report: &mut Report<'_>) {
    let Some(filesystem) = &report.document.filesystem else { return };
    for At { value, place } in &filesystem.write_execute {
        let cause = format!("the agent can run what it writes beneath '{value}'");
        let advice =
            Advice::new(cause, "use 'write', and 'execute' for another directory, if nothing is built there");
        report.add(LintName::WriteExecute, *place, None, advice);
    }
}

/// Ports on which other machines can reach the agent. The document loads, so their addresses parse.
fn inbound(report: &mut Report<'_>) {
    for At { value, place } in report.document.inbound.iter().flatten() {
        let InboundEntry { name, listen, token, .. } = value;
        let (Some(name), Some(At { value: listen, .. })) = (name, listen) else { continue };
        if listen.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback()) {
            continue;
        }
        let name = &name.value;
        let secret = token.as_ref().is_some_and(|token| token.value == TokenRule::Required);
        let advice = if secret {
            Advice {
                severity: Severity::Note,
                ..Advice::new(
                    format!("the token of '{name}' crosses the network to {listen} in clear"),
                    "listen on 127.0.0.1 behind something that speaks TLS, if the network is not your own",
                )
            }
        } else {
            Advice::new(
                format!("whoever its sources let in may use '{name}' on {listen}: there is no token"),
                "write 'protocol: http' and 'token: required', or listen on 127.0.0.1",
            )
        };
        report.add(LintName::OpenPort, *place, None, advice);
    }
}
