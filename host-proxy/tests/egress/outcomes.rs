//! What came of what was let through is on the record, whatever ends it; and without that record nothing goes on.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, mpsc};

use hickory_proto::rr::RecordType;
use serde_json::Value;
use wire::frame;
use wire::inbound::Answer as Said;
use wire::proxy::ProxyEvent;

use crate::bench::{Answer, Audit, Setting};
use crate::forwarding::{NAME, policy};
use crate::inbound::{Door, NOTHING, Site, echo, get, sink};
use crate::upstream::{Upstream, raw};

/// The one event of this action, which must be there already.
fn only(audit: &Audit, action: &str) -> Value {
    let all: Vec<Value> = audit.events().into_iter().filter(|event| event["action"] == action).collect();
    assert_eq!(all.len(), 1, "{action} in {:#?}", audit.events());
    all[0].clone()
}

#[test]
fn requests_that_the_end_cuts_have_an_outcome() {
    let silent = Upstream::start(
        None,
        Arc::new(|_| {
            loop {
                std::thread::park()
            }
        }),
    );
    let mut bench = Setting::new(policy(silent.port)).host(NAME).start();
    let mut stream = bench.connect(NAME, silent.port);
    write!(stream, "GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", silent.port).unwrap();
    let request = bench.audit.wait_for(|event| event["action"] == "network-request");
    bench.end();
    let outcome = only(&bench.audit, "network-outcome");
    assert_eq!((&outcome["request"], &outcome["reason"]), (&request["request"], &"the sandbox ended".into()));
    assert_eq!(outcome["decision"], Value::Null, "nobody forbade it");
}

#[test]
fn an_answer_that_the_end_cuts_has_its_bytes() {
    let half = Upstream::start(None, Arc::new(|_| raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")));
    let mut bench = Setting::new(policy(half.port)).host(NAME).start();
    let mut stream = bench.connect(NAME, half.port);
    write!(stream, "GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", half.port).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"half") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    bench.end();
    let outcome = only(&bench.audit, "network-outcome");
    assert_eq!((&outcome["status"], &outcome["object"]["bytes_received"]), (&200.into(), &4.into()));
    assert_eq!(outcome["reason"], "the sandbox ended");
}

#[test]
fn names_that_are_counted_are_told_at_the_end() {
    let mut bench = Setting::new(policy(443)).host(NAME).start();
    for name in [NAME, "evil.example"] {
        (0..4).for_each(|_| drop(bench.ask(name, RecordType::A)));
    }
    bench.end();
    let mut told: Vec<(String, u64)> = bench.audit.events().iter().map(told).collect();
    told.sort();
    let both = |times| [NAME, "evil.example"].map(|name| (name.to_owned(), times));
    assert_eq!(told.iter().map(|(_, times)| times).sum::<u64>(), 8, "{told:?}");
    assert!(both(1).iter().all(|first| told.contains(first)), "{told:?}");
}

/// A name that was asked for, and how often.
fn told(event: &Value) -> (String, u64) {
    let object = &event["object"];
    (object["host"].as_str().unwrap().to_owned(), object["times"].as_u64().unwrap_or(1))
}

#[test]
fn who_came_from_outside_has_an_outcome_when_the_sandbox_ends() {
    for (door, bytes) in [(Door::TCP, "hello".to_owned()), (Door::HTTP, get("/", ""))] {
        let mut site: Site = door.to(sink);
        let mut stream = site.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        site.bench.audit.wait_for(|event| event["decision"] == "allow");
        site.bench.end();
        let outcome = only(&site.bench.audit, "inbound-outcome");
        assert_eq!(outcome["reason"], "the sandbox ended", "{outcome}");
    }
}

#[test]
fn a_connection_from_outside_ends_with_an_outcome_that_is_not_recorded() {
    let (answer, asked) = mpsc::channel::<()>();
    let asked = Mutex::new(asked);
    let site = Door::HTTP.open(move |mut stream, _head| {
        frame::write(&mut stream, &Said::Connected).unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        asked.lock().unwrap().recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        let _until_it_closes = stream.read_to_end(&mut Vec::new());
    });
    let mut stream = site.connect();
    stream.write_all(get("/", "").as_bytes()).unwrap();
    site.bench.audit.wait_for(|event| event["action"] == "inbound-request");
    site.bench.audit.fail();
    answer.send(()).unwrap();
    assert_eq!(Answer::read(&mut stream).status(), 200);
    // It may be gone before it is asked once more.
    let _maybe_reset = stream.write_all(get("/", "").as_bytes());
    let mut more = Vec::new();
    let _end_or_reset = stream.read_to_end(&mut more);
    assert_eq!(String::from_utf8_lossy(&more), "");
}

#[test]
fn who_comes_from_outside_is_recorded_under_the_policy_of_then() {
    let site = Door::TCP.to(echo);
    for version in 1..=2 {
        let mut stream = site.connect();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut end = String::new();
        stream.read_to_string(&mut end).unwrap();
        for action in ["inbound-connection", "inbound-outcome"] {
            site.bench.audit.wait_for(|event| event["action"] == action && event["policy"] == version);
        }
        assert!(matches!(site.bench.set_policy(NOTHING), ProxyEvent::PolicyApplied { .. }));
    }
}
