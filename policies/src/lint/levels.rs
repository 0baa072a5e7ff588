//! Lints on one rule, level by level.

use super::{Advice, LintName, Linted, Report};
use crate::document::{Enforcement, Lists};
use crate::pattern::Side;
use crate::pattern::host::{DestinationPattern, HostPattern};
use crate::pattern::method::MethodPattern;
use crate::place::At;
use crate::validity::Timestamp;

/// Scripts that people take for programs, and what runs them.
const SCRIPTS: [(&str, &str); 14] = [
    ("npm", "node"),
    ("npx", "node"),
    ("yarn", "node"),
    ("pnpm", "node"),
    ("openclaw", "node"),
    ("corepack", "node"),
    ("pip", "python3"),
    ("pip3", "python3"),
    ("pipx", "python3"),
    ("poetry", "python3"),
    ("pytest", "python3"),
    ("httpie", "python3"),
    ("gem", "ruby"),
    ("bundle", "ruby"),
];

/// Programs that run what they are given.
const INTERPRETERS: [&str; 17] = [
    "bash", "sh", "dash", "zsh", "ksh", "fish", "env", "python", "python3", "node", "nodejs", "deno", "bun",
    "perl", "ruby", "php", "busybox",
];

/// Words in a host or a path that stand for collecting what clients report.
const COLLECTORS: [&str; 18] = [
    "telemetry",
    "metrics",
    "analytics",
    "stats",
    "events",
    "collect",
    "collector",
    "beacon",
    "tracking",
    "track",
    "sentry",
    "segment",
    "mixpanel",
    "posthog",
    "amplitude",
    "statsig",
    "pixel",
    "ping",
];

/// Of a rule that grants.
pub(super) fn lint(report: &mut Report<'_>, rule: &Linted<'_>) {
    binaries(report, rule);
    destinations(report, rule);
    methods(report, rule);
    query(report, rule);
}

pub(super) fn allowed(level: &Option<At<Lists>>) -> &[At<String>] {
    level.as_ref().map_or(&[], |lists| &lists.value.allow)
}

/// Whether the rule allows a method that changes something.
pub(super) fn writes(rule: &Linted<'_>) -> bool {
    let reads = |method: &MethodPattern| matches!(method, MethodPattern::Exactly("GET" | "HEAD" | "OPTIONS"));
    !rule.rule.method.allow.iter().all(reads)
}

/// Of every rule: a denial that has ended is missed more than a grant.
pub(super) fn life(report: &mut Report<'_>, rule: &Linted<'_>, now: Timestamp) {
    if rule.rule.enforcement == Enforcement::Audit {
        let cause = "the rule is on trial: what its method, path and conditions refuse passes";
        let advice =
            Advice::new(cause, "remove 'enforcement: audit' once the log shows no 'would be denied'");
        report.warn(LintName::OnTrial, rule.place, rule, advice);
    }
    if let (Some(until), Some(written)) = (rule.rule.validity.until, &rule.entry.until)
        && until <= now
    {
        let cause = format!("the rule ended at {until}: it neither grants nor denies anything");
        report.warn(
            LintName::Expired,
            written.place,
            rule,
            Advice::new(cause, "remove the rule, or write a later 'until'"),
        );
    }
}

fn binaries(report: &mut Report<'_>, rule: &Linted<'_>) {
    for At { value, place } in allowed(&rule.entry.binary) {
        let file = value.rsplit('/').next().unwrap_or(value);
        if let Some((script, interpreter)) = SCRIPTS.iter().find(|(script, _interpreter)| *script == file) {
            let cause = format!(
                "'{script}' is a script: the program that asks is '{interpreter}', and this never matches"
            );
            report.warn(
                LintName::ScriptName,
                *place,
                rule,
                Advice::new(cause, format!("name '{interpreter}'")),
            );
        } else if file.contains('*') && value.starts_with('/') {
            let cause = format!("'{value}' is every program there, interpreters and copies of others too");
            report.warn(LintName::AnyProgram, *place, rule, Advice::new(cause, "name the programs"));
        } else if INTERPRETERS.contains(&file) {
            let cause =
                format!("'{file}' runs whatever the agent writes: the binary level holds nothing back here");
            let remedy =
                "rely on destination, method and path; name a program of one purpose where there is one";
            report.note(LintName::Interpreter, *place, rule, Advice::new(cause, remedy));
        }
    }
}

fn destinations(report: &mut Report<'_>, rule: &Linted<'_>) {
    for At { value, place } in allowed(&rule.entry.destination) {
        let Ok(DestinationPattern { host, ports }) = DestinationPattern::parse(value, Side::Allow) else {
            continue;
        };
        let name = match &host {
            HostPattern::Exactly(name) => name,
            HostPattern::OneLabelBefore(name) | HostPattern::AnyDepthBefore(name) => name,
        };
        let itself = **name == *"localhost" || name.starts_with("127.") || **name == *"[::1]";
        if itself {
            continue;
        }
        if ports.contain(80) {
            let cause = format!("'{value}' is plain HTTP: everybody on the way reads and changes it");
            report.warn(LintName::PlainHttp, *place, rule, Advice::new(cause, "use the host's HTTPS port"));
        }
        if name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok() {
            let cause = format!("'{value}' is an address: nothing says who answers there tomorrow");
            let remedy = "name the host: its certificate is then checked against the name";
            report.warn(LintName::AddressDestination, *place, rule, Advice::new(cause, remedy));
        }
    }
}

fn methods(report: &mut Report<'_>, rule: &Linted<'_>) {
    for At { value, place } in allowed(&rule.entry.method) {
        if value == "*" {
            let cause = "every method is allowed, DELETE and those to come too";
            report.warn(
                LintName::WildcardMethod,
                *place,
                rule,
                Advice::new(cause, "list the methods, such as GET"),
            );
        }
    }
    for At { value, place } in allowed(&rule.entry.path) {
        if is_everything(value) && writes(rule) {
            let cause = "every path can be written to";
            let remedy = "name the paths, or move the writing methods to a rule with fewer paths";
            report.warn(LintName::WritesAnywhere, *place, rule, Advice::new(cause, remedy));
        }
    }
}

/// Whether a path pattern leaves nothing out but, at most, the shortest paths.
fn is_everything(pattern: &str) -> bool {
    let mut segments = pattern.split('/').skip(1);
    pattern.contains("**") && segments.all(|segment| matches!(segment, "*" | "**"))
}

/// A host that only collects answers nothing that the agent needs, and what it is sent is what leaks.
fn query(report: &mut Report<'_>, rule: &Linted<'_>) {
    let bounded =
        rule.rule.conditions.query.allow.is_some() || rule.rule.conditions.query.max_length.is_some();
    if bounded || writes(rule) {
        return;
    }
    let collects = |text: &str| text.split(['.', '/', '-', '_', ':']).any(|word| COLLECTORS.contains(&word));
    let levels = [&rule.entry.destination, &rule.entry.path];
    let found = levels.into_iter().flat_map(allowed).find(|entry| collects(&entry.value));
    if let Some(At { value, place }) = found {
        let cause =
            format!("'{value}' collects what clients report, and a GET reports by a query of any size");
        let remedy = "add 'query: {allow: [KEY], max_length: 256}', or 'query: {max_length: 0}' for none";
        report.warn(LintName::UnboundedQuery, *place, rule, Advice::new(cause, remedy));
    }
}
