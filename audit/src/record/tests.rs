use std::collections::BTreeMap;

use wire::subject::{Digest, Program};

use super::*;
use crate::log::Reader;

const GOLDEN: &str = include_str!("../../tests/golden/record-v2.jsonl");
const GOLDEN_1: &str = include_str!("../../tests/golden/record-v1.jsonl");

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
            Object {
                sha256: Some("cd".repeat(32)),
                times: Some(2),
                ..Object::destination("inference.local", 443)
            }
            .with_request("POST", "/v1/chat/completions", Some("a=1&token=secret;b=&flag"))
            .with_bytes(120, 4096)
            .with_digests(Some(Digest([0x12; 32])), Some(Digest([0x34; 32]))),
        ),
        source: Some("192.0.2.7:49152".parse().unwrap()),
        credentials: vec!["SLACK_TOKEN".to_owned()],
        policy: Some(PolicyVersion(1)),
        decision: Some(Decision::Allow),
        level: Some("path".to_owned()),
        rule: Some("inference".to_owned()),
        rule_denies: true,
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
            server: Some("models.example.com".to_owned()),
            region: Some("eu-central-1".to_owned()),
            left: BTreeMap::from([("email".to_owned(), 1)]),
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

fn made() -> Event {
    Event {
        decision: Some(Decision::Allow),
        policy: Some(PolicyVersion(1)),
        configuration: Some(Configuration {
            sha256: "ef".repeat(32),
            source: Some("agent.yaml".to_owned()),
            uid: Some(1000),
            image: Some("base".to_owned()),
            confinement_sha256: Some("01".repeat(32)),
            network_sha256: Some("02".repeat(32)),
            openshell: Some("0.1.0".to_owned()),
        }),
        ..Event::new(Action::Configuration)
    }
}

fn noticed() -> Event {
    Event {
        reason: Some("20 denials in 60 s".to_owned()),
        detection: Some(Detection {
            name: "repeated-denials".to_owned(),
            severity: Severity::Medium,
            response: Response::Quarantine,
            evidence: vec![1, 3],
            references: vec!["T1071.004".to_owned(), "ASI02".to_owned()],
        }),
        ..Event::new(Action::Detection)
    }
}

fn wish() -> wire::proposal::Wish {
    wire::proposal::Wish {
        binary: "/usr/bin/curl".to_owned(),
        host: "api.example.com".to_owned(),
        port: 443,
        method: "POST".to_owned(),
        path: "/v1/notes".to_owned(),
        query: vec!["draft".to_owned()],
    }
}

fn proposed() -> Event {
    let unknown = wire::subject::Subject::Unknown("socket closed".to_owned());
    let expires = Some("2026-11-29T06:20:47Z".to_owned());
    Event {
        subject: Some(Subject::from(&unknown)),
        object: Some(Object::wished(&wish())),
        reason: Some("to save the notes".to_owned()),
        policy: Some(PolicyVersion(1)),
        request: Some(RequestId("r-2".to_owned())),
        proposal: Some(Proposal { expires, ..Proposal::of(&wish()) }),
        ..Event::new(Action::Proposal)
    }
}

fn approved() -> Event {
    let proposal = Proposal {
        sha256: Some("ab".repeat(32)),
        terms: Some(Terms::Until),
        until: Some("2026-11-29T06:20:47Z".to_owned()),
        ..Proposal::of(&wish())
    };
    let source = "approval of r-2".to_owned();
    let change_of_it = change().policy_change.map(|change| PolicyChange { source, ..change });
    Event {
        object: Some(Object::wished(&wish())),
        request: Some(RequestId("r-2".to_owned())),
        proposal: Some(proposal),
        policy_change: change_of_it,
        action: Action::Approval,
        ..change()
    }
}

fn fetched() -> Event {
    let object = Object::destination("files.example.com", 443).with_request("GET", "/a.whl", None);
    let object = object.with_bytes(0, 0).with_download("zip", 70_000, Some(Digest([0x56; 32])));
    Event {
        object: Some(object),
        decision: Some(Decision::Deny),
        level: Some("download".to_owned()),
        rule: Some("wheels".to_owned()),
        rule_denies: true,
        request: Some(RequestId("r-3".to_owned())),
        ..Event::new(Action::NetworkOutcome)
    }
}

/// The golden file holds a full record, a small one, one of an unknown subject, a change of policy, a configuration, a
/// detection, a proposal, its approval and a download, chained.
#[test]
fn the_golden_file_reads_as_it_was_written() {
    let records: Vec<Record> = Reader::new(GOLDEN.as_bytes()).map(Result::unwrap).collect();
    let unknown = wire::subject::Subject::Unknown("socket closed".to_owned());
    let expected = [
        full(),
        Event::new(Action::Lifecycle),
        Event { subject: Some(Subject::from(&unknown)), ..Event::new(Action::NameQuery) },
        change(),
        made(),
        noticed(),
        proposed(),
        approved(),
        fetched(),
    ];
    assert_eq!(records.len(), expected.len());
    for (record, event) in records.iter().zip(expected) {
        assert_eq!(record.event, event);
        assert_eq!((record.version, record.client.as_str()), (VERSION, "proxy"));
        assert_eq!((record.tenant.as_str(), record.agent.as_str()), ("local", "test"));
    }
    for (line, record) in GOLDEN.lines().zip(&records) {
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }
}

#[test]
fn a_log_of_the_first_version_is_read() {
    let records: Vec<Record> = Reader::new(GOLDEN_1.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(records.len(), 4);
    for (line, record) in GOLDEN_1.lines().zip(&records) {
        let event = serde_json::to_string(&record.event).unwrap();
        assert!(line.contains(&event[1..event.len() - 1]), "{line}\n{event}");
        assert_eq!((record.version, record.tenant.as_str(), record.agent.as_str()), (1, "local", ""));
    }
}

#[test]
fn the_schema_describes_every_record_and_nothing_else() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("urn:record", serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let schema = compiler.compile("urn:record", &mut schemas).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for line in GOLDEN.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        schemas.validate(&record, schema).unwrap_or_else(|error| panic!("{line}\n{error:#}"));
        seen.extend(record.as_object().unwrap().keys().cloned());
        let mut more = record.clone();
        more["surprise"] = 1.into();
        assert!(schemas.validate(&more, schema).is_err(), "{line}");
        let compounds =
            ["object", "inference", "lifecycle", "policy_change", "configuration", "detection", "proposal"];
        for compound in compounds {
            let mut more = record.clone();
            if let Some(fields) = more.get_mut(compound).and_then(|fields| fields.as_object_mut()) {
                fields.insert("surprise".to_owned(), 1.into());
                assert!(schemas.validate(&more, schema).is_err(), "{compound} of {line}");
            }
        }
    }
    // Every field that the schema knows stands in the golden file, so that none of them is a guess.
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let known: std::collections::BTreeSet<_> =
        schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(seen, known);
    let actions: Vec<String> = Action::ALL.iter().map(|action| action.as_str().to_owned()).collect();
    assert_eq!(schema["properties"]["action"]["enum"], serde_json::json!(actions));
}

#[test]
fn actions_are_called_as_they_are_written() {
    for action in Action::ALL {
        assert_eq!(serde_json::to_string(&action).unwrap(), format!("\"{}\"", action.as_str()));
    }
}

/// The object as a record has it.
fn written(object: Object) -> Object {
    let mut event = Event { object: Some(object), ..Event::new(Action::NetworkRequest) };
    event.redact(&classify::redact::Redactor::new());
    event.object.unwrap()
}

#[test]
fn query_values_and_long_texts_are_not_kept() {
    let object = Object::default().with_request("GET", &"/é".repeat(5000), Some("password=hunter2&x&=y"));
    let object = written(object);
    assert_eq!(object.query_keys, ["password", "", ""]);
    let path = object.path.unwrap();
    assert!(path.len() <= 4096 && path.ends_with('…'), "{}", path.len());
    let many = Object::default().with_request("GET", "/", Some(&"k=v&".repeat(1000)));
    assert_eq!(written(many).query_keys.len(), 32);
    let long = Object::default().with_request("GET", "/", Some(&format!("{}=v", "k".repeat(1000))));
    assert_eq!(written(long).query_keys[0].len(), 128);
}

/// A cut must not go through a secret before it is known for one, wherever in the text it stands.
#[test]
fn half_a_secret_does_not_survive_a_cut() {
    const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let found = written(Object::default().with_request("GET", &format!("/{SECRET}"), None)).path.unwrap();
    assert!(!found.contains("16C7e42F"), "it is known for one: {found}");
    for before in 4096 - SECRET.len()..4096 {
        let path = format!("{}/{SECRET}/end", "a".repeat(before));
        let path = written(Object::default().with_request("GET", &path, None)).path.unwrap();
        assert!(!path.contains("16C7e42F") && path.len() <= 4096, "{before}: {}", &path[before - 5..]);
    }
    // Nor where so much is taken out of what comes first that a cut on the way to the writer shows.
    let key = format!("/{SECRET}");
    let filler = key.repeat(8192 / key.len());
    for before in 0..key.len() {
        let path = format!("{}{filler}{key}", "a".repeat(before));
        let path = written(Object::default().with_request("GET", &path, None)).path.unwrap();
        assert!(!path.contains("16C7"), "{before}: {path}");
    }
}

/// A webhook's secret stands in the path, and only the host tells what it is.
#[test]
fn a_path_is_redacted_as_one_behind_its_host() {
    let (host, path) = ("hooks.slack.com", "/services/T024BE7LD/B0123ABCD/a1B2c3D4e5F6g7H8i9J0k1L2");
    let expected = |object: &Object| {
        assert_eq!(object.path.as_deref(), Some("<credential/slack-webhook>"));
        assert_eq!((object.host.as_deref(), object.port), (Some(host), Some(443)));
    };
    expected(&written(Object::destination(host, 443).with_request("POST", path, None)));
    let wish = wire::proposal::Wish {
        host: host.to_owned(),
        path: path.to_owned(),
        port: 443,
        method: "POST".to_owned(),
        binary: String::new(),
        query: Vec::new(),
    };
    expected(&written(Object::wished(&wish)));
    let other = written(Object::destination("files.example", 443).with_request("POST", path, None));
    assert_eq!(other.path.as_deref(), Some(path), "another host's path is evidence");
    // A path without a host, and a host that is redacted itself.
    assert_eq!(written(Object::program(path, 1)).path.as_deref(), Some(path));
    let object =
        written(Object::destination("jane@example.com", 1).with_request("GET", "/+4917012345678", None));
    assert_eq!(object.host.as_deref(), Some("<personal/email-address>"));
    assert_eq!(object.path.as_deref(), Some("/<personal/phone-number>"));
}

#[test]
fn who_asks_fits_in_a_field_whatever_programs_are_called() {
    let program = Program {
        path: "\u{1}".repeat(4096),
        sha256: Some(Digest([1; 32])),
        script: Some("\u{1}".repeat(4096)),
        pid: 1,
        uid: 1,
        parents: vec!["\u{1}".repeat(4096); 32],
    };
    let length = |subject: &Subject| serde_json::to_vec(subject).unwrap().len();
    let short = |program: &Program| Program { script: None, path: "/bin/a".to_owned(), ..program.clone() };
    let owners = |programs| Subject::from(&wire::subject::Subject::Owners(programs));
    for (programs, kept) in [
        (vec![program.clone(); 15], 1),
        (vec![short(&program); 15], 15),
        (vec![Program { parents: Vec::new(), ..short(&program) }], 1),
    ] {
        let subject = owners(programs).within(16 * 1024);
        assert!(length(&subject) <= 16 * 1024);
        let Subject::Owners(owners) = subject else { panic!("they are programs") };
        assert_eq!(owners.len(), kept);
    }
    let unknown = Subject::Unknown("\u{1}".repeat(100_000)).within(16 * 1024);
    assert!(length(&unknown) <= 16 * 1024);
}
