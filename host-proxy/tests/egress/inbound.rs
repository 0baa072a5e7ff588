//! From outside to a port of the agent: the real proxy, real sockets, and this file in the place of the VMM,
//! guest-init and the agent's program.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wire::flow::FlowKey;
use wire::frame;
use wire::inbound::{Answer as Said, Head, MAX_FRAME, Opening, PORT, Protocol, SealedHead};
use wire::proxy::ProxyEvent;
use wire::secret::Secret;
use wire::spawn::Fd;
use wire::vsock::greeting;

use crate::bench::{Answer, Bench, Doors, PATIENCE, Setting};

const TOKEN: &str = "correct-horse-battery-staple";
pub(crate) const NOTHING: &str = "version: 1\nnetwork: []\n";

/// A sandbox with one open port.
pub(crate) struct Site {
    pub(crate) bench: Bench,
    address: SocketAddr,
    /// What the agent's program read, by connection.
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    _folder: tempfile::TempDir,
}

/// The agent's program: what it does with one connection; what it read is put in the second argument.
pub(crate) type Program = fn(UnixStream, &Mutex<Vec<u8>>);

/// How the port is opened.
pub(crate) struct Door {
    protocol: Protocol,
    token: Option<&'static str>,
    sources: &'static [&'static str],
}

impl Door {
    pub(crate) const TCP: Self = Self { protocol: Protocol::Tcp, token: None, sources: &["127.0.0.1/32"] };
    pub(crate) const HTTP: Self = Self { protocol: Protocol::Http, token: None, sources: &["127.0.0.1/32"] };
    const SECRET: Self = Self { protocol: Protocol::Http, token: Some(TOKEN), sources: &["127.0.0.1/32"] };

    /// Opens it to `program` on the agent's port 8080.
    pub(crate) fn to(self, program: Program) -> Site {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        self.open(move |mut stream, head| {
            assert_eq!(head.open(&FlowKey([7; 32])).unwrap().port, 8080);
            frame::write(&mut stream, &Said::Connected).unwrap();
            let mine = Mutex::new(Vec::new());
            program(stream, &mine);
            shared.lock().unwrap().push(mine.into_inner().unwrap());
        })
        .with(seen)
    }

    /// Opens it to a guest that does what it wants with a head.
    pub(crate) fn open(self, guest: impl Fn(UnixStream, SealedHead) + Send + Sync + 'static) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("guest.sock")).unwrap();
        let guest = Arc::new(guest);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (guest, mut stream) = (Arc::clone(&guest), stream.unwrap());
                std::thread::spawn(move || {
                    let mut line = vec![0; greeting(PORT).len()];
                    stream.read_exact(&mut line).unwrap();
                    assert_eq!(line, greeting(PORT).as_bytes());
                    stream.write_all(b"OK 1073741824\n").unwrap();
                    let head = frame::read(&mut stream, MAX_FRAME).unwrap();
                    guest(stream, head);
                });
            }
        });
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = outside.local_addr().unwrap();
        let opening = Opening {
            name: "web".to_owned(),
            port: 8080,
            protocol: self.protocol,
            sources: self.sources.iter().map(|source| source.parse().unwrap()).collect(),
            token: self.token.map(|token| Secret::new(token.to_owned())),
            listener: Fd(0),
        };
        let mut setting = Setting::new(NOTHING);
        setting.inbound =
            Some(Doors { folder: folder.path().to_owned(), openings: vec![(opening, outside)] });
        Site { bench: setting.start(), address, seen: Arc::default(), _folder: folder }
    }
}

impl Site {
    fn with(self, seen: Arc<Mutex<Vec<Vec<u8>>>>) -> Self {
        Self { seen, ..self }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(&self, bytes: &str) -> Answer {
        Answer::of(&mut self.connect(), bytes.as_bytes())
    }

    /// What the program read on its connections so far, as text.
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Waits for an event of `action` with this decision.
    fn recorded(&self, action: &str, decision: &str) -> serde_json::Value {
        self.bench.audit.wait_for(|event| event["action"] == action && event["decision"] == decision)
    }
}

/// Reads one request by its head and `Content-Length`, and answers it. What comes after it is read too.
fn server(mut stream: UnixStream, seen: &Mutex<Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            break;
        }
    }
    let length = head.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Agent: a\r\n\r\nhello";
    stream.write_all(answer.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    seen.lock().unwrap().extend([head.into_bytes(), body, rest].concat());
}

/// Gives back what it is sent, then `end`.
pub(crate) fn echo(mut stream: UnixStream, _seen: &Mutex<Vec<u8>>) {
    std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
    stream.write_all(b"end").unwrap();
}

/// Reads one request to its last chunk, and answers it.
fn chunks(mut stream: UnixStream, seen: &Mutex<Vec<u8>>) {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n0\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        bytes.push(byte[0]);
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    seen.lock().unwrap().extend(bytes);
}

/// Reads for ever.
pub(crate) fn sink(mut stream: UnixStream, seen: &Mutex<Vec<u8>>) {
    let mut bytes = Vec::new();
    let _or_reset = stream.read_to_end(&mut bytes);
    seen.lock().unwrap().extend(bytes);
}

pub(crate) fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: agent.test\r\n{fields}\r\n")
}

#[test]
fn tcp_carries_bytes_and_half_closes() {
    let site = Door::TCP.to(echo);
    let mut stream = site.connect();
    let sent: Vec<u8> = (0..1 << 20).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let expected = [&sent[..], b"end"].concat();
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    sender.join().unwrap();
    assert!(received == expected, "{} of {} bytes, or not the same", received.len(), expected.len());
    let let_in = site.recorded("inbound-connection", "allow");
    assert_eq!(let_in["rule"], "web");
    assert_eq!(let_in["object"]["port"], 8080);
    assert!(let_in["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{let_in}");
    let outcome = site.bench.audit.wait_for(|event| event["action"] == "inbound-outcome");
    assert_eq!(outcome["request"], let_in["request"]);
    assert_eq!(outcome["object"]["bytes_sent"], 1 << 20);
    assert_eq!(outcome["object"]["bytes_received"], (1 << 20) + 3);
}

#[test]
fn two_hundred_connections_at_once() {
    let site = Door::TCP.to(echo);
    let streams: Vec<TcpStream> = (0..200).map(|_| site.connect()).collect();
    for (mut stream, number) in streams.into_iter().zip(0_u32..) {
        stream.write_all(&number.to_le_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received, [&number.to_le_bytes()[..], b"end"].concat());
    }
}

#[test]
fn another_source_is_reset_and_the_guest_hears_nothing() {
    for door in [Door::TCP, Door::SECRET] {
        let protocol = door.protocol;
        let site = Door { sources: &["127.0.0.1/32", "10.0.0.0/8", "::1"], ..door }.to(sink);
        let mut stream = match from(Ipv4Addr::new(127, 0, 0, 2), site.address) {
            Ok(stream) => stream,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                continue;
            }
        };
        // Whichever comes first after the reset hears of it, and only that.
        let wrote = stream.write_all(get("/", &format!("Authorization: Bearer {TOKEN}\r\n")).as_bytes());
        let mut received = Vec::new();
        let ended = stream.read_to_end(&mut received).map(drop);
        let reset = [wrote, ended].into_iter().filter_map(Result::err);
        assert_eq!(reset.map(|error| error.kind()).next(), Some(ErrorKind::ConnectionReset), "{protocol}");
        assert!(received.is_empty(), "{protocol}");
        let refused = site.recorded("inbound-connection", "deny");
        assert_eq!((&refused["level"], &refused["rule"]), (&"source".into(), &"web".into()), "{protocol}");
        assert!(refused["source"].as_str().unwrap().starts_with("127.0.0.2:"), "{refused}");
        assert_eq!(site.seen(), [""; 0]);
        // A source that is listed is let in through the same door.
        drop(site.ask(&get("/", "Connection: close\r\n")));
        site.bench
            .audit
            .wait_for(|event| event["source"].as_str().is_some_and(|text| text.contains("127.0.0.1:")));
    }
}

#[test]
fn a_flood_of_strangers_is_counted_in_few_records() {
    const STRANGERS: u64 = 300;
    let site = Door { sources: &["127.0.0.1/32"], ..Door::TCP }.to(sink);
    for _one in 0..STRANGERS {
        // Some are reset before they hear that they are connected.
        let _or_reset = from(Ipv4Addr::new(127, 0, 0, 2), site.address);
    }
    let times = |event: &serde_json::Value| event["object"]["times"].as_u64().unwrap_or(1);
    let told = |events: &[serde_json::Value]| {
        let refusals = events.iter().filter(|event| event["level"] == "source").map(times);
        refusals.fold((0, 0), |(records, strangers), times| (records + 1, strangers + times))
    };
    let (records, strangers) = told(&site.bench.audit.wait_until(|events| told(events).1 >= STRANGERS));
    assert_eq!(strangers, STRANGERS);
    assert!((1..STRANGERS / 10).contains(&records), "{records}");
}

/// A connection from one of this host's own addresses.
fn from(source: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let SocketAddr::V4(to) = to else { panic!("{to}") };
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &std::net::SocketAddrV4::new(source, 0)).unwrap();
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Ok(stream)
}

#[test]
fn nothing_goes_in_that_is_not_recorded() {
    for door in [Door::TCP, Door::HTTP] {
        let protocol = door.protocol;
        let site = door.to(sink);
        site.bench.audit.fail();
        let mut stream = site.connect();
        // Which of the two hears of a reset is a matter of time; only one does.
        let written = stream.write_all(get("/", "").as_bytes());
        match protocol {
            Protocol::Tcp => {
                let read = written.and_then(|()| stream.read(&mut [0]).map(drop));
                let kind = read.expect_err("it was let in").kind();
                assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
            }
            Protocol::Http => assert_eq!(Answer::read(&mut stream).status(), 503),
        }
        assert_eq!(site.seen(), [""; 0], "{protocol}");
    }
}

#[test]
fn the_record_comes_first() {
    let site = Door::HTTP.to(server);
    site.bench.audit.delay(Duration::from_millis(300));
    let mut stream = site.connect();
    stream.write_all(get("/", "").as_bytes()).unwrap();
    let recorded = || {
        std::thread::sleep(Duration::from_millis(1));
        // In this order: what the program has read was recorded before.
        let went_in = !site.seen().is_empty();
        let recorded = site.bench.audit.events().iter().any(|event| event["action"] == "inbound-request");
        assert!(recorded || !went_in);
        recorded
    };
    assert!((0..10_000).any(|_| recorded()), "it was never recorded");
    assert_eq!(Answer::read(&mut stream).status(), 200);
}

#[test]
fn a_program_that_does_not_listen_is_told_as_such() {
    for said in [Said::NobodyListens, Said::NotOpen, Said::Full] {
        let answer = move |mut stream: UnixStream, _head| frame::write(&mut stream, &said).unwrap();
        let site = Door::HTTP.open(answer);
        let told = site.ask(&get("/", ""));
        assert_eq!((told.status(), told.json()["level"].as_str()), (502, Some("sandbox")), "{}", told.text);
        let outcome = site.bench.audit.wait_for(|event| event["action"] == "inbound-outcome");
        assert_eq!(outcome["level"], "sandbox", "{outcome}");
        let site = Door::TCP.open(answer);
        let ended = site.connect().read(&mut [0]);
        assert!(ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}

#[test]
fn a_hostile_guest_gets_its_client_an_error_and_nothing_else() {
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\x81\0\0\0", b"\0\0\0\0", b"\x01\0\0\0\xff", b"garbage", b""] {
        let site = Door::HTTP.open(move |mut stream, _head| stream.write_all(bytes).unwrap());
        assert_eq!(site.ask(&get("/", "")).status(), 502, "{}", bytes.escape_ascii());
    }
}

#[test]
fn the_token_is_needed_and_stays_outside() {
    let site = Door::SECRET.to(server);
    for fields in [
        String::new(),
        "Authorization: Bearer wrong\r\n".to_owned(),
        format!("Authorization: Bearer {}\r\n", &TOKEN[1..]),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer x\r\nAuthorization: Bearer {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n"),
        format!("Proxy-Authorization: Bearer {TOKEN}\r\n"),
        format!("X-Authorization: Bearer {TOKEN}\r\n"),
    ] {
        let answer = site.ask(&get(&format!("/?access_token={TOKEN}"), &fields));
        assert_eq!(answer.status(), 401, "{fields}: {}", answer.text);
        assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.json()["level"], "token");
        assert!(!answer.text.contains(TOKEN));
    }
    assert_eq!(site.seen(), [""; 0]);
    let answer = site.ask(&get("/a?b=c", &format!("Authorization: Bearer {TOKEN}\r\nX-Mine: 1\r\n")));
    assert_eq!((answer.status(), answer.body(), answer.field("x-agent")), (200, "hello", Some("a")));
    let refused = site.recorded("inbound-request", "deny");
    assert_eq!(refused["level"], "token");
    let let_in = site.recorded("inbound-request", "allow");
    assert_eq!(let_in["object"]["path"], "/a");
    let outcome = site.bench.audit.wait_for(|event| event["action"] == "inbound-outcome");
    assert_eq!((&outcome["status"], &outcome["request"]), (&200.into(), &let_in["request"]));
    let seen = wait_for_seen(&site, 1);
    assert!(seen[0].starts_with("GET /a?b=c HTTP/1.1\r\n") && seen[0].contains("x-mine: 1"), "{seen:?}");
    assert!(!seen[0].to_ascii_lowercase().contains("authorization"), "{seen:?}");
    // Nowhere but in the config, which is gone: not in the log, the program's bytes, the command line.
    let log = serde_json::to_string(&site.bench.audit.events()).unwrap();
    assert!(!log.contains(TOKEN) && !seen[0].contains(TOKEN));
    let pid = site.bench.child.id();
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(TOKEN), "{file}");
    }
}

fn wait_for_seen(site: &Site, count: usize) -> Vec<String> {
    let start = std::time::Instant::now();
    while site.seen().len() < count {
        assert!(start.elapsed() < PATIENCE, "{:?}", site.seen());
        std::thread::sleep(Duration::from_millis(5));
    }
    site.seen()
}

#[test]
fn each_request_of_a_connection_is_checked_and_has_a_connection_of_its_own() {
    let site = Door::SECRET.to(server);
    let good = get("/1", &format!("Authorization: Bearer {TOKEN}\r\n"));
    let mut stream = site.connect();
    stream.write_all(good.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status(), 200);
    stream.write_all(good.replacen("/1", "/2", 1).as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status(), 200);
    // The third is sent with no token: what the first two carried is not remembered.
    stream.write_all(get("/3", "").as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status(), 401);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection goes on after a refusal");
    let mut seen = wait_for_seen(&site, 2);
    // Each connection is a thread's, which says what it read when it has ended.
    seen.sort();
    assert!(seen[0].starts_with("GET /1 ") && seen[1].starts_with("GET /2 "), "{seen:?}");
    for read in &seen {
        assert_eq!(read.matches("HTTP/1.1").count(), 1, "{seen:?}");
        assert!(read.contains("connection: close"), "{seen:?}");
    }
}

#[test]
fn a_hidden_second_request_does_not_go_in() {
    let site = Door::SECRET.to(server);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: agent.test\r\n\r\n";
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let smuggles = [
        // Pipelined behind one that carries the token: it is a request, and carries none.
        format!("GET /open HTTP/1.1\r\nHost: agent.test\r\n{token}\r\n{hidden}"),
        format!(
            "POST /open HTTP/1.1\r\nHost: agent.test\r\n{token}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /open HTTP/1.1\r\nHost: agent.test\r\n{token}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /open HTTP/1.1\r\nHost: agent.test\r\n{token}Content-Length: 0\r\nContent-Length: 44\r\n\r\n{hidden}"
        ),
        format!("GET /open HTTP/1.1\nHost: agent.test\n{token}\n{hidden}"),
        format!("GET /open HTTP/1.1\r\nHost: agent.test\r\nHost: other\r\n{token}\r\n{hidden}"),
        format!("GET /open HTTP/1.1\r\nHost: agent.test\r\n{token}Connection: Authorization\r\n\r\n{hidden}"),
        format!("GET http://other/open HTTP/1.1\r\nHost: agent.test\r\n{token}\r\n{hidden}"),
        format!("CONNECT agent.test:80 HTTP/1.1\r\nHost: agent.test:80\r\n{token}\r\n{hidden}"),
        format!("GET /open HTTP/1.1\r\nHost: agent.test\r\n{token}Content-Length: 44\r\n\r\n{hidden}"),
    ];
    for bytes in &smuggles {
        let mut stream = site.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.contains("HTTP/1.1 4"), "nothing was refused of {bytes:?}: {text}");
    }
    for read in site.seen() {
        assert!(!read.contains("hidden"), "{read:?}");
    }
}

#[test]
fn bodies_go_in_whole_and_framed_anew() {
    let site = Door::HTTP.to(server);
    let answer = site.ask(
        "POST /p HTTP/1.1\r\nHost: agent.test\r\nContent-Length: 4\r\nAuthorization: Basic eDp5\r\n\r\nbody",
    );
    assert_eq!(answer.status(), 200);
    let seen = wait_for_seen(&site, 1);
    assert!(seen[0].contains("content-length: 4\r\n") && seen[0].ends_with("\r\n\r\nbody"), "{seen:?}");
    // Without a token of the operator's, credentials are the program's own business.
    assert!(seen[0].contains("authorization: Basic eDp5"), "{seen:?}");
    let site = Door::HTTP.to(chunks);
    let chunked = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert_eq!(site.ask(chunked).status(), 204);
    let seen = wait_for_seen(&site, 1);
    assert!(seen[0].ends_with("4\r\nbody\r\n0\r\n\r\n"), "{seen:?}");
}

#[test]
fn what_a_client_says_of_itself_is_replaced() {
    let site = Door::HTTP.to(server);
    let fields = "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-OpenShell-Sandbox: other\r\nUpgrade: websocket\r\nConnection: upgrade\r\n";
    assert_eq!(site.ask(&get("/", fields)).status(), 200);
    let seen = wait_for_seen(&site, 1);
    assert!(seen[0].contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen:?}");
    for gone in ["10.0.0.1", "openshell", "upgrade"] {
        assert!(!seen[0].to_ascii_lowercase().contains(gone), "{gone} in {seen:?}");
    }
}

#[test]
fn a_program_that_answers_nonsense_is_a_bad_gateway() {
    let programs: [(Program, u16); 3] = [
        (|mut stream, _| stream.write_all(b"SSH-2.0-x\r\n").unwrap(), 502),
        (|stream, _| drop(stream), 502),
        (
            |mut stream, _| {
                stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").unwrap()
            },
            502,
        ),
    ];
    for (program, status) in programs {
        let answer = Door::HTTP.to(program).ask(&get("/", ""));
        assert_eq!(answer.status(), status, "{}", answer.text);
    }
}

#[test]
fn a_head_is_sealed_for_its_boot_and_counted() {
    let heads = Arc::new(Mutex::new(Vec::<Head>::new()));
    let shared = Arc::clone(&heads);
    let site = Door::TCP.open(move |mut stream, head| {
        assert!(head.open(&FlowKey([8; 32])).is_err());
        shared.lock().unwrap().push(head.open(&FlowKey([7; 32])).unwrap());
        frame::write(&mut stream, &Said::NobodyListens).unwrap();
    });
    for _connection in 0..3 {
        let _reset = site.connect().read(&mut [0]);
    }
    let mut ids: Vec<u64> = heads.lock().unwrap().iter().map(|head| head.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn egress_goes_on_while_inbound_is_full() {
    let site = Door::TCP.to(sink);
    let held: Vec<TcpStream> = (0..wire::inbound::MOST_CONNECTIONS).map(|_| site.connect()).collect();
    // Every place is taken: the next one is refused, and says why in the log.
    let refused = loop {
        let mut stream = site.connect();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                break site.recorded("inbound-connection", "deny");
            }
            _not_yet => {}
        }
    };
    assert_eq!(refused["level"], "limit");
    let question = site.bench.ask("example.com", hickory_proto::rr::RecordType::A);
    assert_eq!(question.metadata.response_code, hickory_proto::op::ResponseCode::NXDomain);
    drop(held);
}

/// What a connection says after its peer has put it out.
fn is_out(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_))
}

#[test]
fn quarantine_puts_out_who_is_in_and_lets_nobody_in_until_a_policy_is_set() {
    let site = Door::TCP.to(echo);
    let mut stream = site.connect();
    let turn = |stream: &mut TcpStream| {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    };
    turn(&mut stream);
    assert!(matches!(site.bench.set_policy(NOTHING), ProxyEvent::PolicyApplied { closed: 0, .. }));
    turn(&mut stream);
    let put_out = site.bench.quarantine();
    assert!(matches!(put_out, ProxyEvent::PolicyApplied { closed: 1, .. }), "{put_out:?}");
    let error = stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let outcome = site.bench.audit.wait_for(|event| event["action"] == "inbound-outcome");
    assert_eq!(
        (outcome["level"].as_str(), outcome["object"]["bytes_sent"].as_u64()),
        (Some("quarantine"), Some(2))
    );
    assert!(is_out(&mut site.connect()));
    let refused = site.recorded("inbound-connection", "deny");
    assert_eq!(refused["level"], "quarantine");
    assert!(matches!(site.bench.set_policy(NOTHING), ProxyEvent::PolicyApplied { .. }));
    turn(&mut site.connect());
}

#[test]
fn quarantine_breaks_off_a_response_and_a_connection_between_requests() {
    fn endless(mut stream: UnixStream, _seen: &Mutex<Vec<u8>>) {
        stream.read_exact(&mut [0; 16]).unwrap();
        let _put_out = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        while stream.write_all(b"1\r\nx\r\n").is_ok() {}
    }
    let site = Door::HTTP.to(endless);
    let mut busy = site.connect();
    busy.write_all(get("/", "").as_bytes()).unwrap();
    busy.read_exact(&mut [0; 64]).unwrap();
    let mut idle = site.connect();
    idle.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let admitted = |event: &serde_json::Value| event["action"] == "inbound-request";
    site.bench.audit.wait_for(admitted);
    assert!(matches!(site.bench.quarantine(), ProxyEvent::PolicyApplied { .. }));
    let mut rest = Vec::new();
    let ended = busy.read_to_end(&mut rest);
    assert!(ended.is_err() || !rest.ends_with(b"0\r\n\r\n"), "the response ended as if it were whole");
    assert!(is_out(&mut idle));
    let outcome = site.bench.audit.wait_for(|event| event["action"] == "inbound-outcome");
    assert_eq!(outcome["level"], "quarantine");
}
