//! `openshell-audit` as the manager starts it: the real program, its sockets, its log.

#![expect(clippy::unwrap_used, reason = "a broken harness is a failed test")]

#[path = "process/harness.rs"]
mod harness;
#[path = "process/segments.rs"]
mod segments;

use std::io::Write as _;

use audit::client::{AppendError, Blocking, Tokio};
use audit::{Action, Appended, Decision, Event, Lifecycle, Object, Phase, Receipt, log};
use harness::{Writer, line_of};
use wire::audit::AuditEvent;

fn event(number: u64) -> Event {
    let path = format!("/item/{number}");
    Event {
        object: Some(Object::destination("api.example.com", 443).with_request(
            "GET",
            &path,
            Some("key=secret"),
        )),
        decision: Some(Decision::Allow),
        ..Event::new(Action::NetworkRequest)
    }
}

fn recorded(client: &mut Blocking, number: u64) -> Receipt {
    client.append(&event(number)).unwrap().receipt().unwrap()
}

/// How often a writer is killed: a few times, or as often as `AUDIT_KILLS` says.
fn kills() -> u64 {
    std::env::var("AUDIT_KILLS").map_or(25, |kills| kills.parse().unwrap())
}

#[test]
fn a_receipt_is_the_record_in_the_log() {
    let (writer, [manager, proxy]) = Writer::start(["manager", "proxy"]);
    let (mut manager, mut proxy) = (Blocking::new(manager), Blocking::new(proxy));
    let executed = |number| Event { action: Action::Execution, ..event(number) };
    let receipts = [
        manager.append(&executed(1)).unwrap().receipt().unwrap(),
        proxy.append(&event(2)).unwrap().receipt().unwrap(),
        manager.append(&executed(3)).unwrap().receipt().unwrap(),
    ];
    let records: Vec<_> = log::read(writer.log()).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 3);
    for ((record, receipt), client) in records.iter().zip(receipts).zip(["manager", "proxy", "manager"]) {
        assert_eq!((record.sequence, record.hash), (receipt.sequence, receipt.hash));
        assert_eq!((record.client.as_str(), record.sandbox.as_str()), (client, harness::SANDBOX));
        let told = if client == "manager" { executed(record.sequence) } else { event(record.sequence) };
        assert_eq!(record.event, told);
    }
    assert!(!writer.text().contains("secret"));
    drop((manager, proxy));
    assert_eq!(writer.wait(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_connection() {
    let (writer, [proxy]) = Writer::start(["proxy"]);
    let client = Tokio::new(proxy).unwrap();
    let tasks: Vec<_> = (0..50_u64)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut receipts = Vec::new();
                for step in 0..40 {
                    let number = task * 1000 + step;
                    receipts.push((number, client.append(&event(number)).await.unwrap().receipt().unwrap()));
                }
                receipts
            })
        })
        .collect();
    let mut receipts = Vec::new();
    for task in tasks {
        receipts.extend(task.await.unwrap());
    }
    let records: Vec<_> = log::read(writer.log()).unwrap().map(Result::unwrap).collect();
    assert_eq!((records.len(), receipts.len()), (2000, 2000));
    for (number, receipt) in receipts {
        let record = &records[usize::try_from(receipt.sequence - 1).unwrap()];
        assert_eq!((record.hash, &record.event), (receipt.hash, &event(number)));
    }
}

#[tokio::test]
async fn when_the_writer_dies_every_append_fails() {
    let (writer, [proxy, other]) = Writer::start(["proxy", "proxy"]);
    let (client, mut blocking) = (Tokio::new(proxy).unwrap(), Blocking::new(other));
    let _first = client.append(&event(1)).await.unwrap();
    writer.kill();
    for number in 2..5 {
        assert!(matches!(client.append(&event(number)).await, Err(AppendError::Lost)));
        assert!(matches!(blocking.append(&event(number)), Err(AppendError::Lost)));
    }
}

#[test]
fn told_to_end_it_ends_and_its_clients_hear_it() {
    let (writer, [socket]) = Writer::start(["proxy"]);
    let mut client = Blocking::new(socket);
    let receipt = recorded(&mut client, 1);
    writer.signal(rustix::process::Signal::INT);
    assert_eq!(recorded(&mut client, 2).sequence, receipt.sequence + 1, "an interrupt is the manager's");
    writer.signal(rustix::process::Signal::TERM);
    while client.append(&event(3)).is_ok() {}
    let log = writer.log().to_owned();
    assert!(log::verify(log).unwrap().records >= 2);
    assert_eq!(writer.wait(), Some(0));
}

/// A record with a receipt survives a kill at any moment, and the log can be written on.
#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.jsonl");
    let mut acknowledged = Vec::new();
    let mut repairs = 0;
    for round in 0..kills() {
        let (writer, [socket]) = Writer::start_on(&log, ["proxy"]);
        let killer = writer.kill_after(std::time::Duration::from_micros(200 + round * 137 % 3500));
        let mut client = Blocking::new(socket);
        let mut number = 0;
        while let Ok(appended) = client.append(&event(number)) {
            acknowledged.push(appended.receipt().unwrap());
            number += 1;
        }
        killer.join().unwrap();
        // What a machine that loses power may leave behind the last whole record.
        let mut file = std::fs::File::options().append(true).open(&log).unwrap();
        if round % 3 == 0 {
            file.write_all(b"{\"version\":1,\"sequen").unwrap();
            repairs += 1;
        }
    }
    let (writer, []) = Writer::start_on(&log, []);
    assert_eq!(writer.wait(), Some(0));
    let records: Vec<_> = log::read(&log).unwrap().map(Result::unwrap).collect();
    assert!(acknowledged.len() > 25, "only {} records", acknowledged.len());
    for receipt in &acknowledged {
        assert_eq!(records[usize::try_from(receipt.sequence - 1).unwrap()].hash, receipt.hash);
    }
    let repaired = records.iter().filter(|record| record.event.action == Action::LogRepair).count();
    assert!(repaired >= repairs, "{repaired} of {repairs} repairs recorded");
    assert_eq!(log::verify(&log).unwrap().records, u64::try_from(records.len()).unwrap());
}

#[test]
fn a_log_that_was_edited_is_not_written_on() {
    let (writer, [socket]) = Writer::start(["proxy"]);
    let mut client = Blocking::new(socket);
    for number in 0..5 {
        recorded(&mut client, number);
    }
    drop(client);
    let log = writer.keep();
    let text = std::fs::read_to_string(log.path()).unwrap().replace("/item/2", "/item/7");
    std::fs::write(log.path(), &text).unwrap();
    let (mut writer, [socket]) = Writer::spawn_on(log.path(), ["proxy"]);
    let AuditEvent::Failed { cause, remedy } = writer.event() else { panic!("it started") };
    assert_eq!(
        cause,
        "the audit log is not whole: record 3: its content does not match its hash: it was edited"
    );
    assert!(remedy.contains("openshell audit verify"));
    assert!(matches!(Blocking::new(socket).append(&event(9)), Err(AppendError::Lost)));
    assert_eq!(writer.wait(), Some(wire::spawn::EXIT_FAILED));
    assert_eq!(std::fs::read_to_string(log.path()).unwrap(), text);
}

#[test]
fn a_full_disk_acknowledges_nothing() {
    let (mut writer, [socket, other]) =
        Writer::start_on(std::path::Path::new("/dev/full"), ["proxy", "proxy"]);
    let refused = Blocking::new(socket).append(&event(1));
    assert!(
        matches!(&refused, Err(AppendError::Refused(why)) if why.contains("cannot write")),
        "{refused:?}"
    );
    let AuditEvent::Failed { cause, remedy } = writer.event() else { panic!("not reported") };
    assert!(cause.contains("No space left on device"), "{cause}");
    assert!(remedy.contains("free space"), "{remedy}");
    let other = Blocking::new(other).append(&event(2));
    assert!(matches!(other, Err(AppendError::Refused(_) | AppendError::Lost)), "{other:?}");
    assert_eq!(writer.wait(), Some(wire::spawn::EXIT_FAILED));
}

/// With `on_full: degrade` actions go on while there is no room, and the log says how many, from when, and why.
#[test]
fn where_the_operator_wants_it_a_full_disk_stops_nothing_and_the_gap_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.jsonl");
    let (mut writer, [socket, other]) = Writer::start_degrading(&log, 8 * 1024, ["proxy", "proxy"]);
    let (mut client, mut other) = (Blocking::new(socket), Blocking::new(other));
    let mut number = 0;
    let mut receipts = Vec::new();
    while let Some(receipt) = client.append(&event(number)).unwrap().receipt() {
        receipts.push(receipt);
        number += 1;
    }
    let AuditEvent::Degraded { cause } = writer.event() else { panic!("not told") };
    assert!(cause.contains("File too large"), "{cause}");
    assert_eq!(log::verify(&log).unwrap().records, number, "what did not fit was taken back");
    // Within a second it does not even try.
    assert_eq!(other.append(&event(7)).unwrap(), Appended::Unrecorded);
    let mut lost = 2;
    writer.make_room();
    let receipt = loop {
        match client.append(&event(9)).unwrap() {
            Appended::Recorded(receipt) => break receipt,
            Appended::Unrecorded => lost += 1,
        }
    };
    assert_eq!(writer.event(), AuditEvent::Restored { lost });
    assert_eq!(receipt.sequence, number + 2, "the gap's own record comes first");
    let records: Vec<_> = log::read(&log).unwrap().map(Result::unwrap).collect();
    let gap = &records[usize::try_from(number).unwrap()];
    assert_eq!((gap.client.as_str(), gap.event.action), ("audit", Action::LogGap));
    assert_eq!(gap.event.object.as_ref().unwrap().times, Some(lost));
    let reason = gap.event.reason.as_deref().unwrap();
    assert!(reason.contains("File too large") && reason.contains("since 20"), "{reason}");
    for (record, receipt) in records.iter().zip(&receipts) {
        assert_eq!((record.sequence, record.hash), (receipt.sequence, receipt.hash));
    }
    log::verify(&log).unwrap();
}

/// A gap that is still open when the sandbox ends is told of, if there is room by then.
#[test]
fn a_gap_is_told_of_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.jsonl");
    let (mut writer, [socket]) = Writer::start_degrading(&log, 4 * 1024, ["proxy"]);
    let mut client = Blocking::new(socket);
    while client.append(&event(1)).unwrap() != Appended::Unrecorded {}
    assert!(matches!(writer.event(), AuditEvent::Degraded { .. }));
    writer.make_room();
    drop(client);
    assert_eq!(writer.event(), AuditEvent::Restored { lost: 1 });
    assert_eq!(writer.wait(), Some(0));
    let last = log::read(&log).unwrap().last().unwrap().unwrap();
    assert_eq!(last.event.action, Action::LogGap);
}

/// Only the manager's word that the sandbox ended makes what comes last the end.
#[test]
fn a_log_has_an_end_if_its_manager_lived_to_tell_of_one() {
    for (phase, has_end) in
        [(Phase::AgentExited, true), (Phase::Failed, true), (Phase::Stopped, false), (Phase::Started, false)]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.jsonl");
        let (writer, [manager, proxy]) = Writer::start_on(&path, ["manager", "proxy"]);
        let lifecycle = Some(Lifecycle { phase, code: Some(0), detail: None });
        let told = Event { lifecycle, ..Event::new(Action::Lifecycle) };
        let receipt = Blocking::new(manager).append(&told).unwrap().receipt();
        assert_eq!(receipt.unwrap().sequence, 1);
        // Outcomes come later.
        assert_eq!(recorded(&mut Blocking::new(proxy), 1).sequence, 2);
        assert_eq!(writer.wait(), Some(0));
        let mut reader = log::read(&path).unwrap();
        while reader.next_line().unwrap().is_some() {}
        assert_eq!((reader.summary().has_end(), reader.summary().records), (has_end, 2 + u64::from(has_end)));
    }
}

/// A disk that fails in another way than by being full ends everything, whatever the operator wants of a full one.
#[test]
fn only_a_full_disk_is_gone_on_without() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.jsonl");
    std::fs::write(&log, "").unwrap();
    let (mut writer, [socket]) = Writer::start_degrading_on_read_only(&log, ["proxy"]);
    assert!(matches!(Blocking::new(socket).append(&event(1)), Err(AppendError::Refused(_))));
    assert!(matches!(writer.event(), AuditEvent::Failed { .. }));
    assert_eq!(writer.wait(), Some(wire::spawn::EXIT_FAILED));
}

/// The file may grow to 8 KiB and no further: the write that crosses the limit is a partial one.
#[test]
fn a_partly_written_batch_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.jsonl");
    let (mut writer, [socket]) = Writer::start_limited(&log, 8 * 1024, ["proxy"]);
    let mut client = Blocking::new(socket);
    let mut last = None;
    let error = loop {
        match client.append(&event(1)) {
            Ok(appended) => last = appended.receipt(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Refused(_)), "{error:?}");
    assert!(matches!(writer.event(), AuditEvent::Failed { .. }));
    let summary = log::verify(&log).unwrap();
    let last = last.unwrap();
    assert_eq!((summary.records, summary.last_hash), (last.sequence, last.hash));
    assert!(summary.bytes > 6 * 1024, "{summary:?}");
}

#[test]
fn what_is_not_an_event_is_refused_and_the_others_go_on() {
    let (writer, [mut bad, good]) = Writer::start(["proxy", "proxy"]);
    let bodies: [&[u8]; 7] = [
        b"{}",
        b"\xff\xff",
        br#"{"action":"lifecycle","secret":1}"#,
        br#"{"action":"no-such"}"#,
        br#"{"action":"log-repair"}"#,
        br#"{"action":"log-gap"}"#,
        br#"{"action":"clock-change"}"#,
    ];
    for body in bodies {
        bad.write_all(&u32::try_from(body.len()).unwrap().to_le_bytes()).unwrap();
        bad.write_all(body).unwrap();
        assert_eq!(harness::read_reply(&mut bad)[0], 0, "{body:?}");
    }
    bad.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert_eq!(harness::read_reply(&mut bad)[0], 0);
    assert_eq!(std::io::Read::read(&mut bad, &mut [0; 1]).unwrap(), 0, "the client is hung up");
    let receipt = recorded(&mut Blocking::new(good), 1);
    assert_eq!(receipt.sequence, 1);
    assert_eq!(log::verify(writer.log()).unwrap().records, 1);
}

#[test]
fn word_ahead_has_neither_reply_nor_record() {
    let (writer, [mut client]) = Writer::start(["proxy"]);
    let word = [0; 4];
    for number in 1..=20 {
        // Before any event, too, and more than once.
        for _word in 0..number {
            client.write_all(&word[..2]).unwrap();
            client.write_all(&word[2..]).unwrap();
        }
        client.write_all(&[&word[..], &line_of(&event(number)), &word].concat()).unwrap();
        assert_eq!(harness::read_reply(&mut client)[..8], number.to_le_bytes());
    }
    let records: Vec<_> = log::read(writer.log()).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        records.iter().map(|record| &record.event).collect::<Vec<_>>(),
        (1..=20).map(event).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
}

/// A client that sends and never reads its receipts stops being read; it does not stop the others.
#[test]
fn a_client_that_never_reads_holds_up_only_itself() {
    let (_writer, [mut deaf, good]) = Writer::start(["proxy", "proxy"]);
    deaf.set_write_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let frame = line_of(&event(1));
    let blocked = (0..200_000).any(|_count| deaf.write_all(&frame).is_err());
    assert!(blocked, "every event was read");
    // The deaf client stays deaf: only because nobody waits for it does this come back.
    recorded(&mut Blocking::new(good), 2);
}
