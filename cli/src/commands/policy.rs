//! `openshell policy`.

mod import;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use manager::failure::{Failure, chain};
use manager::layout::Layout;
use manager::policy::{PolicyError, PolicyFiles};
use policies::confinement::Workspace;
use policies::{Decision, Destination, Document, NoHeaders, Policy, Request, Timestamp};
use serde_json::json;
use wire::subject::{Program, Subject};

use super::{NO, print_json};
use crate::arguments::{self, Explain};

/// The parts of a URL that a decision is made on.
struct Target {
    host: String,
    port: u16,
    path: String,
    query: String,
}

pub(super) fn run(command: arguments::Policy) -> Result<u8, Failure> {
    match command {
        arguments::Policy::Check { file } => check(&file),
        arguments::Policy::Explain(question) => explain(&question),
        arguments::Policy::Import(what) => import::run(&what),
    }
}

fn check(file: &Path) -> Result<u8, Failure> {
    match load(file) {
        Ok((document, _policy)) => {
            println!("{}: {} network rules, no mistakes", file.display(), document.network.len());
            Ok(0)
        }
        Err(PolicyError::File(failure)) => Err(failure),
        Err(PolicyError::Mistakes(mistakes)) => {
            for mistake in mistakes.iter() {
                eprintln!("openshell: {mistake}\n  remedy: {}", mistake.remedy());
            }
            Ok(NO)
        }
    }
}

fn explain(question: &Explain) -> Result<u8, Failure> {
    let (_document, policy) = load(&question.file)?;
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
        query: &target.query,
        headers: &NoHeaders,
        now: now(),
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
fn load(file: &Path) -> Result<(Document, Policy), PolicyError> {
    let files = Layout::from_env().and_then(|layout| PolicyFiles::of(&layout)).map_err(PolicyError::File)?;
    let document = manager::policy::load(file, &files)?;
    // Both halves are part of the answer; where the agent works does not change whether they are right.
    let nowhere = Workspace { uid: 1000, gid: 1000, own: Vec::new(), shared: Vec::new() };
    document.confinement(&nowhere).map_err(PolicyError::Mistakes)?;
    let policy = Policy::compile(&document).map_err(PolicyError::Mistakes)?;
    Ok((document, policy))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
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
        let (path, query) = path.split('#').next().unwrap_or_default().split_once('?').unwrap_or((path, ""));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host: host.to_owned(), port, path: path.to_owned(), query: query.to_owned() })
    }
}
