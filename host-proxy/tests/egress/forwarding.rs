//! What is allowed arrives, and only that.

use crate::bench::{Answer, Bench, Setting, curl, program};
use crate::upstream::{Root, Upstream};

pub(crate) const NAME: &str = "api.test";

/// A policy that lets curl read below `/v1/` and post to `/v1/items`.
pub(crate) fn policy(port: u16) -> String {
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
pub(crate) fn site() -> (Bench, Upstream) {
    let root = Root::new();
    let upstream = Upstream::tls(&root, &[NAME]);
    let bench = Setting::new(policy(upstream.port)).host(NAME).trusting(&root.pem()).start();
    (bench, upstream)
}

pub(crate) fn get(path: &str) -> String {
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
    assert_eq!(upstream.received(), format!("GET /v1/a?b=c HTTP/1.1\r\nhost: {host}\r\nx-a: 1\r\n\r\n"));
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

#[test]
fn requests_on_one_connection_are_decided_one_by_one() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    for (method, path, status) in
        [("GET", "/v1/a", 200), ("GET", "/v2/a", 403), ("DELETE", "/v1/a", 403), ("GET", "/v1/b", 200)]
    {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(Answer::of(&mut stream, request.as_bytes()).status(), status, "{method} {path}");
    }
    assert_eq!(upstream.received().matches("HTTP/1.1").count(), 2);
    assert_eq!(bench.audit.events().iter().filter(|event| event["action"] == "network-request").count(), 4);
}

#[test]
fn a_pipelined_request_is_decided_like_the_first() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    let both =
        format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\nDELETE /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(Answer::of(&mut stream, both.as_bytes()).status(), 200);
    assert_eq!(Answer::read(&mut stream).status(), 403);
    assert_eq!(upstream.received(), format!("GET /v1/a HTTP/1.1\r\nhost: {host}\r\n\r\n"));
}

#[test]
fn a_request_hidden_in_a_body_stays_in_the_body() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let hidden = format!("DELETE /v1/admin/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let request = format!(
        "POST /v1/items HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    assert_eq!(bench.https(NAME, upstream.port, request).status(), 200);
    assert!(upstream.received().contains(&format!("content-length: {}\r\n", hidden.len())));
    assert_eq!(bench.audit.events().iter().filter(|event| event["action"] == "network-request").count(), 1);
}

#[test]
fn bytes_after_the_last_request_are_ignored() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let request = format!(
        "GET /v1/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\nGET /v1/b HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    let answer = Answer::of(&mut stream, request.as_bytes());
    assert_eq!((answer.status(), answer.field("connection")), (200, Some("close")), "{}", answer.text);
    assert_eq!(Answer::read(&mut stream).text, "");
    assert!(!upstream.received().contains("/v1/b"));
}

#[test]
fn a_request_behind_a_refused_one_is_not_served() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let request =
        format!("GET /v1/../a HTTP/1.1\r\nHost: {host}\r\n\r\nGET /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    assert_eq!(Answer::of(&mut stream, request.as_bytes()).status(), 400);
    assert_eq!(Answer::read(&mut stream).text, "");
    upstream.saw_nothing();
}

#[test]
fn fields_of_one_hop_or_in_another_name_stay_behind() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let fields = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\
        Proxy-Authorization: Basic YQ==\r\nProxy-Connection: close\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-Host: evil\r\n\
        X-Forwarded-For: 1.2.3.4\r\nX-OpenShell-Binary: evil\r\nAuthorization: Bearer a\r\n";
    let answer =
        bench.https(NAME, upstream.port, format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
    assert_eq!(answer.status(), 200, "{}", answer.text);
    assert_eq!(
        upstream.received(),
        format!("GET /v1/a HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer a\r\n\r\n")
    );
}

#[test]
fn what_is_forwarded_is_the_canonical_form() {
    let (bench, upstream) = site();
    let port = upstream.port;
    let request = format!(
        "GET https://API.TEST:{port}/v1/%61%2Db%c3%a9?%41=b HTTP/1.1\r\nHost: Api.Test:{port}\r\n\r\n"
    );
    assert_eq!(bench.https(NAME, port, request).status(), 200);
    assert_eq!(
        upstream.received(),
        format!("GET /v1/a-b%C3%A9?%41=b HTTP/1.1\r\nhost: {NAME}:{port}\r\n\r\n")
    );
    let allowed = bench.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!(allowed["object"]["path"], "/v1/a-b%C3%A9");
}

#[test]
fn a_chunked_body_is_framed_anew() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let request = format!(
        "POST /v1/items HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n003\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    );
    let answer = bench.https(NAME, upstream.port, request);
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let received = upstream.received();
    assert!(
        received.contains("transfer-encoding: chunked\r\n") && received.ends_with("0\r\n\r\n"),
        "{received}"
    );
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!(outcome["object"]["bytes_sent"], 5, "{outcome}");
}

/// A chunked body that goes wrong: whatever was sent on, the upstream never sees it end.
fn broken_body(chunks: &str) {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let request =
        format!("POST /v1/items HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let answer = bench.https(NAME, upstream.port, request);
    assert_eq!((answer.status(), &answer.json()["level"]), (400, &"request".into()), "{}", answer.text);
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["decision"], &outcome["level"]), (&"deny".into(), &"request".into()), "{outcome}");
    let received = upstream.received();
    assert!(!received.ends_with("0\r\n\r\n") && !received.contains("evil"), "{received}");
}

macro_rules! broken_body {
    ($($name:ident: $chunks:literal;)+) => {
        $(#[test]
        fn $name() {
            broken_body($chunks);
        })+
    };
}

broken_body! {
    chunk_extension: "3;evil=1\r\nabc\r\n0\r\n\r\n";
    chunk_extension_after_a_good_chunk: "3\r\nabc\r\n3;evil\r\nabc\r\n0\r\n\r\n";
    chunk_size_with_a_space: "3 \r\nabc\r\n0\r\n\r\n";
    chunk_size_with_a_sign: "+3\r\nabc\r\n0\r\n\r\n";
    chunk_size_with_a_prefix: "0x3\r\nabc\r\n0\r\n\r\n";
    chunk_size_overflow: "ffffffffffffffff3\r\nabc\r\n0\r\n\r\n";
    chunk_with_bare_line_feeds: "3\nabc\n0\n\n";
    chunk_longer_than_its_size: "3\r\nabcevil\r\n0\r\n\r\n";
    forbidden_trailer: "3\r\nabc\r\n0\r\nHost: evil\r\n\r\n";
    any_trailer: "3\r\nabc\r\n0\r\nX-Evil: evil\r\n\r\n";
}

#[test]
fn a_body_is_asked_for_only_when_it_is_allowed() {
    let (bench, upstream) = site();
    let host = host(upstream.port);
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    std::io::Write::write_all(&mut stream, head("/v1/items").as_bytes()).unwrap();
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(Answer::of(&mut stream, b"abc").status(), 200);
    let denied = bench.https(NAME, upstream.port, head("/v2/items"));
    assert_eq!((denied.status(), denied.field("connection")), (403, Some("close")), "{}", denied.text);
    assert!(!upstream.received().contains("expect") && !upstream.received().contains("/v2/"));
}

#[test]
fn nothing_goes_out_that_is_not_recorded() {
    let (bench, upstream) = site();
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    bench.audit.fail();
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {}\r\n\r\n", host(upstream.port));
    let answer = Answer::of(&mut stream, request.as_bytes());
    assert_eq!((answer.status(), &answer.json()["level"]), (503, &"proxy".into()), "{}", answer.text);
    upstream.saw_nothing();
}

#[test]
fn plain_http_obeys_the_same_rules() {
    let upstream = Upstream::plain();
    let bench = Setting::new(policy(upstream.port)).host(NAME).start();
    let host = host(upstream.port);
    let allowed = bench.http(NAME, upstream.port, format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!((allowed.status(), allowed.body()), (200, "hello"), "{}", allowed.text);
    let denied = bench.http(NAME, upstream.port, format!("GET /v2/a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!((denied.status(), &denied.json()["level"]), (403, &"path".into()), "{}", denied.text);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn one_byte_at_a_time_is_a_request_too() {
    let (bench, upstream) = site();
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    for byte in format!("GET /v1/a HTTP/1.1\r\nHost: {}\r\n\r\n", host(upstream.port)).as_bytes() {
        std::io::Write::write_all(&mut stream, &[*byte]).unwrap();
    }
    assert_eq!(Answer::read(&mut stream).status(), 200);
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let (bench, upstream) = site();
    let started = std::time::Instant::now();
    let answer = bench.https(NAME, upstream.port, "GET /v1/a HTTP/1.1\r\nHost: ");
    assert_eq!((answer.status(), &answer.json()["level"]), (400, &"request".into()), "{}", answer.text);
    assert!(started.elapsed().as_secs() >= 9, "given up before its time");
    upstream.saw_nothing();
}
