//! Any bytes as a message: what a policy allows is read by another reader of JSON, which takes the last of equal keys, as a
//! call that the policy's lists name; and what goes on from a server asks for nothing.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use policies::{Answered, Decision, Destination, Document, Message, Permit, Policy, Request, Timestamp};
use serde_json::Value;
use wire::subject::{Program, Subject};

const RULES: &str = "
- name: server
  binary: {allow: [curl]}
  destination: {allow: [a.example.com]}
  method: {allow: [POST, GET]}
  path: {allow: [/mcp]}
  mcp:
    server: s
    methods: {allow: [ping, tools/call, tools/list]}
    tools: {allow: ['get*'], deny: [get_secret]}
    arguments: [{tool: get, pointer: /a/0, allow: ['x*'], deny: [xy]}]
- name: graph
  binary: {allow: [curl]}
  destination: {allow: [a.example.com]}
  method: {allow: [POST, GET]}
  path: {allow: [/graphql]}
  graphql: {fields: {allow: ['query.*'], deny: [query.secrets]}}
";

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let document = Document::parse(RULES, "fuzzed").expect("the rules are a policy");
    Policy::compile(&document).expect("the rules compile")
});

fuzz_target!(|bytes: &[u8]| {
    if let Some(permit) = decide("POST", "/mcp", "", bytes) {
        let value: Value = serde_json::from_slice(bytes).expect("what was allowed is JSON");
        each(&value, &allowed);
        assert!(permit.asked().is_some());
    }
    let _any = decide("POST", "/graphql", "", bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let query = serde_json::json!({ "query": text }).to_string();
        if let Some(permit) = decide("POST", "/graphql", "", query.as_bytes()) {
            assert!(permit.asked().is_some_and(|asked| asked.starts_with("graphql: query")), "{text}");
        }
        let _any = decide("GET", "/graphql", text, b"");
    }
    let permit = decide("POST", "/mcp", "", br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let permit = permit.expect("a ping is allowed");
    match permit.answers().expect("the server is registered").judge(bytes) {
        Ok(Answered::AsItIs) => each(&serde_json::from_slice(bytes).expect("it was read"), &harmless),
        Ok(Answered::Instead(text)) => {
            each(&serde_json::from_str(&text).expect("it was written"), &harmless);
        }
        Err(_why) => {}
    }
});

fn decide(method: &str, path: &str, query: &str, body: &[u8]) -> Option<Permit> {
    let program = Program {
        path: "/usr/bin/curl".to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1000,
        parents: Vec::new(),
    };
    let decision = POLICY.decide(&Request {
        subject: &Subject::Owners(vec![program]),
        destination: Destination { host: "a.example.com", port: 443 },
        method,
        path,
        query,
        headers: &[("content-type", "application/json")].as_slice(),
        message: Some(&Message::new(body.to_vec().into())),
        now: Timestamp(0),
    });
    match decision {
        Decision::Allow(permit) => Some(permit),
        Decision::Deny(denial) => {
            assert!(!denial.reason().is_empty() && !denial.hint().is_empty());
            None
        }
    }
}

fn each(value: &Value, check: &dyn Fn(&Value)) {
    match value {
        Value::Array(members) => members.iter().for_each(check),
        single => check(single),
    }
}

/// What a client may send.
fn allowed(call: &Value) {
    match call["method"].as_str() {
        Some("tools/call") => {
            let tool = call["params"]["name"].as_str().expect("a tool has a name");
            assert!(tool.starts_with("get") && !tool.eq_ignore_ascii_case("get_secret"), "{call}");
            let argument = &call["params"]["arguments"]["a"][0];
            assert!(tool != "get" || argument.as_str().is_some_and(|text| text != "xy"), "{call}");
        }
        Some(other) => assert!(["ping", "tools/list"].contains(&other), "{call}"),
        None => assert!(call.get("error").is_some() || call["result"] == serde_json::json!({}), "{call}"),
    }
}

/// What a server may send.
fn harmless(message: &Value) {
    if let Some(method) = message["method"].as_str() {
        assert!(method == "ping" || method.starts_with("notifications/"), "{message}");
    }
    for tool in message["result"]["tools"].as_array().into_iter().flatten() {
        let name = tool["name"].as_str().expect("a tool that is listed has a name");
        assert!(name.starts_with("get") && !name.eq_ignore_ascii_case("get_secret"), "{message}");
    }
}
