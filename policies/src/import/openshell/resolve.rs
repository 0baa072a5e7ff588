//! Endpoints → rules, where endpoints of several policies meet.
//!
//! Verified in OpenShell's policy and reference: what any matching policy allows is allowed, unless a deny
//! rule of any matching policy denies it (`allow_request`, `deny_request`); beside an inspected endpoint one
//! without inspection adds nothing; the endpoint with the most specific path decides. Which policies match
//! depends there on the ancestors of a program too, which are not known here. So every policy is taken to
//! match: what one of them denies at a destination is denied to the programs of all.

use super::endpoint::{Denial, Draft, Grant, Role};
use super::glob::{self, EVERYTHING};
use super::lint::Lint;
use super::methods::Methods;
use super::report::Report;
use crate::pattern::Side;
use crate::pattern::path::{Kind, PathPattern};
use crate::place::Place;

/// A rule of ours, without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Index of the policy it comes from.
    pub(super) policy: usize,
    pub(super) place: Place,
    pub(super) destinations: Vec<String>,
    pub(super) terms: Terms,
}

/// The levels of a rule other than the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) programs: Vec<String>,
    pub(super) methods: Methods,
    pub(super) denied_methods: Option<Methods>,
    pub(super) paths: Vec<String>,
    pub(super) denied_paths: Vec<String>,
}

/// The rules that the endpoints become.
pub(super) fn resolve(drafts: &[Draft], report: &mut Report<'_>) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let silent = draft.grants.is_empty() || draft.destinations.is_empty() || draft.programs.is_empty();
        if silent || is_overruled(index, drafts, report) {
            continue;
        }
        let denials = denials_for(index, drafts, report);
        let rules = rules(draft, &denials);
        if rules.is_empty() {
            let message = "everything that it allows is denied: it is left out";
            report.note(&draft.site, Lint::NothingLeft, message, "look at the deny rules of its host");
        }
        for terms in rules {
            add(&mut planned, draft, terms);
        }
    }
    planned
}

/// Whether another endpoint leaves nothing of this one.
fn is_overruled(index: usize, drafts: &[Draft], report: &mut Report<'_>) -> bool {
    let draft = &drafts[index];
    for other in meeting(index, drafts) {
        let subject = &other.site.subject;
        if other.role == Role::Barred {
            let message = format!("{subject} limits the addresses of the same host: both are left out");
            report.note(
                &draft.site,
                Lint::AllowedIpsLeftOut,
                message,
                "write a rule of your own if it is meant",
            );
            return true;
        }
        let inspected = matches!(other.role, Role::Inspected | Role::Opaque);
        if draft.role == Role::Uninspected && inspected {
            let message =
                format!("beside {subject}, which has request rules, it adds nothing: it is left out");
            let remedy = "give it 'protocol: rest' and 'access: full' if every request is meant to pass";
            report.note(&draft.site, Lint::InspectedElsewhere, message, remedy);
            return true;
        }
        // A less specific endpoint here denies all of this one's paths: their rules share a scope.
        let narrower = other.role == draft.role && draft.selector.beats(&other.selector);
        if narrower && !draft.is_open() && !apart(other, draft) && programs_meet(other, draft) {
            let message = format!("its path is also within {subject}: neither is allowed there");
            let remedy = "write one rule for each path that is meant";
            report.note(&draft.site, Lint::PathOverlap, message, remedy);
            return true;
        }
    }
    false
}

/// What is denied to the programs of an endpoint at its destinations.
fn denials_for(index: usize, drafts: &[Draft], report: &mut Report<'_>) -> Vec<Denial> {
    let draft = &drafts[index];
    let mut denials = draft.denials.clone();
    for other in meeting(index, drafts) {
        for denial in &other.denials {
            let touches = draft.grants.iter().any(|grant| {
                grant.methods.meets(&denial.methods) && !glob::disjoint(&grant.path, &denial.path)
            });
            if !touches {
                continue;
            }
            let whole = denial.whole && denial.path == EVERYTHING;
            let subject = &other.site.subject;
            let widened = !whole && !draft.grants.iter().all(|grant| denial.methods.covers(&grant.methods));
            let message = match () {
                () if widened => {
                    format!("{subject} denies '{}': here it is denied for every method", denial.path)
                }
                // Every program and host of the one has the other's deny rules there too.
                () if other.programs == draft.programs && other.reach == draft.reach => String::new(),
                () => format!("what {subject} denies on '{}' is denied here too", denial.path),
            };
            if !message.is_empty() {
                let remedy = "leave it, or write the allowed paths so that nothing needs to be denied";
                report.note(&draft.site, Lint::DenyWidened, message, remedy);
            }
            denials.push(Denial { whole, ..denial.clone() });
        }
        let governs = match other.role {
            Role::Inspected => other.selector.beats(&draft.selector),
            Role::Opaque => other.selector == draft.selector || other.selector.beats(&draft.selector),
            Role::Uninspected | Role::Barred => false,
        };
        if governs && !other.is_open() && !apart(draft, other) {
            let path = other.selector.denied();
            let subject = &other.site.subject;
            let message = format!("'{path}' is for {subject} to decide: here it is denied");
            report.note(
                &draft.site,
                Lint::PathOverlap,
                message,
                "write one rule for each path that is meant",
            );
            denials.push(Denial { methods: Methods::Any, path, whole: false });
        }
    }
    denials
}

/// The endpoints at whose destinations this one may be.
fn meeting(index: usize, drafts: &[Draft]) -> impl Iterator<Item = &Draft> {
    let mine = &drafts[index].reach;
    let others = drafts.iter().enumerate().filter(move |(other, _)| *other != index);
    others.map(|(_, draft)| draft).filter(move |draft| draft.reach.meets(mine))
}

/// Whether nothing that `wide` grants is what `narrow` selects.
fn apart(wide: &Draft, narrow: &Draft) -> bool {
    let selected = narrow.selector.denied();
    wide.grants.iter().all(|grant| glob::disjoint(&grant.path, &selected))
}

fn programs_meet(left: &Draft, right: &Draft) -> bool {
    let same = |a: &String, b: &String| a == b || a.contains('*') || b.contains('*');
    left.programs.iter().any(|a| right.programs.iter().any(|b| same(a, b)))
}

/// The endpoint's grants less its denials, one rule for each set of methods.
fn rules(draft: &Draft, denials: &[Denial]) -> Vec<Terms> {
    let mut terms: Vec<Terms> = Vec::new();
    for Grant { mut methods, path } in by_path(&draft.grants) {
        let mut denied_methods = None;
        for denial in denials.iter().filter(|denial| denial.whole) {
            if let Some(denied) = methods.without(&denial.methods) {
                denied_methods.get_or_insert_with(|| Methods::these([])).add(&denied);
            }
        }
        if methods.is_empty() {
            continue;
        }
        match terms.iter_mut().find(|terms| terms.methods == methods) {
            Some(terms) => terms.paths.push(path),
            None => terms.push(Terms {
                programs: draft.programs.clone(),
                methods,
                denied_methods,
                paths: vec![path],
                denied_paths: Vec::new(),
            }),
        }
    }
    terms.iter_mut().for_each(|terms| terms.deny(denials));
    terms.retain(|terms| !terms.paths.is_empty());
    terms
}

impl Terms {
    /// Adds the denied paths, and drops what they leave nothing of.
    fn deny(&mut self, denials: &[Denial]) {
        for denial in denials.iter().filter(|denial| !denial.whole && denial.methods.meets(&self.methods)) {
            let touches = self.paths.iter().any(|path| !glob::disjoint(path, &denial.path));
            if touches && !self.denied_paths.contains(&denial.path) {
                self.denied_paths.push(denial.path.clone());
            }
        }
        let denied: Vec<PathPattern> = self
            .denied_paths
            .iter()
            .filter_map(|path| PathPattern::parse(path, Kind::Request, Side::Deny).ok())
            .collect();
        self.paths.retain(|path| !denied.iter().any(|denied| denied.covers(path)));
    }
}

/// One grant for each path, with all its methods.
fn by_path(grants: &[Grant]) -> Vec<Grant> {
    let mut merged: Vec<Grant> = Vec::new();
    for grant in grants {
        match merged.iter_mut().find(|known| known.path == grant.path) {
            Some(known) => known.methods.add(&grant.methods),
            None => merged.push(grant.clone()),
        }
    }
    merged
}

/// Adds a rule, or its destinations to a rule of the same policy that is otherwise the same.
fn add(planned: &mut Vec<Planned>, draft: &Draft, terms: Terms) {
    let same = |rule: &&mut Planned| rule.policy == draft.policy && rule.terms == terms;
    let Some(rule) = planned.iter_mut().find(same) else {
        let destinations = draft.destinations.clone();
        planned.push(Planned { policy: draft.policy, place: draft.site.place, destinations, terms });
        return;
    };
    for destination in &draft.destinations {
        if !rule.destinations.contains(destination) {
            rule.destinations.push(destination.clone());
        }
    }
}
