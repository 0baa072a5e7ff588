//! `openshell policy proposals`: what agents want to be allowed, and what it would mean.
//!
//! Everything that an agent wrote is made printable: it must not drive the terminal of whoever decides, or look like something
//! else than it is.

use audit_export::format::printable;
use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, Proposal, ProposalStanding, SandboxId, Shown, Terms};
use manager::proposals::{candidate, digest};
use policies::diff::{Diff, diff};
use policies::lint::{Lint, Severity, lint};
use policies::proposal::rule_name;
use policies::{Policy, Timestamp};
use serde_json::{Value, json};

use super::{fault, now};
use crate::arguments;
use crate::commands::print_json;

/// A proposal, and what its approval would change, if it waits for one.
struct Considered {
    sandbox: SandboxId,
    shown: Shown,
    change: Option<Change>,
}

/// What an approval would change, and what a careful policy would not have.
#[derive(serde::Serialize)]
struct Change {
    diff: Diff,
    risks: Vec<Lint>,
}

pub(super) fn run(what: &arguments::Proposals, layout: &Layout) -> Result<u8, Failure> {
    let mut all = Vec::new();
    for (sandbox, listed) in operator::proposals(layout, what.sandbox.as_deref())? {
        for shown in listed.proposals {
            all.push(Considered::new(&sandbox, shown, &listed.policy.policy)?);
        }
    }
    if what.output.json {
        print_json(&all.iter().map(Considered::json).collect::<Vec<_>>())?;
        return Ok(0);
    }
    all.iter().for_each(Considered::print);
    if all.is_empty() {
        println!("no agent proposes anything");
    }
    Ok(0)
}

impl Considered {
    /// Finds out what the approval would change, and that the sandbox means the same by it.
    fn new(sandbox: &SandboxId, shown: Shown, policy: &str) -> Result<Self, Failure> {
        let waits = shown.proposal.is_open(&shown.standing, now().0);
        let change = waits.then(|| Change::of(sandbox, &shown, policy)).transpose()?;
        Ok(Self { sandbox: sandbox.clone(), shown, change })
    }

    fn json(&self) -> Value {
        let Shown { proposal, standing, digest } = &self.shown;
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
            "change": self.change,
        })
    }

    fn print(&self) {
        let Shown { proposal, standing, digest } = &self.shown;
        let Proposal { id, asker, wish, reason, expires, .. } = proposal;
        println!("{id}  {}  {}  {} old", self.sandbox, state(proposal, standing), span(age(proposal)));
        let query = if wish.query.is_empty() { String::new() } else { format!("?{}", wish.query.join("&")) };
        let line = format!("{} {}:{}{}{query}", wish.method, wish.host, wish.port, wish.path);
        println!("    {} wants to {}", printable(&wish.binary), printable(&line));
        println!("    asked by {}", printable(asker));
        println!("    because: {}", printable(reason));
        let Some(change) = &self.change else { return };
        change.print();
        println!("    waits until {}; digest {digest}", Timestamp(*expires));
        println!("    openshell policy approve {id} [--for 1h | --once]");
        println!("    openshell policy reject {id} --reason TEXT");
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
        let diff = diff(&before, &after, now()).map_err(|errors| fault(&errors))?;
        let compiled = Policy::compile(&after).map_err(|errors| fault(&errors))?;
        let rule = rule_name(&shown.proposal.id);
        let mut risks = lint(&after, &compiled, now());
        risks.retain(|lint| lint.rule.as_ref() == Some(&rule));
        Ok(Self { diff, risks })
    }

    fn print(&self) {
        self.diff.groups.iter().for_each(super::diff::show);
        self.diff.beside.iter().for_each(|line| println!("    ! {line}"));
        if self.diff.groups.is_empty() {
            println!("    nothing would be allowed that is not allowed now");
        }
        for Lint { name, severity, cause, .. } in &self.risks {
            let word = if *severity == Severity::Warning { "RISK" } else { "note" };
            println!("    {word} [{}] {}", name.as_str(), printable(cause));
        }
    }
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
