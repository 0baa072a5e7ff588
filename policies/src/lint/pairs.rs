//! Lints on a rule beside the others.

use std::collections::HashMap;

use wire::subject::Subject;

use super::levels::allowed;
use super::{Advice, LintName, Linted, Report};
use crate::condition::NoHeaders;
use crate::decision::{Decision, Denial};
use crate::document::{Effect, Lists, RuleEntry};
use crate::evaluate::{Destination, Policy, Request};
use crate::explain::failing;
use crate::pattern::host::DestinationPattern;
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
        if let Some(other) = bypass(rule, rules, now) {
            let cause = format!("rule '{other}' allows requests there, whatever their messages ask for");
            let remedy = format!("narrow '{other}': only what a deny list names is denied to it, too");
            report.warn(LintName::UnreadMessages, rule.place, rule, Advice::new(cause, remedy));
        }
        if let Some(other) = unjudged(rule, rules, policy, now) {
            let cause = format!("what rule '{other}' allows from the same hosts comes back unjudged");
            let remedy = format!("say 'downloads' in '{other}' too, if files can be had by it");
            report.note(LintName::UnjudgedDownloads, rule.place, rule, Advice::new(cause, remedy));
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
    format!(
        "{levels}{query:?}{headers:?}{times:?}{:?}{}{}",
        entry.enforcement,
        entry.messages(),
        entry.downloaded()
    )
}

/// The rule whose deny lists refuse an example of everything that `linted` allows.
fn shadowed(linted: &Linted<'_>, policy: &Policy, now: Timestamp) -> Option<String> {
    let now = linted.rule.validity.from.map_or(now, |from| from.max(now));
    if !linted.rule.in_force(now) {
        return None;
    }
    let (mut by, mut tried) = (None, 0);
    let all = every_example(linted, now, &mut |request| {
        tried += 1;
        by = denier(linted, &policy.decide(request)).filter(|_rule| tried <= MOST);
        by.is_some()
    });
    by.filter(|_rule| all)
}

/// The rule that allows an example of what `linted` looks into, and does not look into it.
fn bypass<'a>(linted: &Linted<'_>, rules: &'a [Linted<'_>], now: Timestamp) -> Option<&'a str> {
    linted.rule.message.as_ref()?;
    let blind = |other: &&Linted<'_>| {
        let rule = other.rule;
        let grants = rule.effect == Effect::Grant && rule.message.is_none() && rule.in_force(now);
        grants && !every_example(linted, now, &mut |request| !failing(rule, request).is_empty())
    };
    rules.iter().find(blind).map(|other| &*other.rule.name)
}

/// The rule that allows something at a destination of `linted`, and neither it nor any other judges what comes back.
fn unjudged<'a>(
    linted: &Linted<'_>,
    rules: &'a [Linted<'_>],
    policy: &Policy,
    now: Timestamp,
) -> Option<&'a str> {
    linted.rule.download.as_ref()?;
    let is_there = |request: &Request<'_>| {
        let Destination { host, port } = request.destination;
        let is = |pattern: &DestinationPattern| pattern.host.matches(host) && pattern.ports.contain(port);
        linted.rule.destination.allow.iter().any(is)
    };
    let is_judged = |request: &Request<'_>| match policy.decide(request) {
        Decision::Allow(permit) => permit.downloads().is_some(),
        Decision::Deny(_) => true,
    };
    let lets_pass = |other: &&Linted<'_>| {
        let others = other.rule.download.is_none() && other.rule.in_force(now);
        others && !every_example(other, now, &mut |request| !is_there(request) || is_judged(request))
    };
    rules.iter().find(lets_pass).map(|other| &*other.rule.name)
}

/// Whether `holds` for an example of everything that a rule allows, as far as it says no.
fn every_example(linted: &Linted<'_>, now: Timestamp, holds: &mut dyn FnMut(&Request<'_>) -> bool) -> bool {
    let entry = linted.entry;
    allowed(&entry.binary).iter().all(|binary| {
        let subject = Subject::Owners(vec![witness::program(&witness::binary(&binary.value))]);
        allowed(&entry.destination).iter().all(|destination| {
            let (host, port) = witness::destination(&destination.value);
            let destination = Destination { host: &host, port };
            methods_and_paths(entry).all(|(method, path)| {
                holds(&Request {
                    subject: &subject,
                    destination,
                    method,
                    path: &path,
                    query: "",
                    headers: &NoHeaders,
                    message: None,
                    now,
                })
            })
        })
    })
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
