//! Clients that insist on a proxy: the same decisions by another door.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use wire::flow::EXPLICIT_PROXY;

use crate::bench::{Answer, Bench, Setting, curl, program};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::{Root, Upstream};

fn proxy(bench: &Bench) -> UnixStream {
    bench.flow(EXPLICIT_PROXY, curl())
}

/// Reads the head of the answer to `CONNECT`.
fn connect(stream: &mut UnixStream, authority: &str) -> Answer {
    stream
        .write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes())
        .unwrap();
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        text.push(byte[0]);
    }
    Answer { text: String::from_utf8(text).unwrap() }
}

#[test]
fn a_tunnel_carries_requests_that_are_decided_like_all_others() {
    let (bench, upstream) = site();
    let host = format!("{NAME}:{}", upstream.port);
    let mut stream = proxy(&bench);
    assert_eq!(connect(&mut stream, &host).status(), 200);
    let mut tls = bench.tls(stream, NAME);
    let allowed = Answer::of(&mut tls, format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert_eq!((allowed.status(), allowed.body()), (200, "hello"), "{}", allowed.text);
    let denied = Answer::of(&mut tls, format!("GET /v2/a HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert_eq!((denied.status(), &denied.json()["level"]), (403, &"path".into()), "{}", denied.text);
    assert!(!upstream.received().contains("/v2/"));
}

#[test]
fn a_tunnel_to_a_denied_host_is_refused() {
    let (bench, upstream) = site();
    let host = format!("evil.test:{}", upstream.port);
    let answer = connect(&mut proxy(&bench), &host);
    assert_eq!(answer.status(), 403, "{}", answer.text);
    bench.audit.denied_at("destination");
    upstream.saw_nothing();
}

#[test]
fn a_tunnel_by_another_program_is_refused() {
    let (bench, upstream) = site();
    let mut stream = bench.flow(EXPLICIT_PROXY, program("/usr/bin/wget"));
    assert_eq!(connect(&mut stream, &format!("{NAME}:{}", upstream.port)).status(), 403);
    bench.audit.denied_at("binary");
    upstream.saw_nothing();
}

#[test]
fn another_server_name_inside_a_tunnel_is_refused() {
    let (bench, upstream) = site();
    let mut stream = proxy(&bench);
    assert_eq!(connect(&mut stream, &format!("{NAME}:{}", upstream.port)).status(), 200);
    assert!(bench.tls(stream, "evil.test").write_all(b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n").is_err());
    bench.audit.denied_at("destination");
    upstream.saw_nothing();
}

#[test]
fn another_host_inside_a_tunnel_is_refused() {
    let (bench, upstream) = site();
    let mut stream = proxy(&bench);
    assert_eq!(connect(&mut stream, &format!("{NAME}:{}", upstream.port)).status(), 200);
    let answer = Answer::of(&mut bench.tls(stream, NAME), b"GET /v1/a HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"destination".into()), "{}", answer.text);
    upstream.saw_nothing();
}

#[test]
fn a_tunnel_inside_a_tunnel_is_refused() {
    let (bench, upstream) = site();
    let host = format!("{NAME}:{}", upstream.port);
    let mut stream = proxy(&bench);
    assert_eq!(connect(&mut stream, &host).status(), 200);
    assert_eq!(connect(&mut stream, &host).status(), 400);
    let mut stream = proxy(&bench);
    assert_eq!(connect(&mut stream, &host).status(), 200);
    let inner = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(Answer::of(&mut bench.tls(stream, NAME), inner.as_bytes()).status(), 400);
    bench.audit.denied_at("request");
    upstream.saw_nothing();
}

#[test]
fn a_tunnel_to_what_is_no_authority_is_refused() {
    let (bench, upstream) = site();
    let port = upstream.port;
    for target in [
        NAME.to_owned(),
        format!("http://{NAME}:{port}"),
        format!("a@{NAME}:{port}"),
        format!("{NAME}.:{port}"),
        format!("{NAME}:0{port}"),
        format!("{NAME}:"),
        format!("[{NAME}]:{port}"),
        "0x7f.1:80".to_owned(),
    ] {
        let mut stream = proxy(&bench);
        assert_eq!(connect(&mut stream, &target).status(), 400, "{target}");
    }
    let mut stream = proxy(&bench);
    let answer = Answer::of(
        &mut stream,
        format!("CONNECT {NAME}:{port} HTTP/1.1\r\nHost: evil.test:{port}\r\n\r\n").as_bytes(),
    );
    assert_eq!(answer.status(), 400, "{}", answer.text);
    bench.audit.denied_at("request");
    upstream.saw_nothing();
}

#[test]
fn a_request_in_absolute_form() {
    let upstream = Upstream::plain();
    let bench = Setting::new(policy(upstream.port)).host(NAME).start();
    let host = format!("{NAME}:{}", upstream.port);
    let request = format!(
        "GET http://{host}/v1/a HTTP/1.1\r\nHost: {host}\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic YQ==\r\n\r\n"
    );
    let answer = Answer::of(&mut proxy(&bench), request.as_bytes());
    assert_eq!(answer.status(), 200, "{}", answer.text);
    assert_eq!(upstream.received(), format!("GET /v1/a HTTP/1.1\r\nhost: {host}\r\n\r\n"));
}

#[test]
fn requests_in_absolute_form_are_decided_one_by_one() {
    let upstream = Upstream::plain();
    let bench = Setting::new(policy(upstream.port)).host(NAME).start();
    let port = upstream.port;
    let mut stream = proxy(&bench);
    for (url, status) in [
        (format!("http://{NAME}:{port}/v1/a"), 200),
        (format!("http://evil.test:{port}/v1/a"), 403),
        (format!("http://{NAME}:{port}/v2/a"), 403),
        (format!("http://{NAME}:{port}/v1/b"), 200),
    ] {
        let host = url.split('/').nth(2).unwrap();
        let answer =
            Answer::of(&mut stream, format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(answer.status(), status, "{url} {}", answer.text);
    }
    assert!(!upstream.received().contains("evil") && !upstream.received().contains("/v2/"));
}

#[test]
fn other_schemes_in_absolute_form_are_refused() {
    let root = Root::new();
    let upstream = Upstream::tls(&root, &[NAME]);
    let bench = Setting::new(policy(upstream.port)).host(NAME).trusting(&root.pem()).start();
    let host = format!("{NAME}:{}", upstream.port);
    for url in [
        format!("https://{host}/v1/a"),
        format!("ftp://{host}/v1/a"),
        "file:///etc/passwd".to_owned(),
        format!("ws://{host}/"),
    ] {
        let answer =
            Answer::of(&mut proxy(&bench), format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(answer.status(), 400, "{url} {}", answer.text);
    }
    upstream.saw_nothing();
}

#[test]
fn plain_http_to_the_port_of_tls_is_refused() {
    // Judged as port 443, it would be dialled in clear.
    let bench = Setting::new(policy(443)).host(NAME).start();
    for (url, host) in [("http://api.test:443/v1/a", "api.test:443"), ("/v1/a", "api.test:443")] {
        let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = Answer::of(&mut proxy(&bench), request.as_bytes());
        assert_eq!((answer.status(), &answer.json()["level"]), (400, &"request".into()), "{}", answer.text);
    }
    bench.audit.denied_at("request");
}
