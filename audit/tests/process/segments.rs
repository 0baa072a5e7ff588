//! A log of several segments, as the manager keeps it, and what the signer gets.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use audit::client::Blocking;
use audit::log::{self, Fault, LogError, packed, segments};
use audit::tree;
use audit::{Action, Appended};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use wire::audit::{AuditEvent, AuditSync};

use crate::event;
use crate::harness::{Ends, Writer};

/// Makes segment `number` and hands it over, as the manager does.
fn send_segment(socket: &UnixStream, directory: &Path, number: u64) {
    let path = directory.join(segments::name(number));
    let file = File::options().read(true).append(true).create_new(true).open(path).unwrap();
    let files = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&files)));
    sendmsg(socket, &[IoSlice::new(&[0; 8])], &mut ancillary, SendFlags::empty()).unwrap();
}

#[test]
fn a_full_segment_is_followed_by_another_and_nothing_is_lost() {
    for sync in [AuditSync::Interval(50), AuditSync::Always] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (mut writer, Ends { proxy, segments, mut leaves }) = Writer::start_in(path, 20_000, sync);
        let mut client = Blocking::new(proxy);
        let mut number = 0;
        let mut receipts = Vec::new();
        for segment in 2..=5 {
            // Until the manager sends the next one, the present segment grows.
            let mut until_closed = 300;
            while until_closed > 0 {
                number += 1;
                receipts.push(crate::recorded(&mut client, number));
                until_closed -= 1;
                if until_closed == 100 {
                    assert_eq!(writer.event(), AuditEvent::SegmentFull);
                    send_segment(&segments, path, segment);
                }
            }
            assert_eq!(writer.event(), AuditEvent::SegmentClosed);
            packed::pack(path, segment - 1).unwrap();
        }
        drop(client);
        let mut sent = Vec::new();
        leaves.read_to_end(&mut sent).unwrap();
        assert_eq!(writer.wait(), Some(0));
        assert_eq!(segments::list(path).unwrap(), [1, 2, 3, 4, 5]);
        let mut reader = log::read(path).unwrap();
        let mut hashes = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            hashes.extend_from_slice(tree::leaf(line).as_bytes());
        }
        assert_eq!(hashes.len(), 32 * receipts.len());
        assert!(hashes == sent, "the signer got another leaf for some record");
        for (record, receipt) in log::read(path).unwrap().zip(receipts) {
            let record = record.unwrap();
            assert_eq!((record.sequence, record.hash), (receipt.sequence, receipt.hash));
        }
    }
}

/// A kill in the midst of writing and rotating leaves every record that was acknowledged, in segments that verify.
#[test]
fn killed_while_segments_change_nothing_acknowledged_is_lost() {
    for round in 0..crate::kills() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (mut writer, Ends { proxy, segments, leaves: _signer }) =
            Writer::start_in(path, 4096, AuditSync::Interval(1));
        let appending = std::thread::spawn(move || {
            let mut client = Blocking::new(proxy);
            (1..).map_while(|number| client.append(&event(number)).ok()?.receipt()).collect::<Vec<_>>()
        });
        let mut last = 1;
        for _step in 0..1 + round % 6 {
            match writer.event() {
                AuditEvent::SegmentFull => {
                    last += 1;
                    send_segment(&segments, path, last);
                }
                AuditEvent::SegmentClosed => packed::pack(path, last - 1).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        writer.kill_after(Duration::from_micros(round * 37 % 900)).join().unwrap();
        let receipts = appending.join().unwrap();
        let mut records = Vec::new();
        for record in log::read(path).unwrap() {
            match record {
                Ok(record) => records.push(record),
                Err(LogError::Bad { fault: Fault::Unfinished, .. }) => break,
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert!(receipts.len() > 5 && records.len() >= receipts.len(), "round {round}");
        for (record, receipt) in records.iter().zip(&receipts) {
            assert_eq!((record.sequence, record.hash), (receipt.sequence, receipt.hash), "round {round}");
        }
    }
}

/// An interval that does not end while a test runs.
const NEVER: AuditSync = AuditSync::Interval(24 * 60 * 60 * 1000);

fn is_empty(leaves: &UnixStream) -> bool {
    leaves.set_nonblocking(true).unwrap();
    let read = (&*leaves).read(&mut [0; 1]).map_err(|error| error.kind());
    leaves.set_nonblocking(false).unwrap();
    read == Err(ErrorKind::WouldBlock)
}

/// Power that is lost takes records that are not on the disk yet: were they signed, the log would pass for cut off.
#[test]
fn no_leaf_is_passed_on_before_its_record_is_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (mut writer, Ends { proxy, segments, mut leaves }) = Writer::start_in(path, 4096, NEVER);
    let mut client = Blocking::new(proxy);
    let mut number = 0;
    let mut append = |count: u64| {
        (0..count).for_each(|_| {
            number += 1;
            crate::recorded(&mut client, number);
        });
    };
    append(50);
    assert!(is_empty(&leaves), "a leaf came whose record power loss can take");
    // A segment that is left is brought to the disk then and there.
    assert_eq!(writer.event(), AuditEvent::SegmentFull);
    send_segment(&segments, path, 2);
    append(3);
    assert_eq!(writer.event(), AuditEvent::SegmentClosed);
    let mut sent = vec![0; 32 * 50];
    leaves.read_exact(&mut sent).unwrap();
    append(1);
    assert!(is_empty(&leaves), "a leaf came whose record power loss can take");
    drop(client);
    leaves.read_to_end(&mut sent).unwrap();
    assert_eq!((writer.wait(), sent.len()), (Some(0), 32 * 54));
}

/// The signer is told when the disk has it, also if nothing more comes.
#[test]
fn what_is_on_the_disk_is_passed_on_without_another_record() {
    for sync in [AuditSync::Interval(20), AuditSync::Always] {
        let directory = tempfile::tempdir().unwrap();
        let (_writer, Ends { proxy, segments: _segments, mut leaves }) =
            Writer::start_in(directory.path(), u64::MAX, sync);
        let mut client = Blocking::new(proxy);
        for number in 1..4 {
            crate::recorded(&mut client, number);
        }
        let mut sent = [0; 3 * 32];
        leaves.read_exact(&mut sent).unwrap();
        let mut reader = log::read(directory.path()).unwrap();
        for leaf in sent.chunks(32) {
            assert_eq!(leaf, tree::leaf(reader.next_line().unwrap().unwrap()).as_bytes());
        }
    }
}

/// A disk that does not say that it has a record has none to sign.
#[test]
fn without_a_sync_nothing_is_signed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, Ends { proxy, segments: _segments, mut leaves }) =
        Writer::start_without_disk(directory.path(), AuditSync::Interval(20));
    let mut client = Blocking::new(proxy);
    while client.append(&event(1)).is_ok() {}
    let AuditEvent::Failed { cause, .. } = writer.event() else { panic!("it did not fail") };
    assert!(cause.contains("to the disk"), "{cause}");
    let mut sent = Vec::new();
    leaves.read_to_end(&mut sent).unwrap();
    assert!(sent.is_empty(), "{} leaves of records that no disk has", sent.len() / 32);
}

/// Who signs is who can prove: without him nothing goes on.
#[test]
fn a_writer_without_its_signer_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, Ends { proxy, segments: _segments, leaves }) =
        Writer::start_in(directory.path(), u64::MAX, AuditSync::Interval(50));
    let mut client = Blocking::new(proxy);
    crate::recorded(&mut client, 1);
    drop(leaves);
    assert!((2..100).any(|number| client.append(&event(number)).is_err()));
    let AuditEvent::Failed { cause, .. } = writer.event() else { panic!("it did not fail") };
    assert!(cause.contains("signer"), "{cause}");
    assert_eq!(writer.wait(), Some(71));
}

/// A signer that takes leaves and signs none for longer than a crash explains would leave a log that nobody can close.
#[test]
fn a_writer_whose_signer_hangs_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, Ends { proxy, segments: _segments, mut leaves }) =
        Writer::start_signed_within(directory.path(), 700);
    let mut client = Blocking::new(proxy);
    let mut taken = [0; 32];
    for number in 1..=3_u64 {
        crate::recorded(&mut client, number);
        leaves.read_exact(&mut taken).unwrap();
        leaves.write_all(&number.to_le_bytes()).unwrap();
    }
    crate::recorded(&mut client, 4);
    leaves.read_exact(&mut taken).unwrap();
    let AuditEvent::Failed { cause, .. } = writer.event() else { panic!("it did not fail") };
    assert!(cause.contains("signer") && cause.contains("not signed"), "{cause}");
    assert!(client.append(&event(5)).is_err());
    assert_eq!(writer.wait(), Some(71));
    assert_eq!(log::verify(directory.path()).unwrap().records, 4);
}

#[test]
fn secrets_and_personal_data_are_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, [proxy]) = Writer::start_on(&directory.path().join("log.jsonl"), ["proxy"]);
    let mut client = Blocking::new(proxy);
    let token = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
    let mut event = event(1);
    event.reason = Some(format!("no rule for {token}"));
    let object = event.object.take().unwrap();
    event.object = Some(object.with_request("GET", "/users/jane%40example.com", Some(&format!("{token}=1"))));
    let _receipt = client.append(&event).unwrap();
    let record = log::read(writer.log()).unwrap().next().unwrap().unwrap();
    assert_eq!(record.event.reason.as_deref(), Some("no rule for <credential/github-token>"));
    let object = record.event.object.unwrap();
    assert_eq!(object.path.as_deref(), Some("/users/<personal/email-address>"));
    assert_eq!(object.query_keys, ["<credential/github-token>"]);
    assert!(!writer.text().contains(token) && !writer.text().contains("jane"));
}

/// The disk is full when a segment ends; the next one has room, and begins with what is told of the gap.
#[test]
fn a_gap_at_the_end_of_a_segment_is_told_of_in_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (mut writer, Ends { proxy, segments, mut leaves }) = Writer::start_degrading_in(path, 4096, 8192);
    let mut client = Blocking::new(proxy);
    let mut receipts = Vec::new();
    while let Some(receipt) = client.append(&event(1)).unwrap().receipt() {
        receipts.push(receipt);
    }
    assert_eq!(writer.event(), AuditEvent::SegmentFull);
    assert!(matches!(writer.event(), AuditEvent::Degraded { .. }));
    send_segment(&segments, path, 2);
    let mut lost = 1;
    loop {
        match client.append(&event(2)).unwrap() {
            Appended::Recorded(receipt) => break receipts.push(receipt),
            Appended::Unrecorded => lost += 1,
        }
    }
    assert_eq!(writer.event(), AuditEvent::SegmentClosed);
    assert_eq!(writer.event(), AuditEvent::Restored { lost });
    drop(client);
    let mut sent = Vec::new();
    leaves.read_to_end(&mut sent).unwrap();
    assert_eq!(writer.wait(), Some(0));
    let records: Vec<_> = log::read(path).unwrap().map(Result::unwrap).collect();
    let gap = records.iter().position(|record| record.event.action == Action::LogGap).unwrap();
    assert_eq!((gap + 2, records[gap].event.object.as_ref().unwrap().times), (records.len(), Some(lost)));
    assert_eq!(sent.len(), 32 * records.len());
    let told: Vec<_> = records.iter().filter(|record| record.client == "proxy").collect();
    assert_eq!(told.len(), receipts.len());
    for (record, receipt) in told.iter().zip(receipts) {
        assert_eq!((record.sequence, record.hash), (receipt.sequence, receipt.hash));
    }
}

/// There is no room for another segment: the present one is written on, and the manager is asked again.
#[test]
fn without_room_for_a_segment_the_present_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (mut writer, Ends { proxy, mut segments, leaves: _leaves }) =
        Writer::start_in(path, 4096, AuditSync::Interval(50));
    let mut client = Blocking::new(proxy);
    let asked = std::thread::spawn(move || {
        assert_eq!(writer.event(), AuditEvent::SegmentFull);
        std::io::Write::write_all(&mut segments, &[0; 8]).unwrap();
        assert_eq!(writer.event(), AuditEvent::SegmentFull, "it asks again");
        writer
    });
    while !asked.is_finished() {
        crate::recorded(&mut client, 1);
    }
    let _writer = asked.join().unwrap();
    assert_eq!(segments::list(path).unwrap(), [1]);
    assert!(log::verify(path).unwrap().bytes > 4096);
}
