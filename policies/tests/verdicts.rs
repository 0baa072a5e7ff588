//! Tables of requests and the verdicts that their policy must give: `NAME.yaml` is the policy, `NAME.table`
//! the requests, in `verdicts/` and beside the presets, one to a line:
//!
//! `PROGRAM[+PROGRAM…] METHOD HOST[:PORT] PATH  allow RULE | deny LEVEL RULE|-`
//!
//! Instead of a program: `(unknown)` guest-init could not tell, `(nobody)` no owner, `(deleted)` a file
//! that was removed while it ran.

#![expect(clippy::unwrap_used, reason = "a broken table is a failed test")]

use std::path::{Path, PathBuf};

use policies::{Decision, Destination, DestinationDecision, Document, Level, NameDecision, Policy, Request};
use wire::subject::{Program, Subject};

struct Row<'a> {
    line: usize,
    subject: Subject,
    method: &'a str,
    host: &'a str,
    port: u16,
    path: &'a str,
    expected: String,
}

#[test]
fn every_table_holds() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for table in tables() {
        let policy = policy_of(&table);
        let text = std::fs::read_to_string(&table).unwrap();
        for row in text.lines().enumerate().filter_map(|(index, line)| Row::parse(index + 1, line)) {
            rows += 1;
            let got = row.decide(&policy);
            if got != row.expected {
                wrong.push(format!("{}:{}: {got}, not {}", table.display(), row.line, row.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows >= 150, "only {rows} rows");
}

/// The questions about flows and names must never refuse what a request would be allowed, and must
/// refuse what fails at its first two levels.
#[test]
fn flow_and_name_questions_agree_with_every_row() {
    for table in tables() {
        let policy = policy_of(&table);
        let text = std::fs::read_to_string(&table).unwrap();
        for row in text.lines().enumerate().filter_map(|(index, line)| Row::parse(index + 1, line)) {
            let context = format!("{}:{}", table.display(), row.line);
            let destination = Destination { host: row.host, port: row.port };
            let flow = policy.decide_destination(&row.subject, destination);
            match &row.request(&policy) {
                Decision::Allow(permit) => {
                    assert!(matches!(flow, DestinationDecision::Possible), "{context}");
                    assert!(matches!(policy.decide_name(row.host), NameDecision::Possible), "{context}");
                    let permitted = (permit.host(), permit.port(), permit.method(), permit.path());
                    assert_eq!(permitted, (row.host, row.port, row.method, row.path), "{context}");
                }
                Decision::Deny(denial) => {
                    assert!(!denial.reason().is_empty() && !denial.hint().is_empty(), "{context}");
                    let early = denial.level() <= Level::Destination;
                    let refused = matches!(flow, DestinationDecision::Deny(_));
                    assert_eq!(refused, early, "{context}: {flow:?}");
                }
            }
        }
    }
}

impl<'a> Row<'a> {
    fn parse(line: usize, text: &'a str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [programs, method, destination, path, verdict @ ..] = words.as_slice() else {
            assert!(words.is_empty() || words[0].starts_with('#'), "line {line}: {text}");
            return None;
        };
        if programs.starts_with('#') {
            return None;
        }
        let port_at = destination.rfind(':').filter(|at| !destination[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) => (&destination[..at], destination[at + 1..].parse().unwrap()),
            None => (*destination, 443),
        };
        Some(Self { line, subject: subject(programs), method, host, port, path, expected: verdict.join(" ") })
    }

    fn request(&self, policy: &Policy) -> Decision {
        let destination = Destination { host: self.host, port: self.port };
        policy.decide(&Request { subject: &self.subject, destination, method: self.method, path: self.path })
    }

    fn decide(&self, policy: &Policy) -> String {
        match self.request(policy) {
            Decision::Allow(permit) => format!("allow {}", permit.rule()),
            Decision::Deny(denial) => format!("deny {} {}", denial.level(), denial.rule().unwrap_or("-")),
        }
    }
}

fn tables() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tables = Vec::new();
    for folder in [here.join("tests/verdicts"), here.join("../presets")] {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        tables.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "table")));
    }
    tables.sort();
    tables
}

/// A preset without a table would be a claim without a test.
#[test]
fn every_preset_has_a_table() {
    let presets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../presets");
    let files: Vec<PathBuf> =
        std::fs::read_dir(presets).unwrap().map(|entry| entry.unwrap().path()).collect();
    let policies = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    assert!(policies.clone().count() >= 4);
    for policy in policies {
        let table = std::fs::read_to_string(policy.with_extension("table")).unwrap();
        let [allows, denies] = [" allow ", " deny "].map(|verdict| table.matches(verdict).count());
        assert!(allows >= 5 && denies >= 10, "{}: {allows} allowed, {denies} denied", policy.display());
    }
}

fn policy_of(table: &Path) -> Policy {
    let file = table.with_extension("yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let document = Document::parse(&text, &file.display().to_string()).unwrap();
    let policy = Policy::compile(&document).unwrap();
    // What the proxy gets is the network part written out again: it must mean the same.
    let again = Document::parse(&document.network_text().unwrap(), "written again").unwrap();
    assert_eq!(Policy::compile(&again).unwrap().rule_count(), policy.rule_count());
    policy
}

fn subject(programs: &str) -> Subject {
    match programs {
        "(unknown)" => Subject::Unknown("the socket was closed".to_owned()),
        "(nobody)" => Subject::Owners(Vec::new()),
        "(deleted)" => Subject::Owners(vec![program("/usr/bin/curl (deleted)")]),
        _ => Subject::Owners(programs.split('+').map(program).collect()),
    }
}

fn program(path: &str) -> Program {
    Program { path: path.to_owned(), sha256: None, script: None, pid: 7, uid: 1000, parents: Vec::new() }
}
