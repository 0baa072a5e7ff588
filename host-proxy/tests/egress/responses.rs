//! What upstreams send back: relayed as it comes, written anew, and never trusted.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::bench::{Answer, Bench, Setting};
use crate::forwarding::{NAME, policy};
use crate::upstream::{Response, Upstream, last, ok, raw};

fn before(upstream: &Upstream) -> Bench {
    Setting::new(policy(upstream.port)).host(NAME).start()
}

fn get(path: &str, port: u16) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n")
}

/// The answer to one request, when the upstream says exactly this and closes.
fn relayed(bytes: &'static str) -> Answer {
    let upstream = Upstream::start(None, Arc::new(move |_| last(bytes)));
    before(&upstream).http(NAME, upstream.port, get("/v1/a", upstream.port))
}

#[test]
fn bodies_of_every_framing() {
    for (bytes, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", "3\r\nabc\r\n0\r\n\r\n"),
        ("HTTP/1.0 200 OK\r\n\r\nabc", "3\r\nabc\r\n0\r\n\r\n"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        ("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ] {
        let answer = relayed(bytes);
        assert_eq!((answer.status(), answer.body()), (200, body), "{bytes:?} gave {}", answer.text);
    }
}

#[test]
fn chunk_extensions_and_trailers_of_an_upstream_stay_behind() {
    let answer = relayed(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-T: 1\r\nHost: evil\r\n\r\n",
    );
    assert_eq!(answer.body(), "3\r\nabc\r\n0\r\n\r\n", "{}", answer.text);
}

#[test]
fn responses_without_a_body() {
    assert_eq!(relayed("HTTP/1.1 204 No Content\r\n\r\n").body(), "");
    let answer = relayed("HTTP/1.1 304 Not Modified\r\nETag: a\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(
        (answer.status(), answer.body(), answer.field("etag")),
        (304, "", Some("a")),
        "{}",
        answer.text
    );
}

#[test]
fn a_response_to_head_keeps_its_length_and_has_no_body() {
    let upstream = Upstream::saying("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    let bench = before(&upstream);
    let mut stream = bench.connect(NAME, upstream.port);
    let host = format!("{NAME}:{}", upstream.port);
    let both =
        format!("HEAD /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\nDELETE /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(both.as_bytes()).unwrap();
    let mut seen = String::new();
    let mut piece = [0; 4096];
    while !seen.contains("request_id") {
        let count = stream.read(&mut piece).unwrap();
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    let (head, rest) = seen.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 500"), "{seen}");
    assert!(rest.starts_with("HTTP/1.1 403"), "{seen}");
}

#[test]
fn responses_that_are_no_responses_are_told_as_such() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\0c\r\n\r\n",
        "HTTP/3.1 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "hello",
        "",
    ] {
        let answer = relayed(bytes);
        assert_eq!(
            (answer.status(), &answer.json()["level"]),
            (502, &"upstream".into()),
            "{bytes:?} gave {}",
            answer.text
        );
    }
}

#[test]
fn a_head_without_end_is_cut_off() {
    let endless = Arc::new(|_: &[u8]| Response {
        bytes: format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "b".repeat(1_000_000)).into_bytes(),
        close: true,
    });
    let upstream = Upstream::start(None, endless);
    let answer = before(&upstream).http(NAME, upstream.port, get("/v1/a", upstream.port));
    assert_eq!(answer.status(), 502, "{}", answer.text);
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_refused() {
    let answer = relayed(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    );
    assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
}

#[test]
fn fields_that_lead_around_the_proxy_stay_behind() {
    let answer = relayed(
        "HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         X-OpenShell-Request-Id: fake\r\nX-Good: 1\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!((answer.status(), answer.field("x-good")), (200, Some("1")), "{}", answer.text);
    for gone in ["alt-svc", "x-hop", "keep-alive", "x-openshell-request-id"] {
        assert_eq!(answer.field(gone), None, "{}", answer.text);
    }
}

#[test]
fn a_redirect_is_handed_to_the_client_and_never_followed() {
    let answer =
        relayed("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((answer.status(), answer.field("location")), (302, Some("http://169.254.169.254/")));
}

#[test]
fn a_body_that_breaks_off_does_not_look_whole() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ] {
        let answer = relayed(bytes);
        assert_eq!(answer.status(), 200);
        assert!(
            answer.body().len() < 10 && !answer.body().ends_with("0\r\n\r\n"),
            "{bytes:?} gave {}",
            answer.text
        );
    }
}

#[test]
fn a_second_response_is_not_given_to_the_next_request() {
    let twice =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let upstream = Upstream::start(
        None,
        Arc::new(
            move |_| if counter.fetch_add(1, Ordering::Relaxed) == 0 { raw(twice) } else { ok("second") },
        ),
    );
    let bench = before(&upstream);
    let mut stream = bench.connect(NAME, upstream.port);
    let request = get("/v1/a", upstream.port);
    assert_eq!(Answer::of(&mut stream, request.as_bytes()).body(), "abc");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(Answer::of(&mut stream, request.as_bytes()).body(), "second");
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn an_idle_connection_that_the_upstream_closed_is_replaced() {
    let upstream =
        Upstream::start(None, Arc::new(|_| last("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")));
    let bench = before(&upstream);
    let mut stream = bench.connect(NAME, upstream.port);
    for _ in 0..5 {
        let answer = Answer::of(&mut stream, get("/v1/a", upstream.port).as_bytes());
        assert_eq!((answer.status(), answer.body()), (200, "abc"), "{}", answer.text);
    }
    assert_eq!(upstream.connections(), 5);
}

#[test]
fn events_arrive_as_they_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = [0; 4096];
        let _request = stream.read(&mut piece).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n").unwrap();
        // The second event is sent only after the client has seen the first.
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        stream.write_all(b"data: two\n\n").unwrap();
    });
    let bench = Setting::new(policy(port)).host(NAME).start();
    let mut stream = bench.connect(NAME, port);
    stream.write_all(get("/v1/a", port).as_bytes()).unwrap();
    let (mut seen, mut piece) = (String::new(), [0; 4096]);
    while !seen.contains("data: one") {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    tell.send(()).unwrap();
    let rest = Answer::read(&mut stream);
    assert!(rest.text.contains("data: two"), "{}", rest.text);
}

#[test]
fn an_http_1_0_client_gets_the_body_by_the_connections_end() {
    let upstream = Upstream::start(None, Arc::new(|_| last("HTTP/1.1 200 OK\r\n\r\nabc")));
    let bench = before(&upstream);
    let request = format!("GET /v1/a HTTP/1.0\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
    let answer = bench.http(NAME, upstream.port, request);
    assert_eq!((answer.body(), answer.field("connection")), ("abc", Some("close")), "{}", answer.text);
    assert_eq!(answer.field("transfer-encoding"), None);
}

#[test]
fn a_large_body_goes_through_in_bounded_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let size: usize = 256 * 1024 * 1024;
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = [0; 4096];
        let _request = stream.read(&mut piece).unwrap();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes()).unwrap();
        let block = vec![7; 1024 * 1024];
        for _ in 0..size / block.len() {
            stream.write_all(&block).unwrap();
        }
    });
    let bench = Setting::new(policy(port)).host(NAME).start();
    let mut stream = bench.connect(NAME, port);
    stream.write_all(get("/v1/a", port).as_bytes()).unwrap();
    // A slow client: the proxy must not read ahead of it.
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    let (mut total, mut piece) = (0, vec![0; 1024 * 1024]);
    while total < size {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0);
        total += count;
    }
    let resident = resident_kib(bench.child.id());
    println!("{} MiB in {:?}, {resident} KiB resident", size >> 20, started.elapsed());
    assert!(resident < 32 * 1024, "{resident} KiB");
}

pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
