//! What a rule says beside its levels: conditions, spans of time, limits, and trial.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::bench::{Bench, Setting};
use crate::forwarding::NAME;
use crate::upstream::{Upstream, ok};

/// A proxy before a plain server, with a rule that allows `GET` and `POST` and says `extra` as well.
fn site(extra: &str) -> (Bench, Upstream) {
    let upstream = Upstream::start(None, Arc::new(|_| ok(&"x".repeat(600))));
    let policy = format!(
        "version: 1\nnetwork:\n  - name: api\n    binary: {{allow: [curl]}}\n    \
         destination: {{allow: ['{NAME}:{}']}}\n    method: {{allow: [GET, POST]}}\n    \
         path: {{allow: ['/v1/**'], deny: ['/v1/admin/*']}}\n    {extra}\n",
        upstream.port
    );
    (Setting::new(policy).host(NAME).start(), upstream)
}

fn request(upstream: &Upstream, line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {NAME}:{}\r\n{fields}\r\n", upstream.port)
}

/// The status of one request, and the level that stopped it.
fn ask(site: &(Bench, Upstream), line: &str, fields: &str) -> (u16, Option<String>) {
    let (bench, upstream) = site;
    let answer = bench.http(NAME, upstream.port, request(upstream, line, fields));
    let status = answer.status();
    let level = (status != 200).then(|| answer.json()["level"].as_str().unwrap_or("?").to_owned());
    (status, level)
}

fn refused(status: u16, level: &str) -> (u16, Option<String>) {
    (status, Some(level.to_owned()))
}

#[test]
fn the_query_is_judged_however_it_is_written() {
    let site = site("query: {allow: [q, 'n=1*'], deny: [token], max_length: 20}");
    assert_eq!(ask(&site, "GET /v1/a?q=b&n=10", ""), (200, None));
    assert_eq!(ask(&site, "GET /v1/a", ""), (200, None));
    for line in [
        "GET /v1/a?x=1",
        "GET /v1/a?n=2",
        "GET /v1/a?q=1;x=2",
        "GET /v1/a?q=123456789012345678901",
        "GET /v1/a?token=1",
        "GET /v1/a?%74oken=1",
        "GET /v1/a?q=1&TOKEN=1",
    ] {
        assert_eq!(ask(&site, line, ""), refused(403, "condition"), "{line}");
    }
    let (bench, upstream) = &site;
    assert!(!upstream.received().to_lowercase().contains("oken"), "{}", upstream.received());
    let denied = bench.audit.wait_for(|event| event["decision"] == "deny");
    assert_eq!((&denied["level"], &denied["rule"]), (&"condition".into(), &"api".into()));
}

#[test]
fn fields_are_judged_as_they_are_forwarded() {
    let site = site("headers: {require: ['x-team: blue'], deny: ['x-debug*']}");
    assert_eq!(ask(&site, "GET /v1/a", "X-Team: blue\r\n"), (200, None));
    for fields in [
        "",
        "X-Team: red\r\n",
        "X-Team: blue\r\nX-Team: red\r\n",
        "X-Team: blue\r\nX-DEBUG-all: 1\r\n",
        // What the connection takes for itself does not arrive, so it is not there.
        "X-Team: blue\r\nConnection: x-team\r\n",
    ] {
        assert_eq!(ask(&site, "GET /v1/a", fields), refused(403, "condition"), "{fields:?}");
    }
}

#[test]
fn a_rule_that_is_over_or_not_yet_begun_allows_nothing() {
    for span in ["until: 2001-01-01T00:00:00Z", "from: 2999-01-01T00:00:00Z"] {
        let (bench, _upstream) = site(span);
        assert_eq!(bench.ask(NAME, RecordType::A).metadata.response_code, ResponseCode::NXDomain, "{span}");
        assert_eq!(bench.audit.wait_for(|event| event["decision"] == "deny")["level"], "destination");
    }
    let now = site("from: 2001-01-01T00:00:00Z");
    assert_eq!(ask(&now, "GET /v1/a", ""), (200, None));
}

#[test]
fn a_rule_on_trial_lets_pass_and_says_what_it_would_stop() {
    let site = site("enforcement: audit");
    assert_eq!(ask(&site, "DELETE /v1/admin/x", ""), (200, None));
    let (bench, upstream) = &site;
    let event = bench.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!((&event["decision"], &event["level"]), (&"allow".into(), &"path".into()));
    assert!(event["reason"].as_str().unwrap().starts_with("on trial, would be denied: "), "{event}");
    assert!(upstream.received().starts_with("DELETE /v1/admin/x"));
}

#[test]
fn requests_over_the_limit_stay_here() {
    let site = site("limits: {requests_per_minute: 2}");
    assert_eq!(ask(&site, "GET /v1/a", ""), (200, None));
    assert_eq!(ask(&site, "GET /v1/a", ""), (200, None));
    assert_eq!(ask(&site, "GET /v1/a", ""), refused(429, "limit"));
    assert_eq!(site.1.received().matches("GET /v1/a").count(), 2);
    let denied = site.0.audit.wait_for(|event| event["decision"] == "deny");
    assert_eq!((&denied["level"], &denied["rule"]), (&"limit".into(), &"api".into()));
}

#[test]
fn a_download_ends_where_the_days_bytes_end() {
    let site = site("limits: {bytes_per_day: 1KiB}");
    assert_eq!(ask(&site, "GET /v1/a", ""), (200, None));
    let (bench, upstream) = &site;
    let cut = bench.http(NAME, upstream.port, request(upstream, "GET /v1/a", ""));
    assert!(cut.body().len() < 600, "{} bytes came", cut.body().len());
    let outcome = bench.audit.wait_for(|event| {
        event["action"] == "network-outcome"
            && event["reason"].as_str().is_some_and(|why| why.contains("bytes in a day"))
    });
    assert_eq!(outcome["status"], 200);
    assert_eq!(ask(&site, "GET /v1/a", ""), refused(429, "limit"));
}

#[test]
fn an_upload_ends_where_the_days_bytes_end() {
    let site = site("limits: {bytes_per_day: 1KiB}");
    let body = "y".repeat(2000);
    let (bench, upstream) = &site;
    let bytes = request(upstream, "POST /v1/a", "Content-Length: 2000\r\n") + &body;
    let answer = bench.http(NAME, upstream.port, bytes);
    assert_eq!((answer.status(), answer.json()["level"].as_str()), (429, Some("limit")), "{}", answer.text);
    assert!(upstream.received().matches('y').count() <= 1024, "{}", upstream.received());
}
