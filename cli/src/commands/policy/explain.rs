//! `openshell policy explain`.

use manager::failure::{Failure, chain};
use policies::canonical::{self, CanonicalRequest};
use policies::explain::{Change, Impostor, change, impostors, origin};
use policies::{Decision, Denial, Destination, Document, Message, Permit, Policy, Request};
use serde_json::{Value, json};
use wire::subject::{Program, Subject};

use super::{loaded, now};
use crate::arguments::Explain;
use crate::commands::{NO, print_json};

/// Everything that is said about one request.
struct Answer {
    decision: Decision,
    /// Where the rule stands that decided, or came nearest.
    origin: Option<String>,
    /// Of a denial: what would have to change.
    change: Option<Change>,
    impostors: Vec<Impostor>,
}

pub(super) fn run(question: &Explain) -> Result<u8, Failure> {
    let (document, policy) = loaded(&question.file)?;
    let asked = canonical::of_url(&question.method, &question.url).map_err(|error| {
        Failure::new(chain(&error), "write METHOD in capital letters, and the URL as https://host/path")
    })?;
    let answer = answer(&document, &policy, question, &asked);
    if question.output.json {
        print_json(&answer.to_json(&asked))?;
    } else {
        answer.show();
    }
    Ok(if answer.decision.is_allowed() { 0 } else { NO })
}

fn answer(document: &Document, policy: &Policy, question: &Explain, asked: &CanonicalRequest) -> Answer {
    let subject = Subject::Owners(question.binary.iter().map(|binary| program(binary)).collect());
    let host = asked.authority.host.to_string();
    let headers: Vec<(&str, &str)> =
        question.header.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let message = question.body.as_ref().map(|body| Message::new(body.clone().into()));
    let is_typed = headers.iter().any(|(name, _value)| *name == "content-type");
    let implied = (message.is_some() && !is_typed).then_some(("content-type", "application/json"));
    let headers: Vec<(&str, &str)> = headers.into_iter().chain(implied).collect();
    let request = Request {
        subject: &subject,
        destination: Destination { host: &host, port: asked.authority.port },
        method: asked.method.as_str(),
        path: asked.resource.path(),
        query: asked.resource.query().unwrap_or_default(),
        headers: &headers.as_slice(),
        message: message.as_ref(),
        now: now(),
    };
    let decision = policy.decide(&request);
    let (rule, change) = match &decision {
        Decision::Allow(permit) => (Some(permit.rule()), None),
        Decision::Deny(denial) => (denial.rule(), Some(change(document, policy, &request, denial))),
    };
    let origin = rule.and_then(|rule| origin(document, rule));
    Answer { origin, change, impostors: impostors(document, policy, &request), decision }
}

fn program(binary: &str) -> Program {
    let path = if binary.starts_with('/') { binary.to_owned() } else { format!("/usr/bin/{binary}") };
    Program { path, sha256: None, script: None, pid: 0, uid: 0, parents: Vec::new() }
}

impl Answer {
    fn to_json(&self, asked: &CanonicalRequest) -> Value {
        let lies = json!({
            "decision": if self.impostors.is_empty() { "deny" } else { "allow" },
            "to": self.impostors,
        });
        let common = json!({
            "request": asked.to_string(), "origin": self.origin, "if_the_program_lies": lies,
        });
        let own = match &self.decision {
            Decision::Allow(permit) => json!({
                "decision": "allow", "rule": permit.rule(), "level": permit.would_deny().map(level),
                "reason": permit.would_deny().map(Denial::reason), "on_trial": permit.would_deny().is_some(),
                "asked": permit.asked(), "downloads": downloads(permit),
            }),
            Decision::Deny(denial) => json!({
                "decision": "deny", "level": level(denial), "rule": denial.rule(),
                "reason": denial.reason(), "hint": denial.hint(), "change": self.change,
            }),
        };
        let mut all = own;
        if let (Value::Object(all), Value::Object(common)) = (&mut all, common) {
            all.extend(common);
        }
        all
    }

    fn show(&self) {
        let at = self.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
        match &self.decision {
            Decision::Allow(permit) => show_permit(permit, &at),
            Decision::Deny(denial) => {
                let rule = denial.rule().map(|rule| format!(", rule {rule}{at}")).unwrap_or_default();
                println!("deny at {}{rule}: {}\n  {}", level(denial), denial.reason(), denial.hint());
            }
        }
        if let Some(change) = &self.change {
            println!("  to allow it: {}", change.what);
            change.yaml.lines().for_each(|line| println!("    {line}"));
        }
        let names: Vec<String> =
            self.impostors.iter().map(|one| format!("{} (rule {})", one.binary, one.rule)).collect();
        if names.is_empty() {
            println!("  whatever the guest says about the program: denied");
        } else {
            println!("  which program asks is the guest's word; it is allowed to {}", names.join(", "));
        }
    }
}

fn show_permit(permit: &Permit, at: &str) {
    println!("allow: rule {}{at}", permit.rule());
    if let Some(asked) = permit.asked() {
        println!("  asked: {asked}");
    }
    downloads(permit).iter().for_each(|rule| println!("  what comes back is judged by {rule}"));
    if let Some(denial) = permit.would_deny() {
        println!("  on trial: enforced, it would be denied at {}: {}", level(denial), denial.reason());
    }
}

/// By what the answer is judged.
fn downloads(permit: &Permit) -> Vec<String> {
    permit.downloads().map(|rules| rules.summaries().collect()).unwrap_or_default()
}

fn level(denial: &Denial) -> &'static str {
    denial.level().as_str()
}
