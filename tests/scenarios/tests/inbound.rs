//! From the host to servers of the agent: through the ports that the policy opens, and through no other.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};
use scenarios::residue::Residue;
use scenarios::{Session, Started};

const TOKEN: &str = "correct-horse-battery-staple";

/// Longer than anything here takes on a machine in an emulator.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ports that each policy here opens: so many lines tell their addresses.
const PORTS: usize = 4;

/// Three servers: one that shows requests, the same on a port that nobody named, and one that echoes until the client
/// is done. The agent ends with its input.
const AGENT: &str = r#"
import http.server, os, socket, sys, threading

class Show(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (self.requestline + "\n" + str(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256

def echo(connection):
    while True:
        data = connection.recv(65536)
        if not data:
            break
        connection.sendall(data)
    connection.sendall(b"end")
    connection.close()

def echoes(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()

for port in (8080, 8081):
    threading.Thread(target=Server(("127.0.0.1", port), Show).serve_forever, daemon=True).start()
listener = socket.create_server(("::1", 9000), family=socket.AF_INET6, backlog=256)
threading.Thread(target=echoes, args=(listener,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
"#;

/// Ports that are open, beside a rule for something else: a sandbox with egress.
const POLICY: &str = r#"policy:
  inbound:
    - {name: web, port: 8080, listen: "127.0.0.1:0", protocol: http, sources: [127.0.0.1/32], token: required}
    - {name: echo, port: 9000, listen: "127.0.0.1:0", protocol: tcp}
    - {name: nobody, port: 9999, listen: "127.0.0.1:0", protocol: http}
    - {name: void, port: 9999, listen: "127.0.0.1:0", protocol: tcp}
  network:
    - name: elsewhere
      binary: {allow: [curl]}
      destination: {allow: [allowed.example.test]}
      method: {allow: [GET]}
      path: {allow: [/]}
inbound: {tokens: {web: {file: token}}}"#;

/// A sandbox whose servers are up.
struct Open {
    session: Started,
    addresses: Vec<(String, SocketAddr)>,
    /// What it said since; its reader adds to it.
    said: Arc<Mutex<Vec<u8>>>,
}

impl Open {
    fn start(session: Session) -> Self {
        let mut session = session.start();
        let mut errors = BufReader::new(session.child.stderr.take().expect("it is piped"));
        let mut output = BufReader::new(session.child.stdout.take().expect("it is piped"));
        let (mut said, mut ready) = (String::new(), String::new());
        output.read_line(&mut ready).expect("the agent's output can be read");
        if ready != "ready\n" {
            let _whatever = errors.read_to_string(&mut said);
            panic!("the agent's servers are not up: {ready:?} {said}");
        }
        let mut addresses = Vec::new();
        // The addresses were told before the agent existed.
        for line in errors.by_ref().lines().take(PORTS) {
            addresses.extend(address(&line.expect("it is text")));
        }
        // Whatever else comes must not fill the pipe.
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while errors.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                heard.lock().expect("it is never held in a panic").append(&mut line);
            }
        });
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { session, addresses, said }
    }

    fn at(&self, name: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("'{name}' was not told: {:?}", self.addresses)).1
    }
}

/// `openshell: inbound 'web': http://127.0.0.1:1234 leads to …`
fn address(line: &str) -> Option<(String, SocketAddr)> {
    let (name, rest) = line.strip_prefix("openshell: inbound '")?.split_once("': ")?;
    let (_, address) = rest.split_once("://")?;
    Some((name.to_owned(), address.split(' ').next()?.parse().ok()?))
}

fn connect(to: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(to).expect("the port is open"))
}

fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket =
        rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be made");
    rustix::net::bind(&socket, &SocketAddrV4::new(source, 0)).expect("all of 127/8 is this machine's");
    rustix::net::connect(&socket, &to).expect("the port is open");
    patient(socket.into())
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    stream
}

/// The whole answer to a request whose connection is to end.
fn ask(mut stream: TcpStream, line: &str, fields: &str) -> String {
    write!(stream, "{line} HTTP/1.1\r\nHost: agent.test\r\nConnection: close\r\n{fields}\r\n")
        .expect("it takes bytes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn was_reset(mut stream: TcpStream) -> bool {
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

fn count<'a>(audit: &'a [serde_json::Value], wanted: &'a [(&str, &str)]) -> usize {
    let is = |record: &serde_json::Value, (key, value): &(&str, &str)| record[*key] == **value;
    audit.iter().filter(|record| wanted.iter().all(|pair| is(record, pair))).count()
}

fn web(open: &Open) {
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let shown = ask(connect(open.at("web")), "GET /a?b=c", &bearer);
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.contains("GET /a?b=c HTTP/1.1\n"), "{shown}");
    assert!(!shown.contains("horse") && !shown.to_lowercase().contains("authorization"), "{shown}");
    assert!(shown.contains("x-forwarded-for: 127.0.0.1"), "{shown}");
    for fields in ["", "Authorization: Bearer correct-horse-battery-stapl3\r\n"] {
        let refused = ask(connect(open.at("web")), "GET /", fields);
        assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("\"level\":\"token\""), "{refused}");
    }
    // A request hidden behind one with the token has no token.
    let smuggled =
        ask(connect(open.at("web")), "GET /1", &format!("{bearer}\r\nGET /2 HTTP/1.1\r\nHost: a\r\n"));
    assert!(!smuggled.contains("GET /2"), "{smuggled}");
    assert!(
        was_reset(connect_from(Ipv4Addr::new(127, 0, 0, 2), open.at("web"))),
        "another source was let in"
    );
    let nobody = ask(connect(open.at("nobody")), "GET /", "");
    assert!(nobody.starts_with("HTTP/1.1 502 ") && nobody.contains("listens on port 9999"), "{nobody}");
    assert!(was_reset(connect(open.at("void"))), "nobody took a connection");
}

fn echo(open: &Open) {
    // Each is answered before the next comes: how long 200 at once may wait for a slow machine is not the question.
    let begin = |number: u32| {
        let mut stream = connect(open.at("echo"));
        stream.write_all(&number.to_le_bytes()).expect("it takes bytes");
        let mut back = Vec::new();
        let read = (&stream).take(4).read_to_end(&mut back);
        if back != number.to_le_bytes() {
            // Whether it is this connection or the whole guest that answers no more.
            let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
            let next = ask(connect(open.at("web")), "GET /", &bearer);
            let said = open.said.lock().expect("the reader does not panic with it").clone();
            panic!(
                "connection {number}: {read:?}, {}; after it: {next}; said: {}",
                back.escape_ascii(),
                String::from_utf8_lossy(&said)
            );
        }
        stream
    };
    let streams: Vec<TcpStream> = (0..200).map(begin).collect();
    for (mut stream, number) in streams.into_iter().zip(0_u32..) {
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap_or_else(|error| panic!("connection {number}: {error}"));
        assert_eq!(back, b"end", "connection {number}");
    }
    let mut stream = connect(open.at("echo"));
    let sent: Vec<u8> = (0..4 << 20).map(|at: u32| u8::try_from(at % 251).expect("it is small")).collect();
    let mut writer = stream.try_clone().expect("descriptors are left");
    let expected = [&sent[..], b"end"].concat();
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent).expect("it takes bytes");
        writer.shutdown(Shutdown::Write).expect("it is open");
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("it answers");
    sender.join().expect("it was sent");
    assert!(back == expected, "{} of {} bytes, or not the same", back.len(), expected.len());
}

#[test]
fn the_ports_that_are_named_lead_to_the_agent_and_no_other_does() {
    let before = Residue::now();
    let session = Session::new("base").command(["python3", "-c", AGENT]).yaml(POLICY);
    std::fs::write(session.dir().join("token"), format!("{TOKEN}\n")).expect("it is writable");
    let open = Open::start(session);
    web(&open);
    echo(&open);
    // The agent listens there too; nothing on the host leads to it.
    let closed = TcpStream::connect("127.0.0.1:8081");
    assert!(closed.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused));
    let outcome = open.session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(outcome.leftovers, [""; 0], "{outcome}");
    assert_eq!(Residue::now(), before, "{outcome}");
    let audit = &outcome.audit;
    let connections = |name, decision| {
        count(audit, &[("action", "inbound-connection"), ("rule", name), ("decision", decision)])
    };
    assert_eq!((connections("echo", "allow"), connections("void", "allow")), (201, 1), "{outcome}");
    assert_eq!(connections("web", "deny"), 1, "{outcome}");
    let refused = [("action", "inbound-request"), ("rule", "web"), ("level", "token")];
    assert!(count(audit, &refused) >= 2, "{outcome}");
    let source = [("action", "inbound-connection"), ("rule", "web"), ("level", "source")];
    assert_eq!(count(audit, &source), 1, "{outcome}");
    assert_eq!(count(audit, &[("action", "inbound-request"), ("rule", "nobody"), ("decision", "allow")]), 1);
    let text: String = audit.iter().map(ToString::to_string).collect();
    assert!(!text.contains("horse"), "the token is in the log");
}

#[test]
fn a_sandbox_without_egress_is_reached_and_reaches_nothing() {
    let witness = TcpListener::bind("0.0.0.0:8096").expect("the port is free");
    witness.set_nonblocking(true).expect("it is a socket");
    let script = "(while true; do echo answer | nc -l -p 9000; done) & \
                  for to in 192.0.2.1 198.18.0.1; do nc -w 2 $to 8096 </dev/null && echo out; done; \
                  sleep 1; echo ready; cat >/dev/null; kill $!";
    let entry = |name: &str| format!("{{name: {name}, port: 9000, listen: \"127.0.0.1:0\", protocol: tcp}}");
    let policy = format!("policy: {{inbound: [{}]}}", ["a", "b", "c", "d"].map(entry).join(", "));
    let open = Open::start(Session::new("tiny").script(script).yaml(&policy));
    let mut answer = String::new();
    connect(open.at("a")).read_to_string(&mut answer).expect("it answers");
    assert_eq!(answer, "answer\n");
    let outcome = open.session.outcome();
    assert_eq!(outcome.leftovers, [""; 0], "{outcome}");
    assert!(witness.accept().is_err(), "the host was reached");
}

#[test]
fn a_port_in_use_ends_the_run_before_it_begins() {
    let before = Residue::now();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound");
    let policy =
        format!("policy: {{inbound: [{{name: web, port: 8080, listen: \"{address}\", protocol: tcp}}]}}");
    let outcome = Session::new("tiny").script("echo ran").yaml(&policy).run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(125), ""), "{outcome}");
    let said: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{outcome}");
    assert!(said[0].contains(&format!("cannot listen on {address} for inbound 'web'")), "{outcome}");
    assert!(said[1].contains("remedy: end what listens there"), "{outcome}");
    assert_eq!(outcome.leftovers, [""; 0], "{outcome}");
    assert_eq!(Residue::now(), before, "{outcome}");
}
