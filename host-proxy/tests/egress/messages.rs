//! Messages in bodies: calls of JSON-RPC and of the Model Context Protocol, and what their servers answer.

mod answers;

use std::io::{Read, Write};
use std::sync::Arc;

use crate::bench::{Answer, Bench, Setting};
use crate::forwarding::NAME;
use crate::upstream::{Upstream, ok, raw};

/// What a rule of a server says that may be asked for one tool.
const SERVER: &str = "mcp: {server: github, tools: {allow: [get_issue]}}";

/// A rule for `/mcp` that says `level` as well.
pub(crate) fn policy(port: u16, level: &str) -> String {
    format!(
        "version: 1\nnetwork:\n  - name: api\n    binary: {{allow: [curl]}}\n    \
         destination: {{allow: ['{NAME}:{port}']}}\n    method: {{allow: [POST]}}\n    \
         path: {{allow: [/mcp]}}\n    {level}\n"
    )
}

/// A proxy before a plain server that answers every call with `answer`.
fn site_answering(level: &str, answer: &'static str) -> (Bench, Upstream) {
    let upstream = Upstream::start(None, Arc::new(move |_| raw(answer)));
    (Setting::new(policy(upstream.port, level)).host(NAME).start(), upstream)
}

fn site(level: &str) -> (Bench, Upstream) {
    site_answering(
        level,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
    )
}

fn call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"q":"sesame"}}}}}}"#
    )
}

fn head(upstream: &Upstream, fields: &str) -> String {
    format!("POST /mcp HTTP/1.1\r\nHost: {NAME}:{}\r\n{fields}\r\n", upstream.port)
}

/// A request with this body.
fn request(upstream: &Upstream, fields: &str, body: &[u8]) -> Vec<u8> {
    let fields = format!("{fields}Content-Length: {}\r\n", body.len());
    [head(upstream, &fields).as_bytes(), body].concat()
}

fn post((bench, upstream): &(Bench, Upstream), body: impl AsRef<[u8]>) -> Answer {
    let bytes = request(upstream, "Content-Type: application/json\r\n", body.as_ref());
    bench.http(NAME, upstream.port, bytes)
}

#[test]
fn an_allowed_call_arrives_as_it_was_sent_and_its_names_are_recorded() {
    let site = site(SERVER);
    let body = format!(" {}\n", call("get_issue"));
    assert_eq!(post(&site, &body).status(), 200);
    let (bench, upstream) = &site;
    let received = upstream.received();
    assert!(received.ends_with(&format!("\r\n\r\n{body}")), "{received}");
    let event = bench.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!((&event["decision"], &event["rule"]), (&"allow".into(), &"api".into()));
    assert_eq!(event["reason"], "mcp github: tools/call get_issue");
    bench.audit.wait_for(|event| event["action"] == "network-outcome");
    let all = format!("{:?}", bench.audit.events());
    assert!(!all.contains("sesame"), "{all}");
}

#[test]
fn a_tool_that_no_list_names_is_refused_with_what_would_allow_it() {
    let site = site(SERVER);
    let answer = post(&site, call("delete_repo"));
    assert_eq!(answer.status(), 403, "{}", answer.text);
    let told = answer.json();
    assert_eq!((&told["level"], &told["rule"]), (&"message".into(), &"api".into()));
    assert_eq!(told["error"], "tool 'delete_repo' is not allowed by rule 'api'");
    assert_eq!(told["hint"], "the operator can add 'delete_repo' to 'mcp.tools.allow' of rule 'api'");
    let denied = site.0.audit.denied_at("message");
    assert_eq!((&denied["rule"], &denied["request"]), (&"api".into(), &told["request_id"]));
    assert!(!denied.to_string().contains("sesame"), "{denied}");
    site.1.saw_nothing();
}

/// Ways to have a call of `delete_repo` pass for something else.
fn attacks() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    const JSON: &str = "Content-Type: application/json\r\n";
    let (denied, fine) = (call("delete_repo"), call("get_issue"));
    let utf16: Vec<u8> = denied.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = |text: String| text.into_bytes();
    vec![
        ("a plain call", JSON, text(denied.clone())),
        ("one key twice", JSON, text(denied.replace("\"method\"", "\"method\":\"ping\",\"method\""))),
        ("a key in other letters", JSON, text(fine.replace("\"name\"", "\"Name\":\"delete_repo\",\"name\""))),
        ("an escaped key", JSON, text(denied.replace("\"id\":1", "\"m\\u0065thod\":\"ping\",\"id\":1"))),
        ("a batch", JSON, text(format!("[{fine},{fine},{denied},{fine}]"))),
        ("a batch in a batch", JSON, text(format!("[[{denied}]]"))),
        ("two texts", JSON, text(format!("{fine}\n{denied}"))),
        ("a byte order mark", JSON, text(format!("\u{feff}{denied}"))),
        ("UTF-16", "Content-Type: application/json; charset=utf-16\r\n", utf16.clone()),
        ("UTF-16 that is not named", JSON, utf16),
        ("bytes that are not UTF-8", JSON, [b"\xff", denied.as_bytes()].concat()),
        ("a letter of another alphabet", JSON, text(denied.replace("delete", "d\u{435}lete"))),
        ("a name with a NUL", JSON, text(denied.replace("delete_repo", "delete_repo\\u0000"))),
        ("another content type", "Content-Type: text/plain\r\n", text(denied.clone())),
        ("no content type", "", text(denied.clone())),
        (
            "two content types",
            "Content-Type: application/json\r\nContent-Type: text/x\r\n",
            text(denied.clone()),
        ),
        ("a coding", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", text(denied.clone())),
        ("a field that says otherwise", "Content-Type: application/json\r\nMcp-Method: ping\r\n", text(fine)),
        ("depth", JSON, text(format!("{}{denied}{}", "[".repeat(200), "]".repeat(200)))),
    ]
}

#[test]
fn no_way_to_write_a_denied_call_reaches_the_server() {
    // Without the level, each of them arrives.
    let (bench, upstream) = site("");
    for (which, fields, body) in attacks() {
        if !fields.contains("Mcp-") {
            let answer = bench.http(NAME, upstream.port, request(&upstream, fields, &body));
            assert_eq!(answer.status(), 200, "{which}: {}", answer.text);
        }
    }
    let (bench, upstream) = site(SERVER);
    for (which, fields, body) in attacks() {
        let answer = bench.http(NAME, upstream.port, request(&upstream, fields, &body));
        assert_eq!((answer.status(), answer.json()["level"].as_str()), (403, Some("message")), "{which}");
    }
    bench.audit.denied_at("message");
    upstream.saw_nothing();
}

/// A body in chunks of one byte.
fn dripping(body: &str) -> String {
    body.chars().map(|letter| format!("1\r\n{letter}\r\n")).collect::<String>() + "0\r\n\r\n"
}

#[test]
fn a_call_in_chunks_of_one_byte_is_judged_as_a_whole() {
    let (bench, upstream) = site(SERVER);
    let fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let drip = |tool: &str| {
        let mut stream = bench.connect(NAME, upstream.port);
        stream.write_all(head(&upstream, fields).as_bytes()).unwrap();
        for byte in dripping(&call(tool)).as_bytes() {
            stream.write_all(&[*byte]).unwrap();
        }
        Answer::read(&mut stream).status()
    };
    assert_eq!(drip("delete_repo"), 403);
    upstream.saw_nothing();
    assert_eq!(drip("get_issue"), 200);
    let received = upstream.received();
    let length = format!("content-length: {}\r\n", call("get_issue").len());
    assert!(received.ends_with(&call("get_issue")) && received.contains(&length), "{received}");
}

#[test]
fn a_call_behind_an_allowed_one_gets_its_own_verdict() {
    let (bench, upstream) = site(SERVER);
    let json = "Content-Type: application/json\r\n";
    let first = request(&upstream, json, call("get_issue").as_bytes());
    let second = request(&upstream, json, call("delete_repo").as_bytes());
    let mut stream = bench.connect(NAME, upstream.port);
    stream.write_all(&[first, second].concat()).unwrap();
    let _half_closed = stream.shutdown(std::net::Shutdown::Write);
    let mut all = String::new();
    let _until_closed = stream.read_to_string(&mut all);
    assert!(all.starts_with("HTTP/1.1 200") && all.contains("HTTP/1.1 403"), "{all}");
    assert!(!upstream.received().contains("delete_repo"), "{}", upstream.received());
}

#[test]
fn a_body_that_is_longer_than_announced_is_no_second_call() {
    let (bench, upstream) = site(SERVER);
    let fine = call("get_issue");
    let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", fine.len());
    let bytes = head(&upstream, &fields) + &fine + &call("delete_repo");
    assert_eq!(bench.http(NAME, upstream.port, bytes).status(), 200);
    bench.audit.wait_for(|event| event["decision"] == "deny" && event["level"] == "request");
    assert!(!upstream.received().contains("delete_repo"), "{}", upstream.received());
}

#[test]
fn a_message_longer_than_the_rule_takes_is_refused_unread() {
    let (bench, upstream) = site("mcp: {server: github, tools: {allow: [get_issue]}, max_message: 1KiB}");
    let long = " ".repeat(2000) + &call("get_issue");
    let whole = bench.http(
        NAME,
        upstream.port,
        request(&upstream, "Content-Type: application/json\r\n", long.as_bytes()),
    );
    let chunked = head(&upstream, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
    let chunked = bench.http(NAME, upstream.port, chunked + &dripping(&long));
    for answer in [whole, chunked] {
        assert_eq!(
            (answer.status(), answer.json()["level"].as_str()),
            (413, Some("message")),
            "{}",
            answer.text
        );
    }
    upstream.saw_nothing();
}

#[test]
fn a_client_that_waits_to_send_its_body_is_told_to() {
    let (bench, upstream) = site(SERVER);
    let body = call("get_issue");
    let fields = format!(
        "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut stream = bench.connect(NAME, upstream.port);
    stream.write_all(head(&upstream, &fields).as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(Answer::of(&mut stream, body.as_bytes()).status(), 200);
}

#[test]
fn only_registered_servers_have_sessions() {
    let (bench, upstream) = site("");
    for field in ["Mcp-Session-Id: 1\r\n", "MCP-Protocol-Version: 2025-11-25\r\n"] {
        let fields = format!("Content-Type: application/json\r\n{field}");
        let answer = bench.http(NAME, upstream.port, request(&upstream, &fields, call("x").as_bytes()));
        assert_eq!((answer.status(), answer.json()["level"].as_str()), (403, Some("message")), "{field}");
    }
    upstream.saw_nothing();
    bench.audit.denied_at("message");
}

#[test]
fn a_call_of_json_rpc_is_held_to_its_methods() {
    let upstream = Upstream::start(None, Arc::new(|_| ok("any answer")));
    let level = "json_rpc: {methods: {allow: [eth_*], deny: [eth_send*]}}";
    let site = (Setting::new(policy(upstream.port, level)).host(NAME).start(), upstream);
    let ask =
        |method: &str| post(&site, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).status();
    assert_eq!([ask("eth_call"), ask("eth_sendTransaction"), ask("admin_peers")], [200, 403, 403]);
    let event = site.0.audit.wait_for(|event| event["rule"] == "api");
    assert_eq!(event["reason"], "eth_call");
    assert_eq!(site.1.received().matches("POST /mcp").count(), 1);
}

#[test]
fn a_rule_on_trial_lets_a_call_pass_and_says_what_it_would_stop() {
    let site = site(&format!("{SERVER}\n    enforcement: audit"));
    assert_eq!(post(&site, call("delete_repo")).status(), 200);
    let event = site.0.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!((&event["decision"], &event["level"]), (&"allow".into(), &"message".into()));
    assert_eq!(event["reason"], "on trial, would be denied: tool 'delete_repo' is not allowed by rule 'api'");
}

#[test]
fn a_request_of_graphql_is_held_to_the_fields_of_its_root() {
    let upstream = Upstream::start(None, Arc::new(|_| ok("{\"data\":{}}")));
    let level = "graphql: {fields: {allow: ['query.*', mutation.addStar], deny: [query.secrets]}}";
    let policy = policy(upstream.port, level).replace("[POST]", "[POST, GET]");
    let site = (Setting::new(policy).host(NAME).start(), upstream);
    let ask = |query: &str| post(&site, serde_json::json!({ "query": query }).to_string()).status();
    assert_eq!(ask("query Mine { a: viewer { login } }"), 200);
    for query in [
        "mutation { deleteRepo }",
        "mutation { addStar: deleteRepo }",
        "mutation { addStar ...F } fragment F on M { deleteRepo }",
        "{ a: secrets }",
        "{ viewer } mutation B { deleteRepo }",
    ] {
        assert_eq!(ask(query), 403, "{query}");
    }
    let (bench, upstream) = &site;
    let get = |query: &str| {
        let line = format!("GET /mcp?query={query} HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
        bench.http(NAME, upstream.port, line).status()
    };
    assert_eq!([get("%7Bviewer%7D"), get("%7Bsecrets%7D"), get("mutation%7BaddStar%7D")], [200, 403, 403]);
    let received = upstream.received();
    assert!(!received.contains("deleteRepo") && !received.contains("secrets"), "{received}");
    let event = bench.audit.wait_for(|event| event["rule"] == "api");
    assert_eq!(event["reason"], "graphql: query Mine: viewer");
}
