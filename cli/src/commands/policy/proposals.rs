//! `openshell policy proposals`: what agents want to be allowed, and what it would mean.
//!
//! Everything that an agent wrote is made printable: it must not drive the terminal of whoever decides, or look like something
//! else than it is. Only what could be shown counts as seen.

#[cfg(test)]
mod tests;

use audit_export::format::printable;
use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, Look, Proposal, ProposalStanding, SandboxId, Shown, Terms};
use manager::proposals::{candidate, digest};
use policies::diff::{Diff, diff};
use policies::lint::{Lint, Severity, lint};
use policies::proposal::{Candidate, Now, rule_name};
use policies::{Document, Policy, Timestamp};
use serde_json::{Value, json};

use super::diff::INCOMPLETE;
use super::{fault, now};
use crate::arguments;
use crate::commands::print_json;

/// Widest line of what an agent wrote: a terminal that breaks a longer one would make lines of it that are nobody's.
const WIDTH: usize = 72;

/// A proposal, and what its approval would change.
struct Considered {
    sandbox: SandboxId,
    shown: Shown,
    meaning: Meaning,
}

/// What an approval means.
enum Meaning {
    /// Nothing waits for one.
    Settled,
    /// This.
    Change(Change),
    /// It cannot be told: nobody has seen what he would approve.
    Unknown(Failure),
}

/// What an approval would change, and what a careful policy would not have.
#[derive(serde::Serialize)]
struct Change {
    /// What the policy in force says of the wish, and what the one with the approval would.
    wish: [Now; 2],
    diff: Diff,
    risks: Vec<Lint>,
}

pub(super) fn run(what: &arguments::Proposals, layout: &Layout) -> Result<u8, Failure> {
    let Look { listed, silent } = operator::proposals(layout, what.sandbox.as_deref())?;
    let consider = |(sandbox, listed): (SandboxId, operator::Proposals)| {
        let policy = listed.policy.policy;
        listed.proposals.into_iter().map(move |shown| Considered::new(&sandbox, shown, &policy))
    };
    let all: Vec<Considered> = listed.into_iter().flat_map(consider).collect();
    if what.output.json {
        print_json(&all.iter().map(Considered::json).collect::<Vec<_>>())?;
    } else {
        all.iter().flat_map(Considered::lines).for_each(|line| println!("{line}"));
        if all.is_empty() {
            println!("no agent proposes anything");
        }
    }
    for (sandbox, failure) in silent {
        eprintln!("openshell: sandbox {sandbox} is not among them: {}", failure.cause);
    }
    say_what_was_seen(&all, layout);
    Ok(0)
}

/// Lets the sandboxes know what can be approved without naming its digest.
fn say_what_was_seen(all: &[Considered], layout: &Layout) {
    for of_one in all.chunk_by(|one, next| one.sandbox == next.sandbox) {
        let digests: Vec<String> = of_one.iter().filter_map(Considered::seen).collect();
        let sandbox = &of_one[0].sandbox;
        if digests.is_empty() {
            continue;
        }
        if let Err(failure) = operator::seen(layout, sandbox, digests) {
            eprintln!("openshell: name the digest to approve something of {sandbox}: {}", failure.cause);
        }
    }
}

impl Considered {
    /// Finds out what the approval would change, and that the sandbox means the same by it.
    fn new(sandbox: &SandboxId, shown: Shown, policy: &str) -> Self {
        let meaning = if shown.proposal.is_open(&shown.standing, now().0) {
            Change::of(sandbox, &shown, policy).map_or_else(Meaning::Unknown, Meaning::Change)
        } else {
            Meaning::Settled
        };
        Self { sandbox: sandbox.clone(), shown, meaning }
    }

    /// What was seen, if it could be.
    fn seen(&self) -> Option<String> {
        matches!(self.meaning, Meaning::Change(_)).then(|| self.shown.digest.clone())
    }

    fn json(&self) -> Value {
        let Shown { proposal, standing, digest } = &self.shown;
        let (change, unknown) = match &self.meaning {
            Meaning::Settled => (None, None),
            Meaning::Change(change) => (Some(change), None),
            Meaning::Unknown(failure) => (None, Some(&failure.cause)),
        };
        json!({
            "sandbox": self.sandbox,
            "id": proposal.id,
            "digest": digest,
            "state": state(proposal, standing),
            "age_seconds": age(proposal),
            "asked_by": proposal.asker,
            "wish": proposal.wish,
            "reason": proposal.reason,
            "made": Timestamp(proposal.made).to_string(),
            "expires": Timestamp(proposal.expires).to_string(),
            "change": change,
            "unknown": unknown,
        })
    }

    fn lines(&self) -> Vec<String> {
        let Shown { proposal, standing, digest } = &self.shown;
        let Proposal { id, asker, wish, reason, expires, .. } = proposal;
        let mut lines = vec![format!(
            "{id}  {}  {}  {} old",
            self.sandbox,
            state(proposal, standing),
            span(age(proposal))
        )];
        let query = if wish.query.is_empty() { String::new() } else { format!("?{}", wish.query.join("&")) };
        let line = format!("{} {}:{}{}{query}", wish.method, wish.host, wish.port, wish.path);
        lines.extend(told("program:", &wish.binary));
        lines.extend(told("wants to", &line));
        lines.extend(told("asked by", asker));
        lines.extend(told("because:", reason));
        match &self.meaning {
            Meaning::Settled => return lines,
            Meaning::Unknown(failure) => {
                lines.extend(told("what its approval would mean cannot be told:", &failure.cause));
                lines.extend(told("so it does not count as seen:", &failure.remedy));
            }
            Meaning::Change(change) => {
                lines.extend(change.lines());
                lines.push(format!("    waits until {}; digest {digest}", Timestamp(*expires)));
                lines.push(format!("    openshell policy approve {id} [--for 1h | --once]"));
            }
        }
        lines.push(format!("    openshell policy reject {id} --reason TEXT"));
        lines
    }
}

impl Change {
    fn of(sandbox: &SandboxId, shown: &Shown, policy: &str) -> Result<Self, Failure> {
        if digest(sandbox, &shown.proposal, policy)? != shown.digest {
            return Err(Failure::new(
                format_args!("sandbox {sandbox} would approve something else than this program can show"),
                "use the openshell that started the sandbox",
            ));
        }
        let [before, after] = candidate(&shown.proposal, policy)?;
        let rule = rule_name(&shown.proposal.id);
        let wish = Candidate::new(shown.proposal.wish.clone()).map_err(|unfit| fault(&unfit))?;
        let compiled = |document: &Document| Policy::compile(document).map_err(|errors| fault(&errors));
        let now = now();
        let (old, new) = (compiled(&before)?, compiled(&after)?);
        let diff = diff(&before, &after, now).map_err(|errors| fault(&errors))?;
        let mut risks = lint(&after, &new, now);
        risks.retain(|lint| lint.rule.as_ref() == Some(&rule));
        Ok(Self { wish: [wish.under(&old, now), wish.under(&new, now)], diff, risks })
    }

    /// The wish itself first: it is decided as the proxy would, whatever else could be tried.
    fn lines(&self) -> Vec<String> {
        let mut lines = match &self.wish {
            [Now::Allowed { rule }, _] => told("this request is allowed already, by rule", rule),
            [Now::Bound { reason }, _] => told("no approval would allow this request:", reason),
            [Now::Open, Now::Allowed { rule }] => told("this request would become allowed, by rule", rule),
            [Now::Open, _] => vec!["    this request would stay denied".to_owned()],
        };
        lines.extend(self.diff.groups.iter().flat_map(super::diff::lines).map(|line| format!("    {line}")));
        lines.extend(self.diff.beside.iter().map(|line| format!("    ! {line}")));
        if !self.diff.complete {
            lines.push(format!("    ! {INCOMPLETE}"));
        } else if self.diff.groups.is_empty() && self.wish[0] == self.wish[1] {
            lines.push("    nothing would be allowed that is not allowed now".to_owned());
        }
        for Lint { name, severity, cause, .. } in &self.risks {
            let word = if *severity == Severity::Warning { "RISK" } else { "note" };
            lines.push(format!("    {word} [{}] {}", name.as_str(), printable(cause)));
        }
        lines
    }
}

/// What an agent wrote, after `label` if it is short, else in lines of its own that begin as no other line does.
fn told(label: &str, text: &str) -> Vec<String> {
    let text = printable(text);
    // A character may take two columns.
    let width = |c: char| if c.is_ascii() { 1 } else { 2 };
    if label.len() + text.chars().map(width).sum::<usize>() < WIDTH {
        return vec![format!("    {label} {text}")];
    }
    let mut lines = vec![format!("    {label}")];
    let (mut line, mut columns) = (String::new(), 0);
    for c in text.chars() {
        if columns + width(c) > WIDTH - 4 {
            lines.push(format!("      | {line}"));
            (line, columns) = (String::new(), 0);
        }
        line.push(c);
        columns += width(c);
    }
    lines.push(format!("      | {line}"));
    lines
}

fn state(proposal: &Proposal, standing: &ProposalStanding) -> String {
    match standing {
        ProposalStanding::Pending if proposal.is_open(standing, now().0) => "pending".to_owned(),
        ProposalStanding::Pending => "expired".to_owned(),
        ProposalStanding::Approved(terms) => format!("approved {}", for_how_long(*terms)),
        ProposalStanding::Rejected(why) => format!("rejected: {}", printable(why)),
        ProposalStanding::Over(why) => format!("over: {why}"),
    }
}

/// The terms of an approval, for a person.
pub(super) fn for_how_long(terms: Terms) -> String {
    match terms {
        Terms::Once => "for one request".to_owned(),
        Terms::Until(time) => format!("until {}", Timestamp(time)),
        Terms::Sandbox => "to the sandbox's end".to_owned(),
    }
}

fn age(proposal: &Proposal) -> i64 {
    now().0.saturating_sub(proposal.made).max(0)
}

fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
