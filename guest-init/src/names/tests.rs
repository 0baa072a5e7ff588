//! Questions through the stub, with hosts that answer, are silent, break and come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Instant;

use wire::frame;
use wire::name::{Query, Reply};
use wire::subject::Subject;
use wire::vsock::NAMES;

use super::PATIENCE;
use crate::capture::Egress;
use crate::testbed::{Bed, SOON};

const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01";

fn start(bed: &mut Bed) -> UnixListener {
    let listener = bed.listen(NAMES);
    let gates = bed.gates();
    super::start(gates.datagrams, gates.streams, Arc::clone(&bed.host), bed.resolver()).unwrap();
    listener
}

fn client(bed: &Bed, server: &str) -> UdpSocket {
    let server: SocketAddr = server.parse().unwrap();
    let socket =
        bed.inside(|| UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    answer[..length].to_vec()
}

fn query(stream: &mut UnixStream) -> Query {
    frame::read(stream, frame::SMALL).unwrap()
}

fn reply(stream: &mut UnixStream, query: &Query, message: &[u8]) {
    frame::write(stream, &Reply { id: query.id, message: message.to_vec() }).unwrap();
}

fn is_failure(answer: &[u8]) -> bool {
    answer[..2] == QUESTION[..2] && answer[3] & 0x0f == 2
}

#[test]
fn answers_find_their_askers_in_any_order() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let (one, two) = (client(&bed, "8.8.8.8:53"), client(&bed, "[2001:4860:4860::8888]:53"));
    one.send(QUESTION).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    let first = query(&mut host);
    two.send(QUESTION).unwrap();
    let second = query(&mut host);
    assert_eq!(first.message, QUESTION);
    for asked in [&first, &second] {
        let Subject::Owners(owners) = &asked.subject else { panic!("{:?}", asked.subject) };
        assert_eq!(owners[0].pid, std::process::id());
    }
    reply(&mut host, &second, b"second");
    reply(&mut host, &first, b"first");
    assert_eq!(receive(&one), b"first");
    assert_eq!(receive(&two), b"second");
}

#[test]
fn questions_on_a_connection_are_answered_there() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let mut client = bed.inside(|| TcpStream::connect("9.9.9.9:53")).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    let message = [&u16::try_from(QUESTION.len()).unwrap().to_be_bytes(), QUESTION].concat();
    // Two questions, cut where it hurts.
    let both = [message.clone(), message].concat();
    client.write_all(&both[..1]).unwrap();
    client.write_all(&both[1..30]).unwrap();
    client.write_all(&both[30..]).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    for number in 0..2 {
        let asked = query(&mut host);
        assert_eq!(asked.message, QUESTION);
        reply(&mut host, &asked, &[number; 3]);
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0, 3, number, number, number]);
    }
}

#[test]
fn no_host_is_a_failure_at_once_and_a_host_that_comes_back_is_asked() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    drop(listener);
    bed.unbind(NAMES);
    let client = client(&bed, "8.8.8.8:53");
    let begin = Instant::now();
    client.send(QUESTION).unwrap();
    assert!(is_failure(&receive(&client)));
    // Not after the time that a silent host is given. How much sooner depends on what else the machine does.
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());

    let listener = bed.listen(NAMES);
    client.send(QUESTION).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    query(&mut host);
    // It breaks with a question in flight …
    drop(host);
    assert!(is_failure(&receive(&client)));
    // … and the next one finds it again.
    client.send(QUESTION).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    let asked = query(&mut host);
    reply(&mut host, &asked, b"back");
    assert_eq!(receive(&client), b"back");
}

#[test]
fn a_silent_host_is_a_failure_before_the_client_gives_up() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let client = client(&bed, "8.8.8.8:53");
    let begin = Instant::now();
    client.send(QUESTION).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    let asked = query(&mut host);
    assert!(is_failure(&receive(&client)));
    assert!(begin.elapsed() >= PATIENCE, "{:?}", begin.elapsed());
    // Five seconds is what resolvers give a server (resolv.conf(5)).
    const { assert!(PATIENCE.as_secs() < 5) };
    // What comes after its time answers nothing else.
    reply(&mut host, &asked, b"late");
    client.send(QUESTION).unwrap();
    let next = query(&mut host);
    reply(&mut host, &next, b"in time");
    assert_eq!(receive(&client), b"in time");
}

#[test]
fn a_host_that_talks_nonsense_is_left() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let client = client(&bed, "8.8.8.8:53");
    client.send(QUESTION).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    query(&mut host);
    host.write_all(&[0xff; 64]).unwrap();
    assert!(is_failure(&receive(&client)));
}
