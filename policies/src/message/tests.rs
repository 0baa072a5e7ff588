use bytes::Bytes;
use wire::subject::{Program, Subject};

use crate::{
    Answered, Decision, Destination, Document, Headers, Message, Permit, Policy, Request, Timestamp,
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A policy of one server, whose rule says `extra` beside what is usual.
pub(super) fn server(extra: &str) -> Policy {
    policy(&format!("mcp: {{server: github, {extra}}}"), "[POST, GET, DELETE]")
}

pub(super) fn policy(level: &str, methods: &str) -> Policy {
    let text = format!(
        "- name: endpoint\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: {methods}}}\n  path: {{allow: [/mcp]}}\n  {level}\n"
    );
    compiled(&text)
}

pub(super) fn compiled(text: &str) -> Policy {
    let document = Document::parse(text, "p").unwrap();
    // The process that decides gets the same.
    let sent = Document::parse(&document.dynamic_text().unwrap(), "sent").unwrap();
    Policy::compile(&sent).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What the policy says about a request with this body.
pub(super) fn decide(
    policy: &Policy,
    (method, path): (&str, &str),
    headers: &dyn Headers,
    body: Option<&[u8]>,
) -> Decision {
    decide_query(policy, (method, path, ""), headers, body)
}

/// The same of one with a query.
pub(super) fn decide_query(
    policy: &Policy,
    (method, path, query): (&str, &str, &str),
    headers: &dyn Headers,
    body: Option<&[u8]>,
) -> Decision {
    let program = Program {
        path: "/usr/bin/curl".to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1,
        parents: vec![],
    };
    let message = body.map(|body| Message::new(Bytes::copy_from_slice(body)));
    policy.decide(&Request {
        subject: &Subject::Owners(vec![program]),
        destination: Destination { host: "a.example.com", port: 443 },
        method,
        path,
        query,
        headers,
        message: message.as_ref(),
        now: Timestamp(0),
    })
}

/// `allow`, or why not.
fn post(policy: &Policy, body: impl AsRef<[u8]>) -> String {
    said(&decide(policy, ("POST", "/mcp"), &JSON, Some(body.as_ref())))
}

pub(super) fn said(decision: &Decision) -> String {
    match decision {
        Decision::Allow(_) => "allow".to_owned(),
        Decision::Deny(denial) => format!("{}: {}", denial.level(), denial.reason()),
    }
}

fn permit(policy: &Policy, body: &str) -> Permit {
    match decide(policy, ("POST", "/mcp"), &JSON, Some(body.as_bytes())) {
        Decision::Allow(permit) => permit,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

fn call(tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

#[test]
fn a_session_needs_no_list_and_tools_need_one() {
    let policy = server("tools: {allow: [get_*, create_issue], deny: [get_secret]}");
    for method in ["initialize", "ping", "notifications/initialized", "tools/list"] {
        assert_eq!(post(&policy, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)), "allow");
    }
    assert_eq!(post(&policy, call("get_issue", "{}")), "allow");
    assert_eq!(
        post(&policy, call("delete_repo", "{}")),
        "message: tool 'delete_repo' is not allowed by rule 'endpoint'"
    );
    for spelling in ["get_secret", "GET_SECRET", "get-secret", "get.secret"] {
        assert_ne!(post(&policy, call(spelling, "{}")), "allow", "{spelling}");
    }
    assert_eq!(
        post(&policy, r#"{"jsonrpc":"2.0","id":1,"method":"resources/read"}"#),
        "message: method 'resources/read' is not allowed by rule 'endpoint'"
    );
    let asked = permit(&policy, &call("get_issue", r#"{"token":"secret"}"#));
    assert_eq!(asked.asked(), Some("mcp github: tools/call get_issue"));
}

#[test]
fn a_denial_says_what_would_allow_it() {
    let policy = server("tools: {allow: [get_issue]}");
    let denied = decide(&policy, ("POST", "/mcp"), &JSON, Some(call("create_issue", "{}").as_bytes()));
    let Decision::Deny(denial) = denied else { panic!("allowed") };
    assert_eq!(denial.hint(), "the operator can add 'create_issue' to 'mcp.tools.allow' of rule 'endpoint'");
}

#[test]
fn the_body_is_asked_for_only_where_it_decides() {
    let policy = server("tools: {allow: [a]}");
    let unread = |method, path| match decide(&policy, (method, path), &JSON, None) {
        Decision::Deny(denial) => denial.unread(),
        Decision::Allow(_) => None,
    };
    assert_eq!(unread("POST", "/mcp"), Some(crate::Unread::Whole(1 << 20)));
    assert_eq!(unread("POST", "/other"), None);
    assert_eq!(unread("PUT", "/mcp"), None);
}

#[test]
fn messages_with_two_readings_are_refused() {
    let policy = server("methods: {allow: ['*']}, tools: {allow: ['*'], deny: [delete_repo]}");
    let denied = call("delete_repo", "{}");
    let allowed = call("get", "{}");
    assert_eq!(post(&policy, &allowed), "allow");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let utf16: Vec<u8> = denied.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<Vec<u8>> = [
        // The same key twice, as such and for readers without case.
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call","params":{"name":"delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","Name":"delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","name":"delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","argument\u017f":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete_repo"]}"#,
        // Names that look like others, and that end early in some languages.
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"d\u{435}lete_repo\"}}",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo\u0000x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":" delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method\u0000":"x","method":"ping"}"#,
        // Not one message.
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#,
        r#"/* */{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":NaN,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping\ud800"}"#,
        "[]",
        "",
        &deep,
        &format!("\u{feff}{allowed}"),
        &format!("[{allowed},{denied}]"),
        &format!("[{allowed},[{denied}]]"),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([utf16, [b"\xff", allowed.as_bytes()].concat()])
    .collect();
    for body in bodies {
        let said = post(&policy, &body);
        assert!(said.starts_with("message: "), "{}: {said}", body.escape_ascii());
    }
}

#[test]
fn every_member_of_a_batch_is_judged() {
    let policy = server("tools: {allow: [get]}");
    let batch = |tools: &[&str]| {
        let calls: Vec<String> = tools.iter().map(|tool| call(tool, "{}")).collect();
        post(&policy, format!("[{}]", calls.join(",")))
    };
    assert_eq!(batch(&["get", "get"]), "allow");
    for at in 0..20 {
        let mut tools = vec!["get"; 20];
        tools[at] = "put";
        assert_eq!(batch(&tools), "message: tool 'put' is not allowed by rule 'endpoint'", "{at}");
    }
    assert!(batch(&vec!["get"; 101]).contains("more than 100 calls"));
}

#[test]
fn what_is_not_plain_json_is_refused() {
    let policy = server("methods: {allow: ['*']}, tools: {allow: ['*']}");
    let with = |fields: &[(&str, &str)]| {
        said(&decide(&policy, ("POST", "/mcp"), &fields, Some(call("get", "{}").as_bytes())))
    };
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        assert_eq!(with(&[("content-type", kind)]), "allow", "{kind}");
    }
    for fields in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/json"), ("content-type", "text/plain")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        &[("content-type", "application/json"), ("content-encoding", "identity, gzip")],
        &[("content-type", "application/json"), ("mcp-method", "ping")],
        &[("content-type", "application/json"), ("mcp-method", "tools/call"), ("mcp-name", "put")],
    ] {
        assert!(with(fields).starts_with("message: the message cannot be read"), "{fields:?}");
    }
}

#[test]
fn arguments_are_held_to_their_lists() {
    let policy = server(
        "tools: {allow: ['*']}, arguments: [\
         {tool: create_issue, pointer: /repo, allow: ['acme/*']},\
         {tool: create_issue, pointer: /options/labels, deny: [admin*]},\
         {tool: pay, pointer: /cents, deny: ['100']}]",
    );
    let issue = |arguments: &str| post(&policy, call("create_issue", arguments)) == "allow";
    assert!(issue(r#"{"repo":"acme/site"}"#));
    assert!(issue(r#"{"repo":["acme/site","acme/x"],"options":{"labels":["bug"]}}"#));
    for arguments in [
        "{}",
        "null",
        r#"{"repo":"evil/site"}"#,
        r#"{"repo":["acme/site","evil/site"]}"#,
        r#"{"repo":[]}"#,
        r#"{"repo":{"name":"acme/site"}}"#,
        r#"{"repo":"acme/site","Repo":"evil/site"}"#,
        r#"{"Repo":"acme/site"}"#,
        r#"{"repo":"acme/site","options":{"labels":["bug","ADMIN"]}}"#,
        r#"{"repo":"acme/site","options":{"labels":{"a":["admin"]}}}"#,
        r#"{"repo":"acme/site","options":{"labels":[],"Labels":["admin"]}}"#,
    ] {
        assert!(!issue(arguments), "{arguments}");
    }
    for cents in ["100", "100.0", "1e2", "\"100\""] {
        assert_ne!(post(&policy, call("pay", &format!(r#"{{"cents":{cents}}}"#))), "allow", "{cents}");
    }
    assert_eq!(post(&policy, call("pay", r#"{"cents":101}"#)), "allow");
}

#[test]
fn a_broader_rule_does_not_allow_what_is_denied_or_cannot_be_read() {
    let policy = compiled(
        "- name: broad\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: ['*']}\n  path: {allow: ['/**', /]}\n\
         - name: server\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: [POST]}\n  path: {allow: [/mcp]}\n  \
         mcp: {server: s, tools: {allow: [get], deny: [put]}}\n",
    );
    let ask = |path: &str, body: &str| said(&decide(&policy, ("POST", path), &JSON, Some(body.as_bytes())));
    for path in ["/mcp", "/mcp/", "/MCP", "/%6Dcp"] {
        assert!(ask(path, &call("put", "{}")).contains("tool 'put' is denied"), "{path}");
        assert!(ask(path, "not JSON").contains("cannot be read"), "{path}");
    }
    // As everywhere: what one rule does not allow, another may.
    assert_eq!(ask("/mcp", &call("other", "{}")), "allow");
    assert_eq!(ask("/elsewhere", "not JSON"), "allow");
}

#[test]
fn a_client_answers_only_who_may_ask() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":"secret"}}"#;
    let pong = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let deaf = server("tools: {allow: [a]}");
    assert_eq!(post(&deaf, answer), "message: an answer to the server is not allowed by rule 'endpoint'");
    assert_eq!(post(&deaf, pong), "allow");
    let open = server("tools: {allow: [a]}, server_requests: {allow: [elicitation/create]}");
    assert_eq!(post(&open, answer), "allow");
}

#[test]
fn what_the_server_sends_is_judged_too() {
    let policy = server(
        "tools: {allow: ['get*'], deny: [get_secret]}, server_requests: {allow: [elicitation/create]}",
    );
    let permit = permit(&policy, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let judge = |text: &str| permit.answers().unwrap().judge(text.as_bytes());
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":"s1","method":"elicitation/create"}"#,
        r#"{"jsonrpc":"2.0","id":"s1","method":"ping"}"#,
    ] {
        assert_eq!(judge(text), Ok(Answered::AsItIs), "{text}");
    }
    for text in [
        r#"{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage"}"#,
        r#"{"jsonrpc":"2.0","id":"s1","method":"notifications/message"}"#,
        r#"{"jsonrpc":"2.0","id":"s1","method":"ping","Method":"sampling/createMessage"}"#,
        r#"{"jsonrpc":"2.0","id":"s1","Method":"sampling/createMessage"}"#,
        r#"{"jsonrpc":"2.0","id":"s1","result":{},"method":"sampling/createMessage"}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"method":"roots/list"}]"#,
        "text",
    ] {
        assert!(judge(text).is_err(), "{text}");
    }
    let listed = judge(
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get"},{"name":"put"},{"name":"get_secret"},{"x":1}],"nextCursor":"c"}}"#,
    );
    let shortened = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get"}],"nextCursor":"c"}}"#;
    assert_eq!(listed, Ok(Answered::Instead(shortened.to_owned())));
}

#[test]
fn calls_of_json_rpc_are_held_to_methods_and_parameters() {
    let policy = policy(
        "json_rpc: {methods: {allow: [eth_*], deny: [eth_send*]}, arguments: [{method: eth_call, pointer: /0/to, allow: ['0xa*']}]}",
        "[POST]",
    );
    let ask = |method: &str, params: &str| {
        post(&policy, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#))
    };
    assert_eq!(ask("eth_blockNumber", "[]"), "allow");
    assert_eq!(ask("eth_call", r#"[{"to":"0xab"}]"#), "allow");
    assert!(ask("eth_call", r#"[{"to":"0xbb"}]"#).contains("argument '/0/to' of 'eth_call' is not allowed"));
    assert!(ask("eth_sendTransaction", "[]").contains("method 'eth_sendTransaction' is denied"));
    assert!(ask("admin_peers", "[]").contains("is not allowed"));
    assert_eq!(
        permit(&policy, r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#).asked(),
        Some("eth_blockNumber")
    );
}

#[test]
fn mistakes_in_levels_are_told() {
    let mistake = |level: &str, methods: &str| {
        let text = format!(
            "- name: r\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: {methods}}}\n  path: {{allow: [/mcp]}}\n  {level}\n"
        );
        let errors = Document::parse(&text, "p").and_then(|document| Policy::compile(&document)).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for (level, methods, said) in [
        ("mcp: {}", "[POST]", "mcp.server: an MCP server has a name"),
        ("mcp: {server: 'a b'}", "[POST]", "mcp.server: an MCP server has a name"),
        ("mcp: {server: a}", "['*']", "'*' carries no message of 'mcp'"),
        ("mcp: {server: a}", "[POST, WEBSOCKET]", "'WEBSOCKET' carries no message"),
        ("mcp: {server: a, tools: {}}", "[POST]", "mcp.tools: the lists name nothing"),
        ("mcp: {server: a, tool: {allow: [b]}}", "[POST]", "unknown key 'tool'"),
        ("mcp: {server: a, tools: {allow: ['d\u{e9}']}}", "[POST]", "is not a name"),
        ("mcp: {server: a, max_message: 1GiB}", "[POST]", "is not a size"),
        (
            "mcp: {server: a, arguments: [{tool: a, pointer: b, allow: [c]}]}",
            "[POST]",
            "is not a JSON pointer",
        ),
        ("mcp: {server: a, arguments: [{tool: a, pointer: /b}]}", "[POST]", "is held to nothing"),
        (
            "mcp: {server: a, arguments: [{method: a, pointer: /b, allow: [c]}]}",
            "[POST]",
            "has 'tool' and 'pointer'",
        ),
        ("json_rpc: {}", "[POST]", "allows no method"),
        ("grpc: {}", "[POST]", "asks for nothing"),
        ("grpc: {max_message: 0KiB}", "[POST]", "is not a size"),
        ("json_rpc: {methods: {allow: [a]}}", "[POST, GET]", "'GET' carries no message of 'json_rpc'"),
        (
            "mcp: {server: a}\n  json_rpc: {methods: {allow: [a]}}",
            "[POST]",
            "an endpoint speaks one protocol",
        ),
    ] {
        let told = mistake(level, methods);
        assert!(told.contains(said), "{level}: {told}");
    }
}
