//! What a report says, in which order.

use std::collections::BTreeMap;

use crate::document::{Bars, Block, Document, Table};
use crate::facts::{Beside, Facts, Health, Lines, LogFacts, ROUTES, Standing, UNKNOWN, UNUSED_DAYS};
use crate::framework::{Evidence, Framework};
use crate::owasp;
use crate::period::Period;
use crate::reach::Top;
use crate::uses::Use;

/// Bars of days that a page holds.
const MOST_DAYS: usize = 40;
/// Rows of the table of who reached what.
const PAIRS: usize = 500;
/// Rows of a table of counts.
const TOP: usize = 20;

/// A policy of whose rules it is told which nobody used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Their names.
    pub names: Vec<String>,
    /// SHA-256 of the policy's network part, as records have it.
    pub sha256: String,
}

/// The report. `rules`: those of the policies that the logs hold, or of one that the operator names; what of them nobody used is told.
#[must_use]
pub fn document(facts: &Facts, framework: Framework, period: &Period, rules: &[Rules]) -> Document {
    let mut blocks = summary(facts);
    blocks.extend(requirements(facts, framework));
    blocks.extend(owasp_coverage(facts));
    blocks.extend(controls(facts));
    blocks.extend(decisions(facts));
    if framework == Framework::AccessReview {
        blocks.extend(reached(facts));
    }
    blocks.extend(exceptions(facts));
    blocks.extend(processing(facts));
    blocks.extend(unused(facts, period, rules));
    blocks.extend(limits(framework));
    blocks.extend(integrity(facts));
    let sandboxes: Vec<_> = facts.sandboxes.top(10).into_iter().map(|(name, _)| name).collect();
    Document {
        title: format!("Agent activity: {}", framework.title()),
        about: vec![
            format!("Period: {} to before {} (UTC)", &period.from[..10], &period.to[..10]),
            format!(
                "Sandboxes with records: {}",
                if sandboxes.is_empty() { "none".to_owned() } else { sandboxes.join(", ") }
            ),
        ],
        stamps: stamps(facts),
        blocks,
    }
}

fn stamps(facts: &Facts) -> Vec<String> {
    let stamps = facts.logs.iter().filter_map(|log| match &log.standing {
        Standing::Proven(_whole) => None,
        Standing::Accepted(cause) => Some(format!(
            "TAKEN UNPROVEN: of the log of {}, {cause}, and whoever made this report did not ask for more. Whoever could write the \
             log could write anything there.",
            log.sandbox
        )),
        Standing::Unproven(cause) => Some(format!(
            "NOT PROVEN: of the log of {}, {cause}. Whoever could write it could write anything there.",
            log.sandbox
        )),
        Standing::Broken(cause) => Some(format!(
            "NOT INTACT: the log of {} does not verify: {cause}. What follows it is no evidence.",
            log.sandbox
        )),
    });
    stamps.collect()
}

fn summary(facts: &Facts) -> Vec<Block> {
    let (per, bars) = per_time(facts);
    vec![
        Block::Heading("Summary".to_owned()),
        Block::List(vec![
            format!("{} records of {} sandboxes", facts.records, facts.sandboxes.named().count()),
            format!("{} decisions allowed, {} denied", facts.allowed.total(), facts.denied.total()),
            format!("{} of what was allowed was broken off, or came to nothing", facts.broken.total()),
            format!(
                "{} findings of detections, {} changes by operators",
                facts.detections.total(),
                facts.by_operators
            ),
            format!("{} prompts with classified data", facts.processed.total()),
            format!("{} prompts with marks of injected instructions", facts.marked),
        ]),
        Block::Bars(Bars { title: format!("Decisions per {per}"), parts: ["allowed", "denied"], bars }),
    ]
}

/// Bars per day, or per month where days would fill pages.
fn per_time(facts: &Facts) -> (&'static str, Vec<(String, [u64; 2])>) {
    if facts.days.len() <= MOST_DAYS {
        return ("day", facts.days.iter().map(|(day, counts)| (day.clone(), *counts)).collect());
    }
    let mut months = BTreeMap::<String, [u64; 2]>::new();
    for (day, [allowed, denied]) in &facts.days {
        let month = months.entry(day.get(..7).unwrap_or(day).to_owned()).or_default();
        month[0] = month[0].saturating_add(*allowed);
        month[1] = month[1].saturating_add(*denied);
    }
    ("month", months.into_iter().collect())
}

fn requirements(facts: &Facts, framework: Framework) -> Vec<Block> {
    let rows: Vec<_> = framework
        .requirements()
        .iter()
        .map(|(number, about, evidence)| {
            let evidence: Vec<_> = evidence.iter().map(|evidence| shown(facts, *evidence)).collect();
            vec![(*number).to_owned(), (*about).to_owned(), evidence.join("; ")]
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Heading(format!("Requirements: {}", framework.title())),
        Block::Paragraph(
            "What this log is evidence for, with the section that has it. Whether a requirement is met is the auditor's finding."
                .to_owned(),
        ),
        table(vec![("Number", 16), ("About", 42), ("Evidence in this log", 42)], rows),
    ]
}

fn shown(facts: &Facts, evidence: Evidence) -> String {
    match evidence {
        Evidence::Controls => format!(
            "Controls: {} configurations, {} policies",
            facts.controls.total(),
            facts.policies.named().count()
        ),
        Evidence::Decisions => {
            format!("Decisions: {} allowed, {} denied", facts.allowed.total(), facts.denied.total())
        }
        Evidence::Changes => format!("Exceptions: {} changes", facts.by_operators),
        Evidence::Detections => format!("Exceptions: {} findings", facts.detections.total()),
        Evidence::Processing => {
            format!("Processing: {} prompts with classified data", facts.processed.total())
        }
        Evidence::Transfers => {
            let [prompts, with_data] = &facts.regions;
            let known = prompts.total() - prompts.get(UNKNOWN);
            format!(
                "Processing: {} prompts to cloud models ({} with classified data), the region known of {known}",
                prompts.total(),
                with_data.total()
            )
        }
        Evidence::HealthData => format!(
            "Processing: {} of {} prompts with health data went to a cloud model as they were",
            facts.health.crossed,
            facts.health.total()
        ),
        Evidence::Credentials => format!("Decisions: {} uses of credentials", facts.credentials.total()),
        Evidence::Integrity => {
            let proven = |log: &&LogFacts| matches!(log.standing, Standing::Proven(_));
            let whole = facts.logs.iter().filter(proven).count();
            format!("Integrity: {whole} of {} logs are proven", facts.logs.len())
        }
    }
}

fn owasp_coverage(facts: &Facts) -> Vec<Block> {
    vec![
        Block::Heading("Coverage of OWASP ASI01 to ASI10".to_owned()),
        table(
            vec![
                ("Risk", 9),
                ("Title of 2026", 22),
                ("Earlier label", 17),
                ("Control", 27),
                ("Evidence in this log", 25),
            ],
            owasp::coverage(facts),
        ),
    ]
}

fn controls(facts: &Facts) -> Vec<Block> {
    let policies = facts.policies.top(TOP);
    vec![
        Block::Heading("Controls".to_owned()),
        Block::Paragraph("What each sandbox was made from, by SHA-256: with the file at hand anybody can tell whether it is the one.".to_owned()),
        lines(vec![("Record", 23), ("From", 13), ("Made with", 18), ("Confinement", 23), ("Network policy", 23)], &facts.controls),
        Block::Paragraph("Network policies that took effect, by SHA-256:".to_owned()),
        counted("SHA-256", policies),
        Block::Paragraph("Steps in the sandboxes' lives:".to_owned()),
        lines(vec![("Record", 40), ("Step", 20), ("Detail", 40)], &facts.life),
    ]
}

fn decisions(facts: &Facts) -> Vec<Block> {
    let actions = facts.actions.named().map(|(name, count)| {
        vec![
            name.to_owned(),
            count.to_string(),
            facts.allowed.get(name).to_string(),
            facts.denied.get(name).to_string(),
        ]
    });
    let levels = facts.levels.top(TOP).into_iter().map(|(name, count)| (name, [0, count])).collect();
    vec![
        Block::Heading("Decisions".to_owned()),
        table(vec![("Action", 40), ("Records", 20), ("Allowed", 20), ("Denied", 20)], actions.collect()),
        Block::Bars(Bars {
            title: "Denials by level".to_owned(),
            parts: ["allowed", "denied"],
            bars: levels,
        }),
        Block::Paragraph("By rule:".to_owned()),
        counted("Rule", facts.rules.top(TOP)),
        Block::Paragraph("Hosts that were allowed:".to_owned()),
        counted("Host", facts.hosts[0].top(TOP)),
        Block::Paragraph("Hosts that were denied:".to_owned()),
        counted("Host", facts.hosts[1].top(TOP)),
        Block::Paragraph("Programs that were allowed something:".to_owned()),
        counted("Program", facts.binaries[0].top(TOP)),
        Block::Paragraph("Credentials that went out with requests, or were read again:".to_owned()),
        counted("Credential", facts.credentials.top(TOP)),
        Block::Paragraph("Denials:".to_owned()),
        lines(
            vec![("Record", 22), ("Program", 16), ("What", 24), ("Level", 12), ("Reason", 26)],
            &facts.denials,
        ),
        Block::Paragraph("Allowed, and broken off or come to nothing:".to_owned()),
        lines(
            vec![("Record", 22), ("Program", 16), ("What", 24), ("Level", 12), ("Reason", 26)],
            &facts.broken_off,
        ),
    ]
}

/// Who reached what under which rule.
fn reached(facts: &Facts) -> Vec<Block> {
    let Top { rows, omitted, others: [allowed, denied] } = facts.reach.top(PAIRS);
    let rows = rows.into_iter().map(|(kind, [allowed, denied])| {
        kind.into_iter().chain([allowed.to_string(), denied.to_string()]).collect()
    });
    let about = "Each program with each host that it asked for, and the rule that decided. A denial is under no rule where none \
                 allowed it.";
    let columns = vec![("Program", 32), ("Host", 28), ("Rule", 20), ("Allowed", 10), ("Denied", 10)];
    let mut blocks = vec![
        Block::Heading("Who reached what".to_owned()),
        Block::Paragraph(about.to_owned()),
        Block::Table(Table { columns, rows: rows.collect(), omitted }),
    ];
    if allowed + denied > 0 {
        let more =
            format!("Of more kinds than are told apart: {allowed} times allowed, {denied} times denied.");
        blocks.push(Block::Paragraph(more));
    }
    blocks
}

fn exceptions(facts: &Facts) -> Vec<Block> {
    let mut blocks = vec![
        Block::Heading("Exceptions".to_owned()),
        Block::Paragraph("Changes by operators, and of the log:".to_owned()),
        lines(vec![("Record", 24), ("By", 12), ("What", 52), ("Result", 12)], &facts.changes),
        Block::Paragraph("Findings of detections:".to_owned()),
        lines(
            vec![("Record", 22), ("Finding", 18), ("Reason", 28), ("Response", 13), ("Evidence", 19)],
            &facts.found,
        ),
    ];
    if facts.foreign.total() > 0 {
        let about = "Records that another process wrote than the one whose they are to write. Nothing else here counts them:";
        blocks.push(Block::Paragraph(about.to_owned()));
        blocks.push(counted("Record", facts.foreign.top(TOP)));
    }
    blocks
}

fn processing(facts: &Facts) -> Vec<Block> {
    let by_place = ROUTES.iter().map(|route| ((*route).to_owned(), [0, facts.routes.get(route)]));
    let rows = facts.categories.iter().map(|(name, counts)| {
        std::iter::once(name.clone()).chain(counts.iter().map(u64::to_string)).collect()
    });
    vec![
        Block::Heading("Processing of classified data".to_owned()),
        Block::Bars(Bars {
            title: "Prompts by place".to_owned(),
            parts: ["", "prompts"],
            bars: by_place.collect(),
        }),
        Block::Paragraph(
            "Prompts with data of a category, by the place where they were processed:".to_owned(),
        ),
        table(vec![("Category", 40), ("Local", 20), ("Cloud", 20), ("Refused", 20)], rows.collect()),
        Block::Paragraph(
            "Prompts that went to a cloud model, by the region where it served them, as the operator or the server's name says:"
                .to_owned(),
        ),
        table(vec![("Region", 50), ("Prompts", 25), ("With classified data", 25)], transfers(facts)),
        Block::Paragraph(health(facts)),
        Block::Paragraph(each_request(facts)),
        lines(
            vec![("Record", 22), ("Request", 16), ("Found", 26), ("Place, server and region", 20), ("Model", 16)],
            &facts.processed,
        ),
    ]
}

fn each_request(facts: &Facts) -> String {
    let Some(Beside { file, sha256, rows }) = &facts.beside else {
        return "Each request with classified data:".to_owned();
    };
    format!(
        "Each request with classified data: the first ones here, all {rows} in the file {file} that belongs to this report \
         (SHA-256 {sha256}):"
    )
}

fn transfers(facts: &Facts) -> Vec<Vec<String>> {
    let [prompts, with_data] = &facts.regions;
    let row = |(region, count): (String, u64)| {
        let with_data = with_data.get(&region).to_string();
        vec![region, count.to_string(), with_data]
    };
    prompts.top(TOP).into_iter().map(row).collect()
}

/// What the records say of health data and cloud models.
fn health(facts: &Facts) -> String {
    let Health { local, refused, replaced, crossed } = facts.health;
    let whole = facts.logs.iter().all(|log| matches!(log.standing, Standing::Proven(_)));
    let said = match (crossed, whole) {
        (0, true) => {
            "In this period no prompt went to a cloud model with health data that was found in it".to_owned()
        }
        (0, false) => {
            "These logs, which are not all proven, show no prompt that went to a cloud model with health data"
                .to_owned()
        }
        (crossed, _) => {
            format!("{crossed} prompts went to a cloud model WITH health data that was found in them")
        }
    };
    format!(
        "{said}. Of {} prompts in which health data was found, {local} were served by the local model, {refused} were \
         refused, {replaced} went to a cloud model with the health data replaced by placeholders, and {crossed} as they were.",
        facts.health.total()
    )
}

fn unused(facts: &Facts, period: &Period, rules: &[Rules]) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(format!("Rules unused in {UNUSED_DAYS} days"))];
    if rules.is_empty() {
        let none = "The logs hold no policy that has rules, and none was named (--policy FILE).";
        blocks.push(Block::Paragraph(none.to_owned()));
    }
    blocks.extend(rules.iter().take(TOP).flat_map(|rules| unused_of(facts, period, rules)));
    if let Some(more) = rules.len().checked_sub(TOP).filter(|more| *more > 0) {
        blocks.push(Block::Paragraph(format!("… and {more} policies more: name one with --policy FILE.")));
    }
    blocks
}

fn unused_of(facts: &Facts, period: &Period, Rules { names, sha256 }: &Rules) -> [Block; 2] {
    let since = observed_since(facts, period);
    let last = |rule: &String| match facts.uses.last(rule, sha256) {
        Some(Use { time, policy }) if policy == Some(sha256) => {
            (time < since.as_str()).then(|| time.to_owned())
        }
        Some(Use { time, policy: Some(other) }) => Some(format!("{time}, in policy {other}")),
        Some(Use { time, policy: None }) => Some(format!("{time}, in a policy that this log does not name")),
        None => Some("not in this log".to_owned()),
    };
    let rows: Vec<_> =
        names.iter().filter_map(|rule| last(rule).map(|last| vec![rule.clone(), last])).collect();
    let effect = if facts.uses.knows(sha256) { "" } else { ", which took effect in none of these logs" };
    let short = if since > period.days_before_end(UNUSED_DAYS) {
        format!(
            " These logs tell of no time before: of {UNUSED_DAYS} days they do not say that a rule was unused."
        )
    } else {
        String::new()
    };
    let removed: u64 = facts
        .removed_logs
        .range(since.get(..10).unwrap_or(&since).to_owned()..)
        .map(|(_day, logs)| *logs)
        .sum();
    let removed = if removed == 0 {
        String::new()
    } else {
        format!(
            " {removed} logs of ended sandboxes were removed in that time: what those used is not known here."
        )
    };
    let about = format!(
        "{} of {} rules of the policy {sha256}{effect} allowed and denied nothing from {} to the period's end.{short}{removed} A rule \
         that merely came nearest to allowing what was denied decided nothing.",
        rows.len(),
        names.len(),
        since.get(..10).unwrap_or(&since)
    );
    [Block::Paragraph(about), table(vec![("Rule", 50), ("Last use", 50)], rows)]
}

/// From when on these logs tell of every use of a rule, at most so many days before the period's end: since the oldest of them
/// begins, and where first records of one were removed, since that begins.
fn observed_since(facts: &Facts, period: &Period) -> String {
    let begins = || facts.logs.iter().filter_map(|log| log.begins.as_ref());
    let oldest = begins().map(|begins| &begins.time).min();
    let cut = begins().filter(|begins| begins.is_cut).map(|begins| &begins.time).max();
    let since = period.days_before_end(UNUSED_DAYS);
    [oldest, cut].into_iter().flatten().cloned().chain([since]).max().unwrap_or_default()
}

fn limits(framework: Framework) -> Vec<Block> {
    let general = [
        "Work on files of the workspace, and system calls that are allowed, leave no record. Executions, uses of other files, and refusals do.",
        "Subjects (program, script, process) are what the guest's kernel told; the guest is not trusted for more than that.",
        "Contents of requests and prompts are not recorded, only what was found in them.",
    ];
    let points = general.iter().chain(framework.not_shown()).map(|text| (*text).to_owned());
    vec![Block::Heading("What this log does not show".to_owned()), Block::List(points.collect())]
}

fn integrity(facts: &Facts) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Integrity of the logs".to_owned())];
    for log in &facts.logs {
        let standing = match &log.standing {
            Standing::Proven(whole) => format!("{}: {whole}", log.sandbox),
            Standing::Accepted(cause) => format!("{}: TAKEN UNPROVEN: {cause}", log.sandbox),
            Standing::Unproven(cause) => format!("{}: NOT PROVEN: {cause}", log.sandbox),
            Standing::Broken(cause) => format!("{}: NOT INTACT: {cause}", log.sandbox),
        };
        blocks.push(Block::Paragraph(standing));
        match &log.checkpoint {
            Some(note) => blocks.push(Block::Verbatim(note.to_string())),
            None => blocks.push(Block::Paragraph("There is no signed checkpoint of it.".to_owned())),
        }
    }
    blocks
}

fn counted(what: &'static str, counts: Vec<(String, u64)>) -> Block {
    let rows = counts.into_iter().map(|(name, count)| vec![name, count.to_string()]);
    table(vec![(what, 80), ("Times", 20)], rows.collect())
}

fn lines(columns: Vec<(&'static str, u8)>, lines: &Lines) -> Block {
    Block::Table(Table { columns, rows: lines.lines.clone(), omitted: lines.omitted })
}

fn table(columns: Vec<(&'static str, u8)>, rows: Vec<Vec<String>>) -> Block {
    Block::Table(Table { columns, rows, omitted: 0 })
}
