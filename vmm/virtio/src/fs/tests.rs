//! The device as its driver sees it, with the other ends of its lanes in the test's hands.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::backend::Server;
use super::device::Fs;
use crate::device::Event;
use crate::driver::{DATA, Driver, END, NEXT, WRITE};

const REQUEST: u64 = DATA;
const ANSWER: u64 = DATA + 0x2000;

/// A device with so many lanes, and their other ends.
fn driver(lanes: usize) -> (Driver, Vec<OwnedFd>) {
    let pair =
        || rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None);
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..lanes).map(|_| pair().unwrap()).unzip();
    let device = Fs::new(Server::new(theirs).unwrap(), "mount0");
    (Driver::ready(Box::new(device)), ours)
}

/// A request as a driver writes it: a header, and what follows it.
fn request(unique: u64, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(40 + rest.len()).unwrap();
    let header = [&length.to_le_bytes()[..], &3_u32.to_le_bytes(), &unique.to_le_bytes(), &[0; 24]];
    [&header.concat(), rest].concat()
}

/// Offers it with room for an answer, in table entries of its own.
fn offer(driver: &Driver, unique: u64, first: u16) {
    let at = u64::from(first) * 0x100;
    driver.put(REQUEST + at, &request(unique, b"name\0"));
    driver.rings[1].offer_from(first, &[(REQUEST + at, 45, 0), (ANSWER + at, 0x80, WRITE)]);
}

fn received(lane: &OwnedFd) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 0x1_0000];
    let (length, _) = rustix::net::recv(lane, &mut bytes[..], RecvFlags::empty()).ok()?;
    Some(bytes[..length].to_vec())
}

fn send(lane: &OwnedFd, bytes: &[u8]) {
    rustix::net::send(lane, bytes, SendFlags::empty()).unwrap();
}

fn error_of(driver: &Driver, at: u64) -> (u32, i32, u64) {
    let bytes = driver.fetch(at, 16);
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    let error = i32::from_le_bytes(bytes[4..8].try_into().unwrap());
    (length, error, u64::from_le_bytes(bytes[8..].try_into().unwrap()))
}

#[test]
fn the_tag_and_the_queues_are_told() {
    let (driver, _lanes) = driver(1);
    assert_eq!(driver.get(0x08), 26);
    let mut tag = [0; 40];
    driver.transport.read(0x100, &mut tag);
    assert_eq!(&tag[..7], b"mount0\0");
    assert_eq!(tag[36..], [1, 0, 0, 0]);
}

#[test]
fn a_request_is_one_message_and_its_answer_comes_back() {
    let (driver, lanes) = driver(2);
    offer(&driver, 7, 0);
    driver.notify(1);
    assert_eq!(received(&lanes[0]), Some(request(7, b"name\0")));
    assert_eq!(driver.rings[1].used_index(), 0, "nothing is answered yet");
    send(&lanes[0], b"sixteen bytes and some more");
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.rings[1].used_entry(0), (0, 27));
    assert_eq!(driver.fetch(ANSWER, 27), b"sixteen bytes and some more");
    assert_eq!(driver.interrupts(), 1);
}

#[test]
fn requests_are_under_way_together_and_answered_in_any_order() {
    let (driver, lanes) = driver(2);
    for index in 0..3 {
        offer(&driver, u64::from(index) + 1, index * 2);
    }
    driver.notify(1);
    assert_eq!(received(&lanes[0]), Some(request(1, b"name\0")));
    assert_eq!(received(&lanes[1]), Some(request(2, b"name\0")));
    assert_eq!(received(&lanes[0]), None, "the third waits for a lane");
    send(&lanes[1], &[2; 16]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.rings[1].used_entry(0), (2, 16));
    assert_eq!(received(&lanes[1]), Some(request(3, b"name\0")), "the lane that became free");
    send(&lanes[0], &[1; 20]);
    send(&lanes[1], &[3; 24]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.rings[1].used_index(), 3);
    assert_eq!((driver.fetch(ANSWER, 20), driver.fetch(ANSWER + 0x400, 24)), (vec![1; 20], vec![3; 24]));
}

#[test]
fn what_expects_no_answer_is_given_back_without_one() {
    let (driver, lanes) = driver(1);
    driver.put(REQUEST, &request(9, &[0; 8]));
    driver.rings[0].offer(&[(REQUEST, 48, 0)]);
    driver.notify(0);
    assert_eq!(received(&lanes[0]), Some(request(9, &[0; 8])));
    send(&lanes[0], &[0; 16]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.rings[0].used_entry(0), (0, 0));
    assert_eq!(driver.transport.misbehaviour(), 0);
}

#[test]
fn chains_that_are_no_requests_are_counted_and_given_back() {
    let (driver, lanes) = driver(1);
    driver.put(REQUEST, &request(1, &[]));
    let ring = &driver.rings[1];
    ring.offer_from(0, &[(REQUEST, 39, 0), (ANSWER, 0x80, WRITE)]);
    ring.offer_from(2, &[(REQUEST, 40, 0), (ANSWER, 15, WRITE)]);
    ring.offer_from(4, &[(REQUEST, 40, 0), (END - 4, 0x80, WRITE)]);
    ring.offer_from(6, &[(ANSWER, 0x80, WRITE)]);
    ring.offer_from(7, &[(ANSWER, 0x80, WRITE), (REQUEST, 40, 0)]);
    driver.notify(1);
    assert_eq!(ring.used_index(), 5);
    assert!((0..5).all(|index| ring.used_entry(index).1 == 0));
    assert_eq!(driver.transport.misbehaviour(), 5);
    assert_eq!(received(&lanes[0]), None, "the server hears of none");
}

#[test]
fn a_chain_without_end_and_a_request_that_no_socket_takes_cost_only_themselves() {
    let (driver, lanes) = driver(1);
    let ring = &driver.rings[1];
    ring.describe(0, crate::driver::Desc(REQUEST, 40, NEXT, 0));
    ring.offer_head(0);
    driver.put(REQUEST, &request(5, &[]));
    let pieces: Vec<_> = (0..8).map(|_| (REQUEST, 0xe_0000, 0)).chain([(ANSWER, 0x80, WRITE)]).collect();
    ring.offer_from(1, &pieces);
    driver.notify(1);
    assert_eq!(ring.used_index(), 2);
    assert_eq!(error_of(&driver, ANSWER), (16, -5, 5), "7 MiB are too much");
    offer(&driver, 6, 10);
    driver.notify(1);
    assert_eq!(received(&lanes[0]), Some(request(6, b"name\0")), "the lane is still good");
}

#[test]
fn a_request_that_the_host_has_no_room_for_costs_only_itself() {
    let flags = SocketFlags::NONBLOCK;
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
    let (lane, theirs) = pair.unwrap();
    let full = theirs.try_clone().unwrap();
    let driver = Driver::ready(Box::new(Fs::new(Server::new(vec![theirs]).unwrap(), "mount0")));
    while rustix::net::send(&full, &[0; 1024], SendFlags::empty()).is_ok() {}
    offer(&driver, 1, 0);
    driver.notify(1);
    assert_eq!(error_of(&driver, ANSWER), (16, -5, 1));
    while received(&lane).is_some() {}
    offer(&driver, 2, 4);
    driver.notify(1);
    assert_eq!(received(&lane), Some(request(2, b"name\0")), "the lane is still good");
    send(&lane, &[7; 16]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.fetch(ANSWER + 0x400, 16), [7; 16]);
}

#[test]
fn a_server_that_is_gone_makes_requests_fail() {
    let (driver, mut lanes) = driver(2);
    offer(&driver, 1, 0);
    driver.notify(1);
    drop(lanes.remove(0));
    driver.transport.serve(Event::Backend);
    assert_eq!(error_of(&driver, ANSWER), (16, -5, 1), "what it had");
    drop(lanes);
    for unique in [2, 3] {
        offer(&driver, unique, 4);
        driver.notify(1);
        assert_eq!(error_of(&driver, ANSWER + 0x400), (16, -5, unique));
    }
    assert_eq!(driver.rings[1].used_index(), 3);
}

#[test]
fn answers_that_are_too_short_or_too_long_become_errors() {
    let (driver, lanes) = driver(1);
    for (index, length) in (0_u32..).zip([1, 15, 0x81, 0x4000]) {
        offer(&driver, u64::from(index), 0);
        driver.notify(1);
        assert!(received(&lanes[0]).is_some());
        send(&lanes[0], &vec![0xee; length]);
        driver.transport.serve(Event::Backend);
        assert_eq!(error_of(&driver, ANSWER), (16, -5, u64::from(index)), "{length} bytes");
        assert_eq!(driver.fetch(ANSWER + 0x80, 4), [0; 4], "nothing beyond the room");
    }
}

#[test]
fn what_nobody_asked_for_is_not_the_next_requests_answer() {
    let (driver, lanes) = driver(1);
    offer(&driver, 1, 0);
    driver.notify(1);
    assert!(received(&lanes[0]).is_some());
    send(&lanes[0], &[1; 16]);
    send(&lanes[0], &[2; 16]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.rings[1].used_index(), 1);
    // A server that speaks unasked answers the wrong request, to its own guest; the machine does not care.
    offer(&driver, 2, 4);
    driver.notify(1);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.rings[1].used_index(), 2);
    assert_eq!(driver.transport.misbehaviour(), 0);
}

#[test]
fn an_answer_to_a_driver_that_is_gone_is_dropped() {
    let (driver, lanes) = driver(1);
    offer(&driver, 1, 0);
    driver.notify(1);
    assert!(received(&lanes[0]).is_some());
    driver.set(0x70, 0);
    send(&lanes[0], &[0xee; 32]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.fetch(ANSWER, 32), [0; 32]);
    driver.negotiate();
    for (index, base) in [(0, 0x1000), (1, 0x2000)] {
        driver.set_up(index, base);
    }
    driver.rings.iter().for_each(|ring| ring.set_avail_index(0));
    driver.set(0x70, 15);
    driver.transport.serve(Event::Activated);
    offer(&driver, 2, 0);
    driver.notify(1);
    assert_eq!(received(&lanes[0]), Some(request(2, b"name\0")), "the lane is free again");
}

#[test]
fn an_answer_is_written_where_the_chain_was_when_it_was_taken() {
    let (driver, lanes) = driver(1);
    offer(&driver, 1, 0);
    driver.notify(1);
    assert!(received(&lanes[0]).is_some());
    // The driver turns the chain elsewhere meanwhile.
    driver.rings[1].describe(1, crate::driver::Desc(END - 8, 0x8000, WRITE, 0));
    send(&lanes[0], &[7; 64]);
    driver.transport.serve(Event::Backend);
    assert_eq!(driver.fetch(ANSWER, 64), [7; 64]);
}

#[test]
fn no_lanes_at_all_is_a_server_that_is_gone() -> io::Result<()> {
    let driver = Driver::ready(Box::new(Fs::new(
        Server::new(Vec::new())?,
        "a tag that is longer than any tag may be",
    )));
    offer(&driver, 4, 0);
    driver.notify(1);
    assert_eq!(error_of(&driver, ANSWER), (16, -5, 4));
    Ok(())
}
