//! What is allowed arrives, and only that.

use crate::bench::{Answer, Bench, Setting, curl, program};
use crate::upstream::{Root, Upstream};

pub const NAME: &str = "api.test";

/// A policy that lets curl read below `/v1/` and post to `/v1/items`.
pub fn policy(port: u16) -> String {
    format!(
        "version: 1
network:
  - name: api
    binary: {{allow: [curl]}}
    destination: {{allow: ['{NAME}:{port}']}}
    method: {{allow: [GET, HEAD, POST, OPTIONS, PUT]}}
    path: {{allow: ['/v1/**'], deny: ['/v1/admin/*']}}
"
    )
}

/// A proxy before a TLS server that the policy allows.
pub fn site() -> (Bench, Upstream) {
    let root = Root::new();
    let upstream = Upstream::tls(&root, &[NAME]);
    let bench = Setting::new(policy(upstream.port)).host(NAME).trusting(&root.pem()).start();
    (bench, upstream)
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n")
}

fn host(port: u16) -> String {
    format!("{NAME}:{port}")
}

#[test]
fn an_allowed_request_arrives_and_is_recorded_before_and_after() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let answer =
        bench.https(NAME, upstream.port, format!("GET /v1/a?b=c HTTP/1.1\r\nHost: {host}\r\nX-A: 1\r\n\r\n"));
    assert_eq!((answer.status(), answer.body()), (200, "hello"), "{}", answer.text);
    assert_eq!(answer.field("x-from"), Some("upstream"));
    assert_eq!(upstream.received(), format!("GET /v1/a?b=c HTTP/1.1\r\nx-a: 1\r\nhost: {host}\r\n\r\n"));
    let allowed = bench.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!((&allowed["decision"], &allowed["rule"]), (&"allow".into(), &"api".into()));
    assert_eq!(allowed["object"]["path"], "/v1/a");
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["status"], &outcome["request"]), (&200.into(), &allowed["request"]));
}

#[test]
fn a_denial_is_told_and_recorded_and_nothing_arrives() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let answer = bench.https(NAME, upstream.port, format!("DELETE /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(answer.status(), 403, "{}", answer.text);
    let body = answer.json();
    assert_eq!(
        (&body["level"], &body["rule"], &body["binary"]),
        (&"method".into(), &"api".into(), &"/usr/bin/curl".into())
    );
    let denied = bench.audit.denied_at("method");
    assert_eq!(denied["request"], body["request_id"]);
    assert_eq!(answer.field("x-openshell-request-id"), body["request_id"].as_str());
    upstream.saw_nothing();
}

#[test]
fn another_program_is_denied() {
    let (bench, upstream) = site();
    let stream = bench.flow((bench.resolve(NAME), upstream.port).into(), program("/usr/bin/wget"));
    let mut stream = bench.tls(stream, NAME);
    let answer = Answer::of(
        &mut stream,
        format!("GET /v1/a HTTP/1.1\r\nHost: {}\r\n\r\n", host(upstream.port)).as_bytes(),
    );
    assert_eq!(answer.status(), 403, "{}", answer.text);
    assert_eq!(answer.json()["level"], "binary");
    bench.audit.denied_at("binary");
    upstream.saw_nothing();
    let _who = curl();
}
