//! Which requests one policy allows and another denies: by what they decide, not by how they are written.
//!
//! Requests that the patterns of both policies cannot tell apart are decided alike. So one example of each
//! such kind (a *cell*) stands for all: [`cells`] finds the cells of each level from the patterns themselves,
//! both policies decide an example of every combination, and [`groups`] puts what differs into few words.
//!
//! What is by example only: query, header fields and times are tried as the conditions of the rules name them,
//! alone and not in every combination; of several owners of a socket, two.

mod cells;
mod circumstances;
mod groups;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use wire::subject::Subject;

use crate::confinement::Workspace;
use crate::decision::Decision;
use crate::document::{Document, Enforcement, RuleEntry, RuleLimits};
use crate::evaluate::{Destination, Policy, Request};
use crate::place::At;
use crate::validity::Timestamp;
use crate::witness;
use crate::yaml::LoadErrors;
use cells::{Cells, HostCell, Vocabulary};
use circumstances::Circumstance;
use groups::Difference;

/// What differs between two policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// What differs, in the order of the rules.
    pub groups: Vec<Group>,
    /// What differs and is no decision of its own: trials, limits, the static half. One line each.
    pub beside: Vec<String>,
    /// Whether every kind of request was tried: patterns with many wildcards have too many, and what a Rego
    /// module tells apart is not known.
    pub complete: bool,
}

/// Requests that are decided differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What becomes of them.
    pub becomes: Becomes,
    /// The rule that allows them, in the policy that does.
    pub rule: String,
    /// The programs; all of them hold the socket if `together`.
    pub binaries: Vec<Pattern>,
    /// Whether the programs differ only as owners of one socket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// The hosts.
    pub destinations: Vec<Pattern>,
    /// The methods.
    pub methods: Vec<Pattern>,
    /// The paths.
    pub paths: Vec<Pattern>,
    /// With which query, field or time, if it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Why the other policy denies the example.
    pub denied_because: String,
    /// One of them.
    pub example: String,
}

/// What becomes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// They were denied, and are allowed.
    Allowed,
    /// They were allowed, and are denied.
    Denied,
}

/// An entry of one of the policies, less others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pattern {
    /// As the policy writes it.
    pub pattern: String,
    /// Whether it is read as in a deny list, where it covers more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub as_denied: bool,
    /// What of it does not differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Pattern>,
}

/// A policy in both forms, and the text of each of its rules.
struct Side<'a> {
    document: &'a Document,
    policy: Policy,
    texts: Vec<String>,
}

/// Compares two resolved documents as they decide at `now`.
///
/// # Errors
/// One of them does not compile.
pub fn diff(before: &Document, after: &Document, now: Timestamp) -> Result<Diff, LoadErrors> {
    let sides = [Side::of(before)?, Side::of(after)?];
    let rules: Vec<&RuleEntry> =
        sides.iter().flat_map(|side| side.document.network.iter().map(|rule| &rule.value)).collect();
    // What a module asks for is not in the patterns.
    let mut complete = before.rego.is_empty() && after.rego.is_empty();
    let mut found = BTreeMap::new();
    for host in cells::hosts(&rules) {
        let relevant = sides.each_ref().map(|side| side.relevant(&host));
        let (sides, relevant) = (&sides, &relevant);
        let texts = |which: usize| relevant[which].iter().map(move |rule| &sides[which].texts[*rule]);
        if before.rego == after.rego && texts(0).eq(texts(1)) {
            continue;
        }
        let entries: Vec<&RuleEntry> =
            (0..2).flat_map(|which| sides[which].entries(&relevant[which])).collect();
        let vocabulary = Vocabulary::of(&entries);
        let cells = vocabulary.cells();
        complete &= cells.complete;
        let circumstances = circumstances::of(&entries, now);
        let place = Place { sides, host: &host, cells: &cells, circumstances: &circumstances };
        groups::describe(&host, &cells, place.differences(), &mut found);
    }
    Ok(Diff { groups: groups::merged(found), beside: beside(before, after)?, complete })
}

/// What no request shows as allowed here and denied there.
fn beside(before: &Document, after: &Document) -> Result<Vec<String>, LoadErrors> {
    let mut lines = Vec::new();
    for (rule, earlier) in
        after.network.iter().filter_map(|rule| Some((&rule.value, named(before, &rule.value)?)))
    {
        let name = rule.name.as_ref().map_or("?", |name| &name.value);
        match (earlier.enforcement, rule.enforcement) {
            (Enforcement::Enforce, Enforcement::Audit) => lines.push(format!(
                "rule '{name}' goes on trial: what its method, path and conditions refuse will pass"
            )),
            (Enforcement::Audit, Enforcement::Enforce) => {
                lines.push(format!("rule '{name}' is no longer on trial: what it refuses will be refused"));
            }
            _ => {}
        }
        let limits = |rule: &RuleEntry| {
            rule.limits.as_ref().map(|limits| {
                let RuleLimits { requests, requests_per_minute, bytes_per_day } = &limits.value;
                let requests =
                    [requests, requests_per_minute].map(|requests| requests.as_ref().map(|most| most.value));
                (requests, bytes_per_day.as_ref().map(|bytes| bytes.value.clone()))
            })
        };
        if limits(earlier) != limits(rule) {
            lines.push(format!("rule '{name}' has other limits"));
        }
        if earlier.messages() != rule.messages() {
            lines.push(format!("rule '{name}' says something else of messages, which no request here has"));
        }
        if earlier.downloaded() != rule.downloaded() {
            lines
                .push(format!("rule '{name}' says something else of downloads, which no request here shows"));
        }
    }
    let [asked, asks] = [before.conditions()?, after.conditions()?];
    if asked != asks {
        lines.push(format!("model calls are allowed under '{asks}', not '{asked}'"));
    }
    let nowhere = Workspace { own: Vec::new(), shared: Vec::new() };
    let key = before.static_change(after, &nowhere)?;
    lines.extend(key.map(|key| format!("'{key}' differs, which no request shows")));
    Ok(lines)
}

/// The rule of the same name.
fn named<'a>(document: &'a Document, rule: &RuleEntry) -> Option<&'a RuleEntry> {
    let name = |rule: &RuleEntry| rule.name.as_ref().map(|name| name.value.clone());
    document.network.iter().map(|rule| &rule.value).find(|other| name(other) == name(rule))
}

impl<'a> Side<'a> {
    fn of(document: &'a Document) -> Result<Self, LoadErrors> {
        let text = |rule: &At<RuleEntry>| {
            serde_saphyr::to_string(&rule.value).expect("a rule that was read can be written")
        };
        let texts = document.network.iter().map(text).collect();
        Ok(Self { document, policy: Policy::compile(document)?, texts })
    }

    /// The rules that say anything about the host, in their order.
    fn relevant(&self, HostCell { host, port, .. }: &HostCell) -> Vec<usize> {
        let all = self.policy.allowing.entries(host).chain(self.policy.denying.entries(host));
        let mut rules: Vec<usize> =
            all.filter(|entry| entry.ports.contain(*port)).map(|entry| entry.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn entries(&self, rules: &[usize]) -> impl Iterator<Item = &'a RuleEntry> {
        rules.iter().map(|rule| &self.document.network[*rule].value)
    }
}

/// Everything that can be asked about one host.
struct Place<'a> {
    sides: &'a [Side<'a>; 2],
    host: &'a HostCell,
    cells: &'a Cells,
    circumstances: &'a [Circumstance],
}

impl Place<'_> {
    fn differences(&self) -> Vec<Difference> {
        let mut all = Vec::new();
        for method in 0..self.cells.methods.len() {
            for path in 0..self.cells.paths.len() {
                all.extend(self.at(method, path));
            }
        }
        all
    }

    /// What differs for one method and one path. What a program alone shows is not said again of two, and what
    /// shows without a condition is not said again with one.
    fn at(&self, method: usize, path: usize) -> Vec<Difference> {
        let number = self.cells.binaries.len();
        let singles = (0..number).map(|one| vec![one]);
        let pairs = (0..number).flat_map(|one| (one + 1..number).map(move |other| vec![one, other]));
        let mut found: Vec<Difference> = Vec::new();
        for owners in singles.chain(pairs) {
            for circumstance in self.circumstances {
                let Some(difference) = self.decide(&owners, (method, path), circumstance) else { continue };
                let known = |known: &Difference| {
                    known.becomes == difference.becomes
                        && known.owners.iter().all(|owner| owners.contains(owner))
                        && (known.with.is_none() || known.with == difference.with)
                };
                if !found.iter().any(known) {
                    found.push(difference);
                }
            }
        }
        found
    }

    fn decide(
        &self,
        owners: &[usize],
        (method, path): (usize, usize),
        circumstance: &Circumstance,
    ) -> Option<Difference> {
        let programs = owners.iter().map(|owner| witness::program(&self.cells.binaries.examples[*owner]));
        let subject = Subject::Owners(programs.collect());
        let headers = circumstance.headers();
        let request = Request {
            subject: &subject,
            destination: Destination { host: &self.host.host, port: self.host.port },
            method: &self.cells.methods.examples[method],
            path: &self.cells.paths.examples[path],
            query: &circumstance.query,
            headers: &headers.as_slice(),
            message: None,
            now: circumstance.now,
        };
        let [before, after] = self.sides.each_ref().map(|side| side.policy.decide(&request));
        let (becomes, permit, denial) = match (before, after) {
            (Decision::Allow(permit), Decision::Deny(denial)) => (Becomes::Denied, permit, denial),
            (Decision::Deny(denial), Decision::Allow(permit)) => (Becomes::Allowed, permit, denial),
            _ => return None,
        };
        let programs: Vec<&str> =
            owners.iter().map(|owner| self.cells.binaries.examples[*owner].as_str()).collect();
        let query =
            if circumstance.query.is_empty() { String::new() } else { format!("?{}", circumstance.query) };
        let example = format!(
            "{} {} {}:{} {}{query}",
            programs.join("+"),
            request.method,
            self.host.host,
            self.host.port,
            request.path
        );
        let because = format!("{}: {}", denial.level(), denial.reason());
        let (rule, with) = (permit.rule().to_owned(), circumstance.label.clone());
        Some(Difference { becomes, rule, because, with, owners: owners.to_vec(), method, path, example })
    }
}

/// `PATTERN (but not OTHER)`.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.pattern)?;
        if self.as_denied {
            f.write_str(" (as denied)")?;
        }
        if !self.except.is_empty() {
            let except: Vec<String> = self.except.iter().map(ToString::to_string).collect();
            write!(f, " (but not {})", except.join(", "))?;
        }
        Ok(())
    }
}
