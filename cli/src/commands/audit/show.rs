//! `openshell audit show`: one record whole, what belongs to it, and the policy that decided it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use audit::policies::PolicyError;
use audit::{Action, Record};
use audit_export::format::printable;
use audit_query::filter::Pattern;
use audit_query::{Filter, Found, How, merged, moment, search};
use manager::failure::{Failure, chain};
use manager::layout::Layout;
use policies::Document;
use policies::proposal::rule_text;
use serde_json::{Value, json};

use super::evidence::Judge;
use super::line::{heading, json, row};
use super::named::record;
use super::policies::{InForce, Part, in_force};
use super::query::told;
use super::{Faults, path, verify};
use crate::arguments::{Log, ShowRecord};

/// How far around a record those of its flow are looked for: flows are not in the index.
const AROUND: std::time::Duration = std::time::Duration::from_secs(600);

/// Most records that are shown with one.
const MOST: usize = 50;

/// A record, and what is known about it.
struct Shown {
    found: Found,
    /// Why the others are shown with it, and they.
    related: Option<(&'static str, Vec<Record>)>,
    policy: Option<Decided>,
}

/// The policy that a record names.
struct Decided {
    in_force: InForce,
    text: Result<String, PolicyError>,
    /// The rule that the record names, as the policy has it.
    rule: Option<String>,
}

pub(super) fn run(typed: &ShowRecord, layout: &Layout) -> Result<u8, Failure> {
    let (sandbox, number) = record(&typed.record, typed.sandbox.as_deref())?;
    let log = path(&Log { sandbox }, layout)?;
    let how = typed.reading.how();
    let mut faults = Faults::default();
    let shown = Shown::read(&log, number, (how, &mut faults))?;
    let mut out = crate::output::stdout();
    let written = match (typed.policy, typed.output.json) {
        (true, _) => write_policy(&mut out, shown.policy_text()?),
        (false, true) => writeln!(out, "{}", json(shown.json().to_string().as_bytes())),
        (false, false) => shown.lines(typed.reading.utc).iter().try_for_each(|line| writeln!(out, "{line}")),
    };
    if written.is_err() && !typed.reading.prove {
        // Whoever reads it has had enough. What is to be proven is proven all the same.
        return Ok(0);
    }
    let code = faults.told();
    if !typed.reading.prove {
        return Ok(code);
    }
    let (proven, lines) = verify::verdict(&log, &Judge::new(&typed.reading.evidence, layout)?)?;
    told(&lines, typed.output.json || typed.policy);
    Ok(code.max(proven))
}

/// To the byte, as its digest is of it; but whoever can write the log can have written anything there, and must not drive a terminal.
fn write_policy(out: &mut impl io::Write, text: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return text.lines().try_for_each(|line| writeln!(out, "{}", printable(line)));
    }
    out.write_all(text.as_bytes())
}

impl Shown {
    fn read(log: &Path, number: u64, (how, faults): (How, &mut Faults)) -> Result<Self, Failure> {
        let filter = Filter { record: vec![number], ..Filter::default() };
        let found = search(log.to_owned(), filter, (how, false));
        let Some(found) = faults.passed(found.iter()).next() else {
            faults.told();
            return Err(Failure::new(
                format_args!("{} holds no record {number}", log.display()),
                "openshell audit query shows the numbers of records; those that were kept long enough are gone",
            ));
        };
        let related = related(&found.record).map(|(why, filter)| {
            let searched = search(log.to_owned(), filter, (how, false));
            let others = faults.passed(merged(vec![searched], false));
            let others = others.map(|found| found.record).filter(|other| other.sequence != number);
            (why, others.take(MOST).collect())
        });
        let policy = decided_by(&found.record)
            .and_then(|part| in_force(log, how, faults).into_iter().find(|policy| policy.part == part));
        let policy = policy.map(|policy| Decided::read(log, policy, found.record.event.rule.as_deref()));
        Ok(Self { found, related, policy })
    }

    fn policy_text(&self) -> Result<&str, Failure> {
        let Some(policy) = &self.policy else {
            return Err(Failure::new(
                "the record names no policy of which the log says where it came from",
                "openshell audit show without --policy prints the record",
            ));
        };
        policy.text.as_deref().map_err(|error| {
            Failure::new(chain(error), "the log has its digest: compare it with the files that you have")
        })
    }

    fn json(&self) -> Value {
        let related = self.related.as_ref().map(|(_why, records)| records);
        let policy = self.policy.as_ref().map(|policy| {
            let Decided { in_force: InForce { part, sha256, record, .. }, text, rule } = policy;
            let version = match part {
                Part::Network(version) => Some(version),
                Part::Confinement => None,
            };
            json!({"version": version, "sha256": sha256, "put_in_force": record, "rule": rule, "text": text.as_ref().ok()})
        });
        json!({"record": self.found.record, "related": related, "policy": policy})
    }

    fn lines(&self, utc: bool) -> Vec<String> {
        let now = moment::now(utc);
        let shown = |time: &str| moment::shown(time, &now);
        let record = &self.found.record;
        let mut lines = vec![heading(), row(record, shown), String::new()];
        let value = serde_json::to_value(record).expect("a record of plain fields is JSON");
        let mut fields = Vec::new();
        flatten(&value, String::new(), &mut fields);
        let width = fields.iter().map(|(name, _value)| name.len()).max().unwrap_or_default();
        lines.extend(
            fields.iter().map(|(name, value)| printable(&format!("  {name:<width$}  {value}")).into_owned()),
        );
        if let Some((why, others)) = self.related.as_ref().filter(|(_why, others)| !others.is_empty()) {
            lines.extend([String::new(), format!("{why}:"), format!("  {}", heading())]);
            lines.extend(others.iter().map(|other| format!("  {}", row(other, shown))));
            if others.len() == MOST {
                lines.push("  … and more: openshell audit query".to_owned());
            }
        }
        match (&self.policy, record.event.policy) {
            (Some(policy), _) => {
                lines.push(String::new());
                lines.push(policy.in_force.line(shown));
                lines.extend(policy.lines(record.event.rule.as_deref()));
            }
            (None, Some(version)) => {
                lines.extend([
                    String::new(),
                    format!("policy {version}: the log does not hold the record of it"),
                ]);
            }
            (None, None) => {}
        }
        lines
    }
}

impl Decided {
    fn read(log: &Path, in_force: InForce, rule: Option<&str>) -> Self {
        let digest = in_force.sha256.parse().map_err(|_error| PolicyError::Other(log.to_owned()));
        let text = digest.and_then(|digest| audit::policies::read(log, &digest));
        let rule = rule.zip(text.as_deref().ok()).and_then(|(rule, text)| rule_of(text, rule));
        Self { in_force, text, rule }
    }

    fn lines(&self, named: Option<&str>) -> Vec<String> {
        match (&self.text, &self.rule, named) {
            (Err(error), ..) => vec![format!("  {}", printable(&chain(error)))],
            (Ok(_), Some(rule), _) => rule.lines().map(|line| format!("  {}", printable(line))).collect(),
            (Ok(_), None, Some(named)) => {
                vec![format!(
                    "  '{}' is none of its network rules; --policy prints all of it",
                    printable(named)
                )]
            }
            (Ok(_), None, None) => vec!["  no rule of it is named; --policy prints all of it".to_owned()],
        }
    }
}

/// The rule as the policy has it.
fn rule_of(policy: &str, name: &str) -> Option<String> {
    let document = Document::parse(policy, "policy").ok()?;
    let mut rules = document.network.iter().map(|rule| &rule.value);
    let rule = rules.find(|rule| rule.name.as_ref().is_some_and(|own| own.value == name))?;
    rule_text(rule).ok()
}

/// What decided it: the guest's kernel holds to what it was told at its start, and knows no versions.
fn decided_by(record: &Record) -> Option<Part> {
    match record.event.action {
        Action::Execution | Action::FileAccess | Action::SystemCall => Some(Part::Confinement),
        _decided_on_the_host => record.event.policy.map(Part::Network),
    }
}

/// What belongs to a record, and why.
fn related(record: &Record) -> Option<(&'static str, Filter)> {
    let event = &record.event;
    if let (Action::Detection, Some(detection)) = (event.action, &event.detection) {
        return Some(("what shows it", Filter { record: detection.evidence.clone(), ..Filter::default() }))
            .filter(|_shows| !detection.evidence.is_empty());
    }
    if let Some(request) = &event.request {
        return Some((
            "the same request",
            Filter { request: vec![Pattern::from(request.0.as_str())], ..Filter::default() },
        ));
    }
    let flow = event.flow?;
    let since = moment::earlier(&record.time, AROUND);
    let until = moment::later(&record.time, AROUND);
    Some((
        "the same connection, 10 minutes around",
        Filter { flow: Some(flow.0), since, until, ..Filter::default() },
    ))
}

/// Each value that is none of many, by the path to it.
fn flatten(value: &Value, name: String, fields: &mut Vec<(String, String)>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                flatten(value, below(key), fields);
            }
        }
        Value::Array(values) if values.iter().all(|value| !value.is_object() && !value.is_array()) => {
            fields.push((name, values.iter().map(plain).collect::<Vec<_>>().join(", ")));
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                flatten(value, format!("{name}[{at}]"), fields);
            }
        }
        single => fields.push((name, plain(single))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
