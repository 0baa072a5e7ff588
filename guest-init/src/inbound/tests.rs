//! The agent's network, a program in it, and a host that asks for its port.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;

use wire::flow::{Flow, FlowKey, SealedFlow};
use wire::frame;
use wire::id::FlowId;
use wire::inbound::{Answer, Head, MAX_FRAME, PORT, SealedHead};
use wire::subject::Subject;

use crate::capture::Egress;
use crate::testbed::{Bed, SOON};

const KEY: FlowKey = FlowKey([9; 32]);

fn start(egress: Egress, ports: &[u16]) -> Bed {
    let bed = Bed::new(egress);
    super::start(&bed.host, bed.namespace(), KEY, ports.to_vec()).unwrap();
    bed
}

fn call(bed: &Bed) -> UnixStream {
    let stream = bed.call(PORT);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Asks for a port; returns the stream and the answer.
fn ask(bed: &Bed, port: u16, key: &FlowKey) -> (UnixStream, Answer) {
    let mut stream = call(bed);
    frame::write(&mut stream, &SealedHead::seal(Head { id: 1, port }, key).unwrap()).unwrap();
    let answer = frame::read(&mut stream, MAX_FRAME).unwrap();
    (stream, answer)
}

/// A program of the agent that gives back what it is sent, and says when there is no more.
fn echo(bed: &Bed, address: &str) -> u16 {
    let listener = bed.inside(|| TcpListener::bind(address)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            std::thread::spawn(move || {
                std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
                stream.write_all(b"end").unwrap();
            });
        }
    });
    port
}

#[test]
fn bytes_and_half_closes_go_both_ways() {
    for (egress, address) in [(Egress::ToHost, "127.0.0.1:9000"), (Egress::None, "[::1]:9000")] {
        let bed = start(egress, &[9000]);
        echo(&bed, address);
        let (mut stream, answer) = ask(&bed, 9000, &KEY);
        assert_eq!(answer, Answer::Connected);
        let sent: Vec<u8> = (0..1 << 20).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut writer = stream.try_clone().unwrap();
        let expected = [&sent[..], b"end"].concat();
        let sender = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert!(received == expected, "{} of {} bytes, or not the same", received.len(), expected.len());
    }
}

#[test]
fn only_the_ports_of_the_setup_can_be_reached() {
    let bed = start(Egress::ToHost, &[9000, 9001]);
    let closed = echo(&bed, "127.0.0.1:9002");
    assert_eq!(ask(&bed, closed, &KEY).1, Answer::NotOpen);
    assert_eq!(ask(&bed, 9000, &KEY).1, Answer::NobodyListens);
    // The sockets of the capture are in the same network.
    for port in [0, 1, 53, 3128, 65535] {
        let (mut stream, answer) = ask(&bed, port, &KEY);
        assert_eq!(answer, Answer::NotOpen, "port {port}");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "port {port} stays open");
    }
    echo(&bed, "127.0.0.1:9001");
    assert_eq!(ask(&bed, 9001, &KEY).1, Answer::Connected);
}

#[test]
fn a_program_on_another_address_is_not_reached() {
    let bed = start(Egress::ToHost, &[9000]);
    echo(&bed, "127.0.0.2:9000");
    assert_eq!(ask(&bed, 9000, &KEY).1, Answer::NobodyListens);
}

#[test]
fn a_head_that_the_host_did_not_seal_opens_nothing() {
    let bed = start(Egress::ToHost, &[9000]);
    echo(&bed, "127.0.0.1:9000");
    assert_eq!(ask(&bed, 9000, &FlowKey([8; 32])).1, Answer::NotOpen);
    // A flow's seal is of the same boot and of another kind.
    let subject = Subject::Unknown(String::new());
    let flow = Flow { id: FlowId(1), destination: "127.0.0.1:9000".parse().unwrap(), subject };
    let mut stream = call(&bed);
    frame::write(&mut stream, &SealedFlow::seal(&flow, &KEY).unwrap()).unwrap();
    assert_eq!(frame::read::<Answer>(&mut stream, MAX_FRAME).unwrap(), Answer::NotOpen);
}

#[test]
fn what_is_no_head_ends_the_connection() {
    let bed = start(Egress::ToHost, &[9000]);
    echo(&bed, "127.0.0.1:9000");
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\0", b"\x01\0\0\0\x05", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = call(&bed);
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        // A reset says the same.
        let _reset = stream.read_to_end(&mut received);
        assert!(received.is_empty(), "{} was answered", bytes.escape_ascii());
    }
}

#[test]
fn whoever_is_not_the_host_is_not_heard() {
    let bed = Bed::new(Egress::ToHost).among_strangers();
    super::start(&bed.host, bed.namespace(), KEY, vec![9000]).unwrap();
    echo(&bed, "127.0.0.1:9000");
    let mut stream = call(&bed);
    let head = SealedHead::seal(Head { id: 1, port: 9000 }, &KEY).unwrap();
    let _maybe_closed = frame::write(&mut stream, &head);
    assert!(frame::read::<Answer>(&mut stream, MAX_FRAME).is_err());
}

#[test]
fn two_hundred_connections_at_once() {
    crate::life::allow_descriptors().unwrap();
    let bed = start(Egress::ToHost, &[9000]);
    echo(&bed, "127.0.0.1:9000");
    // Each is answered before the next comes: a program that accepts slowly has a queue of 128, and no more.
    let open = |number: u32| {
        let (mut stream, answer) = ask(&bed, 9000, &KEY);
        assert_eq!(answer, Answer::Connected);
        stream.write_all(&number.to_le_bytes()).unwrap();
        let mut echoed = [0; 4];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, number.to_le_bytes());
        stream
    };
    let streams: Vec<UnixStream> = (0..200).map(open).collect();
    for mut stream in streams {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"end");
    }
}
