use std::collections::BTreeMap;

use wire::subject::{Digest, Program};

use super::*;
use crate::log::Reader;

const GOLDEN: &str = include_str!("../../tests/golden/record-v1.jsonl");

fn full() -> Event {
    let program = Program {
        path: "/usr/bin/python3.11".to_owned(),
        sha256: Some(Digest([0xab; 32])),
        script: Some("/work/agent.py".to_owned()),
        pid: 42,
        uid: 1000,
        parents: vec!["/usr/bin/bash".to_owned()],
    };
    Event {
        subject: Some(Subject::from(&wire::subject::Subject::Owners(vec![program]))),
        object: Some(
            Object::destination("inference.local", 443)
                .with_request("POST", "/v1/chat/completions", Some("a=1&token=secret;b=&flag"))
                .with_bytes(120, 4096),
        ),
        decision: Some(Decision::Allow),
        level: Some("path".to_owned()),
        rule: Some("inference".to_owned()),
        reason: Some("a \"quoted\" reason\nwith a line end".to_owned()),
        request: Some(RequestId("r-1".to_owned())),
        flow: Some(FlowId(7)),
        latency_us: Some(1234),
        status: Some(200),
        inference: Some(Inference {
            categories: BTreeMap::from([("email".to_owned(), 2), ("pan".to_owned(), 1)]),
            route: Some("local".to_owned()),
            model_asked: Some("gpt".to_owned()),
            model_served: Some("nemotron".to_owned()),
            tokens_in: Some(120),
            tokens_out: Some(45),
        }),
        lifecycle: Some(Lifecycle {
            phase: Phase::AgentExited,
            code: Some(3),
            detail: Some("detail".to_owned()),
        }),
        ..Event::new(Action::Inference)
    }
}

fn change() -> Event {
    let edition =
        |number, sha256: &str| Edition { version: PolicyVersion(number), sha256: sha256.to_owned() };
    Event {
        decision: Some(Decision::Allow),
        policy: Some(PolicyVersion(1)),
        policy_change: Some(PolicyChange {
            new: Some(edition(2, "cd")),
            old: edition(1, "ab"),
            source: "team.yaml".to_owned(),
            uid: 1000,
        }),
        ..Event::new(Action::PolicyChange)
    }
}

/// The golden file holds a full record, a small one, one of an unknown subject and a change of policy, chained.
#[test]
fn the_golden_file_reads_as_it_was_written() {
    let records: Vec<Record> = Reader::new(GOLDEN.as_bytes()).map(Result::unwrap).collect();
    let unknown = wire::subject::Subject::Unknown("socket closed".to_owned());
    let expected = [
        full(),
        Event::new(Action::Lifecycle),
        Event { subject: Some(Subject::from(&unknown)), ..Event::new(Action::NameQuery) },
        change(),
    ];
    assert_eq!(records.len(), expected.len());
    for (record, event) in records.iter().zip(expected) {
        assert_eq!(record.event, event);
        assert_eq!((record.version, record.client.as_str()), (VERSION, "proxy"));
    }
    for (line, record) in GOLDEN.lines().zip(&records) {
        let event = serde_json::to_string(&record.event).unwrap();
        assert!(line.contains(&event[1..event.len() - 1]), "{line}\n{event}");
    }
}

#[test]
fn actions_are_called_as_they_are_written() {
    let actions = [
        Action::NetworkFlow,
        Action::NetworkRequest,
        Action::NetworkOutcome,
        Action::NameQuery,
        Action::Inference,
        Action::InferenceOutcome,
        Action::Execution,
        Action::Lifecycle,
        Action::PolicyChange,
        Action::CredentialChange,
        Action::InboundConnection,
        Action::InboundRequest,
        Action::InboundOutcome,
        Action::LogRepair,
    ];
    for action in actions {
        assert_eq!(serde_json::to_string(&action).unwrap(), format!("\"{}\"", action.as_str()));
    }
}

#[test]
fn query_values_and_long_texts_are_not_kept() {
    let object = Object::default().with_request("GET", &"/é".repeat(5000), Some("password=hunter2&x&=y"));
    assert_eq!(object.query_keys, ["password", "", ""]);
    let path = object.path.unwrap();
    assert!(path.len() <= 4096 && path.ends_with('…'), "{}", path.len());
    let many = Object::default().with_request("GET", "/", Some(&"k=v&".repeat(1000)));
    assert_eq!(many.query_keys.len(), 32);
    let long = Object::default().with_request("GET", "/", Some(&format!("{}=v", "k".repeat(1000))));
    assert_eq!(long.query_keys[0].len(), 128);
}
