//! What the agent reads, as JSON.

use http::StatusCode;
use policies::Timestamp;
use policies::outline::Outline;
use serde::Serialize;
use serde_json::{Value, json};
use wire::proposal::{Standing, Terms};

use super::book::Entry;
use super::denials::Denied;
use crate::clock::now;
use crate::in_force::Edition;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// How the rules are told.
#[derive(Serialize)]
struct Policy<'a> {
    policy: u64,
    quarantined: bool,
    rules: &'a [Outline],
    propose: Value,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(body).expect("text and numbers serialise");
        body.push(b'\n');
        Self { status, body }
    }

    /// The rules that hold now.
    pub(crate) fn policy(edition: &Edition) -> Self {
        let (policy, rules) = (edition.version.0, edition.outline.as_slice());
        let body = Policy { policy, quarantined: edition.is_shut(), rules, propose: how_to_propose() };
        Self::new(StatusCode::OK, &body)
    }

    pub(crate) fn denials(latest: &[Denied]) -> Self {
        Self::new(StatusCode::OK, &json!({"denials": latest, "propose": how_to_propose()}))
    }

    pub(crate) fn proposals(all: &[Entry]) -> Self {
        let all: Vec<Value> = all.iter().map(described).collect();
        Self::new(StatusCode::OK, &json!({"proposals": all}))
    }

    pub(crate) fn proposal(status: StatusCode, entry: &Entry) -> Self {
        Self::new(status, &described(entry))
    }
}

/// What an agent needs to know to ask for more.
fn how_to_propose() -> Value {
    json!({
        "post": "http://policy.local/v1/proposals",
        "body": {
            "binary": "/usr/bin/curl", "host": "api.example.com", "port": 443, "method": "GET", "path": "/v1/items",
            "query": ["page"], "reason": "what it is needed for", "expiry": 3600,
        },
        "note": "one exact request, without wildcards; 'query' names parameters and may be left out; 'expiry' is how many \
                 seconds an answer is waited for; a person decides, and nothing is granted by asking",
    })
}

fn described(Entry { proposal, standing }: &Entry) -> Value {
    let time = |seconds: i64| Timestamp(seconds).to_string();
    let mut told = json!({
        "id": proposal.id,
        "state": "pending",
        "wish": proposal.wish,
        "reason": proposal.reason,
        "asked_by": proposal.asker,
        "made": time(proposal.made),
        "expires": time(proposal.expires),
    });
    match standing {
        Standing::Pending if proposal.is_open(standing, now().0) => {}
        Standing::Pending => told["state"] = json!("expired"),
        Standing::Approved(terms) => {
            told["state"] = json!("approved");
            told["rule"] = json!(policies::proposal::rule_name(&proposal.id));
            match terms {
                Terms::Once => told["for"] = json!("one request"),
                Terms::Until(until) => told["until"] = json!(time(*until)),
                Terms::Sandbox => told["for"] = json!("the life of the sandbox"),
            }
        }
        Standing::Rejected(why) => {
            told["state"] = json!("rejected");
            told["why"] = json!(why);
        }
        Standing::Over(why) => {
            told["state"] = json!("over");
            told["why"] = json!(why);
        }
    }
    told
}
