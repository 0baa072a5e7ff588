//! What a server of the Model Context Protocol may say.

use std::io::{Read, Write};

use wire::proxy::ProxyEvent;

use super::{SERVER, call, policy, post, request, site_answering};
use crate::bench::{Bench, Setting};
use crate::forwarding::NAME;
use crate::upstream::{Upstream, last, raw};

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const PROGRESS: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n";
const SAMPLING: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[]}}\n\n";

/// A server whose event stream comes in chunks of one size.
fn streaming(level: &str, events: &str, size: usize) -> (Bench, Upstream) {
    let chunks: String = events
        .as_bytes()
        .chunks(size)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let bytes = format!("{EVENTS}{chunks}0\r\n\r\n");
    let upstream = Upstream::start(None, std::sync::Arc::new(move |_| last(&bytes)));
    (Setting::new(policy(upstream.port, level)).host(NAME).start(), upstream)
}

#[test]
fn a_server_asks_the_agent_for_nothing_that_no_rule_lets_it_ask() {
    let events = format!("{PROGRESS}{SAMPLING}");
    // Without the level it arrives, and so it does where a rule allows it.
    for level in ["", "mcp: {server: s, tools: {allow: [get_issue]}, server_requests: {allow: [sampling/*]}}"]
    {
        let answer = post(&streaming(level, &events, 1000), call("get_issue"));
        assert!(answer.text.contains("sampling"), "{level}: {}", answer.text);
    }
    for size in [1, 7, 1000] {
        let site = streaming(SERVER, &events, size);
        let answer = post(&site, call("get_issue"));
        assert!(!answer.text.contains("sampling") && !answer.text.ends_with("0\r\n\r\n"), "{}", answer.text);
        assert!(answer.text.contains("notifications/progress"), "{}", answer.text);
        let cut = site.0.audit.wait_for(|event| event["action"] == "network-outcome");
        assert_eq!(
            (&cut["decision"], &cut["level"], &cut["rule"]),
            (&"deny".into(), &"message".into(), &"api".into())
        );
        let why = "the server asked for 'sampling/createMessage', which 'api' does not allow in 'mcp.server_requests'";
        assert!(cut["reason"].as_str().unwrap().contains(why), "{cut}");
    }
}

#[test]
fn a_request_in_the_place_of_an_answer_never_arrives() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 48\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"roots/list\"}";
    assert!(post(&site_answering("", answer), call("get_issue")).text.contains("roots/list"));
    let site = site_answering(SERVER, answer);
    let refused = post(&site, call("get_issue"));
    assert_eq!((refused.status(), refused.json()["level"].as_str()), (502, Some("message")));
    let outcome = site.0.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["decision"], &outcome["rule"]), (&"deny".into(), &"api".into()));
}

#[test]
fn a_list_of_tools_names_those_that_may_be_called() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 91\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"delete_repo\"},{\"name\":\"get_issue\"}]}}\n\n\n\n";
    let site = site_answering(SERVER, answer);
    let listed = post(&site, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(listed.body(), r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_issue"}]}}"#);
    let events =
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"delete_repo\"}]}}\n\n";
    let listed = post(&streaming(SERVER, events, 3), r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(listed.text.contains(r#""tools":[]"#) && !listed.text.contains("delete"), "{}", listed.text);
}

#[test]
fn an_answer_that_cannot_be_read_is_refused_and_none_is_asked_for() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-7\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json; charset=utf-7\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"a\":1,\"a\":2}",
    ] {
        let site = site_answering(SERVER, answer);
        let fields = "Content-Type: application/json\r\nAccept-Encoding: gzip\r\n";
        let bytes = request(&site.1, fields, call("get_issue").as_bytes());
        let refused = site.0.http(NAME, site.1.port, bytes);
        assert_eq!((refused.status(), refused.json()["level"].as_str()), (502, Some("message")), "{answer}");
        assert!(site.1.received().contains("accept-encoding: identity\r\n"), "{}", site.1.received());
    }
    for answer in [
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno",
    ] {
        let status = answer[9..12].parse::<u16>().unwrap();
        assert_eq!(post(&site_answering(SERVER, answer), call("get_issue")).status(), status, "{answer}");
    }
}

#[test]
fn a_stream_ends_when_its_call_is_not_allowed_any_more() {
    let cut = cut_by(SERVER, &SERVER.replace("get_issue", "list_issues"));
    assert_eq!((&cut["level"], &cut["rule"]), (&"message".into(), &"api".into()));
}

#[test]
fn a_stream_ends_when_other_things_are_asked_of_what_comes_back() {
    let tools = "mcp: {server: s, tools: {allow: [get_issue]}";
    let open = format!("{tools}, server_requests: {{allow: [roots/list]}}}}");
    for (before, after) in [(&*open, format!("{tools}}}")), ("", format!("{tools}}}"))] {
        let cut = cut_by(before, &after);
        assert_eq!((&cut["level"], &cut["rule"]), (&"message".into(), &"api".into()), "{before}");
    }
}

/// The record of a call's end, whose rule is replaced while the server's stream is open.
fn cut_by(before: &str, after: &str) -> serde_json::Value {
    let bytes = format!("{EVENTS}{:x}\r\n{PROGRESS}\r\n", PROGRESS.len());
    let upstream = Upstream::start(None, std::sync::Arc::new(move |_| raw(&bytes)));
    let bench = Setting::new(policy(upstream.port, before)).host(NAME).start();
    let mut stream = bench.connect(NAME, upstream.port);
    let json = "Content-Type: application/json\r\n";
    stream.write_all(&request(&upstream, json, call("get_issue").as_bytes())).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("notifications/progress") {
        let mut piece = [0; 512];
        let count = stream.read(&mut piece).unwrap();
        seen.extend_from_slice(&piece[..count]);
    }
    let event = bench.set_policy(&policy(upstream.port, after));
    assert!(matches!(event, ProxyEvent::PolicyApplied { closed: 1, .. }), "{event:?}");
    let mut rest = Vec::new();
    let _until_cut = stream.read_to_end(&mut rest);
    bench.audit.wait_for(|event| event["action"] == "network-outcome")
}
