//! `openshell audit verify`.

mod answer;

use std::fs;
use std::path::{Path, PathBuf};

use audit::checkpoint::{Checkpoint, Note, VerifyingKey};
use audit::log::{Fault, LogError, Stored, Summary, stored};
use audit::verify::{self, LastNote, Notes, Verified, VerifyError};
use manager::audit_log::COPY;
use manager::audit_settings::AuditSettings;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::evidence::{Judge, Verdict, remedy};
use super::named::{logs, no_log, removed, unreadable};
use super::{NO, bad_log, print_json, read_notes, timestamp};
use crate::arguments::{Output, Verify};
use crate::commands::UNANSWERED;
use answer::Answer;

pub(super) fn run(typed: &Verify, layout: &Layout) -> Result<u8, Failure> {
    let mut judge = Judge::new(&typed.evidence, layout)?;
    if typed.all {
        return all(&judge, layout, typed.output);
    }
    let witnesses = super::keys::witnesses(&typed.witnesses)?;
    for file in &typed.checkpoint {
        judge.notes.extend(read_notes(file)?);
    }
    let path = super::path(&typed.log, layout)?;
    let verdict = judge.judge(&path)?;
    let (own, lines) = said(&path, &verdict, &judge);
    let show = |lines: &[String]| {
        if !typed.output.json {
            lines.iter().for_each(|line| println!("{line}"));
        }
    };
    show(&lines);
    let (cosigned, mut others) = witnessed(&path, &judge.notes, &witnesses)?;
    show(&others);
    let mut code = own.max(cosigned);
    if code == 0 {
        let (stamped, of_stamps) = timestamp::told(&path, typed.timestamp_ca.as_deref(), layout)?;
        show(&of_stamps);
        others.extend(of_stamps);
        code = stamped;
    }
    if typed.output.json {
        print_json(&Answer::of(&path, &verdict, &judge).with_others(others, code > own))?;
    }
    Ok(code)
}

/// Whether a log is what was signed: the exit code, and what is to be said.
pub(super) fn verdict(path: &Path, judge: &Judge) -> Result<(u8, Vec<String>), Failure> {
    Ok(said(path, &judge.judge(path)?, judge))
}

fn said(path: &Path, verdict: &Verdict, judge: &Judge) -> (u8, Vec<String>) {
    match verdict {
        Verdict::Proven(verified) => (0, told(path, verified, judge)),
        Verdict::Unproven(verified, unproven) => {
            let mut lines = told(path, verified, judge);
            lines.push(format!("{}: NOT proven: {unproven}; {}", path.display(), remedy(unproven)));
            (NO, lines)
        }
        Verdict::Broken(error) => {
            let mut lines = vec![format!("{}: NOT intact: {}", path.display(), chain(error))];
            if matches!(error, VerifyError::Log(LogError::Bad { fault: Fault::Unfinished, .. })) {
                lines.push(
                    "`openshell audit recover` closes a log whose writer or machine was stopped".to_owned(),
                );
            }
            (NO, lines)
        }
    }
}

/// Every log in a line, and those that are gone. A log that is wrong weighs more than one that cannot be read.
fn all(judge: &Judge, layout: &Layout, output: Output) -> Result<u8, Failure> {
    let directory = layout.audit();
    let found = logs(&directory);
    let there = stored(&directory).map_err(|error| unreadable(&directory, &error))?;
    let mut answers = gone(&found, &there, layout)?;
    if found.is_empty() && answers.is_empty() {
        return Err(no_log(&directory));
    }
    if !output.json {
        answers.iter().for_each(|(_code, _answer, line)| println!("{line}"));
    }
    for path in &found {
        let judged = judge.judge(path);
        let (code, line) = in_a_line(path, &judged);
        let answer = judged
            .map_or_else(|failure| Answer::none(path, &failure), |verdict| Answer::of(path, &verdict, judge));
        if !output.json {
            println!("{line}");
        }
        answers.push((code, answer, line));
    }
    if output.json {
        print_json(&answers.iter().map(|(_code, answer, _line)| answer).collect::<Vec<_>>())?;
    }
    let codes = || answers.iter().map(|(code, ..)| *code);
    Ok(if codes().any(|code| code == NO) { NO } else { codes().max().unwrap_or(0) })
}

fn in_a_line(path: &Path, judged: &Result<Verdict, Failure>) -> (u8, String) {
    let name = path.display();
    match judged {
        Ok(Verdict::Proven(verified)) => (0, format!("{name}: {}", in_short(verified))),
        Ok(Verdict::Unproven(_whole, unproven)) => (NO, format!("{name}: NOT proven: {unproven}")),
        Ok(Verdict::Broken(error)) => (NO, format!("{name}: NOT intact: {}", chain(error))),
        Err(failure) => (UNANSWERED, format!("{name}: NO ANSWER: {}", failure.cause)),
    }
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
fn gone(found: &[PathBuf], there: &[Stored], layout: &Layout) -> Result<Vec<(u8, Answer, String)>, Failure> {
    let mut answers = Vec::new();
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
        // One that holds nothing is as good as none.
        let is_found = |sandbox: &str| {
            found
                .iter()
                .filter_map(|log| log.file_name())
                .any(|log| audit::log::sandbox(log) == Some(sandbox))
        };
        copied.retain(|sandbox| !is_found(sandbox));
        copied.sort();
        for sandbox in copied {
            if let Some((log, record)) = removed(&sandbox, there) {
                let why = format!("record {record} of {} says why", log.sandbox);
                let line = format!("{sandbox}: removed; {why}");
                answers.push((0, Answer::absent(sandbox, "removed", why), line));
                continue;
            }
            let copy = directory.join(format!("{sandbox}{COPY}"));
            let notes = Notes::in_file(&copy).map_err(|error| bad_log(&error))?;
            let sizes =
                notes.filter_map(|note| Checkpoint::parse(note.ok()?.text()).ok()).map(|note| note.size);
            let records = sizes.max().unwrap_or(0);
            let why = format!("{} has a checkpoint over {records} records", copy.display());
            let line = format!("{sandbox}: GONE: {why}");
            answers.push((NO, Answer::absent(sandbox, "gone", why), line));
        }
    }
    Ok(answers)
}

/// Whether every witness has cosigned a checkpoint of the log, here or kept elsewhere.
fn witnessed(path: &Path, kept: &[Note], witnesses: &[VerifyingKey]) -> Result<(u8, Vec<String>), Failure> {
    let (mut answer, mut lines) = (0, Vec::new());
    for witness in witnesses {
        let own = Notes::of(path).map_err(|error| bad_log(&error))?;
        match verify::cosigned(kept.iter().cloned().map(Ok).chain(own), witness) {
            Ok(Some(checkpoint)) => {
                lines.push(format!("cosigned by {}: {} records", witness.name(), checkpoint.size));
            }
            Ok(None) => {
                lines.push(format!("NOT cosigned by {}", witness.name()));
                answer = NO;
            }
            Err(error) => {
                lines.push(format!("NOT cosigned by {}: {}", witness.name(), chain(&error)));
                answer = NO;
            }
        }
    }
    Ok((answer, lines))
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
