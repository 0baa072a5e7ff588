//! Lints on a rule beside the others.

use std::collections::HashMap;

use wire::subject::Subject;

use super::levels::allowed;
use super::{Advice, LintName, Linted, Report};
use crate::condition::NoHeaders;
use crate::decision::{Decision, Denial};
use crate::document::{Lists, RuleEntry};
use crate::evaluate::{Destination, Policy, Request};
use crate::place::At;
use crate::validity::Timestamp;
use crate::witness;

/// Most requests that are tried for one rule.
const MOST: usize = 20_000;

pub(super) fn lint(report: &mut Report<'_>, rules: &[Linted<'_>], policy: &Policy, now: Timestamp) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for rule in rules {
        let meaning = meaning(rule.entry);
        if let Some(first) = seen.get(meaning.as_str()) {
            let cause = format!("it says the same as rule '{first}'");
            report.warn(LintName::Duplicate, rule.place, rule, Advice::new(cause, "remove one of the two"));
        } else {
            seen.insert(meaning, &rule.rule.name);
        }
        if let Some(by) = shadowed(rule, policy, now) {
            let cause = format!("it grants nothing: a deny list of rule '{by}' covers all of it");
            let remedy = format!("remove the rule, or take the entry out of the deny list of '{by}'");
            report.warn(LintName::Shadowed, rule.place, rule, Advice::new(cause, remedy));
        }
    }
}

/// Everything that the rule says but its name, with its lists in one order.
fn meaning(entry: &RuleEntry) -> String {
    let list = |list: &[At<String>]| {
        let mut texts: Vec<&str> = list.iter().map(|entry| entry.value.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        format!("{texts:?}")
    };
    let level = |lists: &Option<At<Lists>>| {
        lists.as_ref().map_or(String::new(), |lists| list(&lists.value.allow) + &list(&lists.value.deny))
    };
    let levels = [&entry.binary, &entry.destination, &entry.method, &entry.path].map(level).concat();
    let query = entry.query.as_ref().map(|query| {
        let most = query.value.max_length.as_ref().map(|length| length.value);
        format!("{}{}{most:?}", list(&query.value.allow), list(&query.value.deny))
    });
    let headers =
        entry.headers.as_ref().map(|fields| list(&fields.value.require) + &list(&fields.value.deny));
    let times = [&entry.from, &entry.until].map(|time| time.as_ref().map(|time| time.value.as_str()));
    format!("{levels}{query:?}{headers:?}{times:?}{:?}", entry.enforcement)
}

/// The rule whose deny lists refuse an example of everything that `linted` allows.
fn shadowed(linted: &Linted<'_>, policy: &Policy, now: Timestamp) -> Option<String> {
    let now = linted.rule.validity.from.map_or(now, |from| from.max(now));
    if !linted.rule.in_force(now) {
        return None;
    }
    let entry = linted.entry;
    let mut by = None;
    let mut tried = 0;
    for binary in allowed(&entry.binary) {
        let subject = Subject::Owners(vec![witness::program(&witness::binary(&binary.value))]);
        for destination in allowed(&entry.destination) {
            let (host, port) = witness::destination(&destination.value);
            let destination = Destination { host: &host, port };
            for (method, path) in methods_and_paths(entry) {
                tried += 1;
                let request = Request {
                    subject: &subject,
                    destination,
                    method,
                    path: &path,
                    query: "",
                    headers: &NoHeaders,
                    message: None,
                    now,
                };
                by = Some(denier(linted, &policy.decide(&request)).filter(|_rule| tried <= MOST)?);
            }
        }
    }
    by
}

fn methods_and_paths(entry: &RuleEntry) -> impl Iterator<Item = (&str, String)> {
    let methods = allowed(&entry.method).iter().map(|method| witness::method(&method.value));
    methods
        .flat_map(|method| allowed(&entry.path).iter().map(move |path| (method, witness::path(&path.value))))
}

/// The other rule that denies, if one does.
fn denier(linted: &Linted<'_>, decision: &Decision) -> Option<String> {
    let Decision::Deny(denial) = decision else { return None };
    let other = denial.rule().filter(|rule| **rule != *linted.rule.name)?;
    Denial::is_by_deny_list(denial).then(|| other.to_owned())
}
