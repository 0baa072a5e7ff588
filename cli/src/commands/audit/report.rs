//! `openshell audit report`.

mod beside;

use std::path::{Path, PathBuf};

use audit::Record;
use audit::log::{self, LogError};
use audit::verify;
use audit_query::How;
use audit_report::{Beginning, Facts, LogFacts, Period, Rules, Standing, build, html, markdown, pdf};
use manager::failure::{Failure, chain};
use manager::layout::Layout;
use policies::Document;

use super::evidence::{Judge, Verdict};
use super::policies::{InForce, Part, in_force};
use super::{Faults, logs, no_log, path};
use crate::arguments::{Log, Report};
use crate::commands::{NO, write_private};

/// The form of a report: what its file's name ends in.
#[derive(Clone, Copy, Debug)]
enum Form {
    Markdown,
    Html,
    Pdf,
}

pub(super) fn report(typed: &Report, layout: &Layout) -> Result<u8, Failure> {
    let form = Form::of(&typed.output)?;
    let named = typed.policy.as_deref().map(rules).transpose()?;
    let judge = Judge::new(&typed.evidence, layout)?;
    let chosen = chosen(typed, layout)?;
    let mut facts = Facts::new();
    for log in &chosen {
        read(log, &typed.period, &judge, &mut facts)?;
    }
    if facts.lists_not_all() {
        facts.are_beside(beside::write(&typed.output, &chosen, &typed.period)?);
    }
    let rules = named.map_or_else(|| kept(&chosen, &typed.period), |named| vec![named]);
    let document = build::document(&facts, typed.framework, &typed.period, &rules);
    let bytes = match form {
        Form::Markdown => markdown::render(&document).into_bytes(),
        Form::Html => html::render(&document).into_bytes(),
        Form::Pdf => pdf::render(&document),
    };
    write_private(&typed.output, &bytes)?;
    println!("{}: {} logs", typed.output.display(), chosen.len());
    for stamp in &document.stamps {
        eprintln!("openshell: {}", stamp.replace(|c: char| c.is_control(), "?"));
    }
    Ok(if facts.are_all_evidence() { 0 } else { NO })
}

impl Form {
    fn of(file: &Path) -> Result<Self, Failure> {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("md") => Ok(Self::Markdown),
            Some("html") => Ok(Self::Html),
            Some("pdf") => Ok(Self::Pdf),
            _other => Err(Failure::new(
                format_args!("a report cannot be written as {}", file.display()),
                "name a file that ends in .md, .html or .pdf",
            )),
        }
    }
}

fn rules(file: &Path) -> Result<Rules, Failure> {
    let (document, _policy) = crate::commands::policy::loaded(file)?;
    let names = document.rule_origins().into_iter().map(|origin| origin.rule).collect();
    let text = document.dynamic_text().map_err(|error| crate::commands::policy::fault(&error))?;
    Ok(Rules { names, sha256: images::Digest::of_bytes(text.as_bytes()).to_string() })
}

/// The rules of the policies that were in force in the logs at the period's end, as they hold them.
fn kept(logs: &[PathBuf], period: &Period) -> Vec<Rules> {
    let mut kept: Vec<Rules> = Vec::new();
    for log in logs {
        // What is wrong with a log, the report says anyway.
        let policies = in_force(log, How::Scan, &mut Faults::default());
        let is_of_then =
            |policy: &InForce| policy.part != Part::Confinement && policy.record.time < period.to;
        let last = policies.into_iter().rfind(is_of_then);
        let Some(sha256) = last.map(|policy| policy.sha256) else { continue };
        if kept.iter().any(|rules| rules.sha256 == sha256) {
            continue;
        }
        let text = sha256.parse().ok().and_then(|digest| audit::policies::read(log, &digest).ok());
        let document = text.and_then(|text| Document::parse(&text, "policy").ok());
        let origins = document.iter().flat_map(Document::rule_origins);
        let names: Vec<String> = origins.map(|origin| origin.rule).collect();
        // That of a quarantine has none.
        if !names.is_empty() {
            kept.push(Rules { names, sha256 });
        }
    }
    kept
}

fn chosen(typed: &Report, layout: &Layout) -> Result<Vec<PathBuf>, Failure> {
    let chosen: Vec<PathBuf> = if typed.sandbox.is_empty() {
        let mut all = logs(&layout.audit());
        all.sort();
        all
    } else {
        let of = |sandbox: &String| path(&Log { sandbox: Some(sandbox.clone()) }, layout);
        typed.sandbox.iter().map(of).collect::<Result<_, _>>()?
    };
    if chosen.is_empty() { Err(no_log(&layout.audit())) } else { Ok(chosen) }
}

/// Verifies a log, then takes from it what the report tells. Of a log that is not whole, what comes before the first bad record.
fn read(path: &Path, period: &Period, judge: &Judge, facts: &mut Facts) -> Result<(), Failure> {
    let mut standing = match judge.judge(path)? {
        Verdict::Proven(verified) => match judge.waived(path, &verified) {
            None => Standing::Proven(whole(&verified)),
            Some(waived) => Standing::Accepted(waived.to_string()),
        },
        Verdict::Unproven(_whole, unproven) => Standing::Unproven(unproven.to_string()),
        Verdict::Broken(error) => Standing::Broken(chain(&error)),
    };
    let (records, is_cut) = records(path)?;
    let mut begins = None;
    for record in records {
        match record {
            Ok(record) => {
                begins.get_or_insert_with(|| Beginning { time: record.time.clone(), is_cut });
                facts.observe(&record, period);
            }
            Err(error) => {
                if !matches!(standing, Standing::Broken(_)) {
                    standing = Standing::Broken(chain(&error));
                }
                break;
            }
        }
    }
    let checkpoint = verify::newest_note(path).ok().flatten();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    facts.log(LogFacts { sandbox: name, standing, checkpoint, begins });
    Ok(())
}

/// The records that there are of a log, and whether others were before them, which were kept long enough.
fn records(path: &Path) -> Result<(impl Iterator<Item = Result<Record, LogError>>, bool), Failure> {
    let begun = verify::begun(path).map(|begun| begun.mark);
    let (reader, is_cut) = match begun {
        Ok(mark) if mark != log::Mark::START => (log::read_from(path, &mark), true),
        Ok(_) | Err(_) => (log::read(path), false),
    };
    Ok((reader.map_err(|error| super::bad_log(&error))?, is_cut))
}

fn whole(verified: &verify::Verified) -> String {
    let summary = &verified.summary;
    let records = format!(
        "records {} to {}, unbroken, last hash {}",
        summary.first, summary.records, summary.last_hash
    );
    match &verified.newest {
        Some(newest) => format!(
            "{records}; signed: {} checkpoints, the newest covers {} records, root {}",
            verified.checkpoints, newest.size, newest.root
        ),
        None => format!("{records}; not signed: whoever can write the log can make it anew"),
    }
}
