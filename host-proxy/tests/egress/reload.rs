//! A policy that is replaced while requests are decided, responses flow and connections wait.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use policies::Timestamp;
use policies::proposal::Candidate;
use wire::flow::EXPLICIT_PROXY;
use wire::id::{PolicyVersion, RequestId};
use wire::proposal::{Terms, Wish};
use wire::proxy::ProxyEvent;

use crate::bench::{Answer, Bench, PATIENCE, Setting, curl};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::Upstream;

/// What a closed sandbox is given: it loads, and allows nothing.
const NOTHING: &str = "version: 1\nnetwork: []\n";

/// A server that does one thing with every connection, and tells when each is over.
struct Server {
    port: u16,
    over: Mutex<Receiver<Instant>>,
}

impl Server {
    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, over) = channel();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (tell, serve) = (tell.clone(), Arc::clone(&serve));
                std::thread::spawn(move || {
                    serve(stream.unwrap());
                    let _test_over = tell.send(Instant::now());
                });
            }
        });
        Self { port, over: Mutex::new(over) }
    }

    /// Events without end, five milliseconds apart.
    fn events() -> Self {
        Self::start(|mut stream| {
            read_head(&mut stream);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            let mut alive = stream.write_all(head.as_bytes());
            while alive.is_ok() {
                std::thread::sleep(Duration::from_millis(5));
                alive = stream.write_all(b"data: x\n\n");
            }
        })
    }

    /// Reads for ever, and never answers.
    fn silent() -> Self {
        Self::start(|mut stream| {
            let mut piece = [0; 4096];
            while matches!(stream.read(&mut piece), Ok(1..)) {}
        })
    }

    /// When the next connection was over.
    fn over(&self) -> Instant {
        self.over.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    fn bench(&self) -> Bench {
        Setting::new(policy(self.port)).host(NAME).start()
    }
}

fn read_head(stream: &mut TcpStream) {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        seen.push(byte[0]);
    }
}

fn get(port: u16) -> String {
    format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n")
}

/// A flow whose response has begun.
fn streaming(bench: &Bench, port: u16) -> UnixStream {
    let mut stream = bench.connect(NAME, port);
    stream.write_all(get(port).as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains("data: x") {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0, "{:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    stream
}

/// Waits for the end of a stream and says when it was.
fn end_of(mut stream: impl Read) -> Instant {
    let mut piece = [0; 4096];
    while matches!(stream.read(&mut piece), Ok(1..)) {}
    Instant::now()
}

/// Replaces the policy; returns how many flows that closed.
#[track_caller]
fn set(bench: &Bench, policy: &str) -> u64 {
    match bench.set_policy(policy) {
        ProxyEvent::PolicyApplied { closed, .. } => closed,
        other => panic!("{other:?}"),
    }
}

/// Waits for the end of the exchange: the client has all of the answer before, and between the two the connection goes on by
/// no policy, so that a new one ends nothing.
fn is_over(bench: &Bench) {
    bench.audit.wait_for(|event| event["action"] == "network-outcome");
}

#[test]
fn nothing_is_allowed_after_the_acknowledgement() {
    let (bench, upstream) = site();
    let port = upstream.port;
    let allowed = policy(port);
    let (stop, answers) = (AtomicBool::new(false), Answers::default());
    let mut flips = Vec::new();
    std::thread::scope(|scope| {
        for _client in 0..8 {
            scope.spawn(|| hammer(&bench, port, (&stop, &answers)));
        }
        for _round in 0..10 {
            std::thread::sleep(Duration::from_millis(100));
            set(&bench, NOTHING);
            let closed_from = Instant::now();
            std::thread::sleep(Duration::from_millis(200));
            flips.push((closed_from, Instant::now()));
            set(&bench, &allowed);
        }
        std::thread::sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
    });
    let answers = answers.into_inner().unwrap();
    let count = |status: u16| answers.iter().filter(|(_, got)| *got == status).count();
    assert!(count(200) > 0 && count(403) >= 1000, "{} allowed, {} denied", count(200), count(403));
    let late: Vec<_> = answers
        .iter()
        // One that was answered after the next policy was sent may have been judged by that one.
        .filter(|(times, status)| {
            *status == 200 && flips.iter().any(|(from, to)| from <= times.start() && times.end() < to)
        })
        .collect();
    assert!(late.is_empty(), "{} requests were allowed by a policy that was gone", late.len());
    // The log says the same: what was allowed was allowed by a policy that allows it.
    let wrong = bench.audit.events().into_iter().find(|event| {
        event["action"] == "network-request"
            && event["decision"] == "allow"
            && event["policy"].as_u64().is_none_or(|version| version % 2 == 0)
    });
    assert_eq!(wrong, None);
}

/// When each request was sent and answered, and how.
type Answers = Mutex<Vec<(RangeInclusive<Instant>, u16)>>;

/// Asks again and again, on one connection as long as it lasts; notes when each request was sent and what came back.
fn hammer(bench: &Bench, port: u16, (stop, answers): (&AtomicBool, &Answers)) {
    // The name is known from a time when it was allowed: what counts is what the address leads to.
    let address = bench.resolve_once(NAME);
    while !stop.load(Ordering::Relaxed) {
        let mut stream = bench.tls(bench.flow((address, port).into(), curl()), NAME);
        for _request in 0..50 {
            let sent = Instant::now();
            let status = Answer::of(&mut stream, get(port).as_bytes()).status();
            answers.lock().unwrap().push((sent..=Instant::now(), status));
            if status == 0 || stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

#[test]
fn a_response_that_flows_is_broken_off() {
    let server = Server::events();
    let bench = server.bench();
    let stream = streaming(&bench, server.port);
    assert_eq!(set(&bench, NOTHING), 1);
    end_of(stream);
    server.over();
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["decision"], &outcome["policy"]), (&"deny".into(), &2.into()), "{outcome}");
    assert!(outcome["reason"].as_str().unwrap().starts_with("no longer allowed: "), "{outcome}");
}

/// An approval that is over, as the manager takes it back.
#[test]
fn the_end_of_an_approval_ends_the_stream_that_goes_on_by_it() {
    let server = Server::events();
    let bench = server.bench();
    let wish = Wish {
        binary: "/usr/bin/curl".to_owned(),
        host: NAME.to_owned(),
        port: server.port,
        method: "GET".to_owned(),
        path: "/v1/a".to_owned(),
        query: Vec::new(),
    };
    let id = RequestId("0a1b2c3d00000001".to_owned());
    let rule = Candidate::new(wish).unwrap().rule(&id, Terms::Sandbox);
    let approved = policies::Document::parse(NOTHING, "policy").unwrap().with_rule(rule);
    set(&bench, &approved.clone().dynamic_text().unwrap());
    let stream = streaming(&bench, server.port);
    // Another approval beside it disturbs nothing.
    assert_eq!(set(&bench, &approved.clone().dynamic_text().unwrap()), 0);
    assert_eq!(set(&bench, &approved.without_approvals(&[id]).dynamic_text().unwrap()), 1);
    end_of(stream);
    server.over();
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["decision"], &outcome["policy"]), (&"deny".into(), &4.into()), "{outcome}");
}

#[test]
fn a_hundred_flows_are_over_at_once() {
    let server = Server::events();
    let bench = server.bench();
    let mut tries: Vec<Duration> = (0..5)
        .map(|_try| {
            let streams: Vec<UnixStream> = (0..100).map(|_flow| streaming(&bench, server.port)).collect();
            let start = Instant::now();
            assert_eq!(set(&bench, NOTHING), 100);
            let ends = streams.into_iter().map(end_of).chain((0..100).map(|_flow| server.over()));
            let slowest = ends.max().unwrap() - start;
            set(&bench, &policy(server.port));
            slowest
        })
        .collect();
    tries.sort_unstable();
    println!("100 open responses are over, at both ends, after {tries:?}");
}

#[test]
fn an_upload_ends_and_no_byte_more_arrives() {
    let server = Server::silent();
    let bench = server.bench();
    let mut stream = bench.connect(NAME, server.port);
    let head = format!(
        "POST /v1/items HTTP/1.1\r\nHost: {NAME}:{}\r\nContent-Length: 100000000\r\n\r\n",
        server.port
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut sink = stream.try_clone().unwrap();
    let upload = std::thread::spawn(move || while sink.write_all(&[b'x'; 8192]).is_ok() {});
    bench.audit.wait_for(|event| event["action"] == "network-request");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(set(&bench, NOTHING), 1);
    server.over();
    // Nothing was answered yet: the client is told why.
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status(), 403, "{}", answer.text);
    assert!(answer.json()["error"].as_str().unwrap().starts_with("no longer allowed: "));
    drop(stream);
    upload.join().unwrap();
}

#[test]
fn a_request_that_waits_for_its_answer_is_refused() {
    let server = Server::silent();
    let bench = server.bench();
    let mut stream = bench.connect(NAME, server.port);
    stream.write_all(get(server.port).as_bytes()).unwrap();
    bench.audit.wait_for(|event| event["action"] == "network-request");
    let narrowed = policy(server.port).replace("GET, HEAD, ", "");
    assert_eq!(set(&bench, &narrowed), 1);
    server.over();
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status(), answer.json()["level"].as_str()), (403, Some("method")), "{}", answer.text);
}

#[test]
fn a_connection_that_waits_is_closed_with_its_upstream() {
    let (bench, upstream) = site();
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    assert_eq!(Answer::of(&mut stream, get(upstream.port).as_bytes()).status(), 200);
    is_over(&bench);
    // Elsewhere is allowed, here no more.
    assert_eq!(set(&bench, &policy(upstream.port).replace(NAME, "other.test")), 1);
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0, "an orderly end");
    let denied = bench.audit.wait_for(|event| event["action"] == "network-flow");
    assert_eq!((&denied["decision"], &denied["policy"]), (&"deny".into(), &2.into()), "{denied}");
    assert_eq!(upstream.received().matches("HTTP/1.1").count(), 1);
}

#[test]
fn tunnels_are_closed_before_and_after_their_handshake() {
    let (bench, upstream) = site();
    let connect = format!("CONNECT {NAME}:{0} HTTP/1.1\r\nHost: {NAME}:{0}\r\n\r\n", upstream.port);
    let tunnel = || {
        let mut stream = bench.flow(EXPLICIT_PROXY, curl());
        stream.write_all(connect.as_bytes()).unwrap();
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        assert!(seen.starts_with(b"HTTP/1.1 200"));
        stream
    };
    let silent = tunnel();
    let mut used = bench.tls(tunnel(), NAME);
    assert_eq!(Answer::of(&mut used, get(upstream.port).as_bytes()).status(), 200);
    is_over(&bench);
    assert_eq!(set(&bench, NOTHING), 2);
    end_of(silent);
    end_of(used);
    // A proxy connection that leads nowhere yet stays, and is told.
    let refused = Answer::of(&mut bench.flow(EXPLICIT_PROXY, curl()), connect.as_bytes());
    assert_eq!(refused.status(), 403);
}

#[test]
fn an_upstream_kept_behind_the_explicit_proxy_is_closed() {
    let upstream = Upstream::plain();
    let bench = Setting::new(policy(upstream.port)).host(NAME).start();
    let mut stream = bench.flow(EXPLICIT_PROXY, curl());
    let request = format!("GET http://{NAME}:{0}/v1/a HTTP/1.1\r\nHost: {NAME}:{0}\r\n\r\n", upstream.port);
    assert_eq!(Answer::of(&mut stream, request.as_bytes()).status(), 200);
    is_over(&bench);
    assert_eq!(set(&bench, NOTHING), 1);
    end_of(stream);
}

#[test]
fn what_stays_allowed_goes_on() {
    let server = Server::events();
    let bench = server.bench();
    let mut stream = streaming(&bench, server.port);
    let same = policy(server.port);
    let more = same.replace("[curl]", "[curl, wget]").replace("name: api", "name: renamed");
    for (number, next) in [&same, &more, &same].into_iter().enumerate() {
        let version = PolicyVersion(u64::try_from(number).unwrap() + 2);
        assert_eq!(bench.set_policy(next), ProxyEvent::PolicyApplied { version, closed: 0 });
        let mut piece = [0; 64];
        for _event in 0..20 {
            assert_ne!(stream.read(&mut piece).unwrap(), 0, "closed by policy {version}");
        }
    }
}

#[test]
fn a_response_ends_when_its_rule_does() {
    let server = Server::events();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let until = Timestamp(i64::try_from(since).unwrap() + 4);
    let limited = policy(server.port) + &format!("    until: {until}\n");
    let bench = Setting::new(limited).host(NAME).start();
    let stream = streaming(&bench, server.port);
    server.over();
    end_of(stream);
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["decision"], &outcome["policy"]), (&"deny".into(), &1.into()), "{outcome}");
}

#[test]
fn a_policy_that_does_not_load_changes_nothing() {
    let (bench, upstream) = site();
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    let mut ask = || Answer::of(&mut stream, get(upstream.port).as_bytes()).status();
    assert_eq!(ask(), 200);
    for broken in ["", "version: 1\nnetwork: [{name: a}]\n", "version: 9\n", ": : :", "extends: [none]"] {
        let answer = bench.set_policy(broken);
        let ProxyEvent::PolicyRefused { cause, .. } = &answer else { panic!("{broken:?}: {answer:?}") };
        assert!(!cause.is_empty() && !cause.contains('\n'), "{cause}");
        assert_eq!(ask(), 200, "{broken:?}");
    }
    assert_eq!(upstream.connections(), 1, "the connection was not even interrupted");
    // Between two requests a connection may find the new policy by itself, and then it is not counted.
    let answer = bench.set_policy(NOTHING);
    assert!(matches!(answer, ProxyEvent::PolicyApplied { version: PolicyVersion(7), .. }), "{answer:?}");
    end_of(stream);
}

#[test]
fn names_follow_the_policy() {
    let bench = Setting::new(policy(443)).host(NAME).start();
    let code = |name: &str| bench.ask(name, RecordType::A).metadata.response_code;
    assert_eq!((code(NAME), code("other.test")), (ResponseCode::NoError, ResponseCode::NXDomain));
    set(&bench, &policy(443).replace(NAME, "other.test"));
    assert_eq!((code(NAME), code("other.test")), (ResponseCode::NXDomain, ResponseCode::NoError));
}

#[test]
fn a_change_between_a_decision_and_its_record_counts() {
    let (bench, upstream) = site();
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    // The record of the decision takes its time, and the policy is replaced meanwhile.
    bench.audit.delay(Duration::from_millis(500));
    stream.write_all(get(upstream.port).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    set(&bench, NOTHING);
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status(), 403, "{}", answer.text);
    upstream.saw_nothing();
}

#[test]
fn it_is_in_force_as_often_as_it_is_set() {
    let (bench, upstream) = site();
    let (open, closed) = (policy(upstream.port), NOTHING);
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    // Without a request the connection has no answer to compare; with one it is kept open.
    assert_eq!(Answer::of(&mut stream, get(upstream.port).as_bytes()).status(), 200);
    let mut times: Vec<Duration> = (0..200)
        .map(|round| {
            let start = Instant::now();
            set(&bench, if round % 2 == 0 { closed } else { &open });
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (median, most) = (times[100], times[197]);
    println!("a policy of one rule is in force after p50 {median:?}, p99 {most:?}");
}
