//! `openshell audit verify`.

use std::fs;
use std::path::Path;

use audit::checkpoint::{Checkpoint, Note, VerifyingKey};
use audit::log::{Fault, LogError, Stored, Summary, stored};
use audit::verify::{self, LastNote, Notes, Verified, VerifyError};
use manager::audit_log::COPY;
use manager::audit_settings::AuditSettings;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::evidence::{Judge, Verdict, remedy};
use super::named::{logs, no_log, removed, unreadable};
use super::{NO, bad_log, read_notes, timestamp};
use crate::arguments::Verify;
use crate::commands::UNANSWERED;

pub(super) fn run(typed: &Verify, layout: &Layout) -> Result<u8, Failure> {
    let mut judge = Judge::new(&typed.evidence, layout)?;
    if typed.all {
        return all(&judge, layout);
    }
    let witnesses = super::keys::witnesses(&typed.witnesses)?;
    for file in &typed.checkpoint {
        judge.notes.extend(read_notes(file)?);
    }
    let path = super::path(&typed.log, layout)?;
    match verify(&path, &judge)?.max(witnessed(&path, &judge.notes, &witnesses)?) {
        0 => timestamp::told(&path, typed.timestamp_ca.as_deref(), layout),
        no => Ok(no),
    }
}

/// Tells on standard output whether a log is what was signed.
fn verify(path: &Path, judge: &Judge) -> Result<u8, Failure> {
    let (code, lines) = verdict(path, judge)?;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(code)
}

/// Whether a log is what was signed: the exit code, and what is to be said.
pub(super) fn verdict(path: &Path, judge: &Judge) -> Result<(u8, Vec<String>), Failure> {
    Ok(match judge.judge(path)? {
        Verdict::Proven(verified) => (0, told(path, &verified, judge)),
        Verdict::Unproven(verified, unproven) => {
            let mut lines = told(path, &verified, judge);
            lines.push(format!("{}: NOT proven: {unproven}; {}", path.display(), remedy(&unproven)));
            (NO, lines)
        }
        Verdict::Broken(error) => {
            let mut lines = vec![format!("{}: NOT intact: {}", path.display(), chain(&error))];
            if matches!(error, VerifyError::Log(LogError::Bad { fault: Fault::Unfinished, .. })) {
                lines.push(
                    "`openshell audit recover` closes a log whose writer or machine was stopped".to_owned(),
                );
            }
            (NO, lines)
        }
    })
}

/// Every log in a line, and those that are gone. A log that is wrong weighs more than one that cannot be read.
fn all(judge: &Judge, layout: &Layout) -> Result<u8, Failure> {
    let directory = layout.audit();
    let found = logs(&directory);
    let there = stored(&directory).map_err(|error| unreadable(&directory, &error))?;
    let mut answers = vec![gone(&there, layout)?];
    for path in &found {
        let name = path.display();
        answers.push(match judge.judge(path) {
            Ok(Verdict::Proven(verified)) => {
                println!("{name}: {}", in_short(&verified));
                0
            }
            Ok(Verdict::Unproven(_whole, unproven)) => {
                println!("{name}: NOT proven: {unproven}");
                NO
            }
            Ok(Verdict::Broken(error)) => {
                println!("{name}: NOT intact: {}", chain(&error));
                NO
            }
            Err(failure) => {
                println!("{name}: NO ANSWER: {}", failure.cause);
                UNANSWERED
            }
        });
    }
    if found.is_empty() && answers == [0] {
        return Err(no_log(&directory));
    }
    Ok(if answers.contains(&NO) { NO } else { answers.into_iter().max().unwrap_or(0) })
}

fn in_short(Verified { summary, newest, .. }: &Verified) -> String {
    let signed = newest
        .as_ref()
        .map_or_else(|| "not signed".to_owned(), |newest| format!("signed up to record {}", newest.size));
    let repaired =
        repaired(summary).map(|say| format!("; {say}: something taken off or closed later, read it"));
    let back = summary.back_at.map(|record| format!("; record {record}: dated before the one before it"));
    let told: String = repaired.into_iter().chain(back).collect();
    format!("records {} to {}, unbroken; {signed}{told}", summary.first, summary.records)
}

/// The records that speak of a repair: a later one must not hide an earlier.
fn repaired(summary: &Summary) -> Option<String> {
    let last = summary.repaired_at?;
    Some(match summary.repairs {
        0 | 1 => format!("record {last} says"),
        several => format!("{several} records, the last of them {last}, say"),
    })
}

/// Names the logs of whose checkpoints there is a copy, and which are not there. One whose removal is on the record is no loss.
fn gone(there: &[Stored], layout: &Layout) -> Result<u8, Failure> {
    let mut answer = 0;
    for directory in &AuditSettings::load(layout)?.signing.copies {
        let entries = fs::read_dir(directory).map_err(|error| {
            Failure::new(
                format_args!("cannot read {}: {error}", directory.display()),
                "make or mount it, or take it out of signing.copies in audit.yaml",
            )
        })?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut copied: Vec<String> =
            names.filter_map(|name| Some(name.strip_suffix(COPY)?.to_owned())).collect();
        copied.retain(|sandbox| !there.iter().any(|log| log.sandbox == *sandbox));
        copied.sort();
        for sandbox in copied {
            if let Some((log, record)) = removed(&sandbox, there) {
                println!("{sandbox}: removed; record {record} of {} says why", log.sandbox);
                continue;
            }
            let copy = directory.join(format!("{sandbox}{COPY}"));
            let notes = Notes::in_file(&copy).map_err(|error| bad_log(&error))?;
            let sizes =
                notes.filter_map(|note| Checkpoint::parse(note.ok()?.text()).ok()).map(|note| note.size);
            let records = sizes.max().unwrap_or(0);
            println!("{sandbox}: GONE: {} has a checkpoint over {records} records", copy.display());
            answer = NO;
        }
    }
    Ok(answer)
}

/// Whether every witness has cosigned a checkpoint of the log, here or kept elsewhere.
fn witnessed(path: &Path, kept: &[Note], witnesses: &[VerifyingKey]) -> Result<u8, Failure> {
    let mut answer = 0;
    for witness in witnesses {
        let own = Notes::of(path).map_err(|error| bad_log(&error))?;
        match verify::cosigned(kept.iter().cloned().map(Ok).chain(own), witness) {
            Ok(Some(checkpoint)) => println!("cosigned by {}: {} records", witness.name(), checkpoint.size),
            Ok(None) => {
                println!("NOT cosigned by {}", witness.name());
                answer = NO;
            }
            Err(error) => {
                println!("NOT cosigned by {}: {}", witness.name(), chain(&error));
                answer = NO;
            }
        }
    }
    Ok(answer)
}

/// What a whole log is found to be.
fn told(log: &Path, verified: &Verified, judge: &Judge) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = &verified.summary;
    let path = log.display();
    if summary.first > 1 {
        lines.push(format!(
            "{path}: records {} to {}, unbroken; last hash {}",
            summary.first, summary.records, summary.last_hash
        ));
        let under = verified.removed_under.map_or_else(
            || "no checkpoint covers them".to_owned(),
            |size| format!("the checkpoint over {size} records shows what they were"),
        );
        lines.push(format!(
            "records 1 to {} were removed for their age, which the log records; {under}",
            summary.first - 1
        ));
    } else {
        lines.push(format!("{path}: {} records, unbroken; last hash {}", summary.records, summary.last_hash));
    }
    if let Some(back) = summary.back_at {
        lines.push(format!(
            "record {back} is dated before the one before it: the clock was set back, or its writer dated it so"
        ));
    }
    if let Some(repaired) = repaired(summary) {
        lines.push(format!(
            "{repaired} that something was taken off the log's end, or signed only when somebody closed it: openshell audit query {} --action log-repair",
            verified.sandbox.as_ref().map_or("", |sandbox| sandbox.as_str())
        ));
    }
    let Some(newest) = &verified.newest else {
        lines.push(
            "not signed: whoever can write the log can make it anew, and cut off its end unseen".to_owned(),
        );
        return lines;
    };
    lines.push(format!(
        "signed: {} checkpoints; the newest covers {} of {} records, root {}",
        verified.checkpoints, newest.size, summary.records, newest.root
    ));
    if let Some(key) = judge.signer(log) {
        lines.push(format!("signed by the key {key}"));
    }
    if verified.last == LastNote::Unfinished {
        lines.push(
            "the last checkpoint is unfinished: the signer was stopped while it wrote, or its end was edited"
                .to_owned(),
        );
    }
    lines
}
