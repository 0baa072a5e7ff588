//! `openshell policy`.

use std::fs;
use std::path::Path;

use manager::failure::{Failure, chain};
use policies::confinement::Workspace;
use policies::{Decision, Destination, Document, LoadErrors, Policy, Request};
use serde_json::json;
use wire::subject::{Program, Subject};

use super::{NO, print_json};
use crate::arguments::{self, Explain};

/// The parts of a URL that a decision is made on.
struct Target {
    host: String,
    port: u16,
    path: String,
}

pub(super) fn run(command: arguments::Policy) -> Result<u8, Failure> {
    match command {
        arguments::Policy::Check { file } => check(&file),
        arguments::Policy::Explain(question) => explain(&question),
    }
}

fn check(file: &Path) -> Result<u8, Failure> {
    match load(file)? {
        Ok((document, _policy)) => {
            println!("{}: {} network rules, no mistakes", file.display(), document.network.len());
            Ok(0)
        }
        Err(mistakes) => {
            for mistake in mistakes.iter() {
                eprintln!("openshell: {mistake}\n  remedy: {}", mistake.remedy());
            }
            Ok(NO)
        }
    }
}

fn explain(question: &Explain) -> Result<u8, Failure> {
    let (_document, policy) = load(&question.file)?.map_err(|mistakes| {
        let first = mistakes.first();
        Failure::new(first, first.remedy())
    })?;
    let target = Target::parse(&question.url)?;
    let subject = Subject::Owners(vec![Program {
        path: question.binary.clone(),
        sha256: None,
        script: None,
        pid: 0,
        uid: 0,
        parents: Vec::new(),
    }]);
    let decision = policy.decide(&Request {
        subject: &subject,
        destination: Destination { host: &target.host, port: target.port },
        method: &question.method,
        path: &target.path,
    });
    show(&decision, question.output.json)
}

fn show(decision: &Decision, as_json: bool) -> Result<u8, Failure> {
    match decision {
        Decision::Allow(permit) => {
            if as_json {
                print_json(&json!({"decision": "allow", "rule": permit.rule()}))?;
            } else {
                println!("allow: rule {}", permit.rule());
            }
            Ok(0)
        }
        Decision::Deny(denial) => {
            let (level, rule) = (denial.level().as_str(), denial.rule());
            if as_json {
                let answer = json!({
                    "decision": "deny", "level": level, "rule": rule,
                    "reason": denial.reason(), "hint": denial.hint(),
                });
                print_json(&answer)?;
            } else {
                let rule = rule.map(|rule| format!(", rule {rule}")).unwrap_or_default();
                println!("deny at {level}{rule}: {}\n  {}", denial.reason(), denial.hint());
            }
            Ok(NO)
        }
    }
}

/// The policy in `file`, which may be an agent.yaml.
fn load(file: &Path) -> Result<Result<(Document, Policy), LoadErrors>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(
            format_args!("cannot read {}: {error}", file.display()),
            "name a file that exists and is readable",
        )
    })?;
    let name = file.display().to_string();
    let document = if is_agent(&text) {
        Ok(manager::spec::Spec::load(file)?.policy)
    } else {
        Document::parse(&text, &name)
    };
    Ok(document.and_then(|document| {
        // Both halves are part of the answer; where the agent works does not change whether they are right.
        document.confinement(&Workspace { uid: 1000, gid: 1000, own: Vec::new(), shared: Vec::new() })?;
        Policy::compile(&document).map(|policy| (document, policy))
    }))
}

/// Only an agent.yaml has a command.
fn is_agent(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("command:"))
}

impl Target {
    fn parse(url: &str) -> Result<Self, Failure> {
        let wrong =
            || Failure::new(format_args!("'{url}' is not an http or https URL"), "write https://host/path");
        let (default_port, rest) = match url.split_once("://").ok_or_else(wrong)? {
            ("https", rest) => (443, rest),
            ("http", rest) => (80, rest),
            _ => return Err(wrong()),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => (
                host,
                port.parse().map_err(|error| Failure::new(chain(&error), "write a port from 1 to 65535"))?,
            ),
            None => (authority, default_port),
        };
        let path = path.split(['?', '#']).next().filter(|path| !path.is_empty()).unwrap_or("/");
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}
