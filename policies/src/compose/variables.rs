//! `${NAME}` in destinations and paths. Anywhere else it is a mistake: left as it is, an entry would never
//! match, and a denial that never matches denies nothing.
//!
//! A document's own definition goes before those of what it extends, and all of them before the operator's.
//! A variable with several values makes several entries of one. What a variable holds is a host or a part of
//! a path, never a pattern: nobody widens a rule by filling it in. A deny list is filled with every value that
//! any of the documents gives the variable, on every port: nobody takes a denial away by giving it another.

use std::collections::BTreeMap;

use super::Files;
use super::statics::Definitions;
use crate::document::{Document, Lists, OneOrMany, RuleEntry};
use crate::pattern::Side;
use crate::place::At;
use crate::yaml::{LoadError, LoadErrors};

/// Most entries that one entry becomes.
const MAX_ENTRIES: usize = 256;

pub(super) struct Variables<'f> {
    files: &'f dyn Files,
    defined: BTreeMap<String, Vec<String>>,
    /// Every value that any document gives.
    ever: BTreeMap<String, Vec<String>>,
}

/// The list that is filled, and what errors call its level.
#[derive(Clone, Copy)]
struct Target {
    key: &'static str,
    side: Side,
}

/// What is wrong with an entry: cause and remedy.
type Wrong = (String, String);

impl<'f> Variables<'f> {
    /// The variables as they were resolved, and those of every layer.
    pub(super) fn of(resolved: &Definitions, layers: &[Document], files: &'f dyn Files) -> Self {
        let defined = resolved.iter().map(|(name, values)| (name.clone(), texts(values).collect())).collect();
        let mut ever: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, values) in layers.iter().flat_map(|layer| &layer.variables) {
            let known = ever.entry(name.clone()).or_default();
            let new: Vec<String> = texts(values).filter(|value| !known.contains(value)).collect();
            known.extend(new);
        }
        Self { files, defined, ever }
    }

    /// Replaces every variable of the document's rules.
    pub(super) fn fill(&self, document: &mut Document) -> Result<(), LoadErrors> {
        let mut found = Vec::new();
        let mut rules = std::mem::take(&mut document.network);
        for rule in &rules {
            found.extend(unfilled(&rule.value).map(|(key, entry)| {
                let reason = format!("'{}' has a variable, and {key} takes none", entry.value);
                document.mistake(entry.place, reason, "write the value out").about(key)
            }));
        }
        for RuleEntry { destination, path, .. } in rules.iter_mut().map(|rule| &mut rule.value) {
            let levels = [("destination", destination), ("path", path)];
            for (key, lists) in levels {
                let Some(At { value: Lists { allow, deny }, .. }) = lists else { continue };
                for (list, side) in [(allow, Side::Allow), (deny, Side::Deny)] {
                    *list = self.entries(list, document, Target { key, side }, &mut found);
                }
            }
        }
        document.network = rules;
        LoadErrors::from_found(found).map_or(Ok(()), Err)
    }

    fn entries(
        &self,
        entries: &mut Vec<At<String>>,
        document: &Document,
        target: Target,
        found: &mut Vec<LoadError>,
    ) -> Vec<At<String>> {
        let mut filled = Vec::with_capacity(entries.len());
        for entry in entries.drain(..) {
            match self.expand(&entry.value, target) {
                Ok(texts) => filled.extend(texts.into_iter().map(|value| At { value, place: entry.place })),
                Err((reason, remedy)) => {
                    found.push(document.mistake(entry.place, reason, remedy).about(target.key));
                }
            }
        }
        filled
    }

    /// Every text that the entry becomes.
    fn expand(&self, text: &str, target: Target) -> Result<Vec<String>, Wrong> {
        let Some((before, rest)) = text.split_once("${") else { return Ok(vec![text.to_owned()]) };
        let Some((name, after)) = rest.split_once('}') else {
            return Err((format!("'{text}' has a variable without an end"), "write '${NAME}'".to_owned()));
        };
        let tails = self.expand(after, target)?;
        let mut all = Vec::new();
        for value in self.values(name, target.side)? {
            check(name, &value, target.key)?;
            let every_port = target.side == Side::Deny && target.key == "destination";
            let value = if every_port { without_port(&value) } else { &value };
            all.extend(tails.iter().map(|tail| format!("{before}{value}{tail}")));
        }
        if all.len() > MAX_ENTRIES {
            let reason = format!("'{text}' becomes more than {MAX_ENTRIES} entries");
            return Err((reason, "give its variables fewer values".to_owned()));
        }
        Ok(all)
    }

    fn values(&self, name: &str, side: Side) -> Result<Vec<String>, Wrong> {
        let written = if side == Side::Deny { &self.ever } else { &self.defined };
        let values = written.get(name).cloned().or_else(|| self.files.variable(name));
        values.filter(|values| !values.is_empty()).ok_or_else(|| {
            let remedy =
                format!("add 'variables: {{{name}: …}}' to the policy, or to the operator's config.yaml");
            (format!("nothing says what '${{{name}}}' stands for"), remedy)
        })
    }
}

/// Entries with a variable where none is filled.
fn unfilled(rule: &RuleEntry) -> impl Iterator<Item = (&'static str, &At<String>)> {
    let levels = [("binary", both(rule.binary.as_ref())), ("method", both(rule.method.as_ref()))];
    let query = rule.query.as_ref().map(|query| [&query.value.allow, &query.value.deny]);
    let headers = rule.headers.as_ref().map(|headers| [&headers.value.require, &headers.value.deny]);
    levels
        .into_iter()
        .chain([("query", query), ("headers", headers)])
        .flat_map(|(key, lists)| lists.into_iter().flatten().flatten().map(move |entry| (key, entry)))
        .filter(|(_key, entry)| entry.value.contains("${"))
}

fn texts(values: &At<OneOrMany>) -> impl Iterator<Item = String> {
    values.value.0.iter().map(|value| value.value.clone())
}

/// The host of a destination; a path has no port, and is given back.
fn without_port(value: &str) -> &str {
    let port = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '-');
    value.rsplit_once(':').filter(|(_host, rest)| port(rest)).map_or(value, |(host, _port)| host)
}

fn both(lists: Option<&At<Lists>>) -> Option<[&Vec<At<String>>; 2]> {
    lists.map(|lists| [&lists.value.allow, &lists.value.deny])
}

/// A value is a host with or without a port, or plain segments of a path.
fn check(name: &str, value: &str, key: &str) -> Result<(), Wrong> {
    let marks = if key == "path" { "-._~:@/+" } else { "-.:[]" };
    let plain = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    let segments = || key != "path" || value.split('/').all(|text| !matches!(text, "" | "." | ".."));
    let one_port = || key == "path" || !value[without_port(value).len()..].contains('-');
    if !value.is_empty() && value.chars().all(plain) && segments() && one_port() {
        return Ok(());
    }
    let reason = format!("'${{{name}}}' stands for '{value}', which cannot be part of a {key}");
    let remedy = match key {
        "path" => "write letters, digits and '-._~:@+', with single slashes between",
        _ => "write a host, with one port or none, without scheme, path or wildcard",
    };
    Err((reason, remedy.to_owned()))
}
