use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use wire::audit::{Limits, OnFull};

use super::clock::{Clocks, HostClocks, Reading};
use super::journal::{Committed, Journal, JournalError, StageError, Terms, Writing};
use crate::log::{Fault, LogError, Reader, verify};
use crate::record::{Action, Event, Origin};

const DENY: Terms = Terms { on_full: OnFull::Deny, limits: Limits::NONE };

fn origin(sandbox: &str) -> Origin {
    let sandbox = sandbox.to_owned().try_into().unwrap();
    Origin { tenant: wire::id::TenantId::default(), sandbox, agent: "test".to_owned() }
}

fn open(path: &std::path::Path) -> Journal {
    let file = File::options().read(true).append(true).create(true).open(path).unwrap();
    Journal::open(file, None, &origin("test-0a1b2c3d"), DENY, Box::new(HostClocks)).unwrap()
}

/// A log of four records.
fn small_log() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut journal = open(&path);
    for rule in ["a", "b", "c", "d"] {
        let event = Event { rule: Some(rule.to_owned()), ..Event::new(Action::NetworkRequest) };
        journal.stage("proxy", &serde_json::to_vec(&event).unwrap()).unwrap();
    }
    journal.commit().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (directory, path, bytes)
}

fn fault(bytes: &[u8]) -> Option<(u64, Fault)> {
    match Reader::new(bytes).verify() {
        Ok(_summary) => None,
        Err(LogError::Bad { number, fault }) => Some((number, fault)),
        Err(other) => panic!("{other}"),
    }
}

/// Number of the line that a byte stands in.
fn line_at(bytes: &[u8], at: usize) -> u64 {
    1 + u64::try_from(bytes[..at].iter().filter(|byte| **byte == b'\n').count()).unwrap()
}

#[test]
fn any_edited_byte_is_found_and_its_record_named() {
    let (_directory, _path, bytes) = small_log();
    assert_eq!(fault(&bytes), None);
    for at in 0..bytes.len() {
        for change in [1_u8, 0x20, 0x80, 0xff] {
            let mut edited = bytes.clone();
            edited[at] ^= change;
            let (number, _fault) =
                fault(&edited).unwrap_or_else(|| panic!("byte {at} ^ {change} was not found"));
            assert_eq!(number, line_at(&bytes, at), "byte {at} ^ {change}");
        }
        let mut removed = bytes.clone();
        removed.remove(at);
        assert!(
            fault(&removed).is_some_and(|(number, _)| number == line_at(&bytes, at)),
            "byte {at} removed"
        );
        let mut added = bytes.clone();
        added.insert(at, b' ');
        assert!(fault(&added).is_some_and(|(number, _)| number == line_at(&bytes, at)), "byte {at} added");
    }
}

#[test]
fn removed_moved_and_doubled_records_are_found() {
    let (_directory, _path, bytes) = small_log();
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let log = |order: &[usize]| order.iter().map(|line| lines[*line]).collect::<String>();
    let table: [(&[usize], u64); 6] = [
        (&[1, 2, 3], 1),
        (&[0, 2, 3], 2),
        (&[0, 1, 3], 3),
        (&[1, 0, 2, 3], 1),
        (&[0, 0, 1], 2),
        (&[0, 1, 2, 3, 3], 5),
    ];
    for (order, number) in table {
        assert_eq!(fault(log(order).as_bytes()), Some((number, Fault::Unlinked)), "{order:?}");
    }
    // Whole records that are missing at the end leave a log that is whole: the last hash tells.
    assert_eq!(fault(log(&[0, 1, 2]).as_bytes()), None);
}

#[test]
fn an_unfinished_record_is_taken_off_at_every_length() {
    let (_directory, path, bytes) = small_log();
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0 + 1;
    for end in third..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let journal = open(&path);
        let summary = verify(&path).unwrap();
        let repaired = u64::from(end > third);
        assert_eq!(summary.records, 3 + repaired, "cut at {end}");
        assert_eq!(journal.records(), summary.records);
        let last = Reader::new(std::fs::read(&path).unwrap().as_slice()).last().unwrap().unwrap();
        assert_eq!(last.event.action == Action::LogRepair, repaired == 1);
        assert!(repaired == 0 || last.client == "audit");
    }
}

#[test]
fn a_log_that_is_not_whole_is_not_opened() {
    let (_directory, path, bytes) = small_log();
    let mut edited = bytes.clone();
    edited[30] ^= 1;
    let foreign = String::from_utf8(bytes).unwrap().replace("test-0a1b2c3d", "test-0a1b2c3e").into_bytes();
    for bad in [edited, b"\n".to_vec(), b"{}\n".to_vec(), foreign, vec![b'x'; crate::log::MAX_LINE + 2]] {
        std::fs::write(&path, &bad).unwrap();
        let file = File::options().read(true).append(true).open(&path).unwrap();
        let opened = Journal::open(file, None, &origin("test-0a1b2c3d"), DENY, Box::new(HostClocks));
        assert!(matches!(opened, Err(JournalError::NotWhole(_))), "{opened:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bad);
    }
}

#[test]
fn the_log_of_another_sandbox_is_not_written_on() {
    let (_directory, path, _bytes) = small_log();
    let file = File::options().read(true).append(true).open(&path).unwrap();
    let opened = Journal::open(file, None, &origin("other-0a1b2c3d"), DENY, Box::new(HostClocks));
    assert!(matches!(opened, Err(JournalError::Foreign(_))), "{opened:?}");
}

/// The file's position is where another holder of the descriptor left it; records go to the end.
#[test]
fn records_go_to_the_end_of_the_file() {
    let (_directory, path, _bytes) = small_log();
    let mut file = File::options().read(true).append(true).open(&path).unwrap();
    file.seek(std::io::SeekFrom::Start(3)).unwrap();
    let mut journal =
        Journal::open(file, None, &origin("test-0a1b2c3d"), DENY, Box::new(HostClocks)).unwrap();
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    journal.commit().unwrap();
    assert_eq!(verify(&path).unwrap().records, 5);
}

#[test]
fn a_failed_write_kills_the_journal() {
    let file = File::options().read(true).append(true).open("/dev/full").unwrap();
    let mut journal =
        Journal::open(file, None, &origin("test-0a1b2c3d"), DENY, Box::new(HostClocks)).unwrap();
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert!(matches!(journal.commit(), Err(JournalError::Write(_))));
    assert_eq!(journal.records(), 0);
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert!(matches!(journal.commit(), Err(JournalError::Dead)));
}

fn opened(path: &std::path::Path, on_full: OnFull, limits: Limits) -> Journal {
    let file = File::options().read(true).append(true).create(true).open(path).unwrap();
    Journal::open(file, None, &origin("test-0a1b2c3d"), Terms { on_full, limits }, Box::new(HostClocks))
        .unwrap()
}

/// Appends until there is no room, and returns how that was told.
fn fill(journal: &mut Journal) -> Result<Committed, JournalError> {
    loop {
        journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
        match journal.commit() {
            Ok(Committed::Written) => {}
            told => return told,
        }
    }
}

const MOST: u64 = 16 * 1024;
const SMALL: Limits = Limits { most: Some(MOST), reserve: Some(0) };

/// Whatever the operator wants of a full disk: who fills his own log must not act unrecorded from there on.
#[test]
fn a_log_grows_no_further_than_it_may_and_says_so() {
    for on_full in [OnFull::Deny, OnFull::Degrade] {
        grows_no_further(on_full);
    }
}

fn grows_no_further(on_full: OnFull) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut journal = opened(&path, on_full, SMALL);
    let Err(error @ JournalError::NoRoom(_)) = fill(&mut journal) else { panic!("it goes on") };
    assert!(super::causes(&error).contains("log.most") && error.remedy().contains("log.most"));
    let leaves = journal.take_leaves();
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert!(matches!(journal.commit(), Err(JournalError::Dead)));
    let records: Vec<_> = crate::log::read(&path).unwrap().map(Result::unwrap).collect();
    let (last, others) = records.split_last().unwrap();
    assert_eq!((last.client.as_str(), last.event.action), ("audit", Action::LogGap));
    assert!(last.event.reason.as_ref().unwrap().contains("log.most"));
    assert!(others.iter().all(|record| record.client == "manager"));
    assert_eq!(journal.records(), last.sequence);
    assert_eq!(leaves.len(), 32 * records.len(), "its last word is signed");
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!((MOST - 1024..MOST + 1024).contains(&bytes), "{bytes}");
}

#[test]
fn where_the_operator_wants_it_a_disk_that_is_to_stay_free_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut journal = opened(&path, OnFull::Degrade, Limits { most: None, reserve: Some(1 << 60) });
    assert_eq!(fill(&mut journal).unwrap(), Committed::Lost);
    assert!(journal.full().unwrap().contains("log.reserve"));
    journal.end(Writing::Nobody).unwrap();
    let last = crate::log::read(&path).unwrap().last().unwrap().unwrap();
    assert_eq!(last.event.action, Action::LogGap);
    let reason = last.event.reason.unwrap();
    assert!(reason.starts_with("1 events since") && reason.contains("log.reserve"), "{reason}");
}

/// What was packed or removed since makes room; what the log takes elsewhere counts.
#[test]
fn a_log_takes_what_all_its_files_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let next = |name| File::options().read(true).append(true).create(true).open(path(name)).unwrap();
    // Half of what it may take in its first segment; what the manager says is left of that, and how large the last one becomes.
    for (round, packed) in [("whole", None), ("packed", Some(MOST / 10))] {
        let mut journal = opened(&path(format!("{round}-1")), OnFull::Deny, SMALL);
        while !journal.is_larger_than(MOST / 2) {
            journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
            journal.commit().unwrap();
        }
        // What is left counts as long as it is, until the manager says what it has become.
        journal.go_on_in(next(format!("{round}-2")), 0);
        let mut last = format!("{round}-2");
        if let Some(bytes) = packed {
            last = format!("{round}-3");
            journal.go_on_in(next(last.clone()), bytes);
        }
        assert!(matches!(fill(&mut journal), Err(JournalError::NoRoom(_))), "{round}");
        let bytes = std::fs::metadata(path(last)).unwrap().len();
        let room = MOST - packed.unwrap_or(MOST / 2);
        assert!((room - 1024..room + 1024).contains(&bytes), "{round}: {bytes} of {room}");
    }
}

/// What is told of a gap at the very end has room in every segment, also in one that nothing else was written to.
#[test]
fn room_for_the_last_word_is_kept_in_every_segment() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let mut journal = opened(&directory.path().join("1"), OnFull::Degrade, Limits::NONE);
    let next = directory.path().join("2");
    journal.go_on_in(File::options().read(true).append(true).create(true).open(&next).unwrap(), 0);
    let kept = std::fs::metadata(next).unwrap();
    assert!(kept.len() == 0 && kept.blocks() * 512 >= 4096, "{} blocks", kept.blocks());
}

#[test]
fn what_the_disk_is_to_keep_free_stays_free() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { most: None, reserve: Some(1 << 60) };
    let mut journal = opened(&directory.path().join("log"), OnFull::Deny, limits);
    let Err(error) = fill(&mut journal) else { panic!("it goes on") };
    assert!(super::causes(&error).contains("log.reserve") && error.remedy().contains("log.reserve"));
    // Where nothing is said, most of a disk may be taken.
    let mut journal =
        opened(&directory.path().join("other"), OnFull::Deny, Limits { most: None, reserve: None });
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert_eq!(journal.commit().unwrap(), Committed::Written);
}

/// Clocks that show what a test says.
#[derive(Debug)]
struct Said(Rc<RefCell<VecDeque<Reading>>>);

impl Clocks for Said {
    fn read(&self) -> Reading {
        let mut readings = self.0.borrow_mut();
        let next = readings[0];
        if readings.len() > 1 {
            readings.pop_front();
        }
        next
    }
}

/// So many seconds since the host started, of which it was awake for less, and what its clock of the day is ahead.
fn reading(up: u64, suspended: u64, ahead: i64) -> Reading {
    let started = UNIX_EPOCH + Duration::from_secs(1_795_238_447);
    let ahead_by = Duration::from_secs(ahead.unsigned_abs());
    let up = Duration::from_secs(up);
    let wall = if ahead < 0 { started + up - ahead_by } else { started + up + ahead_by };
    Reading { wall, awake: up - Duration::from_secs(suspended), up }
}

/// One record at each of these readings, each of which is there until the next, and what the log says.
fn records_at(steps: &[&[Reading]], limits: Limits) -> Vec<(Action, Option<String>)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let file = File::options().read(true).append(true).create(true).open(&path).unwrap();
    let readings = Rc::new(RefCell::new(VecDeque::from([reading(100, 0, 0)])));
    let terms = Terms { on_full: OnFull::Degrade, limits };
    let clocks = Box::new(Said(Rc::clone(&readings)));
    let mut journal = Journal::open(file, None, &origin("test-0a1b2c3d"), terms, clocks).unwrap();
    for step in steps {
        *readings.borrow_mut() = step.iter().copied().collect();
        journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
        journal.commit().unwrap();
    }
    journal.end(Writing::Nobody).unwrap();
    verify(&path).unwrap();
    let records = crate::log::read(&path).unwrap().map(Result::unwrap);
    records.map(|record| (record.event.action, record.event.reason)).collect()
}

#[test]
fn a_clock_that_was_set_is_on_the_record_and_no_other_is() {
    let lifecycle = (Action::Lifecycle, None);
    let told = records_at(
        &[
            &[reading(101, 0, 0)],
            // Suspended for a day; small corrections; two readings with a pause between.
            &[reading(86_501, 86_400, 0)],
            &[reading(86_502, 86_400, 2)],
            &[reading(86_503, 86_400, 600), reading(86_503, 86_400, 0)],
            &[reading(86_504, 86_400, 3600)],
            &[reading(86_505, 86_400, 3600)],
            &[reading(86_506, 86_400, -10)],
        ],
        Limits::NONE,
    );
    let changes: Vec<_> = told.iter().filter(|(action, _)| *action == Action::ClockChange).collect();
    assert_eq!(changes.len(), 2, "{told:?}");
    assert!(told[4] == *changes[0] && told[7] == *changes[1] && told[5] == lifecycle, "{told:?}");
    let [forward, back] = [0, 1].map(|number| changes[number].1.as_deref().unwrap());
    assert_eq!(
        forward,
        "the host's clock was set forward by 3600.000 s: it would be 2026-11-22T05:22:31.000000Z"
    );
    assert_eq!(back, "the host's clock was set back by 3610.000 s: it would be 2026-11-22T06:22:33.000000Z");
}

/// Many small steps come to one that is told.
#[test]
fn a_clock_that_is_set_step_by_step_is_on_the_record() {
    let steps: Vec<Vec<Reading>> = (1..=6).map(|step| vec![reading(100, 0, step)]).collect();
    let steps: Vec<&[Reading]> = steps.iter().map(Vec::as_slice).collect();
    let told = records_at(&steps, Limits::NONE);
    let changes = told.iter().filter(|(action, _)| *action == Action::ClockChange);
    assert_eq!(changes.count(), 2, "{told:?}");
}

/// What has no room is no record: it is told when there is room, and counts for no event.
#[test]
fn a_clock_that_was_set_while_there_was_no_room_is_told_of_later() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        File::options().read(true).append(true).create(true).open(directory.path().join(name)).unwrap()
    };
    // A file on a disk that has none free.
    let full = || File::from(rustix::fs::memfd_create("full", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    let readings = Rc::new(RefCell::new(VecDeque::from([reading(100, 0, 0)])));
    let terms = Terms { on_full: OnFull::Degrade, limits: Limits { most: None, reserve: Some(1) } };
    let clocks = Box::new(Said(Rc::clone(&readings)));
    let mut journal = Journal::open(open("log"), None, &origin("test-0a1b2c3d"), terms, clocks).unwrap();
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert_eq!(journal.commit().unwrap(), Committed::Written);
    journal.go_on_in(full(), 0);
    *readings.borrow_mut() = VecDeque::from([reading(101, 0, 50)]);
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert_eq!(journal.commit().unwrap(), Committed::Lost);
    assert_eq!(journal.lost(), 1, "what the writer itself has to say is no event");
    journal.end(Writing::Nobody).unwrap();
    journal.go_on_in(open("last"), 0);
    journal.stage("manager", br#"{"action":"lifecycle"}"#).unwrap();
    assert_eq!(journal.commit().unwrap(), Committed::Written);
    let text = std::fs::read_to_string(directory.path().join("last")).unwrap();
    let [change, _event] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(change.contains("clock-change") && change.contains("forward by 50.000 s"), "{change}");
}

#[test]
fn clients_cannot_write_what_is_not_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(&directory.path().join("log"));
    for forged in [
        &br#"{"action":"lifecycle","client":"manager"}"#[..],
        br#"{"action":"lifecycle","sequence":1}"#,
        br#"{"action":"lifecycle","hash":"00"}"#,
        br#"{"action":"lifecycle"}{}"#,
    ] {
        let staged = journal.stage("proxy", forged);
        assert!(matches!(staged, Err(StageError::NotAnEvent(_))), "{}", String::from_utf8_lossy(forged));
    }
    assert_eq!(journal.staged_bytes(), 0);
}

/// A guest that gives its programs long names does not keep what it tried off the record.
#[test]
fn a_refused_attempt_with_long_names_is_on_the_record() {
    use wire::subject::{Program, Subject};
    let owner = |name: &str, parents| Program {
        path: format!("/{}", name.repeat(4095 / name.len())),
        sha256: None,
        script: Some(format!("/{}", name.repeat(4095 / name.len()))),
        pid: 1,
        uid: 1000,
        parents: vec![format!("/{}", name.repeat(4095 / name.len())); parents],
    };
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(&directory.path().join("log"));
    // A control character takes six bytes of JSON, and an address becomes longer when it is taken out.
    for name in ["\u{1}", "a@b.example ", "x"] {
        let owners = Subject::Owners(vec![owner(name, 32); 15]);
        let event = Event {
            subject: Some(crate::Subject::from(&owners)),
            object: Some(crate::Object::destination("evil.test", 443).with_request(
                "GET",
                &"/\u{1}".repeat(4000),
                Some(&format!("{}=1&", "\u{1}".repeat(2000)).repeat(40)),
            )),
            decision: Some(crate::Decision::Deny),
            reason: Some("\u{1}".repeat(300_000)),
            ..Event::new(Action::NetworkRequest)
        };
        let frame = crate::protocol::event_frame(&event).unwrap();
        journal.stage("proxy", &frame[4..]).unwrap();
        journal.commit().unwrap();
    }
    for record in crate::log::read(directory.path().join("log")).unwrap() {
        let event = record.unwrap().event;
        assert_eq!(event.object.unwrap().host.as_deref(), Some("evil.test"));
        assert_eq!(event.decision, Some(crate::Decision::Deny));
        assert!(event.reason.unwrap().starts_with("(cut) "));
        let Some(crate::Subject::Owners(owners)) = event.subject else { panic!("who it was is told") };
        assert!(!owners[0].binary.is_empty());
    }
    assert_eq!(journal.records(), 3);
}

/// A proxy or a router that was taken over writes its own records, and none that an operator's acts leave.
#[test]
fn a_client_writes_no_records_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(&directory.path().join("log"));
    for client in ["proxy", "router", "manager", "audit", "", "Manager", "manager\0"] {
        for action in Action::ALL {
            let event = serde_json::to_vec(&Event::new(action)).unwrap();
            let staged = journal.stage(client, &event);
            let owned = client != "audit" && action.client() == client;
            match staged {
                Ok(_chained) => assert!(owned, "{client} {action:?}"),
                Err(StageError::Foreign(named)) => assert!(!owned && named == action.as_str()),
                Err(other) => panic!("{other}"),
            }
        }
    }
    journal.commit().unwrap();
    let records: Vec<_> =
        crate::log::read(directory.path().join("log")).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), Action::ALL.len() - 4, "all but the writer's own");
    assert!(records.iter().all(crate::Record::is_of_its_client));
    // Nor do they hide in a record that is theirs.
    let hidden = [
        r#""policy_change":{"old":{"version":1,"sha256":"00"},"source":"policy.yaml","uid":0}"#,
        r#""lifecycle":{"phase":"paused"}"#,
        r#""configuration":{"sha256":"00"}"#,
        r#""detection":{"name":"x","severity":"high","response":"stop","evidence":[],"references":[]}"#,
        r#""inference":{"route":"local"}"#,
    ];
    for part in hidden {
        let event = format!(r#"{{"action":"network-request",{part}}}"#);
        let staged = journal.stage("proxy", event.as_bytes());
        assert!(matches!(staged, Err(StageError::Foreign("network-request"))), "{part}: {staged:?}");
    }
}

#[test]
fn a_garbled_log_never_panics() {
    let (_directory, path, bytes) = small_log();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    for round in 0..3000 {
        let mut garbled = bytes.clone();
        for _edit in 0..=random() % 4 {
            let at = random() % garbled.len();
            match random() % 3 {
                0 => garbled[at] = u8::try_from(random() % 256).unwrap(),
                1 => garbled.truncate(at.max(1)),
                _ => garbled.splice(at..at, bytes[..random() % 64].iter().copied()).for_each(drop),
            }
        }
        let read: Vec<_> = Reader::new(garbled.as_slice()).collect();
        assert!(read.iter().rev().skip(1).all(Result::is_ok));
        // Opening repairs, and a repair waits for the disk: a few are enough.
        if round % 20 != 0 {
            continue;
        }
        let mut file = File::options().write(true).truncate(true).open(&path).unwrap();
        file.write_all(&garbled).unwrap();
        let file = File::options().read(true).append(true).open(&path).unwrap();
        if Journal::open(file, None, &origin("test-0a1b2c3d"), DENY, Box::new(HostClocks)).is_ok() {
            verify(&path).unwrap();
        }
    }
}
