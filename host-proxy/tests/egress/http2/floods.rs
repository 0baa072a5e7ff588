//! Clients that speak HTTP/2 badly on purpose, frame by frame.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::{Bench, NAME, Ordering, Server, ask, begin, connect, get, read, run};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const ENHANCE_YOUR_CALM: u32 = 11;

/// A connection on which the frames are the test's.
struct Raw(StreamOwned<ClientConnection, UnixStream>);

impl Raw {
    fn open(bench: &Bench, port: u16) -> Self {
        let mut config = bench.client_config();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut raw = Self(StreamOwned::new(connection, bench.connect(NAME, port)));
        raw.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        raw.send(SETTINGS, 0, 0, &[]);
        raw
    }

    /// Sends a frame; `false`: the other end takes no more.
    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).is_ok()
    }

    /// The next frame: its kind, its stream and its payload.
    fn frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// The code with which the connection, or the stream 1, ended.
    fn ending(&mut self) -> Option<u32> {
        loop {
            let (kind, stream, payload) = self.frame()?;
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match kind {
                GOAWAY => return Some(code(4)),
                RST_STREAM if stream == 1 => return Some(code(0)),
                _ => {}
            }
        }
    }
}

/// A field, neither compressed nor remembered.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

fn head(port: u16, more: &[(&str, &str)]) -> Vec<u8> {
    let authority = format!("{NAME}:{port}");
    let pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", &authority), (":path", "/v1/a")];
    pseudo.iter().chain(more).flat_map(|(name, value)| field(name, value)).collect()
}

/// One stream with this head: it is refused by the protocol itself, and nothing arrives.
#[track_caller]
fn malformed(head: impl Fn(u16) -> Vec<u8>) {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    raw.send(HEADERS, END_STREAM | END_HEADERS, 1, &head(server.port));
    assert!(raw.ending().is_some());
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[test]
fn a_head_as_it_should_be_is_answered() {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    raw.send(HEADERS, END_STREAM | END_HEADERS, 1, &head(server.port, &[("x-a", "1")]));
    while raw.frame().is_some_and(|(kind, stream, _)| (kind, stream) != (DATA, 1)) {}
    assert_eq!(server.seen().len(), 1, "the control of the tests that follow");
}

#[test]
fn fields_of_a_connection_are_malformed() {
    for pair in
        [("connection", "close"), ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "gzip")]
    {
        malformed(|port| head(port, &[pair]));
    }
}

#[test]
fn names_and_values_that_would_be_something_else_in_http_1_are_malformed() {
    malformed(|port| head(port, &[("X-Upper", "1")]));
    malformed(|port| head(port, &[("x-a", "1\r\nx-evil: 1")]));
    malformed(|port| head(port, &[("x-a\r\nx-evil", "1")]));
    malformed(|port| head(port, &[("x-a", "1\0")]));
    malformed(|port| head(port, &[(":path", "/v1/b")]));
    malformed(|port| head(port, &[(":authority", "evil.test")]));
    malformed(|port| [head(port, &[]), field(":evil", "1")].concat());
    malformed(|port| [field("x-a", "1"), head(port, &[])].concat());
}

#[test]
fn a_body_that_is_not_as_long_as_announced_never_ends() {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    let authority = format!("{NAME}:{}", server.port);
    let head: Vec<u8> = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", &authority),
        (":path", "/v1/echo"),
        ("content-length", "3"),
    ]
    .iter()
    .flat_map(|(name, value)| field(name, value))
    .collect();
    raw.send(HEADERS, END_HEADERS, 1, &head);
    raw.send(DATA, END_STREAM, 1, b"abcevil");
    assert!(raw.ending().is_some());
    assert!(!server.seen().iter().any(|seen| seen.contains("evil")), "{:?}", server.seen());
}

#[test]
fn rapid_resets_end_the_connection() {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    let head = head(server.port, &[]);
    let mut burst = Vec::new();
    for stream in (1..=2001_u32).step_by(2) {
        let length = u32::try_from(head.len()).unwrap().to_be_bytes();
        burst.extend(
            [&length[1..], &[HEADERS, END_STREAM | END_HEADERS], &stream.to_be_bytes(), &head].concat(),
        );
        burst.extend([&[0, 0, 4, RST_STREAM, 0][..], &stream.to_be_bytes(), &[0, 0, 0, 8]].concat());
    }
    let _cut = raw.0.write_all(&burst);
    // A client that did not read may lose the last word.
    assert!(matches!(raw.ending(), None | Some(ENHANCE_YOUR_CALM)));
    assert!(server.seen().len() < 200, "{} of 1000 arrived", server.seen().len());
    bench.audit.wait_for(|event| event["action"] == "network-flow" && event["decision"] == "deny");
    still_served(&bench, &server);
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    raw.send(HEADERS, END_STREAM, 1, &head(server.port, &[]));
    let more = field("x-a", &"b".repeat(100)).repeat(100);
    let sent = (0..10_000).take_while(|_nth| raw.send(CONTINUATION, 0, 1, &more)).count();
    // A client that did not read may lose the last word.
    assert!(sent < 10_000 && raw.ending().is_none_or(|code| code != 0), "{sent}");
    assert!(server.seen().is_empty());
    still_served(&bench, &server);
}

#[test]
fn a_head_that_unpacks_to_much_more_is_refused() {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    // One field that is remembered, and then named again and again by one byte.
    let mut bomb = head(server.port, &[]);
    bomb.extend([&[0x40, 3][..], b"x-a", &[0x7f, 0x81, 0x1e], &[b'b'; 4000]].concat());
    bomb.extend(vec![0xbe; 12_000]);
    raw.send(HEADERS, END_STREAM | END_HEADERS, 1, &bomb[..16_000]);
    let mut seen = Vec::new();
    while let Some((kind, stream, payload)) = raw.frame() {
        seen.push(kind);
        // 431 in a head of its own, a reset, or the connection's end: all are refusals.
        if kind == GOAWAY || (stream == 1 && [HEADERS, RST_STREAM].contains(&kind)) {
            assert!(payload.len() < 1000);
            break;
        }
    }
    assert!(server.seen().is_empty(), "{seen:?}");
    still_served(&bench, &server);
}

/// Frames that want an answer each, from a client that reads none of them: nothing grows.
fn unread(kind: u8, payload: &[u8]) {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    assert!(raw.send(PING, 0, 0, &[0; 8]));
    while raw.frame().is_some_and(|(kind, ..)| kind != PING) {}
    let before = memory(&bench);
    raw.0.sock.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let sent = (0..2_000_000).take_while(|_nth| raw.send(kind, 0, 0, payload)).count();
    let after = memory(&bench);
    assert!(sent < 2_000_000, "it never stopped reading");
    assert!(after < before + 16 * 1024, "{sent} frames made {before} KiB {after} KiB");
    still_served(&bench, &server);
}

#[test]
fn pings_that_nobody_reads_the_answers_of() {
    unread(PING, &[7; 8]);
}

#[test]
fn settings_that_nobody_reads_the_answers_of() {
    unread(SETTINGS, &[0, 3, 0, 0, 0, 100]);
}

/// Resident memory of the proxy in KiB.
fn memory(bench: &Bench) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bench.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_stream_that_is_not_read_starves_no_other_and_fills_no_memory() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let before = memory(&bench);
        let mut unread = Vec::new();
        for _stream in 0..20 {
            let (response, body) = begin(&client, get(server.port, "/v1/large"), true).await;
            unread.push((response.await.unwrap(), body));
        }
        let other = connect(&bench, server.port).await;
        for _request in 0..20 {
            assert_eq!(ask(&other, get(server.port, "/v1/a")).await.body, "hello");
        }
        let after = memory(&bench);
        assert!(after < before + 24 * 1024, "20 unread answers of 16 MB made {before} KiB {after} KiB");
    });
}

#[test]
fn more_streams_than_are_allowed_are_refused_and_the_rest_goes_on() {
    let server = Server::start();
    let bench = server.bench();
    let mut raw = Raw::open(&bench, server.port);
    let authority = format!("{NAME}:{}", server.port);
    let open: Vec<u8> =
        [(":method", "POST"), (":scheme", "https"), (":authority", &authority), (":path", "/v1/echo")]
            .iter()
            .flat_map(|(name, value)| field(name, value))
            .collect();
    for stream in (1..=241_u32).step_by(2) {
        raw.send(HEADERS, END_HEADERS, stream, &open);
    }
    let mut refused = 0;
    while refused < 21 {
        match raw.frame() {
            Some((RST_STREAM, _, payload)) => {
                assert_eq!(payload, [0, 0, 0, 7], "REFUSED_STREAM");
                refused += 1;
            }
            Some(_) => {}
            None => panic!("only {refused} were refused"),
        }
    }
}

#[test]
fn http_1_where_http_2_was_agreed_is_refused() {
    let server = Server::start();
    let bench = server.bench();
    let mut config = bench.client_config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(NAME).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, bench.connect(NAME, server.port));
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", server.port);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1"), "{}", answer.escape_ascii());
    bench.audit.denied_at("request");
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

/// The proxy does its work for others.
fn still_served(bench: &Bench, server: &Server) {
    run(async {
        let client = connect(bench, server.port).await;
        let (response, _body) = begin(&client, get(server.port, "/v1/a"), true).await;
        assert_eq!(read(response).await.status, 200);
    });
}
