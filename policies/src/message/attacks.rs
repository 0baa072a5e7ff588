//! Ways past a rule's lists, each of which worked once.

use super::tests::{compiled, decide, policy, said, server};
use crate::{AnswerRules, Decision, Policy};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A rule without a level, for all of the host.
const WIDE: &str = "- name: wide\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: ['*', WEBSOCKET]}\n  path: {allow: ['/**', /]}\n";

/// The wide rule, and one for `/mcp` that says `extra` beside what is usual.
fn beside_wide(extra: &str) -> Policy {
    compiled(&format!(
        "{WIDE}- name: level\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  path: {{allow: [/mcp]}}\n  {extra}\n"
    ))
}

fn ask(policy: &Policy, (method, path): (&str, &str), body: &str) -> String {
    said(&decide(policy, (method, path), &JSON, Some(body.as_bytes())))
}

fn post(policy: &Policy, body: &str) -> String {
    ask(policy, ("POST", "/mcp"), body)
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

fn call(tool: &str, arguments: &str) -> String {
    request("tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#))
}

/// How answers to a request at this path are judged.
fn answers(policy: &Policy, path: &str) -> Option<AnswerRules> {
    match decide(policy, ("POST", path), &JSON, Some(call("get", "{}").as_bytes())) {
        Decision::Allow(permit) => permit.answers().cloned(),
        Decision::Deny(denial) => panic!("{path}: {denial}"),
    }
}

#[test]
fn a_deny_list_holds_where_an_allow_list_says_nothing() {
    let arguments = "arguments: [{tool: '*', pointer: /path, deny: ['/etc/*']}]";
    for level in [
        format!("mcp: {{server: s, {arguments}}}"),
        format!("mcp: {{server: s, methods: {{deny: [resources/*]}}, {arguments}}}"),
        format!("mcp: {{server: s, methods: {{deny: [resources/*]}}, tools: {{deny: [put]}}, {arguments}}}"),
    ] {
        for effect in ["deny-only", "grant"] {
            let policy = beside_wide(&format!("method: {{allow: [POST]}}\n  effect: {effect}\n  {level}"));
            assert_eq!(post(&policy, &call("get", r#"{"path":"/tmp/x"}"#)), "allow", "{level}");
            let said = post(&policy, &call("get", r#"{"path":"/etc/passwd"}"#));
            assert!(said.contains("argument '/path' of 'get' is denied"), "{level}: {said}");
        }
    }
    let policy = beside_wide(
        "effect: deny-only\n  method: {allow: [POST]}\n  mcp: {server: s, methods: {deny: [x]}, tools: {deny: [put]}}",
    );
    assert!(post(&policy, &call("put", "{}")).contains("tool 'put' is denied"));
    let policy = beside_wide(
        "effect: deny-only\n  method: {allow: [POST]}\n  json_rpc: {methods: {deny: [x]}, arguments: [{method: '*', pointer: /0, deny: [a]}]}",
    );
    assert_eq!(post(&policy, &request("any", r#"["b"]"#)), "allow");
    assert!(post(&policy, &request("any", r#"["a"]"#)).contains("argument '/0' of 'any' is denied"));
}

#[test]
fn an_argument_is_found_in_one_shape_only() {
    let rule = "tools: {allow: ['*']}, arguments: [{tool: read, pointer: /options/path, deny: ['/etc/*']}, {tool: list, pointer: /paths, deny: ['/etc/*']}]";
    let policy = server(rule);
    for arguments in
        ["{}", "null", r#"{"options":null}"#, r#"{"options":{}}"#, r#"{"options":{"path":"/tmp"}}"#]
    {
        assert_eq!(post(&policy, &call("read", arguments)), "allow", "{arguments}");
    }
    for arguments in [
        r#""{\"options\":{\"path\":\"/etc/passwd\"}}""#,
        r#"["/etc/passwd"]"#,
        r#"{"options":"{\"path\":\"/etc/passwd\"}"}"#,
        r#"{"options":"/etc/passwd"}"#,
        r#"{"options":["/etc/passwd"]}"#,
        r#"{"options":[{"path":"/etc/passwd"}]}"#,
        r#"{"options":true}"#,
        r#"{"options":{"path":"{\"path\":\"/etc/passwd\"}"}}"#,
    ] {
        let said = post(&policy, &call("read", arguments));
        assert!(said.contains("cannot be read"), "{arguments}: {said}");
    }
    assert_eq!(post(&policy, &call("list", r#"{"paths":["/tmp","[x] y"]}"#)), "allow");
    for paths in
        [r#""[\"/etc/passwd\"]""#, r#"" [\"/etc/passwd\",\"x\",] ""#, r#"["{\"a\":1,\"a\":\"/etc/x\"}"]"#]
    {
        let said = post(&policy, &call("list", &format!(r#"{{"paths":{paths}}}"#)));
        assert!(said.contains("cannot be read"), "{paths}: {said}");
    }
}

#[test]
fn parameters_by_position_and_by_name_are_told_apart() {
    for (pointer, fine, other) in [
        ("/0/to", r#"[{"to":"0xaa"}]"#, r#"{"tx":{"to":"0xbb"}}"#),
        ("/0/to", "[]", r#"[["0xbb"]]"#),
        ("/to", r#"{"to":"0xaa"}"#, r#"["0xbb"]"#),
        ("/1", r#"["x","0xaa"]"#, r#"{"to":"0xbb"}"#),
    ] {
        let level = format!(
            "json_rpc: {{methods: {{allow: ['*']}}, arguments: [{{method: send, pointer: {pointer}, deny: ['0xb*']}}]}}"
        );
        let policy = policy(&level, "[POST]");
        assert_eq!(post(&policy, &request("send", fine)), "allow", "{pointer}");
        let said = post(&policy, &request("send", other));
        assert!(said.contains("cannot be read"), "{pointer} {other}: {said}");
    }
}

#[test]
fn answers_are_judged_wherever_the_endpoint_is_reached() {
    let rule = "method: {allow: [POST]}\n  mcp: {server: s, tools: {allow: [get]}, server_requests: {allow: [roots/list]}}";
    let policy = beside_wide(rule);
    let asks = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    for path in ["/mcp", "/mcp/", "/MCP", "/%6Dcp", "/%6dcp/"] {
        let rules = answers(&policy, path).unwrap_or_else(|| panic!("{path} is not judged"));
        assert!(rules.judge(asks("sampling/createMessage").as_bytes()).is_err(), "{path}");
        assert!(rules.judge(asks("roots/list").as_bytes()).is_ok(), "{path}");
    }
    assert!(answers(&policy, "/elsewhere").is_none());
}

#[test]
fn a_rule_that_only_denies_says_what_no_server_may_ask() {
    let denying = "- name: none\n  effect: deny-only\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: [POST]}\n  path: {allow: ['/**']}\n  mcp: {server: s, tools: {deny: [put]}, server_requests: {allow: ['*'], deny: [sampling/*]}}\n";
    let granting = "- name: server\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: [POST]}\n  path: {allow: [/mcp]}\n  mcp: {server: s, tools: {allow: ['*']}, server_requests: {allow: [sampling/createMessage, roots/list]}}\n";
    let asks = |rules: &AnswerRules, method: &str| {
        rules.judge(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#).as_bytes()).is_ok()
    };
    let tools = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get"},{"name":"put"}]}}"#;
    for (others, unlisted) in [(granting, false), (WIDE, true)] {
        let policy = compiled(&format!("{others}{denying}"));
        let rules = answers(&policy, "/mcp").expect("a rule for the endpoint");
        assert!(!asks(&rules, "sampling/createMessage"));
        assert!(asks(&rules, "roots/list"));
        assert_eq!(asks(&rules, "elicitation/create"), unlisted);
        let judged = format!("{:?}", rules.judge(tools));
        assert!(judged.contains("get") && !judged.contains("put"), "{judged}");
    }
}

#[test]
fn a_module_that_extends_leaves_the_answers_judged() {
    let document = "version: 1\nnetwork:\n- name: server\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: [POST]}\n  path: {allow: [/mcp]}\n  mcp: {server: s, tools: {allow: [put]}}\nrego:\n  name: more\n  mode: extend\n  within: [a.example.com]\n  text: 'allow { input.method == \"POST\" }'\n";
    let document = crate::Document::parse(document, "p").expect("a document");
    let policy = Policy::compile(&document).unwrap_or_else(|errors| panic!("{errors}"));
    let rules = answers(&policy, "/mcp").expect("the rule guards it");
    assert!(rules.judge(br#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#).is_err());
}

#[test]
fn both_readings_of_a_path_are_judged() {
    let text = format!(
        "{WIDE}- name: plain\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: [POST]}}\n  path: {{allow: [/a/mcp]}}\n  mcp: {{server: s, tools: {{allow: [get]}}}}\n\
         - name: escaped\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: [POST]}}\n  path: {{allow: ['/*']}}\n  mcp: {{server: t, tools: {{allow: [get]}}, server_requests: {{allow: [roots/list]}}}}\n"
    );
    let rules = answers(&compiled(&text), "/a%2Fmcp").expect("two rules guard it");
    assert!(rules.judge(br#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#).is_err());
}

#[test]
fn the_methods_of_a_protocol_are_guarded_whatever_the_rule_lists() {
    let mcp = beside_wide("method: {allow: [GET]}\n  mcp: {server: s, tools: {allow: [get], deny: [put]}}");
    assert!(ask(&mcp, ("POST", "/mcp"), &call("put", "{}")).contains("tool 'put' is denied"));
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(&mcp, (method, "/mcp"), ""), "allow", "{method}");
        assert!(ask(&mcp, (method, "/mcp"), &call("put", "{}")).contains("cannot be read"), "{method}");
    }
    let posts = beside_wide("method: {allow: [POST]}\n  mcp: {server: s, tools: {allow: [get]}}");
    let Decision::Allow(permit) = decide(&posts, ("GET", "/mcp"), &JSON, Some(b"")) else { panic!("denied") };
    assert!(permit.answers().is_some(), "the server's stream");
    let graphql =
        beside_wide("method: {allow: [GET]}\n  graphql: {fields: {allow: [query.a], deny: [mutation.b]}}");
    assert!(post(&graphql, r#"{"query":"mutation {b}"}"#).contains("'mutation.b' is denied"));
    let rpc = beside_wide("method: {allow: [POST]}\n  json_rpc: {methods: {allow: [a], deny: [b]}}");
    for policy in [&mcp, &posts, &graphql, &rpc] {
        let said = said(&decide(policy, ("WEBSOCKET", "/mcp"), &JSON, None));
        assert!(said.contains("cannot be read"), "{said}");
        assert_eq!(ask(policy, ("WEBSOCKET", "/other"), ""), "allow");
        assert_eq!(ask(policy, ("PATCH", "/mcp"), "x"), "allow");
    }
}

#[test]
fn what_a_server_asks_for_inside_a_result_or_an_error_is_judged() {
    let policy = server("tools: {allow: [get]}, server_requests: {allow: [elicitation/create]}");
    let deaf = server("tools: {allow: [get]}");
    let (open, closed) = (answers(&policy, "/mcp").expect("judged"), answers(&deaf, "/mcp").expect("judged"));
    let result =
        |requests: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"inputRequests":{requests}}}}}"#);
    let elicit = result(r#"{"a":{"method":"elicitation/create","params":{}}}"#);
    let url = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"m","data":{"elicitations":[]}}}"#;
    for text in [&*elicit, url, &url.replace("-32042", "-32042.0")] {
        assert!(open.judge(text.as_bytes()).is_ok(), "{text}");
        assert!(closed.judge(text.as_bytes()).is_err(), "{text}");
    }
    assert!(closed.judge(result("{}").as_bytes()).is_ok());
    assert!(closed.judge(url.replace("-32042", "-32601").as_bytes()).is_ok());
    for requests in [
        r#"{"a":{"method":"sampling/createMessage"}}"#,
        r#"{"a":{"method":"elicitation/create"},"b":{"method":"roots/list"}}"#,
        r#"{"a":{"method":"elicitation/create","Method":"roots/list"}}"#,
        r#"[{"method":"elicitation/create"}]"#,
        r#"{"a":[{"method":"elicitation/create"}]}"#,
        r#"{"a":{"type":"elicitation/create"}}"#,
        r#"{"a":{"method":"notifications/x"}}"#,
        "\"roots/list\"",
        r#"{},"InputRequests":{"a":{"method":"roots/list"}}"#,
    ] {
        assert!(open.judge(result(requests).as_bytes()).is_err(), "{requests}");
    }
    let two = url.replace("\"message\"", "\"Code\":1,\"message\"");
    assert!(open.judge(two.as_bytes()).is_err());
}

#[test]
fn answers_inside_a_request_are_answers() {
    let params = r#"{"name":"get","arguments":{},"inputResponses":{"a":{"content":"secret"}}}"#;
    let body = request("tools/call", params);
    let deaf = server("tools: {allow: [get]}");
    assert_eq!(post(&deaf, &body), "message: an answer to the server is not allowed by rule 'endpoint'");
    assert!(post(&deaf, &body.replace("inputR", "InputR")).contains("cannot be read"));
    let open = server("tools: {allow: [get]}, server_requests: {allow: [roots/list]}");
    assert_eq!(post(&open, &body), "allow");
}

#[test]
fn long_names_of_graphql_are_refused() {
    let policy = policy("graphql: {fields: {allow: ['query.*'], deny: ['mutation.*']}}", "[POST]");
    let (fits, long) = ("a".repeat(128), "a".repeat(129));
    assert_eq!(post(&policy, &format!(r#"{{"query":"query {fits} {{{fits}}}"}}"#)), "allow");
    for query in [format!("{{{long}}}"), format!("query {long} {{a}}"), format!("mutation {{{long}}}")] {
        let said = post(&policy, &format!(r#"{{"query":"{query}"}}"#));
        assert!(said.contains("cannot be read") && said.len() < 200, "{said}");
    }
}

#[test]
fn a_later_policy_that_asks_other_things_of_answers_is_told() {
    let permit = |level: &str| {
        let policy = beside_wide(&format!("method: {{allow: [POST]}}\n  {level}"));
        match decide(&policy, ("POST", "/mcp"), &JSON, Some(call("get", "{}").as_bytes())) {
            Decision::Allow(permit) => permit,
            Decision::Deny(denial) => panic!("{denial}"),
        }
    };
    let asking = |more: &str| permit(&format!("mcp: {{server: s, tools: {{allow: [get]}}{more}}}"));
    let (strict, open) = (asking(""), asking(", server_requests: {allow: [roots/list]}"));
    let none = permit("json_rpc: {methods: {allow: ['*']}}");
    assert!(asking("").asks_more_of_answers_than(&strict).is_none());
    assert!(none.asks_more_of_answers_than(&strict).is_none());
    for (now, then) in [(&strict, &open), (&strict, &none), (&open, &strict)] {
        assert!(now.asks_more_of_answers_than(then).is_some());
    }
}

#[test]
fn other_spellings_of_what_decides_are_refused() {
    let policy = server("methods: {allow: ['*']}, tools: {allow: ['*'], deny: [put]}");
    for method in ["Tools/Call", "TOOLS/CALL"] {
        let said = post(&policy, &request(method, r#"{"name":"put"}"#));
        assert!(said.contains("looks like 'tools/call'"), "{method}: {said}");
    }
    for field in [("content_encoding", "gzip"), ("content_type", "text/plain"), ("mcp_name", "put")] {
        let fields: &[(&str, &str)] = &[("content-type", "application/json"), field];
        let said = said(&decide(&policy, ("POST", "/mcp"), &fields, Some(call("get", "{}").as_bytes())));
        assert!(said.contains("cannot be read"), "{field:?}: {said}");
    }
}

#[test]
fn numbers_that_readers_differ_on_are_refused_where_they_are_compared() {
    let policy = server(
        "tools: {allow: ['*']}, arguments: [{tool: pay, pointer: /cents, deny: ['0', '9007199254740992']}]",
    );
    let pay = |cents: &str| post(&policy, &call("pay", &format!(r#"{{"cents":{cents},"x":-0}}"#)));
    for cents in ["1", "1.5", "1e3", "9007199254740993", "-1"] {
        assert_eq!(pay(cents), "allow", "{cents}");
    }
    for cents in ["-0", "-0.0", "9007199254740993.0", "9.007199254740993e15", "[1,{\"a\":-0}]"] {
        assert!(pay(cents).contains("readers differ"), "{cents}: {}", pay(cents));
    }
}

#[test]
fn a_query_that_only_the_server_knows_is_not_allowed_beside_a_deny_list() {
    let hash = "0".repeat(64);
    let body = format!(r#"{{"extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}}}"#);
    let level = "graphql: {fields: {allow: [query.a], deny: [mutation.b]}";
    let denying = beside_wide(&format!("method: {{allow: [POST]}}\n  {level}}}"));
    assert!(post(&denying, &body).contains("a query that the server keeps"));
    let listed = beside_wide(&format!("method: {{allow: [POST]}}\n  {level}, persisted: ['{hash}']}}"));
    assert_eq!(post(&listed, &body), "allow");
}
