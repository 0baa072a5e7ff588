//! With which query, header fields and at which times requests are tried: as the rules' conditions name them.

use crate::document::RuleEntry;
use crate::parameter::encoded;
use crate::place::At;
use crate::validity::Timestamp;
use crate::witness::ANYTHING;

/// What a request has beside its four levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Circumstance {
    /// What is particular about it; `None` is nothing.
    pub(super) label: Option<String>,
    pub(super) query: String,
    fields: Vec<(String, String)>,
    pub(super) now: Timestamp,
}

impl Circumstance {
    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// Nothing particular first, then everything that a condition of `rules` names.
pub(super) fn of(rules: &[&RuleEntry], now: Timestamp) -> Vec<Circumstance> {
    let plain = Circumstance { label: None, query: String::new(), fields: Vec::new(), now };
    let mut all = vec![plain.clone()];
    let mut add = |one: Circumstance| {
        if !all
            .iter()
            .any(|known| (&known.query, &known.fields, known.now) == (&one.query, &one.fields, one.now))
        {
            all.push(one);
        }
    };
    for rule in rules {
        let fields: Vec<(String, String)> =
            rule.headers.iter().flat_map(|lists| &lists.value.require).map(field).collect();
        let times = [&rule.from, &rule.until]
            .into_iter()
            .flatten()
            .filter_map(|time| Timestamp::parse(&time.value).ok());
        for time in times.flat_map(|Timestamp(seconds)| [Timestamp(seconds - 1), Timestamp(seconds)]) {
            add(Circumstance { label: Some(format!("at {time}")), now: time, ..plain.clone() });
        }
        for query in queries(rule) {
            let label = format!("with the query '{}'", shortened(&query));
            add(Circumstance { label: Some(label.clone()), query: query.clone(), ..plain.clone() });
            if !fields.is_empty() {
                let label = Some(format!("{label} and {}", named(&fields)));
                add(Circumstance { label, query, fields: fields.clone(), ..plain.clone() });
            }
        }
        for fields in std::iter::once(fields).chain(denied(rule)).filter(|fields| !fields.is_empty()) {
            add(Circumstance { label: Some(format!("with {}", named(&fields))), fields, ..plain.clone() });
        }
    }
    all
}

fn denied(rule: &RuleEntry) -> impl Iterator<Item = Vec<(String, String)>> {
    rule.headers.iter().flat_map(|lists| &lists.value.deny).map(|entry| vec![field(entry)])
}

fn named(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("'{name}: {value}'")).collect();
    fields.join(", ")
}

fn field(At { value, .. }: &At<String>) -> (String, String) {
    let (name, value) = value.split_once(':').unwrap_or((value, "*"));
    (name.trim().to_ascii_lowercase().replace('*', ANYTHING), value.trim().replace('*', ANYTHING))
}

fn queries(rule: &RuleEntry) -> Vec<String> {
    let Some(query) = &rule.query else { return Vec::new() };
    let mut all: Vec<String> = query.value.allow.iter().chain(&query.value.deny).map(parameter).collect();
    all.push(format!("{ANYTHING}={ANYTHING}"));
    if let Some(most) = &query.value.max_length {
        let longer = all.iter().map(|text| format!("{text:x<width$}", width = most.value as usize + 1));
        all.extend(longer.collect::<Vec<_>>());
    }
    all
}

fn parameter(At { value, .. }: &At<String>) -> String {
    let (name, value) = value.split_once('=').unwrap_or((value, "*"));
    format!("{}={}", encoded(&name.replace('*', ANYTHING)), encoded(&value.replace('*', ANYTHING)))
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 48;
    if text.len() <= LONGEST {
        text.to_owned()
    } else {
        format!("{}… ({} bytes)", &text[..LONGEST], text.len())
    }
}
