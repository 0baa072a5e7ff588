//! What a decision depends on: where the deciding rule stands, what would have to change, and how far the
//! answer rests on the guest's word about the program.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use wire::subject::Subject;

use crate::answer::Answer;
use crate::decision::{Cause, Decision, Denial, Level};
use crate::document::{Document, Effect, Lists, RuleEntry, VERSION};
use crate::evaluate::{Policy, Request};
use crate::place::At;
use crate::rule::Rule;
use crate::witness;

/// What would have to change for a denied request to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The nearest rule, if one is near enough to be widened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What to do, in one line.
    pub what: String,
    /// What to write, as YAML; empty if something has to be taken out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub yaml: String,
}

/// A program that may do what another one asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Impostor {
    /// The program, as a rule names it.
    pub binary: String,
    /// The rule that allows the request to it.
    pub rule: String,
}

/// Where the rule or the module (`rego/NAME`) of that name stands: `FILE:LINE`.
#[must_use]
pub fn origin(document: &Document, rule: &str) -> Option<String> {
    if let Some(module) = rule.strip_prefix("rego/") {
        let mut names = document.rego.0.iter().filter_map(|entry| entry.value.name.as_ref());
        return names.find(|name| name.value == module).map(|name| document.origin(name.place));
    }
    let is = |entry: &&At<RuleEntry>| entry.value.name.as_ref().is_some_and(|name| name.value == rule);
    document.network.iter().find(is).map(|entry| document.origin(entry.place))
}

/// Every program that the policy names and to which it would allow the request. Which program asks is the
/// guest's word; an agent that is root there may say any of these.
#[must_use]
pub fn impostors(document: &Document, policy: &Policy, request: &Request<'_>) -> Vec<Impostor> {
    let granting = document.network.iter().filter(|entry| entry.value.effect == Effect::Grant);
    let named = granting.flat_map(|entry| entry.value.binary.iter().flat_map(|lists| &lists.value.allow));
    let mut found = BTreeMap::new();
    for At { value, .. } in named {
        let subject = Subject::Owners(vec![witness::program(&witness::binary(value))]);
        if let Decision::Allow(permit) = policy.decide(&Request { subject: &subject, ..*request }) {
            found.insert(value.clone(), permit.rule().to_owned());
        }
    }
    found.into_iter().map(|(binary, rule)| Impostor { binary, rule }).collect()
}

/// What would have to change for `request`, which was refused with `denial`, to pass.
#[must_use]
pub fn change(document: &Document, policy: &Policy, request: &Request<'_>, denial: &Denial) -> Change {
    if denial.is_by_deny_list() {
        return taken_out(document, policy, request, denial);
    }
    if denial.is_by_module() {
        let name = denial.rule().unwrap_or_default();
        let at = origin(document, name).unwrap_or_default();
        let what = format!("change module '{name}' ({at}): what the rules allow, it must allow too");
        return Change { rule: Some(name.to_owned()), what, yaml: String::new() };
    }
    let near = policy.rules.iter().filter(|rule| rule.effect == Effect::Grant).filter_map(|rule| {
        let failing = failing(rule, request);
        match failing.as_slice() {
            [one] if rule.in_force(request.now) => Some((rule, *one)),
            _ => None,
        }
    });
    // The later the level, the nearer the rule: its program and its host are already right.
    let nearest = near.fold(None, |best: Option<(&Arc<Rule>, Level)>, (rule, level)| match best {
        Some((_first, further)) if further >= level => best,
        _ => Some((rule, level)),
    });
    match nearest {
        Some((rule, level)) => widened(document, rule, level, request),
        None => late(document, policy, request).unwrap_or_else(|| fresh(request)),
    }
}

/// The levels that do not allow the request, each asked for itself.
pub(crate) fn failing(rule: &Rule, request: &Request<'_>) -> Vec<Level> {
    let destination = request.destination;
    let covers = rule
        .destination
        .allow
        .iter()
        .any(|pattern| pattern.host.matches(destination.host) && pattern.ports.contain(destination.port));
    let answers = [
        (Level::Binary, rule.binary(request.subject) == Answer::Allowed),
        (Level::Destination, covers),
        (Level::Method, rule.method(request.method) == Answer::Allowed),
        (Level::Path, rule.path(request.path) == Answer::Allowed),
        (Level::Condition, rule.condition(request.query, request.headers) == Answer::Allowed),
        (Level::Message, rule.message(request).answer() == Answer::Allowed),
        (Level::Download, rule.download(request).answer() == Answer::Allowed),
    ];
    answers.into_iter().filter(|(_level, passes)| !passes).map(|(level, _passes)| level).collect()
}

fn taken_out(document: &Document, policy: &Policy, request: &Request<'_>, denial: &Denial) -> Change {
    let name = denial.rule().unwrap_or_default();
    let level = denial.level();
    let entry = document.network.iter().zip(&policy.rules).find(|(_entry, rule)| *rule.name == *name);
    let lists = entry.and_then(|(entry, rule)| {
        let rule_lists = lists(&entry.value, level)?;
        let which = position(rule, level, request)?;
        rule_lists.deny.get(which)
    });
    let what = match lists {
        Some(At { value, place }) => {
            format!("take '{value}' out of '{level}.deny' of rule '{name}' ({})", document.origin(*place))
        }
        None => format!("change what rule '{name}' denies at '{level}'"),
    };
    Change {
        rule: Some(name.to_owned()),
        what: format!("{what}: a deny list beats every rule"),
        yaml: String::new(),
    }
}

/// Which entry of the deny list matches.
fn position(rule: &Rule, level: Level, request: &Request<'_>) -> Option<usize> {
    match level {
        Level::Binary => {
            let Subject::Owners(owners) = request.subject else { return None };
            rule.binary.deny.iter().position(|deny| owners.iter().any(|owner| deny.matches(&owner.path)))
        }
        Level::Destination => {
            let asked = request.destination;
            let matches = |deny: &crate::pattern::host::DestinationPattern| {
                deny.host.matches(asked.host) && deny.ports.contain(asked.port)
            };
            rule.destination.deny.iter().position(matches)
        }
        Level::Method => rule.method.deny.iter().position(|deny| deny.matches(request.method)),
        Level::Path => rule.path.deny.iter().position(|deny| deny.matches(request.path)),
        Level::Condition | Level::Message | Level::Download => None,
    }
}

fn lists(entry: &RuleEntry, level: Level) -> Option<&Lists> {
    let level = match level {
        Level::Binary => &entry.binary,
        Level::Destination => &entry.destination,
        Level::Method => &entry.method,
        Level::Path => &entry.path,
        Level::Condition | Level::Message | Level::Download => &None,
    };
    level.as_ref().map(|lists| &lists.value)
}

/// One level of a rule is widened by one entry.
fn widened(document: &Document, rule: &Arc<Rule>, level: Level, request: &Request<'_>) -> Change {
    let name = rule.name.to_string();
    let at = origin(document, &name).unwrap_or_default();
    if level == Level::Condition {
        let what =
            format!("send what 'query' and 'headers' of rule '{name}' ({at}) ask for, or widen them there");
        return Change { rule: Some(name), what, yaml: String::new() };
    }
    if matches!(level, Level::Message | Level::Download) {
        let denial = Denial::new(level, Some(Arc::clone(rule)), Cause::NotAllowed).about(request);
        let what = format!("{} ({at})", denial.hint());
        return Change { rule: Some(name), what, yaml: String::new() };
    }
    let [binary, destination, method, path] = asked(request);
    let added = match level {
        Level::Binary => binary,
        Level::Destination => destination,
        Level::Method => method,
        Level::Path | Level::Condition | Level::Message | Level::Download => path,
    };
    let what = format!("add to '{level}.allow' of rule '{name}' ({at})");
    let yaml = format!(
        "{level}:\n  allow:\n{}",
        added.iter().map(|entry| format!("    - {}\n", scalar(entry))).collect::<String>()
    );
    Change { rule: Some(name), what, yaml }
}

/// A rule that would allow the request at another time.
fn late(document: &Document, policy: &Policy, request: &Request<'_>) -> Option<Change> {
    let granting =
        policy.rules.iter().filter(|rule| rule.effect == Effect::Grant && !rule.in_force(request.now));
    let rule = granting.into_iter().find(|rule| failing(rule, request).is_empty())?;
    let at = origin(document, &rule.name).unwrap_or_default();
    let time = |time: Option<crate::Timestamp>, otherwise: &str| {
        time.map_or(otherwise.to_owned(), |time| time.to_string())
    };
    let (from, until) = (time(rule.validity.from, "ever"), time(rule.validity.until, "ever"));
    let what = format!(
        "rule '{}' ({at}) would allow it, and holds from {from} until {until} only: change its times",
        rule.name
    );
    Some(Change { rule: Some(rule.name.to_string()), what, yaml: String::new() })
}

/// A rule for this request and nothing else.
fn fresh(request: &Request<'_>) -> Change {
    let what = "add a rule under 'network'".to_owned();
    if matches!(request.subject, Subject::Unknown(_)) {
        return Change {
            rule: None,
            what: "let one program open the connection: none could be told".to_owned(),
            yaml: String::new(),
        };
    }
    let [binary, destination, method, path] = asked(request);
    let name = format!("allow-{}", request.destination.host);
    let list = |entries: &[String]| entries.iter().map(|entry| scalar(entry)).collect::<Vec<_>>().join(", ");
    let levels = [("binary", binary), ("destination", destination), ("method", method), ("path", path)];
    let lines = levels.map(|(key, entries)| format!("    {key}: {{allow: [{}]}}\n", list(&entries))).concat();
    let yaml = format!("version: {VERSION}\nnetwork:\n  - name: {}\n{lines}", scalar(&name));
    Change { rule: None, what, yaml }
}

/// The request as entries of the four levels.
fn asked(request: &Request<'_>) -> [Vec<String>; 4] {
    let binaries = match request.subject {
        Subject::Owners(owners) => owners.iter().map(|owner| owner.path.replace('*', "")).collect(),
        Subject::Unknown(_why) => Vec::new(),
    };
    let (host, port) = (request.destination.host, request.destination.port);
    let destination = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
    [binaries, vec![destination], vec![request.method.to_owned()], vec![request.path.to_owned()]]
}

/// A text as a YAML scalar that is read as that text, in a block and in a flow.
#[must_use]
pub fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if starts && !word && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
