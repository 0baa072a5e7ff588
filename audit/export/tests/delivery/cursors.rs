//! The cursor on the disk, and logs that change while they are exported.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use audit::log::segments::name;
use audit::pattern::Pattern;
use audit_export::cursor::{CursorError, State};
use audit_export::service::{Notice, ServiceError};
use audit_export::{Format, Only};

use crate::http::{Answer, Receiver, ok};
use crate::logs::TestLog;
use crate::rig::{Rig, SANDBOX, all, webhook};

#[tokio::test]
async fn every_run_begins_where_the_last_one_ended() {
    let (rig, mut log) = Rig::with(501);
    let receiver = Receiver::willing();
    for more in [0, 1, 0, 700] {
        log.append(more);
        assert_eq!(rig.drain(webhook(&receiver.url()), Format::Json).await, []);
    }
    assert_eq!(receiver.sequences(), all(1202));
}

/// Stopped after the receiver has the records and before the cursor says so: they come again, and none is missing.
#[tokio::test]
async fn stopped_before_the_cursor_it_repeats_and_loses_nothing() {
    let (rig, _log) = Rig::with(1203);
    let mut answers = 0;
    // The first batch is answered, the second is taken without an answer.
    let receiver = Receiver::start(move |_request| {
        answers += 1;
        if answers == 2 { Answer::Nothing } else { ok("") }
    });
    rig.until_notice(webhook(&receiver.url()), Format::Json).await;
    assert_eq!(rig.cursor().mark.sequence, 500);
    let before = receiver.sequences();
    assert_eq!(before, all(1000));
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert_eq!(receiver.sequences()[before.len()..], all(1203)[500..]);
    assert_eq!((rig.cursor().mark.sequence, rig.cursor().delivered), (1203, 1203));
}

#[tokio::test]
async fn a_damaged_cursor_is_not_guessed_at() {
    let (rig, mut log) = Rig::with(3);
    let receiver = Receiver::willing();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    let good = fs::read(rig.cursor_file()).unwrap();
    log.append(1);
    let damaged: [&[u8]; 5] =
        [b"", &good[..good.len() / 2], &good[..good.len() - 1], b"\0\0\0\0", b"{\"version\":1}"];
    for bytes in damaged {
        fs::write(rig.cursor_file(), bytes).unwrap();
        let error = rig.refused(webhook(&receiver.url())).await;
        assert!(matches!(error, CursorError::Format { .. }), "{error}");
        assert_eq!(fs::read(rig.cursor_file()).unwrap(), bytes);
    }
    assert_eq!(receiver.sequences(), all(3));
    // What a crash left of a new one is no cursor.
    fs::write(rig.cursor_file(), &good).unwrap();
    fs::write(rig.cursor_file().with_extension("new"), &good[..9]).unwrap();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert_eq!(receiver.sequences(), all(4));
}

#[tokio::test]
async fn a_cursor_of_another_log_sends_nothing() {
    let (rig, _log) = Rig::with(5);
    let receiver = Receiver::willing();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    // Another history under the same name; then one that is shorter than what was delivered.
    for records in [9, 2] {
        fs::remove_dir_all(rig.root()).unwrap();
        let mut other = TestLog::new(&rig.root(), SANDBOX);
        other.append(1);
        other.rotate();
        other.append(records);
        fs::rename(other.directory.join("000002.jsonl"), other.directory.join("000001.jsonl")).unwrap();
        let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
        assert!(matches!(&notices[..], [Notice::Halted { .. }]), "{notices:?}");
        assert_eq!(rig.cursor().trouble.unwrap().state, State::Halted);
        assert_eq!(rig.cursor().mark.sequence, 5);
    }
    assert_eq!(receiver.sequences(), all(5));
}

#[tokio::test]
async fn an_edited_log_sends_what_stands_before_the_fault_and_other_logs_go_on() {
    let (rig, log) = Rig::with(800);
    TestLog::new(&rig.root(), "other-0a1b2c3d").append(2);
    log.edit(600);
    let receiver = Receiver::willing();
    let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
    let [Notice::Halted { sandbox, cause }] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!(sandbox, SANDBOX);
    assert!(cause.starts_with("record 600: "), "{cause}");
    assert_eq!(receiver.sequences(), [&[1, 2][..], &all(599)].concat());
    assert_eq!(rig.cursor().mark.sequence, 599);
}

/// What the writer and the manager do to a log while a batch of it is on its way.
#[tokio::test]
async fn a_log_is_rotated_and_packed_while_it_is_exported() {
    let (rig, log) = Rig::with(1203);
    let log = Arc::new(Mutex::new(log));
    let mut requests = 0;
    let receiver = Receiver::start({
        let log = Arc::clone(&log);
        move |_request| {
            let mut log = log.lock().unwrap();
            requests += 1;
            if requests <= 3 {
                log.rotate();
                log.append(100);
                log.pack(requests);
            }
            ok("")
        }
    });
    assert_eq!(rig.drain(webhook(&receiver.url()), Format::Json).await, []);
    assert_eq!(receiver.sequences(), all(1503));
    // The cursor's segment is packed between two runs.
    log.lock().unwrap().append(5);
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    log.lock().unwrap().rotate();
    log.lock().unwrap().append(5);
    log.lock().unwrap().pack(4);
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert_eq!(receiver.sequences(), all(1513));
}

#[tokio::test]
async fn what_was_removed_before_it_was_delivered_is_counted() {
    let (rig, mut log) = Rig::with(10);
    let receiver = Receiver::willing();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    log.append(7);
    for _segment in 0..3 {
        log.rotate();
        log.append(4);
    }
    log.remove(1);
    log.pack(2);
    log.remove(2);
    let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert_eq!(notices, [Notice::Lost { sandbox: SANDBOX.to_owned(), records: 11 }]);
    assert_eq!(receiver.sequences()[10..], all(29)[21..]);
    assert_eq!((rig.cursor().mark.sequence, rig.cursor().delivered, rig.cursor().lost), (29, 18, 11));
    // Removing what was delivered loses nothing.
    log.remove(3);
    log.append(1);
    assert_eq!(rig.drain(webhook(&receiver.url()), Format::Json).await, []);
    assert_eq!(rig.cursor().delivered, 19);
}

/// Also where the export is for none of those that are left.
#[tokio::test]
async fn what_was_removed_is_told_if_nothing_else_goes_out() {
    let (mut rig, mut log) = Rig::with(2);
    let receiver = Receiver::willing();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    log.append(3);
    log.rotate();
    log.append(4);
    log.remove(1);
    rig.only = Only { sandboxes: None, tenants: Some(vec![Pattern::from("acme")]) };
    let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert_eq!(notices, [Notice::Lost { sandbox: SANDBOX.to_owned(), records: 3 }]);
    assert_eq!(rig.cursor().lost, 3);
}

/// The system cannot read the only segment until `mend` is called, of which the kernel does not tell whoever watches the log.
fn unreadable(rig: &Rig, log: &TestLog) -> impl Fn() + use<> {
    let aside = rig.folder.path().join("aside");
    fs::create_dir(&aside).unwrap();
    let (segment, whole, link) = (log.directory.join(name(1)), aside.join("whole"), aside.join("link"));
    fs::rename(&segment, &whole).unwrap();
    symlink(&link, &link).unwrap();
    symlink(&link, &segment).unwrap();
    move || fs::rename(&whole, &link).unwrap()
}

/// It ended: no word of the kernel would come of it.
#[tokio::test]
async fn a_log_that_could_not_be_read_is_tried_again() {
    let (rig, log) = Rig::with(3);
    let mend = unreadable(&rig, &log);
    let receiver = Receiver::willing();
    let mut notices = rig
        .run_until(webhook(&receiver.url()), |notice| {
            if matches!(notice, Notice::Unreadable { attempt: 3, .. }) {
                mend();
            }
            matches!(notice, Notice::Readable { .. })
        })
        .await;
    assert_eq!(notices.pop(), Some(Notice::Readable { sandbox: SANDBOX.to_owned() }));
    assert!(notices.iter().all(|notice| matches!(notice, Notice::Unreadable { .. })), "{notices:?}");
    // Where it was stopped, the receiver may have had them already.
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert!(receiver.sequences().ends_with(&all(3)));
    assert_eq!((rig.cursor().trouble, rig.cursor().delivered), (None, 3));
}

#[tokio::test]
async fn an_export_that_is_to_end_leaves_a_log_that_cannot_be_read() {
    let (rig, log) = Rig::with(3);
    TestLog::new(&rig.root(), "other-0a1b2c3d").append(2);
    let _never_mended = unreadable(&rig, &log);
    let receiver = Receiver::willing();
    let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert!(notices.iter().all(|notice| matches!(notice, Notice::Unreadable { .. })), "{notices:?}");
    assert_eq!((notices.len(), receiver.sequences()), (5, vec![1, 2]));
    let trouble = rig.cursor().trouble.unwrap();
    assert_eq!((trouble.state, trouble.attempts), (State::Retrying, 5));
}

/// What stood in the way is not told for ever where nothing is left to be sent.
#[tokio::test]
async fn what_is_past_is_no_trouble_any_more() {
    let (rig, log) = Rig::with(3);
    let receiver = Receiver::willing();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    let mend = unreadable(&rig, &log);
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert!(rig.cursor().trouble.is_some());
    mend();
    rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert_eq!((rig.cursor().trouble, rig.cursor().delivered), (None, 3));
}

#[tokio::test]
async fn two_processes_do_not_share_a_cursor() {
    let (rig, _log) = Rig::with(1);
    let receiver = Receiver::willing();
    let _first = rig.service(webhook(&receiver.url()), Format::Json).unwrap();
    let second = rig.service(webhook(&receiver.url()), Format::Json);
    assert!(matches!(second, Err(ServiceError::Busy(name)) if name == "test"));
}

/// Every tenant's receiver gets its own records and no other's.
#[tokio::test]
async fn an_export_is_for_the_sandboxes_and_tenants_that_it_names() {
    let names = |names: &[&str]| Some(names.iter().map(|name| Pattern::from(*name)).collect());
    let (ours, other) = ((3, [SANDBOX]), (2, ["other-0a1b2c3d"]));
    let cases = [
        (Only::default(), ours.0 + other.0),
        (Only { sandboxes: names(&["test-*"]), tenants: None }, ours.0),
        (Only { sandboxes: names(&["other-0a1b2c3d", "nobody"]), tenants: None }, other.0),
        (Only { sandboxes: None, tenants: names(&["local"]) }, ours.0 + other.0),
        (Only { sandboxes: None, tenants: names(&["acme"]) }, 0),
        (Only { sandboxes: names(&["*"]), tenants: names(&[]) }, 0),
    ];
    for (only, expected) in cases {
        let (mut rig, _log) = Rig::with(ours.0);
        TestLog::new(&rig.root(), other.1[0]).append(other.0);
        rig.only = only.clone();
        let receiver = Receiver::willing();
        assert_eq!(rig.drain(webhook(&receiver.url()), Format::Json).await, []);
        assert_eq!(receiver.sequences().len() as u64, expected, "{only:?}");
        // What is another's is passed over once.
        if only.is_for_sandbox(SANDBOX) {
            assert_eq!(rig.cursor().mark.sequence, ours.0, "{only:?}");
        }
    }
}
