//! The guest's side of the wire, hostile: forged, replayed, broken and silent flows, and protocols that cannot be judged.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use wire::flow::{Flow, FlowKey, SealedFlow};
use wire::frame;
use wire::id::FlowId;
use wire::subject::Subject;

use crate::bench::{Answer, Bench, Setting, curl, owner, program};
use crate::forwarding::{NAME, get, policy, site};

fn bench() -> Bench {
    Setting::new(policy(443)).host(NAME).start()
}

/// The proxy closes without a byte.
fn closes(mut stream: impl Read) {
    let mut seen = Vec::new();
    let _closed_or_reset = stream.read_to_end(&mut seen);
    assert_eq!(seen, b"");
}

fn flow_to(destination: SocketAddr) -> Flow {
    Flow { id: FlowId(1), destination, subject: curl() }
}

#[test]
fn a_flow_with_another_key_is_closed_and_recorded() {
    let bench = bench();
    let flow = flow_to((bench.resolve(NAME), 443).into());
    closes(bench.sealed_flow(&SealedFlow::seal(&flow, &FlowKey([8; 32])).unwrap()));
    assert!(bench.audit.denied_at("request")["reason"].as_str().unwrap().contains("seal"));
}

#[test]
fn a_flow_is_accepted_once() {
    let (bench, upstream) = site();
    let flow = flow_to((bench.resolve(NAME), upstream.port).into());
    let sealed = SealedFlow::seal(&flow, &bench.key).unwrap();
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
    let first = Answer::of(&mut bench.tls(bench.sealed_flow(&sealed), NAME), request.as_bytes());
    assert_eq!(first.status(), 200);
    closes(bench.sealed_flow(&sealed));
    let denied = bench.audit.wait_for(|event| event["decision"] == "deny");
    assert!(denied["reason"].as_str().unwrap().contains("opened before"), "{denied}");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_header_that_is_too_long_is_refused_at_once() {
    let bench = bench();
    let mut stream = bench.raw_flow();
    stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
    closes(stream);
    bench.audit.denied_at("request");
}

#[test]
fn a_header_of_noise_is_refused() {
    let bench = bench();
    let mut stream = bench.raw_flow();
    stream.write_all(&frame::encode(&vec![0xff_u8; 300]).unwrap()).unwrap();
    closes(stream);
    bench.audit.denied_at("request");
}

#[test]
fn half_a_header_is_refused_after_a_while() {
    let bench = bench();
    let mut stream = bench.raw_flow();
    stream.write_all(&[40, 0, 0, 0, 1, 2, 3]).unwrap();
    closes(stream);
    assert!(bench.audit.denied_at("request")["reason"].as_str().unwrap().contains("5 seconds"));
}

#[test]
fn an_address_that_was_never_handed_out_means_nothing() {
    let bench = bench();
    for address in ["198.18.1.0:443", "198.19.255.255:443", "[fd00:6f73::100]:443"] {
        closes(bench.flow(address.parse().unwrap(), curl()));
    }
    bench.audit.denied_at("request");
    assert_eq!(bench.audit.events().len(), 3);
}

#[test]
fn an_address_without_a_name_is_denied() {
    let bench = bench();
    for (address, host) in [("93.184.216.34:443", "93.184.216.34"), ("[2606:4700::1]:443", "[2606:4700::1]")]
    {
        let stream = bench.flow(address.parse().unwrap(), curl());
        let mut stream = bench.tls(stream, host.trim_start_matches('[').trim_end_matches(']'));
        let answer = Answer::of(&mut stream, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(
            (answer.status(), &answer.json()["level"]),
            (403, &"destination".into()),
            "{}",
            answer.text
        );
    }
    bench.audit.denied_at("destination");
}

#[test]
fn an_address_cannot_borrow_an_allowed_name() {
    let bench = bench();
    let stream = bench.flow("93.184.216.34:443".parse().unwrap(), curl());
    let mut stream = bench.tls(stream, "93.184.216.34");
    let answer = Answer::of(&mut stream, get("/v1/a").as_bytes());
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"destination".into()), "{}", answer.text);
    bench.audit.denied_at("destination");
}

#[test]
fn every_owner_of_the_socket_must_be_allowed() {
    let (bench, upstream) = site();
    let owners = Subject::Owners(vec![owner("/usr/bin/curl"), owner("/tmp/evil")]);
    let stream = bench.flow((bench.resolve(NAME), upstream.port).into(), owners);
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
    let answer = Answer::of(&mut bench.tls(stream, NAME), request.as_bytes());
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"binary".into()), "{}", answer.text);
    assert_eq!(answer.json()["binary"], "/usr/bin/curl, /tmp/evil");
    bench.audit.denied_at("binary");
    upstream.saw_nothing();
}

#[test]
fn nobody_and_look_alikes_are_not_curl() {
    let (bench, upstream) = site();
    let nobody = [
        Subject::Unknown("gone".to_owned()),
        Subject::Owners(Vec::new()),
        program("/tmp/curl"),
        program("/usr/bin/curl (deleted)"),
        program("/usr/bin/../../tmp/curl"),
        program("curl"),
    ];
    for subject in nobody {
        let stream = bench.flow((bench.resolve(NAME), upstream.port).into(), subject.clone());
        let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
        let answer = Answer::of(&mut bench.tls(stream, NAME), request.as_bytes());
        assert_eq!(
            (answer.status(), &answer.json()["level"]),
            (403, &"binary".into()),
            "{subject:?} {}",
            answer.text
        );
    }
    bench.audit.denied_at("binary");
    upstream.saw_nothing();
}

#[test]
fn protocols_that_cannot_be_judged_are_closed() {
    let (bench, upstream) = site();
    let openings: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"EHLO a\r\n\x00",
        b"\x00\x01\x02\x03",
        b"\x16\x02\x00",
        b"\x05\x01\x00",
        b"\r\n",
    ];
    for opening in openings {
        let mut stream = bench.connect(NAME, upstream.port);
        stream.write_all(opening).unwrap();
        if opening.starts_with(b"EHLO") {
            // A word and a space: read as a request, and refused as one.
            assert_eq!(Answer::read(&mut stream).status(), 400);
        } else {
            closes(stream);
        }
    }
    bench.audit.denied_at("request");
    assert_eq!(bench.audit.but_names().len(), 6);
    upstream.saw_nothing();
}

#[test]
fn a_client_that_waits_for_the_server_is_closed() {
    let (bench, upstream) = site();
    let start = Instant::now();
    closes(bench.connect(NAME, upstream.port));
    assert!(start.elapsed().as_secs() >= 9, "closed before its time");
    assert!(bench.audit.denied_at("request")["reason"].as_str().unwrap().contains("said nothing"));
    upstream.saw_nothing();
}

#[test]
fn plain_http_on_443_and_tls_on_80_are_closed() {
    let bench =
        Setting::new(policy(443).replace(&format!("'{NAME}:443'"), &format!("'{NAME}:443', '{NAME}:80'")))
            .host(NAME)
            .start();
    let mut plain = bench.connect(NAME, 443);
    plain.write_all(get("/v1/a").as_bytes()).unwrap();
    closes(plain);
    let mut tls = bench.connect(NAME, 80);
    tls.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
    closes(tls);
    let reasons: Vec<String> =
        bench.audit.but_names().iter().map(|event| event["reason"].to_string()).collect();
    assert!(
        reasons[0].contains("plain HTTP on port 443") && reasons[1].contains("TLS on port 80"),
        "{reasons:?}"
    );
}

#[test]
fn a_forbidden_destination_is_recorded_even_when_nothing_is_asked() {
    let (bench, upstream) = site();
    let stream = bench.flow((bench.resolve(NAME), upstream.port).into(), program("/usr/bin/nc"));
    let mut stream = bench.tls(stream, NAME);
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).unwrap();
    drop(stream);
    bench.audit.denied_at("binary");
    upstream.saw_nothing();
}

#[test]
fn a_hundred_broken_flows_do_not_disturb_a_good_one() {
    let (bench, upstream) = site();
    let broken: Vec<_> = (0..100)
        .map(|number: u8| {
            let mut stream = bench.raw_flow();
            stream.write_all(&vec![number; usize::from(number)]).unwrap();
            stream
        })
        .collect();
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
    assert_eq!(bench.https(NAME, upstream.port, request).status(), 200);
    drop(broken);
}
