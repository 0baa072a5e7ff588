//! `openshell audit query`.

mod count;
pub(super) mod csv;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use audit::record::CLIENTS;
use audit::{Action, Decision};
use audit_query::filter::Pattern;
use audit_query::moment::{self, NotAMoment};
use audit_query::{Filter, Found, How, Index, LEVELS, merged, search};
use manager::failure::Failure;
use manager::layout::Layout;

use super::evidence::Judge;
use super::line::{Table, json, row};
use super::{Faults, logs, named, no_log, policies, verify};
use crate::arguments::{Query, Verdict};

/// Digits of a digest.
const HEX: usize = 64;

/// How long `--at` is.
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn query(query: &Query, layout: &Layout) -> Result<u8, Failure> {
    let filter = filter(query)?;
    let logs = asked(query, layout)?;
    if query.rebuild {
        for log in &logs {
            // A log without an index is read as it is.
            let _none = Index::rebuild(log);
        }
    }
    let how = query.reading.how();
    let searches = logs.iter().map(|log| search(log.clone(), filter.clone(), (how, query.reverse)));
    let mut faults = Faults::default();
    let found = faults.passed(merged(searches.collect(), query.reverse));
    let found = found.take(query.limit.unwrap_or(usize::MAX));
    let mut policies = policies::Named::default();
    let is_read = if query.count {
        count::print(found, query.by);
        true
    } else {
        print(query, found, &mut policies) && explain(query, policies, (&logs, how), &mut faults)
    };
    if !is_read && !query.reading.prove {
        // Whoever reads it has had enough.
        return Ok(0);
    }
    let code = faults.told();
    // What is to be proven is proven, whoever reads.
    if query.reading.prove { Ok(code.max(proved(query, layout, &logs)?)) } else { Ok(code) }
}

/// The logs that were named, or all.
fn asked(query: &Query, layout: &Layout) -> Result<Vec<PathBuf>, Failure> {
    let directory = layout.audit();
    let mut names: Vec<&String> = query.log.iter().chain(&query.sandbox).collect();
    // A log that is named twice is asked once.
    names.sort();
    names.dedup();
    let logs: Vec<PathBuf> = match &names[..] {
        [] => logs(&directory),
        names => names.iter().map(|name| named(name, &directory)).collect::<Result<_, _>>()?,
    };
    if logs.is_empty() { Err(no_log(&directory)) } else { Ok(logs) }
}

fn filter(query: &Query) -> Result<Filter, Failure> {
    let now = moment::now(query.reading.utc);
    let time = |text: &Option<String>| -> Result<Option<String>, Failure> {
        text.as_deref().map(|text| moment::read(text, &now).map_err(|error| not_a_moment(&error))).transpose()
    };
    let (mut since, mut until) = (time(&query.since)?, time(&query.until)?);
    if let Some((since, until)) = since.as_ref().zip(until.as_ref()).filter(|(since, until)| since >= until) {
        return Err(Failure::new(
            format_args!("--until ({until}) is not after --since ({since})"),
            "name a time that is later than --since",
        ));
    }
    if let Some(at) = time(&query.at)? {
        until = moment::later(&at, MINUTE);
        since = Some(at);
    }
    let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::from(text.as_str())).collect();
    Ok(Filter {
        record: query.record.clone(),
        since,
        until,
        decision: query.decision.map(|verdict| match verdict {
            Verdict::Allow => Decision::Allow,
            Verdict::Deny => Decision::Deny,
        }),
        action: query.action.iter().map(|name| action(name)).collect::<Result<_, _>>()?,
        host: patterns(&query.host),
        binary: patterns(&query.binary),
        rule: patterns(&query.rule),
        level: query.level.iter().map(|name| level(name)).collect::<Result<_, _>>()?,
        method: patterns(&query.method),
        path: patterns(&query.path),
        tenant: patterns(&query.tenant),
        agent: patterns(&query.agent),
        client: query.client.iter().map(|name| client(name)).collect::<Result<_, _>>()?,
        request: patterns(&query.request),
        flow: query.flow,
        credential: patterns(&query.credential),
        category: patterns(&query.category),
        region: query.region.clone(),
        digest: query.digest.iter().map(|text| digest(text)).collect::<Result<_, _>>()?,
        text: query.text.clone(),
    })
}

fn action(name: &str) -> Result<Action, Failure> {
    Action::ALL.into_iter().find(|action| action.as_str() == name).ok_or_else(|| {
        let known = Action::ALL.map(Action::as_str).join(", ");
        Failure::new(format_args!("there is no action '{name}'"), format!("known: {known}"))
    })
}

fn level(name: &str) -> Result<Pattern, Failure> {
    let pattern = Pattern::from(name);
    if LEVELS.into_iter().any(|known| pattern.is(known)) {
        return Ok(pattern);
    }
    let known = LEVELS.join(", ");
    Err(Failure::new(format_args!("there is no level '{name}'"), format!("known: {known}")))
}

fn client(name: &str) -> Result<Pattern, Failure> {
    CLIENTS.contains(&name).then(|| Pattern::from(name)).ok_or_else(|| {
        let known = CLIENTS.join(", ");
        Failure::new(format_args!("no process '{name}' writes records"), format!("known: {known}"))
    })
}

/// What no digest can be finds nothing, which must not look like an answer.
fn digest(text: &str) -> Result<Pattern, Failure> {
    let is_part = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'*');
    if is_part && (text.len() == HEX || text.contains('*')) {
        return Ok(Pattern::from(text));
    }
    let remedy =
        format!("write its {HEX} hexadecimal digits, as sha256sum prints them, or some of them and '*'");
    Err(Failure::new(format_args!("'{text}' is no SHA-256"), remedy))
}

fn not_a_moment(error: &NotAMoment) -> Failure {
    Failure::new(error, "openshell audit query --help shows how times are said")
}

/// Prints who allowed what was found; whether the reader wanted all of it.
fn explain(
    query: &Query,
    policies: policies::Named,
    searched: (&[PathBuf], How),
    faults: &mut Faults,
) -> bool {
    let now = moment::now(query.reading.utc);
    let explained = policies.explained(searched, |time| moment::shown(time, &now), faults);
    explained.iter().all(|line| writeln!(crate::output::stdout(), "{line}").is_ok())
}

/// Prints what is found as it is found; whether the reader wanted all of it.
fn print(query: &Query, found: impl Iterator<Item = Found>, policies: &mut policies::Named) -> bool {
    let now = moment::now(query.reading.utc);
    let mut out = io::BufWriter::new(crate::output::stdout());
    if query.csv && writeln!(out, "{}", csv::HEAD).is_err() {
        return false;
    }
    let mut table = Table::default();
    for Found { record, line: as_written } in found {
        let text = if query.output.json {
            json(&as_written)
        } else if query.csv {
            csv::row(&record)
        } else {
            policies.add(&record);
            table.next(row(&record, |time| moment::shown(time, &now)))
        };
        if writeln!(out, "{text}").is_err() {
            return false;
        }
    }
    out.flush().is_ok()
}

/// What was found of a log, on standard output, or beside it; there, too, if nobody reads the one.
pub(super) fn told(lines: &[String], is_beside: bool) {
    for line in lines {
        if is_beside || writeln!(crate::output::stdout(), "{line}").is_err() {
            eprintln!("{line}");
        }
    }
}

/// Whether what was shown is what was signed.
fn proved(query: &Query, layout: &Layout, logs: &[PathBuf]) -> Result<u8, Failure> {
    let judge = Judge::new(&query.reading.evidence, layout)?;
    let mut worst = 0;
    for log in logs {
        let (code, lines) = verify::verdict(log, &judge)?;
        worst = worst.max(code);
        // Who reads records by a program gets records, and nothing else, on standard output.
        told(&lines, query.output.json || query.csv);
    }
    Ok(worst)
}
