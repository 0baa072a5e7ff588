//! WebSockets: a handshake that is decided like every request, and frames of which none is passed on as bytes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host_proxy::websocket::accept_of;
use wire::proxy::ProxyEvent;

use crate::bench::{Answer, Bench, PATIENCE, Setting};
use crate::forwarding::{self, NAME};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A server of WebSockets, and all that it received.
struct Server {
    port: u16,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Answers every handshake with `answer`, which gets the right value of `Sec-WebSocket-Accept`; then does `then`.
    fn start(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        then: impl Fn(&mut Wire<TcpStream>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (shared, serve) = (Arc::clone(&received), Arc::new((answer, then)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, serve) = (Arc::clone(&shared), Arc::clone(&serve));
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let mut wire = Wire { stream, received: shared };
                    let head = wire.head();
                    let key = field(&head, "sec-websocket-key").unwrap_or_default();
                    wire.stream.write_all((serve.0)(&accept_of(&key)).as_bytes()).unwrap();
                    (serve.1)(&mut wire);
                });
            }
        });
        Self { port, received }
    }

    /// A good server that does `then`.
    fn good(then: impl Fn(&mut Wire<TcpStream>) + Send + Sync + 'static) -> Self {
        Self::start(|accept| switching(accept, ""), then)
    }

    /// A good server that sends every message back, and answers a close frame.
    fn echo() -> Self {
        Self::good(|wire| {
            while let Some((first, payload)) = wire.message() {
                wire.send(first, &payload);
                if first == 0x88 {
                    return;
                }
            }
        })
    }

    /// A good server that only listens.
    fn silent() -> Self {
        Self::good(|wire| while wire.frame().is_some() {})
    }

    fn bench(&self) -> Bench {
        Setting::new(policy(self.port)).host(NAME).start()
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

/// One end of a connection.
struct Wire<S> {
    stream: S,
    received: Arc<Mutex<Vec<u8>>>,
}

impl<S: Read + Write> Wire<S> {
    fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).ok()?;
        self.received.lock().unwrap().extend_from_slice(&bytes);
        Some(bytes)
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Some(byte) = self.exactly(1) else { break };
            head.extend(byte);
        }
        String::from_utf8(head).unwrap()
    }

    /// The next frame: its first byte and its payload, unmasked; what was received holds the payload too.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.exactly(2)?;
        let length = match head[1] & 0x7f {
            126 => u16::from_be_bytes(self.exactly(2)?.try_into().unwrap()).into(),
            127 => usize::try_from(u64::from_be_bytes(self.exactly(8)?.try_into().unwrap())).unwrap(),
            length => length.into(),
        };
        let key = if head[1] & 0x80 == 0 { vec![0; 4] } else { self.exactly(4)? };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        self.received.lock().unwrap().extend_from_slice(&payload);
        Some((head[0], payload))
    }

    /// The next message or control frame, put together: the first byte of a whole frame, and the payload.
    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, mut payload) = self.frame()?;
        let mut last = first;
        while last & 0x80 == 0 {
            let (next, more) = self.frame()?;
            payload.extend(more);
            last = next;
        }
        Some((first | 0x80, payload))
    }

    /// Sends a frame of a server.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let _gone = self.stream.write_all(&unmasked(first, payload));
    }
}

/// What is allowed elsewhere, and WebSockets.
fn policy(port: u16) -> String {
    forwarding::policy(port).replace("allow: [GET, ", "allow: [WEBSOCKET, ")
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => bytes.push(length),
        _ => {
            bytes.push(126);
            bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// A frame of a client, under a mask that shows the payload as it is: what a hostile client would choose.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = unmasked(first, payload);
    bytes[1] |= 0x80;
    let at = bytes.len() - payload.len();
    bytes.splice(at..at, [0; 4]);
    bytes
}

fn switching(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

fn handshake(port: u16, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {NAME}:{port}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

fn field(head: &str, name: &str) -> Option<String> {
    let answer = Answer { text: head.to_owned() };
    answer.field(name).map(str::to_owned)
}

/// An open WebSocket, and the answer that opened it.
fn open(bench: &Bench, port: u16, more: &str) -> (Wire<UnixStream>, String) {
    let mut wire = Wire { stream: bench.connect(NAME, port), received: Arc::default() };
    wire.stream.write_all(handshake(port, "/v1/ws", more).as_bytes()).unwrap();
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (wire, head)
}

fn outcome(bench: &Bench) -> serde_json::Value {
    bench.audit.wait_for(|event| event["action"] == "network-outcome")
}

/// The code of the close frame that comes next, and that nothing follows it.
fn closed_with<S: Read + Write>(wire: &mut Wire<S>) -> u16 {
    loop {
        match wire.frame() {
            Some((0x88, payload)) => {
                assert_eq!(wire.frame(), None);
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
            Some(_before) => {}
            None => return 0,
        }
    }
}

#[test]
fn messages_go_both_ways_and_the_log_says_how_many() {
    let server = Server::echo();
    let bench = server.bench();
    let (mut wire, head) = open(&bench, server.port, "Origin: https://a.test\r\n");
    assert_eq!(field(&head, "sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    for (first, payload) in [(0x81, &b"hello"[..]), (0x82, &[0xff; 3000]), (0x89, b"ping")] {
        wire.stream.write_all(&masked(first, payload)).unwrap();
        assert_eq!(wire.message(), Some((first, payload.to_vec())));
    }
    wire.stream.write_all(&masked(0x88, b"\x03\xe8bye")).unwrap();
    assert_eq!(wire.frame(), Some((0x88, b"\x03\xe8bye".to_vec())));
    let allowed = bench.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!((&allowed["decision"], &allowed["object"]["path"]), (&"allow".into(), &"/v1/ws".into()));
    let outcome = outcome(&bench);
    assert_eq!(
        (&outcome["status"], &outcome["object"]["bytes_sent"]),
        (&101.into(), &3014.into()),
        "{outcome}"
    );
    assert_eq!(outcome["reason"], "WebSocket closed by the client with 1000; 2 messages sent, 2 received");
    assert_eq!(bench.audit.events().iter().filter(|event| event["action"] == "network-outcome").count(), 1);
}

#[test]
fn the_server_gets_a_handshake_and_masks_of_ours() {
    let server = Server::echo();
    let bench = server.bench();
    let more =
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nOrigin: https://a.test\r\n";
    let (mut wire, head) = open(&bench, server.port, more);
    // Under the client's own mask, a whole request would stand on the wire.
    let hidden = "GET /v1/admin/x HTTP/1.1\r\nHost: a\r\n\r\n";
    wire.stream.write_all(&masked(0x81, hidden.as_bytes())).unwrap();
    assert_eq!(wire.frame(), Some((0x81, hidden.as_bytes().to_vec())));
    assert_eq!(field(&head, "sec-websocket-extensions"), None);
    let received = server.received();
    assert!(!received.contains("sec-websocket-extensions") && !received.contains(KEY), "{received}");
    assert!(received.contains("origin: https://a.test\r\n"), "{received}");
    let raw = server.received.lock().unwrap().clone();
    let at = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_ne!(raw[at + 2..at + 6], [0; 4], "the client's mask went on");
}

#[test]
fn a_subprotocol_that_was_offered_is_chosen() {
    let server = Server::start(|accept| switching(accept, "Sec-WebSocket-Protocol: b\r\n"), |_| {});
    let bench = server.bench();
    let (_wire, head) = open(&bench, server.port, "Sec-WebSocket-Protocol: a, b\r\n");
    assert_eq!(field(&head, "sec-websocket-protocol").as_deref(), Some("b"));
    assert!(server.received().contains("sec-websocket-protocol: a, b\r\n"));
}

#[test]
fn a_handshake_is_decided_and_nothing_behind_it_is_read() {
    let server = Server::echo();
    let bench = server.bench();
    for path in ["/v2/ws", "/v1/admin/x"] {
        let mut stream = bench.connect(NAME, server.port);
        let answer = Answer::of(&mut stream, handshake(server.port, path, "").as_bytes());
        assert_eq!((answer.status(), &answer.json()["level"]), (403, &"path".into()), "{}", answer.text);
        assert_eq!(answer.field("connection"), Some("close"));
        // What the client believes to be a frame is a request to somebody else.
        let hidden = format!("GET /v1/hidden HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", server.port);
        assert_eq!(Answer::of(&mut stream, hidden.as_bytes()).text, "");
    }
    assert_eq!(server.received(), "");
    bench.audit.denied_at("path");
}

#[test]
fn what_allows_a_get_allows_no_socket() {
    let server = Server::echo();
    let bench = Setting::new(forwarding::policy(server.port)).host(NAME).start();
    let answer = bench.http(NAME, server.port, handshake(server.port, "/v1/ws", ""));
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"method".into()), "{}", answer.text);
    let denied = bench.audit.denied_at("method");
    assert_eq!(denied["object"]["method"], "WEBSOCKET", "{denied}");
    // And the name of the handshake is no method that can be sent.
    let named = handshake(server.port, "/v1/ws", "").replacen("GET", "WEBSOCKET", 1);
    assert_eq!(bench.http(NAME, server.port, named).status(), 400);
    assert_eq!(server.received(), "");
}

#[test]
fn a_request_behind_a_handshake_is_refused_with_it() {
    let server = Server::echo();
    let bench = server.bench();
    let hidden = format!("GET /v1/hidden HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", server.port);
    let both = handshake(server.port, "/v1/ws", "") + &hidden;
    let mut stream = bench.connect(NAME, server.port);
    let answer = Answer::of(&mut stream, both.as_bytes());
    assert_eq!((answer.status(), &answer.json()["level"]), (400, &"request".into()), "{}", answer.text);
    assert_eq!(Answer::read(&mut stream).text, "");
    assert_eq!(server.received(), "");
}

#[test]
fn a_request_behind_a_refusal_of_the_upstream_is_not_read() {
    let server =
        Server::start(|_| "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned(), |_| {});
    let bench = server.bench();
    let mut stream = bench.connect(NAME, server.port);
    let answer = Answer::of(&mut stream, handshake(server.port, "/v1/ws", "").as_bytes());
    assert_eq!((answer.status(), answer.body()), (403, "no"), "{}", answer.text);
    assert_eq!(answer.field("connection"), Some("close"), "{}", answer.text);
    let hidden = format!("GET /v1/hidden HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", server.port);
    assert_eq!(Answer::of(&mut stream, hidden.as_bytes()).text, "");
    assert!(!server.received().contains("hidden"));
    assert_eq!(outcome(&bench)["status"], 403);
}

#[test]
fn a_resource_that_is_served_instead_is_not_relayed() {
    for head in ["200 OK", "206 Partial Content", "302 Found\r\nLocation: /private"] {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 7\r\n\r\nprivate");
        let server = Server::start(move |_| answer.clone(), |_| {});
        let bench = server.bench();
        let answer = bench.http(NAME, server.port, handshake(server.port, "/v1/ws", ""));
        assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
        assert!(!answer.text.contains("private"), "{}", answer.text);
    }
}

#[test]
fn what_denies_a_get_denies_the_handshake() {
    let server = Server::echo();
    let denying = policy(server.port).replace("HEAD, POST, OPTIONS, PUT]", "HEAD], deny: [GET]");
    let bench = Setting::new(denying.replace("[WEBSOCKET, HEAD]", "['*']")).host(NAME).start();
    let answer = bench.http(NAME, server.port, handshake(server.port, "/v1/ws", ""));
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"method".into()), "{}", answer.text);
    assert_eq!(server.received(), "");
}

/// A server's answer that is no answer to our handshake: the client hears of a broken upstream, and nothing that the
/// server says behind it.
fn faked(answer: impl Fn(&str) -> String + Send + Sync + 'static) {
    let (told, hears) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let server = Server::start(answer, move |wire| {
        wire.send(0x81, b"evil");
        let _test_over = told.lock().unwrap().send(wire.frame());
    });
    let bench = server.bench();
    let mut stream = bench.connect(NAME, server.port);
    let answer = Answer::of(&mut stream, handshake(server.port, "/v1/ws", "").as_bytes());
    assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
    let rest = Answer::of(&mut stream, &masked(0x81, b"secret"));
    assert!(!answer.text.contains("evil") && rest.text.is_empty(), "{} {}", answer.text, rest.text);
    assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), None, "a frame reached the server");
}

macro_rules! faked {
    ($($name:ident: $answer:expr;)+) => {
        $(#[test]
        fn $name() {
            faked($answer);
        })+
    };
}

faked! {
    a_101_with_a_wrong_accept: |_| switching("AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "");
    a_101_that_answers_the_clients_key: |_| switching(&accept_of(KEY), "");
    a_101_without_an_accept: |_| "HTTP/1.1 101 a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned();
    a_101_to_another_protocol: |accept| switching(accept, "").replace("websocket", "h2c");
    a_101_to_two_protocols: |accept| switching(accept, "Upgrade: h2c\r\n");
    a_101_without_a_connection_field: |accept| switching(accept, "").replace("Connection: Upgrade", "X: y");
    a_101_with_compression: |accept| switching(accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    a_101_with_a_subprotocol_unasked: |accept| switching(accept, "Sec-WebSocket-Protocol: evil\r\n");
}

#[test]
fn handshakes_that_servers_read_differently_are_refused() {
    let server = Server::echo();
    let bench = server.bench();
    let good = handshake(server.port, "/v1/ws", "");
    for (from, to) in [
        ("Version: 13", "Version: 8"),
        (KEY, "AAAA"),
        ("Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c"),
        ("GET ", "POST "),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key"),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        let answer = bench.http(NAME, server.port, good.replacen(from, to, 1));
        assert_eq!(
            (answer.status(), &answer.json()["level"]),
            (400, &"request".into()),
            "{to}: {}",
            answer.text
        );
    }
    assert_eq!(server.received(), "");
    bench.audit.denied_at("request");
}

/// What a hostile client sends after the handshake: it hears `code`, the server hears 1001 and none of it.
fn hostile_client(bytes: &[u8], code: u16) {
    let (told, hears) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let server = Server::good(move |wire| {
        let _test_over = told.lock().unwrap().send(closed_with(wire));
    });
    let bench = server.bench();
    let (mut wire, _head) = open(&bench, server.port, "");
    wire.stream.write_all(bytes).unwrap();
    assert_eq!(closed_with(&mut wire), code, "{:.60}", bytes.escape_ascii());
    assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), 1001, "{:.60}", bytes.escape_ascii());
    assert!(!server.received().contains("evil"), "{}", server.received());
    let reason = outcome(&bench)["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.starts_with(&format!("WebSocket stopped with {code} because of the client: ")),
        "{reason}"
    );
}

#[test]
fn frames_of_a_hostile_client() {
    hostile_client(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n", 1002);
    hostile_client(&unmasked(0x81, b"evil"), 1002);
    hostile_client(&masked(0xc1, b"evil"), 1002);
    hostile_client(&masked(0x83, b"evil"), 1002);
    hostile_client(&masked(0x80, b"evil"), 1002);
    hostile_client(&masked(0x88, b"\x03\xedevil"), 1002);
    hostile_client(&masked(0x81, b"\xff\xfeevil"), 1007);
    hostile_client(b"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\0\0\0\0evil", 1009);
    hostile_client(&masked(0x89, b"").repeat(1000), 1008);
}

#[test]
fn frames_of_a_hostile_server() {
    for (bytes, code) in [
        (b"HTTP/1.1 200 OK\r\n\r\nevil".to_vec(), 1002),
        (masked(0x81, b"evil"), 1002),
        (unmasked(0xa1, b"evil"), 1002),
        (unmasked(0x81, b"\xc3\x28evil"), 1007),
        (unmasked(0x8a, b"").repeat(1000), 1008),
    ] {
        let (told, hears) = std::sync::mpsc::channel();
        let told = Mutex::new(told);
        let sent = bytes.clone();
        let server = Server::good(move |wire| {
            wire.stream.write_all(&sent).unwrap();
            let _test_over = told.lock().unwrap().send(closed_with(wire));
        });
        let bench = server.bench();
        let (mut wire, _head) = open(&bench, server.port, "");
        assert_eq!(closed_with(&mut wire), 1001, "{:.60}", bytes.escape_ascii());
        assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), code, "{:.60}", bytes.escape_ascii());
        assert!(!String::from_utf8_lossy(&wire.received.lock().unwrap()).contains("evil"));
    }
}

#[test]
fn a_new_policy_closes_both_ends_at_once() {
    let (told, hears) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let server = Server::good(move |wire| {
        let _test_over = told.lock().unwrap().send(closed_with(wire));
    });
    let bench = server.bench();
    let (mut wire, _head) = open(&bench, server.port, "");
    wire.stream.write_all(&masked(0x81, b"hello")).unwrap();
    // Another rule for the same path: it stays.
    let renamed = policy(server.port).replace("name: api", "name: renamed");
    assert!(matches!(bench.set_policy(&renamed), ProxyEvent::PolicyApplied { closed: 0, .. }));
    // The host stays allowed, the path does not.
    let narrowed = policy(server.port).replace("/v1/**", "/v1/items");
    assert!(matches!(bench.set_policy(&narrowed), ProxyEvent::PolicyApplied { closed: 1, .. }));
    assert_eq!((closed_with(&mut wire), hears.recv_timeout(PATIENCE).unwrap()), (1008, 1008));
    let outcome = outcome(&bench);
    assert_eq!((&outcome["decision"], &outcome["level"]), (&"deny".into(), &"path".into()), "{outcome}");
    assert_eq!((&outcome["policy"], &outcome["object"]["bytes_sent"]), (&3.into(), &5.into()), "{outcome}");
    assert!(outcome["reason"].as_str().unwrap().starts_with("no longer allowed: "), "{outcome}");
}

#[test]
fn the_days_bytes_end_it() {
    let server = Server::echo();
    let limited = policy(server.port) + "    limits: {bytes_per_day: 1KiB}\n";
    let bench = Setting::new(limited).host(NAME).start();
    let (mut wire, _head) = open(&bench, server.port, "");
    wire.stream.write_all(&masked(0x82, &[b'x'; 600])).unwrap();
    assert_eq!(closed_with(&mut wire), 1008);
    let reason = outcome(&bench)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("bytes in a day"), "{reason}");
}

#[test]
fn an_end_that_goes_without_a_word_is_told_to_the_other() {
    let server = Server::good(|wire| wire.send(0x81, b"last"));
    let bench = server.bench();
    let (mut wire, _head) = open(&bench, server.port, "");
    assert_eq!(closed_with(&mut wire), 1001);
    let reason = outcome(&bench)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("because of the upstream") && reason.contains("1 received"), "{reason}");
}

#[test]
fn silence_ends_nothing() {
    let server = Server::echo();
    let bench = server.bench();
    let (mut wire, _head) = open(&bench, server.port, "");
    // Longer than a request's head may take.
    std::thread::sleep(Duration::from_secs(11));
    wire.stream.write_all(&masked(0x81, b"still here")).unwrap();
    assert_eq!(wire.frame(), Some((0x81, b"still here".to_vec())));
}

#[test]
fn a_client_that_does_not_read_slows_the_server() {
    let (told, hears) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let server = Server::good(move |wire| {
        wire.stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let frame = unmasked(0x82, &[7; 60_000]);
        let count = (0..10_000).take_while(|_nth| wire.stream.write_all(&frame).is_ok()).count();
        let _test_over = told.lock().unwrap().send(count);
    });
    let bench = server.bench();
    let (_unread, _head) = open(&bench, server.port, "");
    let count = hears.recv_timeout(PATIENCE).unwrap();
    assert!(count < 1000, "{count} frames of 60 kB went nowhere");
}

#[test]
fn a_socket_through_the_explicit_proxy() {
    let server = Server::silent();
    let bench = server.bench();
    let mut stream = bench.flow(wire::flow::EXPLICIT_PROXY, crate::bench::curl());
    let url = format!("http://{NAME}:{}/v1/ws", server.port);
    stream.write_all(handshake(server.port, &url, "").as_bytes()).unwrap();
    let mut wire = Wire { stream, received: Arc::default() };
    assert!(wire.head().starts_with("HTTP/1.1 101 "));
    wire.stream.write_all(&masked(0x81, b"hello")).unwrap();
    wire.stream.write_all(&masked(0x88, b"")).unwrap();
    bench.audit.wait_for(|event| event["reason"].as_str().is_some_and(|why| why.contains("without a code")));
    assert!(server.received().contains("hello"));
}
